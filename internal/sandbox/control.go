package sandbox

import (
	"crypto/rsa"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
)

// The description of what the sandbox imitates.
//
//go:embed send.yaml
var openAPI []byte

const maxPage = 1_000

// control is the HTTP mirror of the methods of Sandbox. It refuses requests
// that a browser sends on behalf of another site.
func (s *Sandbox) control() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, f func(r *http.Request) (status int, body any, err error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, maxControlBody)
			status, body, err := f(r)
			switch {
			case err != nil:
				writeControlError(w, err)
			case body == nil:
				w.WriteHeader(status)
			default:
				writeJSON(w, status, body)
			}
		})
	}
	s.notificationRoutes(handle)
	s.accessRoutes(handle)
	s.relayAccountRoutes(handle)
	s.trafficRoutes(handle)
	handle("GET /sandbox/scripts", func(*http.Request) (int, any, error) { return http.StatusOK, Scripts, nil })
	handle("GET /sandbox/canned", func(*http.Request) (int, any, error) { return http.StatusOK, CannedOutcomes, nil })
	handle("POST /sandbox/reset", func(*http.Request) (int, any, error) {
		s.Reset()
		return http.StatusNoContent, nil, nil
	})
	mux.HandleFunc("GET /sandbox/openapi.yaml", func(w http.ResponseWriter, _ *http.Request) {
		answer{status: http.StatusOK, contentType: "application/yaml", body: openAPI}.write(w)
	})
	handle("/sandbox/", func(r *http.Request) (int, any, error) {
		return 0, nil, fmt.Errorf("%s %s: %w", r.Method, r.URL.Path, ErrUnknown)
	})
	return http.NewCrossOriginProtection().Handler(mux)
}

// register adds a route whose function returns a status and a body, or an
// error.
type register func(pattern string, f func(r *http.Request) (status int, body any, err error))

func (s *Sandbox) notificationRoutes(handle register) {
	handle("POST /sandbox/notifications", func(r *http.Request) (int, any, error) {
		var request Request
		if err := readJSON(r, &request); err != nil {
			return 0, nil, err
		}
		n, err := s.Notify(request)
		return http.StatusCreated, n, err
	})
	handle("GET /sandbox/notifications", func(r *http.Request) (int, any, error) {
		limit, err := pageSize(r)
		return http.StatusOK, s.Notifications(r.URL.Query().Get("after"), limit), err
	})
	about := func(pattern string, f func(iun string, r *http.Request) (Notification, error)) {
		handle(pattern, func(r *http.Request) (int, any, error) {
			n, err := f(r.PathValue("iun"), r)
			return http.StatusOK, n, err
		})
	}
	about("GET /sandbox/notifications/{iun}", func(iun string, _ *http.Request) (Notification, error) { return s.Notification(iun) })
	about("POST /sandbox/notifications/{iun}/next", func(iun string, _ *http.Request) (Notification, error) { return s.Next(iun) })
	about("POST /sandbox/notifications/{iun}/finish", func(iun string, _ *http.Request) (Notification, error) { return s.Finish(iun) })
	about("POST /sandbox/notifications/{iun}/steps", func(iun string, r *http.Request) (Notification, error) {
		var step Step
		if err := readJSON(r, &step); err != nil {
			return Notification{}, err
		}
		return s.Advance(iun, step)
	})
	about("POST /sandbox/notifications/{iun}/orphan", func(iun string, _ *http.Request) (Notification, error) {
		if err := s.Orphan(iun); err != nil {
			return Notification{}, err
		}
		return s.Notification(iun)
	})
	handle("DELETE /sandbox/notifications/{iun}", func(r *http.Request) (int, any, error) {
		return http.StatusNoContent, nil, s.Forget(r.PathValue("iun"))
	})
}

// clientRequest is a [Client] in JSON: its keys are PEM texts.
type clientRequest struct {
	ID       string            `json:"id"`
	Purposes []string          `json:"purposes"`
	Keys     map[string]string `json:"keys"`
}

func (s *Sandbox) accessRoutes(handle register) {
	handle("POST /sandbox/api-keys", func(r *http.Request) (int, any, error) {
		var key APIKey
		if err := readJSON(r, &key); err != nil {
			return 0, nil, err
		}
		return http.StatusNoContent, nil, s.RegisterKey(key)
	})
	handle("GET /sandbox/api-keys", func(*http.Request) (int, any, error) { return http.StatusOK, s.Keys(), nil })
	handle("DELETE /sandbox/api-keys/{name}", func(r *http.Request) (int, any, error) {
		return http.StatusNoContent, nil, s.RemoveKey(r.PathValue("name"))
	})
	handle("DELETE /sandbox/denials", func(*http.Request) (int, any, error) {
		s.ForgetDenials()
		return http.StatusNoContent, nil, nil
	})
	handle("POST /sandbox/clients", func(r *http.Request) (int, any, error) {
		var request clientRequest
		if err := readJSON(r, &request); err != nil {
			return 0, nil, err
		}
		client := Client{ID: request.ID, Purposes: request.Purposes, Keys: map[string]*rsa.PublicKey{}}
		for kid, text := range request.Keys {
			key, err := ParsePublicKey(text)
			if err != nil {
				return 0, nil, fmt.Errorf("key %s: %w", kid, err)
			}
			client.Keys[kid] = key
		}
		return http.StatusNoContent, nil, s.RegisterClient(client)
	})
}

