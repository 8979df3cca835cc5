package sandbox

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
)

// Codes of the streams' refusals (PnStreamExceptionCodes of pn-stream). A stream that
// is not there, or is another sender's, is "not found" only to who looks at it; who
// reads its events or changes it is forbidden to (StreamsServiceImpl,
// PnStreamServiceImpl), just as one that the key's groups must not see.
const (
	codeTooManyStreams  = "PN_WEBHOOK_MAXSTREAMSCOUNTREACHED"
	codeStreamNotFound  = "PN_WEBHOOK_NOT_FOUND"
	codeStreamForbidden = "PN_WEBHOOK_FORBIDDEN"
	codeTooEarly        = "PN_STREAM_RETRY_AFTER_ERROR"
)

const maxStreamBody = 64 << 10

// streamRequest is SEND's StreamCreationRequest.
type streamRequest struct {
	Title           string    `json:"title"`
	EventType       string    `json:"eventType"`
	Groups          *[]string `json:"groups"`
	FilterValues    []string  `json:"filterValues"`
	WaitForAccepted bool      `json:"waitForAccepted"`
	Replaced        string    `json:"replacedStreamId"`
}

func (r *streamRequest) fault() string {
	switch {
	case r.Title == "" || len(r.Title) > 256:
		return "title must have 1 to 256 characters"
	case r.EventType != "TIMELINE":
		return "eventType must be TIMELINE: the sandbox tells of no statuses alone"
	case r.Groups == nil:
		return "groups is missing"
	case len(*r.Groups) > 0:
		return "groups: the sandbox's keys have none"
	case r.Replaced != "":
		return "replacedStreamId: the sandbox does not replace streams"
	}
	for _, f := range r.FilterValues {
		if !filterPattern.MatchString(f) {
			return "filterValues must match " + filterPattern.String()
		}
	}
	return ""
}

func (s *Sandbox) streamRoutes(mux *http.ServeMux) {
	const base = "/delivery-progresses/v2.9/streams"
	handle := func(pattern string, endpoint Endpoint, respond func(sender string, r *http.Request, body []byte) answer) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.serveSender(w, r, endpoint, respond) })
	}
	handle("GET "+base, EndpointStreams, func(sender string, _ *http.Request, _ []byte) answer {
		type element struct {
			ID    string `json:"streamId"`
			Title string `json:"title"`
		}
		list := []element{}
		for _, st := range s.Streams(sender) {
			list = append(list, element{st.ID, st.Title})
		}
		return jsonAnswer(http.StatusOK, list)
	})
	handle("POST "+base, EndpointStreams, func(sender string, _ *http.Request, body []byte) answer {
		return s.withStreamRequest(body, func(request *streamRequest) answer {
			st, code := s.createStream(sender, Stream{
				Title: request.Title, EventType: request.EventType, Groups: *request.Groups,
				FilterValues: append([]string{}, request.FilterValues...), WaitForAccepted: request.WaitForAccepted,
			})
			if code != "" {
				return problemAnswer(http.StatusConflict, code, "none", s.clock())
			}
			return jsonAnswer(http.StatusOK, st)
		})
	})
	forbidden := func() answer { return problemAnswer(http.StatusForbidden, codeStreamForbidden, "none", s.clock()) }
	change := func(sender string, r *http.Request, f func(*Stream)) answer {
		st, ok := s.changeStream(sender, r.PathValue("id"), f)
		if !ok {
			return forbidden()
		}
		return jsonAnswer(http.StatusOK, st)
	}
	handle("GET "+base+"/{id}", EndpointStreams, func(sender string, r *http.Request, _ []byte) answer {
		st, ok := s.changeStream(sender, r.PathValue("id"), func(*Stream) {})
		if !ok {
			return problemAnswer(http.StatusNotFound, codeStreamNotFound, "none", s.clock())
		}
		return jsonAnswer(http.StatusOK, st)
	})
	handle("PUT "+base+"/{id}", EndpointStreams, func(sender string, r *http.Request, body []byte) answer {
		return s.withStreamRequest(body, func(request *streamRequest) answer {
			return change(sender, r, func(st *Stream) {
				st.Title, st.FilterValues = request.Title, append([]string{}, request.FilterValues...)
			})
		})
	})
	handle("POST "+base+"/{id}/action/disable", EndpointStreams, func(sender string, r *http.Request, _ []byte) answer {
		return change(sender, r, func(st *Stream) {
			if st.DisabledDate == nil {
				st.DisabledDate = new(s.clock().UTC())
			}
		})
	})
	handle("DELETE "+base+"/{id}", EndpointStreams, func(sender string, r *http.Request, _ []byte) answer {
		if !s.removeStream(sender, r.PathValue("id")) {
			return forbidden()
		}
		return answer{status: http.StatusNoContent}
	})
	mux.HandleFunc("GET "+base+"/{id}/events", func(w http.ResponseWriter, r *http.Request) {
		s.serveSender(w, r, EndpointStreamEvents, func(sender string, r *http.Request, _ []byte) answer {
			again := s.faults.strikes(EndpointStreamEvents, Redeliver)
			events, wait, code := s.consume(sender, r.PathValue("id"), r.URL.Query().Get("lastEventId"), again)
			switch code {
			case codeStreamForbidden:
				return forbidden()
			case codeTooEarly:
				w.Header().Set("Retry-After", strconv.FormatInt(milliseconds(wait), 10))
				return problemAnswer(http.StatusTooManyRequests, code, "none", s.clock())
			}
			w.Header().Set("Retry-After", strconv.FormatInt(milliseconds(wait), 10))
			return jsonAnswer(http.StatusOK, events)
		})
	})
	handle("GET /delivery/v2.9/notifications/sent/{iun}", EndpointSent, func(sender string, r *http.Request, _ []byte) answer {
		n, err := s.Notification(r.PathValue("iun"))
		if err != nil || n.Orphaned || n.SenderTaxID != sender {
			return problemAnswer(http.StatusNotFound, codeNotificationNotFound, "none", s.clock())
		}
		return jsonAnswer(http.StatusOK, sentOf(&n))
	})
}

