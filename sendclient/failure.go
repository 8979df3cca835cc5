package sendclient

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ErrorKind says why there is no answer, from SEND or from a relay. Its text is
// also the result label of the metric attualizza_send_requests_total.
type ErrorKind string

const (
	// KindTimeout: no complete answer within the limit.
	KindTimeout ErrorKind = "timeout"
	// KindTransport: the connection could not be made, or broke.
	KindTransport ErrorKind = "transport"
	// KindDenied: 401 or 403. SEND does not accept the organization's API key
	// or voucher, or a relay its token or password; somebody must look at the
	// credential.
	KindDenied ErrorKind = "denied"
	// KindThrottled: 429.
	KindThrottled ErrorKind = "throttled"
	// KindServerError: 5xx.
	KindServerError ErrorKind = "server_error"
	// KindUnreadable: an answer that is not the one the API describes, such as
	// a proxy's page, a redirect or a body above 64 KiB.
	KindUnreadable ErrorKind = "unreadable"
	// KindAnomaly: a well-formed answer that must not be believed: a price
	// without totalPrice (or without a relay's fee), negative or above
	// [MaxPrice]; an unreadable date; a 404 that does not say that there is no
	// cost; a relay's answer about another notice or with an unknown code.
	KindAnomaly ErrorKind = "anomaly"
	// KindBadRequest: 400 and the rest of 4xx, or a tax code or notice number
	// that cannot be asked for. Asking again does not help.
	KindBadRequest ErrorKind = "bad_request"
	// KindBreakerOpen: not asked, because SEND, or the relay, has been failing for
	// this credential.
	KindBreakerOpen ErrorKind = "breaker_open"
	// KindSaturated: not asked, because 32 requests of this credential are
	// already under way.
	KindSaturated ErrorKind = "saturated"
	// KindNoVoucher: not asked, because PDND has given no voucher.
	KindNoVoucher ErrorKind = "no_voucher"
	// KindCancelled: the caller went away.
	KindCancelled ErrorKind = "cancelled"
)

// Error is the only type of error that [Client.Price] and [Client.ReportPayment]
// return. It never holds a key, a voucher or personal data, and may be logged.
type Error struct {
	Kind ErrorKind
	// Status and Code are SEND's, as in [Exchange]; for an error with Held set
	// they are those of the answer that started the hold.
	Status int
	Code   string
	// Held is set on KindDenied and KindThrottled when SEND was not asked
	// because of an earlier denial or throttling; asking makes sense again at
	// HeldUntil.
	Held      bool
	HeldUntil time.Time
	// Exchange is zero when SEND was not asked.
	Exchange Exchange
	// Notice is the notice number, Reason says in English what was wrong; Err is
	// the cause, if any.
	Notice, Reason string
	Err            error

	about      string        // what was going on; empty: a price
	retryAfter time.Duration // from a 429
	cutShort   bool          // a timeout that says more about the caller's haste than about SEND
}

// Error tells the whole story in one line.
func (e *Error) Error() string {
	var b strings.Builder
	if e.about == "" {
		b.WriteString("price")
	} else {
		b.WriteString(e.about)
	}
	b.WriteString(" of notice ")
	b.WriteString(e.Notice)
	b.WriteString(": ")
	b.WriteString(string(e.Kind))
	if e.Status != 0 {
		b.WriteString(", HTTP ")
		b.WriteString(strconv.Itoa(e.Status))
	}
	if e.Code != "" {
		b.WriteString(" ")
		b.WriteString(e.Code)
	}
	if e.Held {
		fmt.Fprintf(&b, ", not asked until %s", e.HeldUntil.UTC().Format(time.RFC3339))
	}
	if e.Reason != "" {
		b.WriteString(": ")
		b.WriteString(e.Reason)
	}
	if e.Err != nil {
		b.WriteString(": ")
		b.WriteString(e.Err.Error())
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// result is the label of the metric.
func (e *Error) result() string {
	if e.Held {
		return resultHeldOff
	}
	return string(e.Kind)
}

// verdict is what the outcome of a request says about SEND's health.
type verdict int

const (
	healthy verdict = iota // SEND answered, be it that the request is wrong
	failing
	unknown // it says more about us than about SEND
)

// verdict judges an outcome; a nil error is an answer.
func (e *Error) verdict() verdict {
	switch {
	case e == nil:
		return healthy
	case e.Kind == KindCancelled, e.Kind == KindDenied, e.Kind == KindTimeout && e.cutShort:
		return unknown
	case e.Kind == KindTimeout, e.Kind == KindTransport, e.Kind == KindServerError, e.Kind == KindThrottled, e.Kind == KindUnreadable:
		return failing
	}
	return healthy
}
