package sendclient

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/propagation"
)

const (
	// maxBody bounds what is read of an answer; a real one has some 300 bytes.
	maxBody = 64 << 10
	// retryWithin is how soon a broken connection must show for the one retry.
	retryWithin = 200 * time.Millisecond
)

// message is one question as it goes over the network, as often as it goes.
type message struct {
	method, url string
	header      http.Header
	body        []byte
}

// exchange is one conversation: the question, perhaps its one retry, and the
// reading of the answer.
func (c *Client) exchange(ctx, caller context.Context, m *message, read func(status int, body []byte) (Answer, *Error)) (Answer, *Error) {
	seen := Exchange{RequestedAt: time.Now(), RequestID: uuid.NewString()}
	m.header.Set("X-Request-Id", seen.RequestID)
	deadline, _ := ctx.Deadline()
	given := time.Until(deadline)

	var wire wire
	status, header, body, err := c.send(ctx, &wire, m)
	if err != nil && wire.mayRetry(err) && time.Since(seen.RequestedAt) < retryWithin && ctx.Err() == nil {
		status, header, body, err = c.send(ctx, &wire, m)
	}
	seen.AnsweredAt = time.Now()
	seen.Status = status
	if err != nil && caller.Err() == nil && status != 0 && status != http.StatusOK && status != http.StatusNotFound {
		body, err = nil, nil // a refusal or a failure is known by its status alone
	}
	if err != nil {
		return Answer{}, c.lost(ctx, caller, err, given, seen)
	}
	answer, failure := read(status, body)
	if failure != nil {
		seen.Code = failure.Code
		failure.Status, failure.Exchange = status, seen
		if failure.Kind == KindThrottled {
			failure.retryAfter = retryAfter(header.Get("Retry-After"), seen.AnsweredAt)
		}
		return Answer{}, failure
	}
	seen.Code = answer.Exchange.Code
	answer.Exchange = seen
	return answer, nil
}

// lost tells why there is no complete answer.
func (c *Client) lost(ctx, caller context.Context, err error, given time.Duration, seen Exchange) *Error {
	failure := &Error{Kind: KindTransport, Status: seen.Status, Err: bare(err), Exchange: seen}
	var timeout net.Error
	switch {
	case caller.Err() == context.Canceled:
		failure.Kind = KindCancelled
	case errors.Is(err, errTooLarge):
		failure.Kind = KindUnreadable
	case ctx.Err() != nil, errors.As(err, &timeout) && timeout.Timeout():
		failure.Kind = KindTimeout
		// A caller who had next to no time left proves nothing about who was asked.
		failure.cutShort = given < c.timeout/2
	}
	return failure
}

// bare drops the URL that net/http puts around its errors: it repeats the
// notice and the organization.
func bare(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

var errTooLarge = errors.New("the answer exceeds 64 KiB")

// send sends a question once and reads the whole answer. When err is set,
// status tells whether the answer had begun.
func (c *Client) send(ctx context.Context, wire *wire, m *message) (status int, header http.Header, body []byte, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ctx = httptrace.WithClientTrace(ctx, wire.trace(cancel))
	req, err := http.NewRequestWithContext(ctx, m.method, m.url, bytes.NewReader(m.body))
	if err != nil {
		return 0, nil, nil, err
	}
	req.Header = m.header
	onward.Inject(ctx, propagation.HeaderCarrier(req.Header))
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, nil, nil, err
	}
	defer resp.Body.Close()
	body, err = readBounded(resp.Body)
	return resp.StatusCode, resp.Header, body, err
}

var errTwice = errors.New("two connections broke, and there is no third try")

func readBounded(r io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, maxBody+1))
	if err == nil && len(body) > maxBody {
		err = errTooLarge
	}
	return body, err
}

// wire watches what really went over the network, because net/http repeats
// a question by itself when a kept-alive connection turns out to be dead. Nobody
// must see it more than twice, whoever repeats it.
type wire struct {
	written   atomic.Int32
	firstByte atomic.Bool
}

func (w *wire) trace(cancel context.CancelCauseFunc) *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GotConn: func(got httptrace.GotConnInfo) {
			if w.written.Load() >= 2 {
				cancel(errTwice)
				_ = got.Conn.Close() // the cancellation alone may come after the write
			}
		},
		// Before the first byte leaves: WroteRequest may come after the answer, or
		// after the reset.
		WroteHeaders:         func() { w.written.Add(1) },
		GotFirstResponseByte: func() { w.firstByte.Store(true) },
	}
}

// mayRetry allows the one retry of a connection refused or reset.
func (w *wire) mayRetry(err error) bool {
	return !w.firstByte.Load() && w.written.Load() < 2 &&
		(errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET))
}

// retryAfter reads the header of a 429, seconds or a date (RFC 9110 §10.2.3);
// zero if there is none.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(0, date.Sub(now))
	}
	return 0
}
