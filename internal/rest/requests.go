package rest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"github.com/attualizza/attualizza/positions"
)

// headAsGet answers HEAD like the GET that it stands for, as every server must
// (RFC 9110, 9.1); net/http keeps the body back.
func headAsGet(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodHead {
			next.ServeHTTP(w, r)
			return
		}
		get := r.WithContext(r.Context()) // a copy: of its own, net/http still knows that it was HEAD
		get.Method = http.MethodGet
		next.ServeHTTP(w, get)
		r.Pattern = get.Pattern
	})
}

const maxRequestID = 64

// identifyRequest echoes the caller's X-Request-Id, or gives the request one.
// An id that could break a log line or a header is replaced.
func (s *server) identifyRequest(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		id := c.Request().Header.Get(echo.HeaderXRequestID)
		if !goodRequestID(id) {
			id = rand.Text()
		}
		c.Response().Header().Set(echo.HeaderXRequestID, id)
		return next(c)
	}
}

func goodRequestID(id string) bool {
	for i := range len(id) {
		b := id[i]
		if !(b >= '0' && b <= '9' || b >= 'A' && b <= 'Z' || b >= 'a' && b <= 'z' || b == '-' || b == '_' || b == '.') {
			return false
		}
	}
	return id != "" && len(id) <= maxRequestID
}

// pattern is the route as the document writes it to echo, and never what the
// caller wrote.
func (s *server) pattern(c echo.Context) string {
	if s.operation(c) == nil {
		return "unmatched"
	}
	return c.Path()
}

// causeOf is what the operator should read of an error whose message was made
// for the caller.
func causeOf(err error) error {
	var refusal *positions.Error
	if errors.As(err, &refusal) && refusal.Err != nil {
		return refusal.Err
	}
	return err
}

// recover turns a panic into a 500.
func (s *server) recover(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			switch r := recover(); r {
			case nil:
			case http.ErrAbortHandler: //nolint:errorlint // net/http compares it too
				panic(r)
			default:
				err = &positions.Error{Code: positions.Internal, Message: defectDetail, Err: fmt.Errorf("panic: %v\n%s", r, debug.Stack())}
			}
		}()
		return next(c)
	}
}

// secure sets the headers that keep a browser from guessing, framing, caching
// or running anything.
func (s *server) secure(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
		h.Set("Cache-Control", "no-store")
		return next(c)
	}
}

// bound gives the request its deadline, and turns away paths that no stored
// name can match and that a database would choke on.
func (s *server) bound(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		ctx, cancel := context.WithTimeout(c.Request().Context(), s.Timeout)
		defer cancel()
		c.SetRequest(c.Request().WithContext(ctx))
		if !storable(c.Request().URL.Path) {
			return positions.Errorf(positions.NotFound, "there is nothing at this path")
		}
		query, err := url.ParseQuery(c.Request().URL.RawQuery)
		if err != nil {
			return invalidParameter("query", "is not properly escaped")
		}
		for _, values := range query {
			for _, value := range values {
				if !storable(value) {
					return invalidParameter("query", "holds characters that are not text")
				}
			}
		}
		if gpdOperation(c) != "" && dropEmpty(query) {
			whole := *c.Request().URL
			whole.RawQuery = query.Encode()
			c.Request().URL = &whole
		}
		return next(c)
	}
}

// dropEmpty removes parameters without a value, which GPD takes as absent, and
// reports whether there were any.
func dropEmpty(query url.Values) bool {
	count := len(query)
	maps.DeleteFunc(query, func(_ string, values []string) bool { return strings.Join(values, "") == "" })
	return len(query) < count
}

// storable reports whether s is text that every store can hold.
func storable(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// limitBody refuses a body above the limit: at once when its length is
// announced, otherwise when the limit is reached. Operations without a body do
// not read what is sent to them.
func (s *server) limitBody(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		if op := s.operation(c); op == nil || op.RequestBody == nil {
			return next(c)
		}
		if r.ContentLength > s.MaxBody {
			return tooLargeFor(s.MaxBody)
		}
		r.Body = http.MaxBytesReader(c.Response(), r.Body, s.MaxBody)
		return next(c)
	}
}
