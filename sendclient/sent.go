package sendclient

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
)

// NotifiedPayment is a pagoPA notice that a notification carries.
type NotifiedPayment struct {
	RecIndex                  int    // of the recipient, from 0
	CreditorTaxID, NoticeCode string // 11 and 18 digits
	ApplyCost                 bool   // the cost of the notification is charged on it
}

// maxPayments bounds what is believed of one notification.
const maxPayments = 2_000

// goneNotification is what SEND answers alike for a notification that it does not
// know and for another sender's (pn-delivery, NotificationRetrieverService).
var goneNotification = []string{"PN_DELIVERY_NOTIFICATIONNOTFOUND"}

// SentNotification returns the pagoPA notices of a notification that the
// credential's organization sent. Nothing else is kept of the answer, which is full
// of personal data. [KindGone]: no such notification, or not this organization's.
// Limits and errors are as in [Client.Streams].
func (c *Client) SentNotification(ctx context.Context, cred *Credential, iun string) ([]NotifiedPayment, error) {
	call := platformCall{name: "read sent notification", route: routeSent, method: http.MethodGet, path: "/delivery/v2.9/notifications/sent/" + iun, gone: goneNotification}
	if !iuns.MatchString(iun) {
		return nil, &CallError{Call: call.name, Kind: KindBadRequest, Err: errors.New("not an IUN")}
	}
	_, body, err := c.platform(ctx, cred, call)
	if err != nil {
		return nil, err
	}
	payments, ok := readSent(body)
	if !ok {
		return nil, call.unreadable()
	}
	return payments, nil
}

// readSent reads a FullSentNotification. Payments without a pagoPA notice (F24) are
// left out; one whose notice cannot be right makes the whole unreadable, because a
// notice that is missing would keep an old price.
func readSent(body []byte) ([]NotifiedPayment, bool) {
	var wire struct {
		Recipients *[]struct {
			Payments []struct {
				PagoPA *struct {
					CreditorTaxID string `json:"creditorTaxId"`
					NoticeCode    string `json:"noticeCode"`
					ApplyCost     *bool  `json:"applyCost"`
				} `json:"pagoPa"`
			} `json:"payments"`
		} `json:"recipients"`
	}
	if json.Unmarshal(body, &wire) != nil || wire.Recipients == nil {
		return nil, false
	}
	var payments []NotifiedPayment
	for i, r := range *wire.Recipients {
		for _, p := range r.Payments {
			switch {
			case p.PagoPA == nil:
				continue
			case !isDigits(p.PagoPA.CreditorTaxID, 11), !isDigits(p.PagoPA.NoticeCode, 18), len(payments) == maxPayments:
				return nil, false
			}
			payments = append(payments, NotifiedPayment{
				RecIndex: i, CreditorTaxID: p.PagoPA.CreditorTaxID, NoticeCode: p.PagoPA.NoticeCode,
				ApplyCost: p.PagoPA.ApplyCost == nil || *p.PagoPA.ApplyCost,
			})
		}
	}
	return payments, true
}
