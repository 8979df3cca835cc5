package deliveries

import (
	"context"
	"errors"
	"fmt"
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
	if o, taken := c.takenBack(ctx, d); taken {
		return o
	}
	credential, err := org.SENDCredential()
	if err != nil {
		return outcome{err: err, general: true}
	}
	err = c.SEND.ReportPayment(ctx, credential, sendclient.PaymentEvent{
		NoticeCode: string(d.NAV), CreditorTaxID: d.OrganizationFiscalCode, PaidAt: d.PaidAt, Amount: d.Amount,
	})
	var failure *sendclient.Error
	switch {
	case err == nil:
		return outcome{status: http.StatusNoContent}
	case !errors.As(err, &failure):
		return outcome{err: err, general: true}
	}
	return outcome{
		status: failure.Status, err: err, general: failure.Status == 0 && failure.Kind != sendclient.KindBadRequest || general(failure.Status), ended: errors.Is(err, sendclient.ErrNotNotified),
		parked: failure.Kind == sendclient.KindBadRequest && failure.Status == 0, // it cannot even be written as an event
	}
}

// takenBack reports that a payment is not to be told any more, because it was taken
// back or another one took its place: SEND would send no more letters about a debt
// that is still there. A notice that was removed stays paid.
func (c *Courier) takenBack(ctx context.Context, d *positions.Delivery) (outcome, bool) {
	if !c.enter(ctx) {
		return outcome{err: ctx.Err(), ours: true}, true
	}
	n, err := c.Outbox.Notice(ctx, d.OrganizationFiscalCode, d.NAV)
	c.leave()
	switch {
	case positions.CodeOf(err) == positions.NotFound:
		return outcome{}, false
	case err != nil:
		return outcome{err: fmt.Errorf("read the notice: %w", err), ours: true}, true
	case n.Option.Payment == nil || n.Option.Payment.ReceiptID != d.ReceiptID:
		return outcome{ended: true, err: errors.New("the payment was taken back")}, true
	}
	return outcome{}, false
}
