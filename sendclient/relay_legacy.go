package sendclient

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

const (
	pathLogin             = "/login"
	pathNotificationPrice = "/notification-price"
)

// legacy asks a relay by the legacy contract. A kept token that the relay no
// longer takes is replaced once, by one more login within the same limit; some
// frameworks say 403 where 401 is meant.
func (c *Client) legacy(ctx, caller context.Context, s *session, relay *Relay, paTaxID, noticeCode string) (answer Answer, failure *Error) {
	began := time.Now()
	deadline, _ := ctx.Deadline()
	given := deadline.Sub(began)
	defer func() { // what came before the last request belongs to the conversation too
		if failure != nil && failure.Exchange.Asked() {
			failure.Exchange.RequestedAt = began
		} else if failure == nil {
			answer.Exchange.RequestedAt = began
		}
	}()
	login := func() (string, *Error) { return c.login(ctx, caller, relay) }
	token, kept, failure := s.token(ctx, login)
	if failure != nil {
		return Answer{}, c.loginLost(ctx, caller, failure, given)
	}
	answer, failure = c.notificationPrice(ctx, caller, relay, token, paTaxID, noticeCode)
	if !kept || failure == nil || failure.Kind != KindDenied || ctx.Err() != nil {
		return answer, failure
	}
	s.drop(token)
	if token, _, failure = s.token(ctx, login); failure != nil {
		return Answer{}, c.loginLost(ctx, caller, failure, given)
	}
	return c.notificationPrice(ctx, caller, relay, token, paTaxID, noticeCode)
}

// login obtains a token. The password goes to the relay's own address only.
func (c *Client) login(ctx, caller context.Context, relay *Relay) (token string, failure *Error) {
	body, err := json.Marshal(struct {
		Username string `json:"username"`
		Password string `json:"password"`
	}{relay.Username, relay.Password})
	if err != nil {
		return "", &Error{Kind: KindBadRequest, Err: err}
	}
	m, failure := relay.message(pathLogin, body)
	if failure != nil {
		return "", failure
	}
	_, failure = c.exchange(ctx, caller, m, func(status int, body []byte) (Answer, *Error) {
		token, failure = readLogin(status, body)
		return Answer{}, failure
	})
	return token, failure
}

// readLogin reads the answer to a login. Its description of what went wrong is
// free text, and is left out.
func readLogin(status int, body []byte) (token string, failure *Error) {
	var wire struct {
		Token   json.RawMessage `json:"token"`
		Outcome json.RawMessage `json:"esito"`
	}
	fail := func(kind ErrorKind, reason string) (string, *Error) {
		return "", &Error{Kind: kind, Status: status, Reason: reason}
	}
	switch {
	case status == http.StatusNotFound:
		return fail(KindAnomaly, "the relay has no login: is its URL right?")
	case status != http.StatusOK:
		return fail(kindOf(status), "login")
	case readObject(body, &wire) != nil:
		return fail(KindUnreadable, "the answer to the login is not the contract's JSON")
	}
	token, _ = text(wire.Token)
	switch outcome, _ := text(wire.Outcome); {
	case outcome == "KO":
		return fail(KindDenied, "the login was answered KO")
	case !isBearer(token):
		return fail(KindAnomaly, "the answer to the login holds no token")
	}
	return token, nil
}

// loginLost gives the wait for a login, for which there was the time given, its
// kind: the one who logs in has it already.
func (c *Client) loginLost(ctx, caller context.Context, failure *Error, given time.Duration) *Error {
	if failure == errNoTurn {
		return c.lost(ctx, caller, ctx.Err(), given, Exchange{})
	}
	return failure
}

// notificationPrice asks for the price of a notice with a token.
func (c *Client) notificationPrice(ctx, caller context.Context, relay *Relay, token, paTaxID, noticeCode string) (Answer, *Error) {
	body, err := json.Marshal(struct {
		FiscalCode string `json:"cfEnteCreditore"`
		WithAmount string `json:"importoPosizione"` // the only value that is supported
		Notice     string `json:"numeroAvviso"`
	}{paTaxID, "S", noticeCode})
	if err != nil {
		return Answer{}, &Error{Kind: KindBadRequest, Err: err}
	}
	m, failure := relay.message(pathNotificationPrice, body)
	if failure != nil {
		return Answer{}, failure
	}
	m.header.Set("Authorization", "Bearer "+token)
	return c.exchange(ctx, caller, m, readLegacy(noticeCode))
}

// readLegacy reads the answer to notification-price about a notice. Business
// errors come with status 200 and codice; those that come with another status
// are understood too. Unlike the native contract this one has a code for an
// unknown notice, so that a 404 without it is a wrong address.
func readLegacy(nav string) func(status int, body []byte) (Answer, *Error) {
	return func(status int, body []byte) (Answer, *Error) {
		var wire struct {
			Code       json.RawMessage `json:"codice"`
			Notice     json.RawMessage `json:"numeroAvviso"`
			IUN        any             `json:"iun"`
			Fee        json.RawMessage `json:"speseNotifica"`
			Amount     json.RawMessage `json:"importoPosizione"`
			Viewed     json.RawMessage `json:"dataVisualizzazione"`
			Refinement json.RawMessage `json:"dataPerfezionamentoDecorrenzaTermini"`
		}
		unreadable := readObject(body, &wire)
		said, isText := text(wire.Code)
		code := codeOf(said)
		if reason, ok := relayCode(status, code); ok {
			return Answer{NoCost: reason, Exchange: Exchange{Code: code}}, nil
		}
		switch {
		case status == http.StatusNotFound:
			return Answer{}, &Error{Kind: KindAnomaly, Status: status, Code: code, Reason: "a 404 without one of the contract's codes: is the relay's URL right?"}
		case status != http.StatusOK:
			return Answer{}, &Error{Kind: kindOf(status), Status: status, Code: code}
		case unreadable != nil:
			return Answer{}, &Error{Kind: KindUnreadable, Status: status, Err: unreadable}
		case said != "" || !isText:
			return Answer{}, &Error{Kind: KindAnomaly, Status: status, Code: code, Reason: "a code that the contract does not have"}
		}
		price, err := relayFee(nav, wire.Notice, wire.Fee, wire.Amount)
		if err == nil {
			price.NotificationViewDate, err = relayDate(wire.Viewed)
		}
		if err == nil {
			price.RefinementDate, err = relayDate(wire.Refinement)
		}
		if err != nil {
			return Answer{}, &Error{Kind: KindAnomaly, Status: status, Err: err}
		}
		price.IUN = iun(wire.IUN)
		return Answer{Price: price}, nil
	}
}
