package streams

import (
	"context"
	"net/http"
	"time"

	"github.com/attualizza/attualizza/positions"
)

// morePaper are the events after which SEND may send a letter, the first or another.
// It does not once it knows that the notice is paid (SEND, "Pagamenti pagoPA").
var morePaper = map[string]bool{
	"REQUEST_ACCEPTED":               true,
	"SEND_ANALOG_DOMICILE":           true,
	"SEND_SIMPLE_REGISTERED_LETTER":  true,
	"NOTIFICATION_TIMELINE_REWORKED": true,
}

const (
	// attemptLasts is longer than an attempt to deliver, with what is written of it.
	attemptLasts = 15 * time.Second
	// maxTold bounds the deliveries of one payment that are looked at: there is one.
	maxTold = 20
)

// tellAgain has SEND told of a payment that came before the notification. SEND did
// not know the notice then, which ended the matter; the event shows that it does
// now. Nothing happens when SEND was told, or asked since the event arrived, or when
// the delivery ended for another reason. An attempt under way may still be told that
// the notice is not known: soon is when to look again.
//
// SEND takes payments from the sender of the notification alone, whose stream it is.
func (f *Follower) tellAgain(ctx context.Context, e Event, o *positions.PaymentOption) (result string, soon time.Time, err error) {
	if o.Payment == nil {
		return resultUnknown, soon, nil
	}
	told, _, err := f.Store.Deliveries(ctx, positions.DeliveryFilter{
		OrganizationFiscalCode: e.Organization, Kind: positions.DeliverToSEND, NAV: o.NAV, ReceiptID: o.Payment.ReceiptID,
		Page: positions.Page{Limit: maxTold},
	})
	if err != nil {
		return "", soon, err
	}
	var unknown []int64
	for i := range told {
		d := &told[i]
		switch {
		case d.ReceiptID != o.Payment.ReceiptID: // of a payment that was taken back
		case d.State == positions.DeliveryPending && f.Now().Sub(d.LastAttemptAt) < attemptLasts:
			soon = f.Now().Add(attemptLasts)
		case d.State == positions.DeliveryEnded && d.LastStatus == http.StatusNotFound && !d.LastAttemptAt.After(e.ArrivedAt.Add(f.terms.skew)):
			unknown = append(unknown, d.ID)
		}
	}
	if len(unknown) == 0 {
		return resultUnknown, soon, nil
	}
	n, err := f.Store.ReplayDeliveries(ctx, positions.DeliveryFilter{
		OrganizationFiscalCode: e.Organization, Kind: positions.DeliverToSEND, NAV: o.NAV, IDs: unknown, State: positions.DeliveryEnded,
	}, f.Now(), len(unknown))
	if err != nil || n == 0 { // another replica was here
		return resultUnknown, soon, err
	}
	f.Logger.InfoContext(ctx, "SEND has a notification of a notice that was paid before: it is told of the payment again",
		"organization", e.Organization, "nav", o.NAV, "iun", e.IUN)
	return resultToldAgain, soon, nil
}
