package streams

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/attualizza/attualizza/positions"
)

// outbox is a store whose deliveries are those of a test.
type outbox struct {
	positions.Store
	deliveries []positions.Delivery
	asked      []positions.DeliveryFilter
	replayed   []positions.DeliveryFilter
	fail       error
}

func (o *outbox) Deliveries(_ context.Context, f positions.DeliveryFilter) ([]positions.Delivery, int, error) {
	o.asked = append(o.asked, f)
	return o.deliveries, len(o.deliveries), o.fail
}

func (o *outbox) ReplayDeliveries(_ context.Context, f positions.DeliveryFilter, _ time.Time, limit int) (int, error) {
	o.replayed = append(o.replayed, f)
	return min(limit, len(f.IDs)), nil
}

// paid marks a notice paid by a receipt.
func (c *country) paid(code string, nav positions.NoticeNumber, receipt string) {
	c.t.Helper()
	p, err := c.store.Position(c.t.Context(), code, string(nav))
	c.must(err)
	p.Status, p.Options[0].Status = positions.Paid, positions.OptionPaid
	p.Options[0].Payment = &positions.OptionPayment{Date: time.Now(), Amount: 10000, ReceiptID: receipt}
	c.must(c.store.UpdatePosition(c.t.Context(), p, positions.Change{Action: "PAY", At: time.Now()}))
}

func TestWhichPaymentsAnEventHasToldAgain(t *testing.T) {
	c := onSQLite(t)
	paid, open, theirs := c.owes(comune, 1), c.owes(comune, 2), c.owes(provincia, 3)
	c.paid(comune, paid, "rt-1")
	c.paid(provincia, theirs, "rt-1")
	arrived := time.Now()
	ended := positions.Delivery{
		ID: 7, Kind: positions.DeliverToSEND, OrganizationFiscalCode: comune, NAV: paid, ReceiptID: "rt-1",
		State: positions.DeliveryEnded, LastStatus: http.StatusNotFound, LastAttemptAt: arrived.Add(-time.Hour),
	}
	with := func(change func(*positions.Delivery)) positions.Delivery {
		d := ended
		change(&d)
		return d
	}
	for name, x := range map[string]struct {
		category string
		notice   []positions.NotifiedNotice
		there    positions.Delivery
		again    bool // it is replayed
		soon     bool // the event is carried out again in a moment
	}{
		"the notification is accepted":        {category: "REQUEST_ACCEPTED", there: ended, again: true},
		"a letter leaves":                     {category: "SEND_ANALOG_DOMICILE", there: ended, again: true},
		"the paper phase begins again":        {category: "NOTIFICATION_TIMELINE_REWORKED", there: ended, again: true},
		"no paper follows a view":             {category: "NOTIFICATION_VIEWED", there: ended},
		"nor a cancellation":                  {category: "NOTIFICATION_CANCELLED", there: ended},
		"SEND was told":                       {category: "REQUEST_ACCEPTED", there: with(func(d *positions.Delivery) { d.State, d.LastStatus = positions.DeliveryDelivered, 204 })},
		"the payment was taken back":          {category: "REQUEST_ACCEPTED", there: with(func(d *positions.Delivery) { d.LastStatus = 0 })},
		"it was of an earlier payment":        {category: "REQUEST_ACCEPTED", there: with(func(d *positions.Delivery) { d.ReceiptID = "rt-0" })},
		"SEND did not know it after that":     {category: "REQUEST_ACCEPTED", there: with(func(d *positions.Delivery) { d.LastAttemptAt = arrived.Add(time.Minute) })},
		"it waits for its next attempt":       {category: "REQUEST_ACCEPTED", there: with(func(d *positions.Delivery) { d.State = positions.DeliveryPending })},
		"it has been waiting without attempt": {category: "REQUEST_ACCEPTED", there: with(func(d *positions.Delivery) { d.State, d.LastAttemptAt = positions.DeliveryPending, time.Time{} })},
		"it is being attempted":               {category: "REQUEST_ACCEPTED", there: with(func(d *positions.Delivery) { d.State, d.LastAttemptAt = positions.DeliveryPending, time.Now() }), soon: true},
		"the notice is not paid":              {category: "REQUEST_ACCEPTED", notice: []positions.NotifiedNotice{{OrganizationFiscalCode: comune, NAV: open}}, there: ended},
		"its creditor is not the sender":      {category: "REQUEST_ACCEPTED", notice: []positions.NotifiedNotice{{OrganizationFiscalCode: provincia, NAV: theirs}}, there: ended},
	} {
		t.Run(name, func(t *testing.T) {
			store := &outbox{Store: c.store, deliveries: []positions.Delivery{x.there}}
			if x.notice == nil {
				x.notice = []positions.NotifiedNotice{{OrganizationFiscalCode: comune, NAV: paid}}
			}
			iun := c.notifyAs(t, x.notice)
			r := c.replica(func(cfg *Config) { cfg.Store = store })
			err := r.Handle(t.Context(), Event{Organization: comune, ID: "1", Category: x.category, IUN: iun, RecIndex: -1, ArrivedAt: arrived})
			var later Later
			if soon := errors.As(err, &later); soon != x.soon || !soon && err != nil || soon && later.At.After(time.Now().Add(attemptLasts)) {
				t.Errorf("carried out: %v", err)
			}
			want := []positions.DeliveryFilter{{
				OrganizationFiscalCode: comune, Kind: positions.DeliverToSEND, NAV: paid, IDs: []int64{7}, State: positions.DeliveryEnded,
			}}
			if !x.again {
				want = nil
			}
			if !reflect.DeepEqual(store.replayed, want) {
				t.Errorf("replayed: %+v", store.replayed)
			}
			for _, f := range store.asked {
				if f.OrganizationFiscalCode != comune || f.Kind != positions.DeliverToSEND || f.NAV != paid || f.ReceiptID != "rt-1" || f.Page.Limit == 0 {
					t.Errorf("asked for %+v", f)
				}
			}
		})
	}
	t.Run("the store does not answer", func(t *testing.T) {
		store := &outbox{Store: c.store, fail: errBroken}
		iun := c.notifyAs(t, []positions.NotifiedNotice{{OrganizationFiscalCode: comune, NAV: paid}})
		r := c.replica(func(cfg *Config) { cfg.Store = store })
		if err := r.Handle(t.Context(), Event{Organization: comune, ID: "1", Category: "REQUEST_ACCEPTED", IUN: iun, RecIndex: -1, ArrivedAt: arrived}); !errors.Is(err, errBroken) {
			t.Error(err)
		}
	})
}

// notifyAs makes up a notification that is known to carry some notices.
func (c *country) notifyAs(t *testing.T, notices []positions.NotifiedNotice) (iun string) {
	t.Helper()
	iun = t.Name()
	c.must(c.store.KeepNotified(t.Context(), iun, notices))
	return iun
}
