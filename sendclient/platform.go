package sendclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/propagation"
)

const (
	// callLimit is the longest that one call beside the price may take: nobody
	// waits for it.
	callLimit = 10 * time.Second
	// maxCallBody bounds what is read of its answer.
	maxCallBody = 4 << 20
	// maxPause bounds what SEND may ask to wait for.
	maxPause = 10 * time.Minute
)

// Kinds that only calls beside the price have.
const (
	// KindGone: the stream, or the notification, is not there (any more), or is not
	// this organization's, in SEND's own words. Any other 404 is a [KindAnomaly].
	KindGone ErrorKind = "gone"
	// KindTooEarly: 429 of a stream. It is read again after [CallError].RetryAfter.
	KindTooEarly ErrorKind = "too_early"
	// KindConflict: 409. The organization has ten active streams already.
	KindConflict ErrorKind = "conflict"
)

// CallError is the only type of error of the calls beside the price. It never
// holds a key, a voucher, personal data or a part of an answer, and may be logged.
type CallError struct {
	Call   string // in English
	Kind   ErrorKind
	Status int // 0: there was no answer
	// Code is SEND's, empty when it gave none.
	Code string
	// RetryAfter is how long SEND asked to wait, 0 to 10 minutes.
	RetryAfter time.Duration
	// Held: SEND was not asked, because it denied or throttled the credential a
	// moment ago; Status and Code are those of that answer.
	Held      bool
	RequestID string // as it was sent in X-Request-Id
	Err       error  // the cause, if any
}

