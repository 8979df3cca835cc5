package sendclient

import (
	"context"
	"time"
)

// Price asks what the notification of a notice costs: SEND, or the credential's
// relay. paTaxID is the 11-digit tax code of the creditor of the payment,
// noticeCode the 18-digit notice number.
//
// It returns within the shorter of [Config.Timeout] and ctx's deadline. The
// error, if any, is an [*Error].
func (c *Client) Price(ctx context.Context, cred *Credential, paTaxID, noticeCode string) (Answer, error) {
	ctx, span := c.span(ctx, cred.route())
	answer, failure := c.price(ctx, cred, paTaxID, noticeCode)
	result, seen := c.meters.record(ctx, cred.route(), answer, failure)
	end(span, result, seen, failure != nil)
	if failure != nil {
		failure.Notice = noticeCode
		return Answer{}, failure
	}
	return answer, nil
}

// price passes one question through the credential's guard.
func (c *Client) price(caller context.Context, cred *Credential, paTaxID, noticeCode string) (Answer, *Error) {
	if !isDigits(paTaxID, 11) || !isDigits(noticeCode, 18) {
		return Answer{}, &Error{Kind: KindBadRequest, Reason: "the tax code must have 11 digits and the notice number 18"}
	}
	ctx, cancel := context.WithTimeout(caller, c.timeout)
	defer cancel()

	g := c.guards.of(cred)
	probe, held := g.hold.pass(time.Now())
	if held != nil {
		return Answer{}, held
	}
	// Settled even if something below panics, lest the credential be held for
	// ever by a probe that never ended.
	failure := &Error{Kind: KindCancelled}
	var answer Answer
	var voucher string
	defer func() { c.settle(g, cred, probe, failure, voucher) }()

	answer, failure = g.ask(
		func() (token string, failure *Error) {
			if cred.PDND != nil && cred.Relay == nil {
				voucher, failure = c.voucher(ctx, caller, cred.PDND)
			}
			return voucher, failure
		},
		func(voucher string) (Answer, *Error) {
			switch {
			case cred.Relay == nil:
				return c.direct(ctx, caller, cred, voucher, paTaxID, noticeCode)
			case cred.Relay.Kind == RelayLegacy:
				return c.legacy(ctx, caller, &g.session, cred.Relay, paTaxID, noticeCode)
			}
			return c.native(ctx, caller, cred, paTaxID, noticeCode)
		})
	return answer, failure
}

// voucher obtains the voucher of a credential; only the first time does it
// have to wait.
func (c *Client) voucher(ctx, caller context.Context, p *PDND) (string, *Error) {
	token, err := c.vouchers.token(ctx, p)
	switch {
	case err == nil:
		return token, nil
	case caller.Err() == context.Canceled:
		return "", &Error{Kind: KindCancelled, Err: caller.Err()}
	default:
		return "", &Error{Kind: KindNoVoucher, Err: err}
	}
}

// settle starts a hold where the answer asks for one, tells the log once,
// and has a refused voucher replaced.
func (c *Client) settle(g *guard, cred *Credential, probe bool, failure *Error, voucher string) {
	var length time.Duration
	if failure != nil && failure.Status != 0 {
		switch failure.Kind {
		case KindDenied:
			length = denialLasts
		case KindThrottled:
			length = min(failure.retryAfter, maxRetryAfter)
		}
	}
	if !g.hold.settle(probe, failure, length, time.Now()) {
		return
	}
	switch {
	case cred.Relay != nil:
		c.log.Error("the relay of an organization asks to be left alone: wrong or expired token, user or password, or too many requests",
			"organization", cred.OrganizationFiscalCode, "reason", failure.Kind, "status", failure.Status,
			"requestId", failure.Exchange.RequestID, "askedAgainIn", length.String())
	case failure.Kind == KindDenied:
		c.log.Error("SEND refuses the credential of an organization: wrong or revoked API key, wrong pdnd mode, or a bad voucher",
			"organization", cred.OrganizationFiscalCode, "status", failure.Status,
			"pdnd", cred.PDND != nil, "requestId", failure.Exchange.RequestID, "askedAgainIn", length.String())
		if cred.PDND != nil {
			c.vouchers.replace(cred.PDND, voucher)
		}
	case failure.Kind == KindThrottled:
		c.log.Warn("SEND asks an organization to slow down",
			"organization", cred.OrganizationFiscalCode, "askedAgainIn", length.String())
	}
}

func isDigits(s string, n int) bool {
	if len(s) != n {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
