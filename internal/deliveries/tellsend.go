package deliveries

import (
	"context"
	"errors"
	"net/http"

	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/sendclient"
)

// tellSEND reports a payment to SEND, which then sends no more paper about the
// notice. That SEND does not know the notice ends the matter (SEND, "Pagamenti
// pagoPA": the event is for the sender of the notification).
func (c *Courier) tellSEND(ctx context.Context, d *positions.Delivery) outcome {
	org, o := c.organization(d)
	if org == nil {
		return o
	}
	if !org.TellsSEND() {
		return outcome{ended: true, err: errors.New("the organization has no key of SEND any more")}
	}
	credential, err := org.SENDCredential()
	if err != nil {
		return outcome{err: err}
	}
	err = c.SEND.ReportPayment(ctx, credential, sendclient.PaymentEvent{
		NoticeCode: string(d.NAV), CreditorTaxID: d.OrganizationFiscalCode, PaidAt: d.PaidAt, Amount: d.Amount,
	})
	var failure *sendclient.Error
	switch {
	case err == nil:
		return outcome{status: http.StatusNoContent}
	case !errors.As(err, &failure):
		return outcome{err: err}
	}
	// What cannot even be written as an event will never be.
	hopeless := failure.Kind == sendclient.KindBadRequest && failure.Status == 0
	return outcome{status: failure.Status, ended: hopeless || errors.Is(err, sendclient.ErrNotNotified), err: err}
}
