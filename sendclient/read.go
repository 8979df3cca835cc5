package sendclient

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/attualizza/attualizza/internal/money"
)

// read turns SEND's answer into an Answer or an Error, by status and by
// errors[0].code: titles and details are obfuscated by SEND (pn-commons
// ExceptionHelper) and say nothing.
func read(status int, body []byte) (Answer, *Error) {
	fail := func(kind ErrorKind, reason string) (Answer, *Error) {
		return Answer{}, &Error{Kind: kind, Status: status, Code: problemCode(body), Reason: reason}
	}
	switch {
	case status == http.StatusOK:
		price, kind, err := readPrice(body)
		if err != nil {
			return Answer{}, &Error{Kind: kind, Status: status, Err: err}
		}
		return Answer{Price: price}, nil
	case status == http.StatusNotFound:
		code := problemCode(body)
		if reason, ok := noCost[code]; ok {
			return Answer{NoCost: reason, Exchange: Exchange{Code: code}}, nil
		}
		return fail(KindAnomaly, "a 404 that does not say that there is no cost")
	}
	return fail(kindOf(status), "")
}

// kindOf tells what a status means that brings no answer.
func kindOf(status int) ErrorKind {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return KindDenied
	case status == http.StatusTooManyRequests:
		return KindThrottled
	case status == http.StatusRequestTimeout:
		return KindTimeout
	case status >= 500 && status <= 599:
		return KindServerError
	case status >= 400 && status <= 499:
		return KindBadRequest
	}
	return KindUnreadable // the API has no such status: a redirect, for example
}

// noCost are the codes of a 404 that mean "no cost". Any other code, such as
// PN_DELIVERY_NOTIFICATIONNOTFOUND, is an inconsistency on SEND's side.
var noCost = map[string]NoCostReason{
	"PN_DELIVERY_NOTIFICATIONCOSTNOTFOUND":       NotFound,
	"PN_DELIVERY_NOTIFICATION_CANCELLED":         Cancelled,
	"PN_DELIVERY_PUSH_NOTIFICATION_NOT_ACCEPTED": NotAccepted,
}

// problemCode returns errors[0].code of a problem document, or "". What is not
// shaped like a code is left out, because it ends up in logs and records.
func problemCode(body []byte) string {
	var problem struct {
		Errors []struct {
			Code string `json:"code"`
		} `json:"errors"`
	}
	if json.Unmarshal(body, &problem) != nil || len(problem.Errors) == 0 {
		return ""
	}
	return codeOf(problem.Errors[0].Code)
}

// codeOf returns what is shaped like a code, and "" for anything else.
func codeOf(text string) string {
	if len(text) > 128 {
		return ""
	}
	for _, r := range text {
		if (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '.' && (r < 'a' || r > 'z') {
			return ""
		}
	}
	return text
}

// readPrice reads NotificationPriceResponseV23. The total and the dates decide
// what a citizen pays, so that they must be right; the rest is evidence, and a
// component that cannot be read is left out.
func readPrice(body []byte) (p Price, kind ErrorKind, err error) {
	var wire struct {
		IUN                  any             `json:"iun"`
		TotalPrice           json.RawMessage `json:"totalPrice"`
		PartialPrice         json.RawMessage `json:"partialPrice"`
		VAT                  json.RawMessage `json:"vat"`
		PAFee                json.RawMessage `json:"paFee"`
		SendFee              json.RawMessage `json:"sendFee"`
		AnalogCost           json.RawMessage `json:"analogCost"`
		RefinementDate       json.RawMessage `json:"refinementDate"`
		NotificationViewDate json.RawMessage `json:"notificationViewDate"`
	}
	if !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) {
		return Price{}, KindUnreadable, errors.New("not a JSON object")
	}
	if err := json.Unmarshal(body, &wire); err != nil {
		return Price{}, KindUnreadable, errors.New("not the JSON of a price")
	}
	total := cents(wire.TotalPrice)
	switch {
	case absent(wire.TotalPrice):
		return Price{}, KindAnomaly, errors.New("a price without totalPrice")
	case total == nil:
		return Price{}, KindAnomaly, errors.New("totalPrice is not a whole number of cents")
	case *total < 0 || *total > MaxPrice:
		return Price{}, KindAnomaly, fmt.Errorf("totalPrice of %d cents is not believed", *total)
	}
	p = Price{
		IUN:        iun(wire.IUN),
		TotalPrice: *total,
		PAFee:      cents(wire.PAFee),
		SendFee:    cents(wire.SendFee),
		AnalogCost: cents(wire.AnalogCost),
	}
	if partial := cents(wire.PartialPrice); partial != nil {
		if *partial < 0 || *partial > MaxPrice {
			return Price{}, KindAnomaly, fmt.Errorf("partialPrice of %d cents is not believed", *partial)
		}
		p.PartialPrice = partial
	}
	if vat := cents(wire.VAT); vat != nil && *vat >= 0 && *vat <= 100 {
		percent := int(*vat)
		p.VAT = &percent
	}
	if p.RefinementDate, err = date(wire.RefinementDate); err != nil {
		return Price{}, KindAnomaly, errors.New("refinementDate is not a date and time")
	}
	if p.NotificationViewDate, err = date(wire.NotificationViewDate); err != nil {
		return Price{}, KindAnomaly, errors.New("notificationViewDate is not a date and time")
	}
	return p, "", nil
}

func absent(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// cents reads a whole number; nil for anything else.
func cents(raw json.RawMessage) *money.Cents {
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil {
		return nil
	}
	c := money.Cents(n)
	return &c
}

// iun keeps what can be an identifier: 25 characters in SEND's documents.
func iun(v any) string {
	s, _ := v.(string)
	if len(s) > 64 {
		return ""
	}
	for _, r := range s {
		if r <= ' ' || r > '~' {
			return ""
		}
	}
	return s
}

// date reads a date and time with its offset and up to nine fractional digits,
// as SEND writes them; zero if absent.
func date(raw json.RawMessage) (time.Time, error) {
	if absent(raw) {
		return time.Time{}, nil
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return time.Time{}, err
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}, err
	}
	if err := offsetOf(t); err != nil {
		return time.Time{}, err
	}
	return t, nil
}

// offsetOf refuses an offset that can be parsed, but that no JSON can carry on.
func offsetOf(t time.Time) error {
	if _, offset := t.Zone(); offset < -14*60*60 || offset > 14*60*60 {
		return errors.New("offset beyond 14:00")
	}
	return nil
}

// addsUp reports whether the total is what SEND's formula makes of the
// components (pn-delivery-push NotificationProcessCostServiceImpl): SEND's fee,
// plus paper with VAT rounded half up once, plus the sender's fee. A zero total
// is right with any components, and where one is missing there is nothing to
// compare. A mismatch is worth a look, never a reason to charge anything else.
func (p *Price) addsUp() bool {
	if p.TotalPrice == 0 || p.VAT == nil || p.PAFee == nil || p.SendFee == nil || p.AnalogCost == nil {
		return true
	}
	paper, err := p.AnalogCost.MulDiv(int64(100+*p.VAT), 100)
	if err != nil {
		return false
	}
	sum, err := p.SendFee.Add(paper)
	if err != nil {
		return false
	}
	sum, err = sum.Add(*p.PAFee)
	return err == nil && sum == p.TotalPrice
}
