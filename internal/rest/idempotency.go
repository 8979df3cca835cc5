package rest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/attualizza/attualizza/positions"
)

const (
	idempotencyKey      = "Idempotency-Key"
	maxIdempotencyKey   = 255
	idempotentFor       = 24 * time.Hour
	maxKeptAnswer       = 1 << 20 // bytes
	settleLimit         = 2 * time.Second
	idempotentReplayed  = "Idempotent-Replayed"
	reservationOutlives = time.Minute // beyond the longest request
	neverIdempotent     = "NEVER"
)

// keptHeaders are what is replayed of an answer beside its status and body; the
// rest belongs to the single request.
var keptHeaders = []string{echo.HeaderContentType, echo.HeaderLocation, "ETag"}

// carryOutOnce replays the first answer to a POST that is sent again with its
// Idempotency-Key (draft-ietf-httpapi-idempotency-key-header).
//
// The key is reserved in the database before the operation begins, so that of
// all replicas one carries it out. The request is then brought to its end even
// when its sender goes away, because whoever lost the answer will ask for it
// again. A process that dies between the two leaves a reservation that lapses:
// until then a retry is told to wait, and afterwards it is carried out anew and
// finds what the first left, a 409 for a position that is there already.
func (s *server) carryOutOnce(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		op := s.operation(c)
		keys := r.Header.Values(idempotencyKey)
		if op == nil || r.Method != http.MethodPost || len(keys) == 0 {
			return next(c)
		}
		if op.Idempotency == neverIdempotent {
			return positions.Errorf(positions.Conflict, "what this answers is shown once and never kept: leave %s out", idempotencyKey)
		}
		if len(keys) > 1 || !goodIdempotencyKey(keys[0]) {
			return invalidParameter(idempotencyKey, "must be one text of 1 to 255 visible ASCII characters")
		}
		var body []byte
		if op.RequestBody != nil {
			var err error
			if body, err = io.ReadAll(r.Body); err != nil {
				return unreadable(err)
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		now := s.Now()
		a := &positions.Attempt{
			Scope: callerOf(r.Context()).id() + "/" + c.Param("organizationFiscalCode"), Key: keys[0],
			Fingerprint: fingerprint(r, body), Token: rand.Text(), Until: now.Add(s.Timeout + reservationOutlives),
		}
		kept, err := s.Store.BeginAttempt(r.Context(), a, now)
		switch {
		case positions.CodeOf(err) == positions.Conflict:
			return &positions.Error{Code: tryAgain, Message: err.Error()}
		case err != nil:
			return err
		case kept != nil:
			return replay(c, kept)
		}
		a.Until = now.Add(idempotentFor)
		return s.carryOut(c, a, next)
	}
}

func goodIdempotencyKey(key string) bool {
	for i := range len(key) {
		if key[i] <= ' ' || key[i] > '~' {
			return false
		}
	}
	return key != "" && len(key) <= maxIdempotencyKey
}

// fingerprint tells requests apart: path, query and body. Preconditions are not
// part of it: a refused one is not kept, and may be mended under the same key.
func fingerprint(r *http.Request, body []byte) []byte {
	h := sha256.New()
	for _, part := range [][]byte{[]byte(r.Method), []byte(r.URL.EscapedPath()), []byte(r.URL.RawQuery), body} {
		_ = binary.Write(h, binary.BigEndian, uint64(len(part))) // a hash never fails
		_, _ = h.Write(part)
	}
	return h.Sum(nil)
}

// carryOut does what a reserved request asks and settles its key before the
// answer leaves.
func (s *server) carryOut(c echo.Context, a *positions.Attempt, next echo.HandlerFunc) (err error) {
	whole := context.WithoutCancel(c.Request().Context())
	ctx, cancel := context.WithTimeout(whole, s.Timeout)
	defer cancel()
	c.SetRequest(c.Request().WithContext(ctx))
	d := draftOf(c)
	defer d.end()
	settled := false
	defer func() {
		if !settled { // a panic on its way
			s.settle(whole, a, nil)
		}
	}()
	if err = next(c); err != nil {
		c.Error(err) // into the draft; the log line tells the cause
	}
	var answer *positions.KeptAnswer
	if worthKeeping(d.status, d.Header()) {
		answer = &positions.KeptAnswer{Status: d.status, Header: map[string]string{}, Body: d.body.Bytes()}
		for _, name := range keptHeaders {
			if value := d.Header().Get(name); value != "" {
				answer.Header[name] = value
			}
		}
		if len(answer.Body) > maxKeptAnswer {
			answer = &positions.KeptAnswer{}
		}
	}
	settled = true
	s.settle(whole, a, answer)
	if sent := d.send(); err == nil {
		err = sent
	}
	return err
}

// worthKeeping reports whether an answer is what the operation has to say: a
// success, or a refusal because of the state it found (404, 409, 422). Such a
// refusal is replayed, so that a request which its sender gave up on is not
// carried out later, by a copy that was under way. Other refusals changed
// nothing and say what to mend or to wait for first (400, 401, 403, 412, 413,
// 415, 429, 5xx): the same key then carries the request out.
func worthKeeping(status int, header http.Header) bool {
	switch status {
	case http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity:
		return header.Get("Retry-After") == ""
	}
	return status >= 200 && status < 300
}

// settle keeps an answer, or gives the key back when there is none worth it.
// That it could not is no reason to hide the answer: the reservation lapses.
func (s *server) settle(ctx context.Context, a *positions.Attempt, answer *positions.KeptAnswer) {
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	var err error
	if answer == nil {
		err = s.Store.AbandonAttempt(ctx, a)
	} else {
		err = s.Store.FinishAttempt(ctx, a, answer)
	}
	if err != nil {
		s.Logger.WarnContext(ctx, "request with an Idempotency-Key not settled: a retry within the day may be carried out anew", "error", err)
	}
}

// replay answers as the first request was answered.
func replay(c echo.Context, kept *positions.KeptAnswer) error {
	if kept.Status == 0 {
		return &positions.Error{Code: positions.Conflict, Message: "the request was carried out, and its answer was too large to keep: read what it made", Err: errOurs}
	}
	header := c.Response().Header()
	for name, value := range kept.Header {
		header.Set(name, value)
	}
	header.Set(idempotentReplayed, "true")
	c.Response().WriteHeader(kept.Status)
	_, err := c.Response().Write(kept.Body)
	return err
}
