package rest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/attualizza/attualizza/positions"
)

// Refusals that only this edge knows, beside those of package positions.
const (
	unauthorized     positions.Code = "UNAUTHORIZED"
	forbidden        positions.Code = "FORBIDDEN"
	methodNotAllowed positions.Code = "METHOD_NOT_ALLOWED"
	tooLarge         positions.Code = "TOO_LARGE"
	notJSON          positions.Code = "UNSUPPORTED_MEDIA_TYPE"
	tooManyRequests  positions.Code = "TOO_MANY_REQUESTS"
	tryAgain         positions.Code = "TRY_AGAIN"
)

// kinds is where a refusal becomes an HTTP status.
var kinds = map[positions.Code]struct {
	status int
	title  string
}{
	positions.Invalid:       {http.StatusBadRequest, "The request is not valid"},
	unauthorized:            {http.StatusUnauthorized, "A valid key is needed"},
	forbidden:               {http.StatusForbidden, "The key may not do this"},
	positions.NotFound:      {http.StatusNotFound, "Not found"},
	methodNotAllowed:        {http.StatusMethodNotAllowed, "This method is not allowed here"},
	positions.Conflict:      {http.StatusConflict, "The state forbids this"},
	tryAgain:                {http.StatusConflict, "Another request is at it"},
	positions.Stale:         {http.StatusPreconditionFailed, "It changed in the meantime"},
	tooLarge:                {http.StatusRequestEntityTooLarge, "The body is too large"},
	notJSON:                 {http.StatusUnsupportedMediaType, "The body must be JSON"},
	positions.Unprocessable: {http.StatusUnprocessableEntity, "This cannot be done here"},
	tooManyRequests:         {http.StatusTooManyRequests, "Too many requests"},
	positions.Internal:      {http.StatusInternalServerError, "The service failed"},
	positions.Unavailable:   {http.StatusServiceUnavailable, "Not available now"},
}

const (
	// maxProblems bounds how much of a thoroughly wrong body is told.
	maxProblems = 100

	defectDetail  = "the request was not carried out because of a defect of the service"
	timeoutDetail = "the request took too long; try again"
)

// refuse answers with a problem, or with what a façade has in its place; it is
// echo's error handler. The cause of a defect goes to the log line of the
// request, not to the caller.
func (s *server) refuse(err error, c echo.Context) {
	if c.Response().Committed {
		return // half an answer has left; the log line tells
	}
	refusal := refusalOf(s.worded(err, c))
	kind, known := kinds[refusal.Code]
	if !known {
		refusal = &positions.Error{Code: positions.Internal, Message: defectDetail, Err: err}
		kind = kinds[positions.Internal]
	}
	header := c.Response().Header()
	switch refusal.Code {
	case unauthorized:
		header.Set("WWW-Authenticate", "Bearer")
	case methodNotAllowed:
		header.Set(echo.HeaderAllow, strings.Replace(header.Get(echo.HeaderAllow), http.MethodGet, "GET, HEAD", 1))
	case positions.Unavailable, tryAgain:
		header.Set("Retry-After", "1")
	}
	if style := s.contract.errors[c.Path()]; style != asProblem {
		s.send(c, kind.status, echo.MIMEApplicationJSON, facadeRefusal(style, refusal))
		return
	}
	body := Problem{
		Type: "/docs#" + string(refusal.Code), Title: kind.title, Status: kind.status,
		Detail: refusal.Message, Code: string(refusal.Code),
	}
	if id := header.Get(echo.HeaderXRequestID); id != "" {
		instance := "urn:request:" + id
		body.Instance = &instance
	}
	if n := min(len(refusal.Problems), maxProblems); n > 0 {
		problems := make([]ProblemError, n)
		for i, p := range refusal.Problems[:n] {
			problems[i] = ProblemError{Pointer: p.Pointer, Detail: p.Detail}
		}
		body.Errors = &problems
	}
	inGPDsWords(c, refusal, &body)
	s.send(c, kind.status, "application/problem+json", body)
}

// send answers with a refusal.
func (s *server) send(c echo.Context, status int, media string, body any) {
	text, err := json.Marshal(body)
	if err == nil {
		header := c.Response().Header()
		header.Set(echo.HeaderContentType, media)
		header.Set(echo.HeaderContentLength, strconv.Itoa(len(text)))
		c.Response().WriteHeader(status)
		_, err = c.Response().Write(text)
	}
	if err != nil {
		s.Logger.WarnContext(c.Request().Context(), "refusal not sent", "error", err)
	}
}

// refusalOf gives every error of the handlers, of echo and of the generated
// code its place among the refusals.
func refusalOf(err error) *positions.Error {
	var refusal *positions.Error
	var fromEcho *echo.HTTPError
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &refusal):
		return refusal
	case errors.As(err, &large):
		return tooLargeFor(large.Limit)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return &positions.Error{Code: positions.Unavailable, Message: timeoutDetail, Err: err}
	case errors.As(err, &fromEcho):
		switch fromEcho.Code {
		case http.StatusNotFound:
			return positions.Errorf(positions.NotFound, "there is nothing at this path")
		case http.StatusMethodNotAllowed:
			return positions.Errorf(methodNotAllowed, "this path does not know the method")
		}
	}
	return &positions.Error{Code: positions.Internal, Message: defectDetail, Err: err}
}

func invalidParameter(name, detail string) *positions.Error {
	return &positions.Error{
		Code: positions.Invalid, Message: "parameter " + name + " " + detail,
		Problems: []positions.Problem{{Pointer: name, Detail: detail}},
	}
}

func tooLargeFor(limit int64) *positions.Error {
	return positions.Errorf(tooLarge, "a body may have %d bytes", limit)
}

// invalid is a body with problems.
func invalid(message string, problems []positions.Problem) error {
	return &positions.Error{Code: positions.Invalid, Message: message, Problems: problems}
}