func (s *Sandbox) relayAccountRoutes(handle register) {
	handle("POST /sandbox/relay-accounts", func(r *http.Request) (int, any, error) {
		var account RelayAccount
		if err := readJSON(r, &account); err != nil {
			return 0, nil, err
		}
		return http.StatusNoContent, nil, s.RegisterRelayAccount(account)
	})
	handle("GET /sandbox/relay-accounts", func(*http.Request) (int, any, error) { return http.StatusOK, s.RelayAccounts(), nil })
	handle("DELETE /sandbox/relay-accounts/{name}", func(r *http.Request) (int, any, error) {
		return http.StatusNoContent, nil, s.RemoveRelayAccount(r.PathValue("name"))
	})
	handle("DELETE /sandbox/relay-accounts/{name}/tokens", func(r *http.Request) (int, any, error) {
		return http.StatusNoContent, nil, s.ExpireRelayTokens(r.PathValue("name"))
	})
}

func (s *Sandbox) trafficRoutes(handle register) {
	handle("POST /sandbox/faults", func(r *http.Request) (int, any, error) {
		var fault Fault
		if err := readJSON(r, &fault); err != nil {
			return 0, nil, err
		}
		fault, err := s.Inject(fault)
		return http.StatusCreated, fault, err
	})
	handle("GET /sandbox/faults", func(*http.Request) (int, any, error) { return http.StatusOK, s.Faults(), nil })
	handle("DELETE /sandbox/faults", func(*http.Request) (int, any, error) {
		s.ClearFaults()
		return http.StatusNoContent, nil, nil
	})
	handle("DELETE /sandbox/faults/{id}", func(r *http.Request) (int, any, error) {
		return http.StatusNoContent, nil, s.ClearFault(r.PathValue("id"))
	})
	handle("GET /sandbox/requests", func(r *http.Request) (int, any, error) {
		limit, err := pageSize(r)
		if err != nil {
			return 0, nil, err
		}
		q := r.URL.Query()
		list := s.Requests(Filter{Endpoint(q.Get("endpoint")), q.Get("creditorTaxId"), q.Get("noticeCode")})
		return http.StatusOK, list[max(0, len(list)-limit):], nil
	})
	handle("GET /sandbox/calls", func(r *http.Request) (int, any, error) {
		if q := r.URL.Query(); q.Has("noticeCode") {
			creditor, notice := q.Get("creditorTaxId"), q.Get("noticeCode")
			return http.StatusOK, NoticeCalls{creditor, notice, s.Calls(creditor, notice)}, nil
		}
		return http.StatusOK, s.AllCalls(), nil
	})
	handle("DELETE /sandbox/requests", func(*http.Request) (int, any, error) {
		s.ClearRequests()
		return http.StatusNoContent, nil, nil
	})
}

// pageSize reads limit: 1 to 1000, default 100.
func pageSize(r *http.Request) (int, error) {
	text := r.URL.Query().Get("limit")
	if text == "" {
		return 100, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxPage {
		return 0, invalid("limit must be between 1 and %d", maxPage)
	}
	return n, nil
}

// readJSON reads one JSON value, without unknown fields.
func readJSON(r *http.Request, into any) error {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != typeJSON {
		return invalid("the body must be %s", typeJSON)
	}
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return invalid("body: %v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return invalid("body: something follows the JSON value")
	}
	return nil
}

// controlError is the body of a refusal of the control API.
type controlError struct {
	Error string `json:"error"`
	// Possible events, after an illegal step.
	Possible []Event `json:"possible,omitempty"`
}

func writeControlError(w http.ResponseWriter, err error) {
	body, status := controlError{Error: err.Error()}, http.StatusInternalServerError
	var illegal *IllegalStep
	switch {
	case errors.As(err, &illegal):
		status, body.Possible = http.StatusConflict, illegal.Possible
	case errors.Is(err, ErrDuplicate), errors.Is(err, ErrScriptOver):
		status = http.StatusConflict
	case errors.Is(err, ErrInvalid):
		status = http.StatusUnprocessableEntity
	case errors.Is(err, ErrUnknown):
		status = http.StatusNotFound
	case errors.Is(err, ErrFull):
		status = http.StatusInsufficientStorage
	}
	writeJSON(w, status, body)
}
