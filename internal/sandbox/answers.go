package sandbox

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// gatewayMessage is the body of API Gateway's own refusals.
type gatewayMessage struct {
	Message string `json:"message"`
}

// gatewayDenial is the body of an authorizer's deny: the capital M is Amazon's.
type gatewayDenial struct {
	Message string `json:"Message"`
}

// problem is the body of SEND's application errors. SEND hides title and
// detail: only the code of the first error tells them apart.
type problem struct {
	Type      string         `json:"type,omitempty"`
	Status    int            `json:"status"`
	Title     string         `json:"title"`
	Detail    string         `json:"detail,omitempty"`
	TraceID   string         `json:"traceId"`
	Timestamp string         `json:"timestamp,omitempty"`
	Errors    []problemError `json:"errors"`
}

type problemError struct {
	Code    string `json:"code"`
	Element string `json:"element,omitempty"`
	Detail  string `json:"detail,omitempty"`
}

const (
	typeJSON    = "application/json"
	typeProblem = "application/problem+json"
)

// answer is a response not yet written, so that a fault can spoil it.
type answer struct {
	status      int
	contentType string
	retryAfter  int // seconds; 0 for none
	body        []byte
	code        string // of a Problem, for the request log
}

func jsonAnswer(status int, body any) answer {
	return answer{status: status, contentType: typeJSON, body: mustMarshal(body)}
}

// mustMarshal writes values of this package, which always have a JSON form.
func mustMarshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("sandbox: %T has no JSON form: %v", v, err))
	}
	return b
}

// problemAnswer is an error of SEND's application.
func problemAnswer(status int, code, detail string, now time.Time) answer {
	title := "Handled error"
	if status >= http.StatusInternalServerError {
		title = "Unexpected error"
	}
	a := jsonAnswer(status, problem{
		Type: "GENERIC_ERROR", Status: status, Title: title, Detail: "See logs for details in PN-DELIVERY",
		TraceID: "Root=" + traceID(now), Timestamp: now.UTC().Format("2006-01-02T15:04:05.000000Z"),
		Errors: []problemError{{Code: code, Detail: detail}},
	})
	a.contentType, a.code = typeProblem, code
	return a
}

// parametersAnswer is the refusal of SEND's gateway, before the application.
func parametersAnswer(detail string, now time.Time) answer {
	const code = "PN_INVALID_PARAMETERS"
	a := jsonAnswer(http.StatusBadRequest, problem{
		Status: http.StatusBadRequest, Title: "VALIDATION ERROR", TraceID: traceID(now),
		Errors: []problemError{{Code: code, Detail: "Validation errors: " + detail}},
	})
	a.contentType, a.code = typeProblem, code
	return a
}

// tokenStatusAnswer is the body of a refusal of the token endpoint that a fault
// asks for.
func tokenStatusAnswer(status int, code string) answer {
	switch {
	case code != "":
	case status >= http.StatusInternalServerError:
		code = "server_error"
	case status == http.StatusUnauthorized:
		code = "invalid_client"
	default:
		code = "invalid_request"
	}
	return jsonAnswer(status, oauthError{code, "a fault of the sandbox"})
}

// statusAnswer is what SEND or its gateway answers with a status, when a fault
// asks for it. A code makes a Problem of it.
func statusAnswer(status int, code string, now time.Time) answer {
	switch {
	case code == quotaExceeded && status == http.StatusTooManyRequests:
		return jsonAnswer(status, gatewayMessage{"Limit Exceeded"})
	case code != "":
		return problemAnswer(status, code, "none", now)
	}
	switch status {
	case http.StatusBadRequest:
		return parametersAnswer("", now)
	case http.StatusUnauthorized:
		return jsonAnswer(status, gatewayMessage{"Unauthorized"})
	case http.StatusForbidden:
		return denied
	case http.StatusNotFound:
		return problemAnswer(status, codeCostNotFound, "none", now)
	case http.StatusTooManyRequests:
		return jsonAnswer(status, gatewayMessage{"Too Many Requests"})
	case http.StatusInternalServerError:
		return problemAnswer(status, "PN_GENERIC_ERROR", "none", now)
	case http.StatusBadGateway:
		return jsonAnswer(status, gatewayMessage{"Internal server error"})
	case http.StatusGatewayTimeout:
		return jsonAnswer(status, gatewayMessage{"Endpoint request timed out"})
	}
	message := http.StatusText(status)
	if message == "" {
		message = "Status " + strconv.Itoa(status)
	}
	return jsonAnswer(status, gatewayMessage{message})
}

var denied = jsonAnswer(http.StatusForbidden, gatewayDenial{"User is not authorized to access this resource with an explicit deny"})

// write sends the answer as it is.
func (a answer) write(w http.ResponseWriter) {
	a.header(w)
	w.WriteHeader(a.status)
	w.Write(a.body) // an error means that the client has left
}

func (a answer) header(w http.ResponseWriter) {
	if a.contentType != "" {
		w.Header().Set("Content-Type", a.contentType)
	}
	if len(a.body) > 0 {
		w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	if a.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(a.retryAfter))
	}
}

func writeJSON(w http.ResponseWriter, status int, body any) { jsonAnswer(status, body).write(w) }

// traceID has the form of AWS X-Ray's: version, seconds, 96 random bits.
func traceID(now time.Time) string {
	return fmt.Sprintf("1-%08x-%08x%016x", uint32(now.Unix()), rand.Uint32(), rand.Uint64())
}
