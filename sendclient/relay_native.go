package sendclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
)

const pathAmountUpdate = "/amount-update"

// native asks a relay by the native contract.
func (c *Client) native(ctx, caller context.Context, cred *Credential, paTaxID, noticeCode string) (Answer, *Error) {
	relay := cred.Relay
	if !isBearer(relay.Token) {
		return Answer{}, &Error{Kind: KindBadRequest, Reason: "the relay's token cannot be a header"}
	}
	body, err := json.Marshal(struct {
		OrgFiscalCode string `json:"orgFiscalCode"`
		NAV           string `json:"nav"`
	}{paTaxID, noticeCode})
	if err != nil {
		return Answer{}, &Error{Kind: KindBadRequest, Err: err}
	}
	m, failure := relay.message(pathAmountUpdate, body)
	if failure != nil {
		return Answer{}, failure
	}
	m.header.Set("Authorization", "Bearer "+relay.Token)
	if relay.Signature != nil {
		if err := relay.Signature.sign(m, relay.URL); err != nil {
			return Answer{}, &Error{Kind: KindBadRequest, Err: err}
		}
	}
	answer, failure := c.exchange(ctx, caller, m, readNative(noticeCode))
	if failure == nil && answer.NoCost == "" && answer.Price.FreshUntil.IsZero() {
		answer.Price.FreshUntil = answer.Exchange.AnsweredAt // the contract's default: valid now only
	}
	return answer, failure
}

// readNative reads the answer to amount-update about a notice. The contract has
// no body for 404 and {code, message} for the other failures. Only a 404 that is
// bare, or that has such a code, comes from the operation and says that the
// notice is unknown; a page of text or a framework's own JSON says that the
// address is wrong, and must not pass for "no cost".
func readNative(nav string) func(status int, body []byte) (Answer, *Error) {
	return func(status int, body []byte) (Answer, *Error) {
		var wire struct {
			Code          json.RawMessage `json:"code"`
			NAV           json.RawMessage `json:"nav"`
			IUN           any             `json:"iun"`
			Amount        json.RawMessage `json:"amountCents"`
			Fee           json.RawMessage `json:"notificationFeeCents"`
			Date          json.RawMessage `json:"notificationDate"`
			RetentionDate json.RawMessage `json:"retentionDate"`
		}
		unreadable := readObject(body, &wire)
		code, _ := text(wire.Code)
		code = codeOf(code)
		if reason, ok := relayCode(status, code); ok {
			return Answer{NoCost: reason, Exchange: Exchange{Code: code}}, nil
		}
		switch {
		case status == http.StatusNotFound && (code != "" || len(bytes.TrimSpace(body)) == 0):
			return Answer{NoCost: NotFound, Exchange: Exchange{Code: code}}, nil
		case status == http.StatusNotFound:
			return Answer{}, &Error{Kind: KindAnomaly, Status: status, Reason: "a 404 that is not the operation's: is the relay's URL right?"}
		case status != http.StatusOK:
			return Answer{}, &Error{Kind: kindOf(status), Status: status, Code: code}
		case unreadable != nil:
			return Answer{}, &Error{Kind: KindUnreadable, Status: status, Err: unreadable}
		}
		price, err := relayFee(nav, wire.NAV, wire.Fee, wire.Amount)
		if err == nil {
			// It may be the day of the view or that of the lapse of time. Taken for
			// the latter, a date still ahead neither freezes the price nor starts a
			// term.
			price.RefinementDate, err = relayDate(wire.Date)
		}
		if err != nil {
			return Answer{}, &Error{Kind: KindAnomaly, Status: status, Code: code, Err: err}
		}
		price.IUN = iun(wire.IUN)
		// One that cannot be read counts as none: the answer is not kept.
		price.FreshUntil, _ = relayDate(wire.RetentionDate)
		return Answer{Price: price}, nil
	}
}

// readObject reads a JSON object, and nothing else.
func readObject(body []byte, into any) error {
	if !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) {
		return errors.New("not a JSON object")
	}
	if json.Unmarshal(body, into) != nil {
		return errors.New("not the JSON of the contract")
	}
	return nil
}
