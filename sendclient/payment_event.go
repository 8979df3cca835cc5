package sendclient

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"time"

	"github.com/attualizza/attualizza/internal/money"
)

// PaymentEventTimeout is the longest that one [Client.ReportPayment] may take,
// the wait for a first voucher included. Nobody is waiting for it.
const PaymentEventTimeout = 10 * time.Second

// KindNotNotified is only of [Client.ReportPayment]: SEND knows no notification
// of this sender with this notice.
const KindNotNotified ErrorKind = "not_notified"

// ErrNotNotified means that SEND does not know the notice, or that the API key
// is not that of its notification's sender: SEND answers both alike (404
// PN_DELIVERY_NOTIFICATIONNOTFOUND). It ends the matter.
var ErrNotNotified = errors.New("SEND knows no notification of this sender with this notice")

// PaymentEvent tells SEND that a notice was paid.
type PaymentEvent struct {
	// NoticeCode is the 18-digit notice number, CreditorTaxID the 11-digit tax
	// code of the creditor of the payment.
	NoticeCode, CreditorTaxID string
	// PaidAt is when it was paid.
	PaidAt time.Time
	// Amount is what was really paid, 0 to 2147483647 cents: SEND holds it in 32
	// bits.
	Amount money.Cents
}

const (
	paymentEventPath  = "/delivery/events/payment/pagopa"
	routePaymentEvent = "payment_event"
	resultReported    = "reported"
)

// ReportPayment tells SEND that a notice was paid elsewhere, so that it sends no
// more paper about it. cred is SEND's own credential of the sender of the
// notification, never a relay's.
//
// Nil means that SEND has taken note; to say it again does no harm, since SEND
// keeps one payment for each notice. [ErrNotNotified] ends the matter, and so
// does [KindBadRequest]; after any other error the caller tries again later. The
// error, if any, is an [*Error]. An earlier denial or throttling of the
// credential holds the event back too, but what becomes of an event never keeps
// a price from being asked.
//
// Source: SEND's OpenAPI api-external-b2b-pa, "Eventi di pagamento", and
// PaymentEventsService of pn-delivery. SEND refuses a whole list for its first
// error, hence one event for each call.
func (c *Client) ReportPayment(ctx context.Context, cred *Credential, event PaymentEvent) error {
	ctx, span := c.span(ctx, routePaymentEvent)
	seen, failure := c.reportPayment(ctx, cred, event)
	result := resultReported
	if failure != nil {
		seen, result = failure.Exchange, failure.result()
	}
	c.meters.add(ctx, routePaymentEvent, result, seen)
	end(span, result, seen, failure != nil && failure.Kind != KindNotNotified)
	if failure != nil {
		failure.Notice, failure.about = event.NoticeCode, "payment"
		return failure
	}
	return nil
}

func (c *Client) reportPayment(caller context.Context, cred *Credential, event PaymentEvent) (Exchange, *Error) {
	body, failure := event.body()
	switch {
	case failure != nil:
		return Exchange{}, failure
	case cred.Relay != nil || cred.APIKey == "":
		return Exchange{}, &Error{Kind: KindBadRequest, Reason: "payments are told to SEND itself, which wants an API key"}
	}
	ctx, cancel := context.WithTimeout(caller, PaymentEventTimeout)
	defer cancel()

	// What prices know of the credential counts here, not the other way round.
	if held := c.guards.held(cred, time.Now()); held != nil {
		return Exchange{}, held
	}
	g := c.events.of(cred)
	probe, held := g.hold.pass(time.Now())
	if held != nil {
		return Exchange{}, held
	}
	failure = &Error{Kind: KindCancelled} // settled even if something below panics
	var voucher string
	defer func() { c.settle(g, cred, probe, failure, voucher) }()

	select {
	case g.slots <- struct{}{}:
		defer func() { <-g.slots }()
	default:
		failure = &Error{Kind: KindSaturated, Reason: "too many payments of this organization are being told"}
		return Exchange{}, failure
	}
	if cred.PDND != nil {
		if voucher, failure = c.voucher(ctx, caller, cred.PDND); failure != nil {
			return Exchange{}, failure
		}
	}
	m := &message{
		method: http.MethodPost, url: c.baseURL + paymentEventPath, body: body,
		header: http.Header{"X-Api-Key": {cred.APIKey}, "Accept": {"application/json"}, "Content-Type": {"application/json"}},
	}
	if voucher != "" {
		m.header.Set("Authorization", "Bearer "+voucher)
	}
	var answer Answer
	answer, failure = c.exchange(ctx, caller, m, readPaymentEvent)
	return answer.Exchange, failure
}

// body writes the event as SEND wants it. The date is in UTC, because SEND reads
// it with Instant.parse, which older Java runtimes limit to Z.
func (e PaymentEvent) body() ([]byte, *Error) {
	refuse := func(reason string) ([]byte, *Error) { return nil, &Error{Kind: KindBadRequest, Reason: reason} }
	at := e.PaidAt.UTC()
	switch {
	case !isDigits(e.CreditorTaxID, 11) || !isDigits(e.NoticeCode, 18):
		return refuse("the tax code must have 11 digits and the notice number 18")
	case e.PaidAt.IsZero() || at.Year() < 1 || at.Year() > 9999:
		return refuse("the payment has no date")
	case e.Amount < 0 || e.Amount > math.MaxInt32:
		return refuse("the amount is not between 0 and 2147483647 cents")
	}
	type event struct {
		NoticeCode    string `json:"noticeCode"`
		CreditorTaxID string `json:"creditorTaxId"`
		PaymentDate   string `json:"paymentDate"`
		Amount        int64  `json:"amount"`
	}
	body, err := json.Marshal(struct {
		Events []event `json:"events"`
	}{[]event{{e.NoticeCode, e.CreditorTaxID, at.Format(time.RFC3339Nano), int64(e.Amount)}}})
	if err != nil {
		return nil, &Error{Kind: KindBadRequest, Err: err}
	}
	return body, nil
}

// readPaymentEvent believes 204 only: the 200 of a proxy's page acknowledges
// nothing.
func readPaymentEvent(status int, body []byte) (Answer, *Error) {
	switch code := problemCode(body); {
	case status == http.StatusNoContent:
		return Answer{}, nil
	case status == http.StatusNotFound && code == "PN_DELIVERY_NOTIFICATIONNOTFOUND":
		return Answer{}, &Error{Kind: KindNotNotified, Code: code, Err: ErrNotNotified}
	case status == http.StatusNotFound:
		return Answer{}, &Error{Kind: KindAnomaly, Code: code, Reason: "a 404 that does not say that the notification is unknown"}
	default:
		return Answer{}, &Error{Kind: kindOf(status), Code: code}
	}
}