func (s *Sandbox) withStreamRequest(body []byte, respond func(*streamRequest) answer) answer {
	var request streamRequest
	if err := json.Unmarshal(body, &request); err != nil {
		return problemAnswer(http.StatusBadRequest, "PN_GENERIC_INVALIDPARAMETER", "the body is not a stream", s.clock())
	}
	if detail := request.fault(); detail != "" {
		return problemAnswer(http.StatusBadRequest, "PN_GENERIC_INVALIDPARAMETER", detail, s.clock())
	}
	return respond(&request)
}

// serveSender answers what only the sender of notifications may ask, in the order
// of the real chain.
func (s *Sandbox) serveSender(w http.ResponseWriter, r *http.Request, endpoint Endpoint, respond func(sender string, r *http.Request, body []byte) answer) {
	call := s.begin(w, r, endpoint)
	defer call.end()
	body, readErr := io.ReadAll(http.MaxBytesReader(w, r.Body, maxStreamBody))
	if !call.strike(s.faults.take(endpoint, noticeKey{}, true)) {
		return
	}
	owner, refusal := s.authorize(r)
	call.KeyName = owner.Name
	switch {
	case refusal != nil:
		call.write(*refusal)
	case readErr != nil:
		call.write(jsonAnswer(http.StatusRequestEntityTooLarge, gatewayMessage{"Request Too Long"}))
	default:
		call.meet(noticeKey{}, func() answer { return respond(owner.SenderTaxID, r, body) })
	}
}

// sentNotification is the part of SEND's FullSentNotification that tells the
// recipients' notices, with invented persons in it.
type sentNotification struct {
	IUN         string          `json:"iun"`
	SenderTaxID string          `json:"senderTaxId"`
	FeePolicy   FeePolicy       `json:"notificationFeePolicy"`
	Status      Status          `json:"notificationStatus"`
	Recipients  []sentRecipient `json:"recipients"`
}

type sentRecipient struct {
	Type         string        `json:"recipientType"`
	TaxID        string        `json:"taxId"`
	Denomination string        `json:"denomination"`
	Payments     []sentPayment `json:"payments"`
}

type sentPayment struct {
	PagoPA Payment `json:"pagoPa"`
}

func sentOf(n *Notification) sentNotification {
	sent := sentNotification{IUN: n.IUN, SenderTaxID: n.SenderTaxID, FeePolicy: n.FeePolicy, Status: n.Status}
	for _, r := range n.Recipients {
		recipient := sentRecipient{Type: r.Type, TaxID: "RSSMRA80A01H501U", Denomination: "Destinatario Inventato", Payments: []sentPayment{}}
		for _, p := range r.Payments {
			recipient.Payments = append(recipient.Payments, sentPayment{p})
		}
		sent.Recipients = append(sent.Recipients, recipient)
	}
	return sent
}