// Error tells the whole story in one line.
func (e *CallError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", e.Call, e.Kind)
	if e.Status != 0 {
		fmt.Fprintf(&b, ", HTTP %d", e.Status)
	}
	if e.Code != "" {
		b.WriteString(" " + e.Code)
	}
	if e.Held {
		fmt.Fprintf(&b, ", not asked for %s", e.RetryAfter.Round(time.Second))
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *CallError) Unwrap() error { return e.Err }

// KindOf returns the kind of a [CallError] or [Error], "" for any other error.
func KindOf(err error) ErrorKind {
	var call *CallError
	var price *Error
	switch {
	case errors.As(err, &call):
		return call.Kind
	case errors.As(err, &price):
		return price.Kind
	}
	return ""
}

// platformCall is one question to SEND beside the price. It passes no breaker: the
// price must not suffer from what goes wrong here. A denial or throttling of the
// credential holds all such calls back, and so does one that a price met.
type platformCall struct {
	name, route  string // the route is that of the metrics
	method, path string
	body         any // as JSON; nil: none
	// gone are SEND's codes for what is not there: a 404 that does not give one may
	// be anybody's, a gateway's for example.
	gone []string
}

// Routes of the metrics of these calls.
const (
	routeStreams = "streams"
	routeEvents  = "stream_events"
	routeSent    = "sent_notification"
)

// platform asks SEND and returns the header and body of a 200 or 204.
func (c *Client) platform(ctx context.Context, cred *Credential, call platformCall) (http.Header, []byte, error) {
	ctx, span := c.span(ctx, call.route)
	header, body, seen, failure := c.askPlatform(ctx, cred, call)
	if failure != nil {
		c.meters.add(ctx, call.route, failure.result(), seen)
		end(span, failure.result(), seen, failure.Kind != KindTooEarly)
		return nil, nil, failure
	}
	c.meters.add(ctx, call.route, resultAnswered, seen)
	end(span, resultAnswered, seen, false)
	return header, body, nil
}

func (c *Client) askPlatform(caller context.Context, cred *Credential, call platformCall) (header http.Header, body []byte, seen Exchange, failure *CallError) {
	failure = &CallError{Call: call.name, RequestID: uuid.NewString()}
	if cred.Relay != nil {
		failure.Kind, failure.Err = KindBadRequest, errors.New("the organization asks a relay, not SEND")
		return nil, nil, seen, failure
	}
	// What prices know of the credential counts here, not the other way round.
	g := c.platforms.of(cred)
	held := c.guards.held(cred, time.Now())
	var probe bool
	if held == nil {
		probe, held = g.hold.pass(time.Now())
	}
	if held != nil {
		failure.Held, failure.Kind, failure.Status, failure.Code = true, held.Kind, held.Status, held.Code
		failure.RetryAfter = max(0, time.Until(held.HeldUntil))
		return nil, nil, seen, failure
	}
	ctx, cancel := context.WithTimeout(caller, callLimit)
	defer cancel()
	verdict := &Error{Kind: KindCancelled} // settled even if something below panics
	var voucher string
	defer func() { c.settle(g, cred, probe, verdict, voucher) }()
	request, voucher, err := c.platformRequest(ctx, cred, call)
	if err != nil {
		failure.Kind, failure.Err = KindNoVoucher, err
		if caller.Err() != nil {
			failure.Kind = KindCancelled
		}
		return nil, nil, seen, failure
	}
	request.Header.Set("X-Request-Id", failure.RequestID)
	onward.Inject(ctx, propagation.HeaderCarrier(request.Header))
	seen = Exchange{RequestedAt: time.Now(), RequestID: failure.RequestID}
	response, err := c.http.Do(request)
	if err == nil {
		defer response.Body.Close()
		failure.Status = response.StatusCode
		body, err = io.ReadAll(io.LimitReader(response.Body, maxCallBody+1))
	}
	seen.AnsweredAt, seen.Status = time.Now(), failure.Status
	switch {
	case err != nil:
		failure.Err, failure.Kind = bare(err), KindTransport
		if caller.Err() != nil {
			failure.Kind = KindCancelled
		} else if ctx.Err() != nil {
			failure.Kind = KindTimeout
		}
	case len(body) > maxCallBody:
		failure.Kind, failure.Err = KindUnreadable, errors.New("the answer exceeds 4 MiB")
	case response.StatusCode == http.StatusOK, response.StatusCode == http.StatusNoContent:
		verdict = nil
		return response.Header, body, seen, nil
	default:
		failure.Code = problemCode(body)
		failure.refused(response.Header, call.gone)
	}
	verdict = &Error{Kind: failure.Kind, Status: failure.Status, Code: failure.Code, Exchange: seen, retryAfter: failure.RetryAfter}
	return nil, nil, seen, failure
}

// result is the label of the metric.
func (e *CallError) result() string {
	if e.Held {
		return resultHeldOff
	}
	return string(e.Kind)
}

func (c *Client) platformRequest(ctx context.Context, cred *Credential, call platformCall) (r *http.Request, voucher string, err error) {
	var body []byte
	if call.body != nil {
		if body, err = json.Marshal(call.body); err != nil {
			return nil, "", err
		}
	}
	if cred.PDND != nil {
		if voucher, err = c.vouchers.token(ctx, cred.PDND); err != nil {
			return nil, "", err
		}
	}
	if r, err = http.NewRequestWithContext(ctx, call.method, c.baseURL+call.path, bytes.NewReader(body)); err != nil {
		return nil, "", err
	}
	r.Header.Set("X-Api-Key", cred.APIKey)
	r.Header.Set("Accept", "application/json")
	if voucher != "" {
		r.Header.Set("Authorization", "Bearer "+voucher)
	}
	if call.body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	return r, voucher, nil
}

// refused tells what a status means. Only streams give the time to wait in
// milliseconds (OpenAPI of SEND, consumeEventStream); the gateway's throttling
// gives seconds, if anything.
func (e *CallError) refused(header http.Header, gone []string) {
	e.Kind = kindOf(e.Status)
	switch {
	case (e.Status == http.StatusNotFound || e.Status == http.StatusForbidden) && slices.Contains(gone, e.Code):
		e.Kind = KindGone
	case e.Status == http.StatusNotFound:
		e.Kind = KindAnomaly
	case e.Status == http.StatusConflict:
		e.Kind = KindConflict
	case e.Status == http.StatusTooManyRequests && e.Code == "PN_STREAM_RETRY_AFTER_ERROR":
		e.Kind, e.RetryAfter = KindTooEarly, pause(header)
	case e.Status == http.StatusTooManyRequests:
		e.RetryAfter = min(retryAfter(header.Get("Retry-After"), time.Now()), maxPause)
	}
}

// pause reads a stream's retry-after, milliseconds; 0 for anything else.
func pause(header http.Header) time.Duration {
	ms, err := strconv.ParseUint(header.Get("Retry-After"), 10, 63)
	switch {
	case err != nil:
		return 0
	case ms > uint64(maxPause/time.Millisecond):
		return maxPause
	}
	return time.Duration(ms) * time.Millisecond
}
