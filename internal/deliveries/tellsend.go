package deliveries

import (
	"context"
	"errors"

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
	if errors.Is(err, sendclient.ErrNotNotified) {
		return outcome{status: statusOf(err), ended: true, err: errors.New("SEND does not know the notice as one of the organization's")}
	}
	return outcome{status: statusOf(err), err: err}
}

func statusOf(err error) int {
	var failure *sendclient.Error
	if errors.As(err, &failure) {
		return failure.Status
	}
	if err == nil {
		return 204
	}
	return 0
}
