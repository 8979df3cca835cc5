package sandbox

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"time"

	"github.com/attualizza/attualizza/internal/money"
)

// paymentEvents is the body of POST /delivery/events/payment/pagopa.
type paymentEvents struct {
	Events *[]paymentEvent `json:"events"`
}

type paymentEvent struct {
	NoticeCode    string       `json:"noticeCode"`
	CreditorTaxID string       `json:"creditorTaxId"`
	PaymentDate   string       `json:"paymentDate"`
	Amount        *money.Cents `json:"amount"`
}

const (
	maxEvents = 1_000
	maxInt32  = 1<<31 - 1
)

// Only UTC is accepted, although SEND's OpenAPI also shows offsets: SEND reads
// the date with Instant.parse, which older Java runtimes limit to Z.
var paymentDatePattern = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$`)

// servePaymentEvents records payments made elsewhere, for the sender of the
// notifications only. One wrong event refuses the whole list.
func (s *Sandbox) servePaymentEvents(w http.ResponseWriter, r *http.Request) {
	call := s.begin(w, r, EndpointPaymentEvents)
	defer call.end()
	// The body is read first: a client that leaves is noticed only then.
	body, readErr := io.ReadAll(http.MaxBytesReader(w, r.Body, maxEventsBody))
	if !call.strike(s.faults.take(EndpointPaymentEvents, noticeKey{}, true)) {
		return
	}
	owner, refusal := s.authorize(r)
	call.KeyName = owner.Name
	if refusal != nil {
		call.write(*refusal)
		return
	}
	if readErr != nil {
		call.write(jsonAnswer(http.StatusRequestEntityTooLarge, gatewayMessage{"Request Too Long"}))
		return
	}
	call.meet(noticeKey{}, func() answer { return s.payments(owner.SenderTaxID, body) })
}

func (s *Sandbox) payments(sender string, body []byte) answer {
	var request paymentEvents
	if err := json.Unmarshal(body, &request); err != nil || request.Events == nil {
		return problemAnswer(http.StatusBadRequest, "PN_GENERIC_INVALIDPARAMETER", "the body is not a list of payment events", s.clock())
	}
	if len(*request.Events) > maxEvents {
		return problemAnswer(http.StatusBadRequest, "PN_GENERIC_INVALIDPARAMETER_SIZE", fmt.Sprintf("more than %d events", maxEvents), s.clock())
	}
	for _, e := range *request.Events {
		if detail := e.fault(); detail != "" {
			return problemAnswer(http.StatusBadRequest, "PN_GENERIC_INVALIDPARAMETER_PATTERN", detail, s.clock())
		}
	}
	if !s.recordPayments(sender, *request.Events) {
		return problemAnswer(http.StatusNotFound, codeNotificationNotFound, "none", s.clock())
	}
	return answer{status: http.StatusNoContent}
}

func (e paymentEvent) fault() string {
	switch {
	case !noticePattern.MatchString(e.NoticeCode):
		return "noticeCode must be 18 digits"
	case !taxIDPattern.MatchString(e.CreditorTaxID):
		return "creditorTaxId must be 11 digits"
	case e.Amount == nil || *e.Amount < -maxInt32 || *e.Amount > maxInt32:
		return "amount must be an int32 in cents"
	case !paymentDatePattern.MatchString(e.PaymentDate):
		return "paymentDate must be an instant in UTC, such as 2026-02-12T10:20:30Z"
	}
	if _, err := time.Parse(time.RFC3339, e.PaymentDate); err != nil {
		return "paymentDate is not an instant"
	}
	return ""
}

// recordPayments records every event or, when one is not about a notification
// of this sender, none. A notice already paid stays as it is.
func (s *Sandbox) recordPayments(sender string, events []paymentEvent) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range events {
		n := s.notified(noticeKey{e.CreditorTaxID, e.NoticeCode})
		if n == nil || n.Orphaned || n.SenderTaxID != sender {
			return false
		}
	}
	for _, e := range events {
		key := noticeKey{e.CreditorTaxID, e.NoticeCode}
		n := s.notified(key)
		if s.notifications[n.IUN] == nil || n.noticePaid(key) { // canned, or known
			continue
		}
		c := n.clone()
		w := s.writer(&c, s.clock().UTC())
		w.at, _ = time.Parse(time.RFC3339, e.PaymentDate) // checked by fault
		for k, i := range c.notices() {
			if k == key {
				w.paid(i, Payment{CreditorTaxID: k.creditor, NoticeCode: k.notice}, *e.Amount)
			}
		}
		s.publish(&c)
	}
	return true
}

// notified returns the notification that carries a notice, canned ones
// included, or nil. Callers hold s.mu.
func (s *Sandbox) notified(key noticeKey) *Notification {
	iun, ok := s.rows[key]
	if !ok {
		return s.cannedNotification(key)
	}
	n, err := s.current(iun)
	if err != nil {
		return nil
	}
	return n
}
