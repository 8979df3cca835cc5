package actualize

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions"
)

const (
	firstIUN  = "AAAA-BBBB-CCCC-202611-D-1"
	secondIUN = "EEEE-FFFF-GGGG-202611-H-1"
)

// costs is SEND telling what a notification costs.
func costs(iun string, total money.Cents) http.HandlerFunc {
	return priced(fmt.Sprintf(`{"iun":%q,"totalPrice":%d}`, iun, total))
}

// twoNotices are notices of one recipient. What the second is about is what the
// tests ask; the first is paid by paid.
func twoNotices(t *testing.T, d *desk) (first, second positions.NoticeNumber) {
	t.Helper()
	debtor := func(p *positions.Position) { p.Debtor.FiscalCode = "RSSMRA80A01H501U" }
	return d.position(t, 1, debtor), d.position(t, 2, debtor)
}

// paid pays a notice with its fee, as a receipt tells.
func (d *desk) paid(t *testing.T, nav positions.NoticeNumber, iun string, fee money.Cents) {
	t.Helper()
	ctx, now := t.Context(), time.Now()
	err := d.store.SavePrice(ctx, ente, nav, &positions.Price{TotalPrice: fee, IUN: iun, FetchedAt: now})
	if err == nil {
		_, err = d.store.SaveReceipt(ctx, &positions.Receipt{
			OrganizationFiscalCode: ente, CreditorFiscalCode: ente, ReceiptID: string(nav), NAV: nav, Outcome: "OK", PaymentAmount: 15000 + fee, PaymentDateTime: now,
		})
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (q *Quote) asks(t *testing.T, source positions.FeeSource, fee, elsewhere money.Cents) {
	t.Helper()
	if q.Source != source || q.NotificationFee != fee || q.FeePaidElsewhere != elsewhere || q.Amount != 15000+fee || q.Transfers[1].Amount != 10000+fee {
		t.Fatalf("%s, fee %d, %d paid elsewhere, amount %d; want %s, %d, %d", q.Source, q.NotificationFee, q.FeePaidElsewhere, q.Amount, source, fee, elsewhere)
	}
	if q.Price != nil && q.Price.TotalPrice != fee+elsewhere {
		t.Fatalf("the price says %d, of which %d is asked and %d was paid", q.Price.TotalPrice, fee, elsewhere)
	}
}

func TestWhatWasPaidWithAnotherNoticeIsLeftOut(t *testing.T) {
	down := problem(500, "PN_GENERIC_ERROR")
	t.Run("of the first price that SEND gives, and of it again from wherever it is kept", func(t *testing.T) {
		d := newDesk(t, nil)
		first, second := twoNotices(t, d)
		d.paid(t, first, firstIUN, 1424)
		d.answer(costs(firstIUN, 1424))
		d.quote(t, second).asks(t, positions.SourceLive, 0, 1424)
		d.quote(t, second).asks(t, positions.SourceCache, 0, 1424)
		d.advance(time.Hour)
		d.answer(down)
		d.quote(t, second).asks(t, positions.SourceLastKnown, 0, 1424)
		if q, err := d.QuoteAt(t.Context(), d.org, second, time.Now().AddDate(0, 0, 10)); err != nil {
			t.Fatal(err)
		} else {
			q.asks(t, positions.SourceLastKnown, 0, 1424)
		}
	})
	t.Run("of a price that was cached before the payment", func(t *testing.T) {
		d := newDesk(t, nil)
		first, second := twoNotices(t, d)
		d.answer(costs(firstIUN, 1424))
		d.quote(t, second).asks(t, positions.SourceLive, 1424, 0)
		d.paid(t, first, firstIUN, 1424)
		d.quote(t, second).asks(t, positions.SourceCache, 0, 1424)
	})
	t.Run("of a price that only the cache has", func(t *testing.T) {
		d := newDesk(t, nil)
		first, second := twoNotices(t, d)
		d.paid(t, first, firstIUN, 1424)
		d.answer(func(http.ResponseWriter, *http.Request) { t.Error("SEND was asked") })
		d.cache.Put(t.Context(), priceKey(ente, second), positions.Price{TotalPrice: 1424, IUN: firstIUN, FetchedAt: d.now()}, time.Hour)
		d.quote(t, second).asks(t, positions.SourceCache, 0, 1424)
		if kept, _ := d.cache.Peek(priceKey(ente, second)); kept.PaidElsewhere != 0 {
			t.Errorf("the cache was told of %d", kept.PaidElsewhere)
		}
	})
	t.Run("and no more than that: what the cost grew by is asked", func(t *testing.T) {
		d := newDesk(t, func(p *positions.Policy) { p.PriceFreshFor = 0 })
		first, second := twoNotices(t, d)
		d.paid(t, first, firstIUN, 200)
		for _, total := range []money.Cents{200, 1424, 2557} {
			d.answer(costs(firstIUN, total))
			d.quote(t, second).asks(t, positions.SourceLive, total-200, 200)
		}
		d.answer(costs(firstIUN, 100)) // it cannot fall, but if it did
		d.quote(t, second).asks(t, positions.SourceLive, 0, 100)
	})
	t.Run("of its own notification, when that is another than the last time", func(t *testing.T) {
		d := newDesk(t, func(p *positions.Policy) { p.PriceFreshFor = 0 })
		first, second := twoNotices(t, d)
		d.paid(t, first, firstIUN, 1424)
		d.answer(costs(firstIUN, 1424))
		d.quote(t, second).asks(t, positions.SourceLive, 0, 1424)
		d.answer(costs(secondIUN, 1424))
		d.quote(t, second).asks(t, positions.SourceLive, 1424, 0)
	})
	t.Run("but not of another recipient's", func(t *testing.T) {
		d := newDesk(t, nil)
		first, _ := twoNotices(t, d)
		d.paid(t, first, firstIUN, 1424)
		other := d.position(t, 3, func(p *positions.Position) { p.Debtor.FiscalCode = "VRDLGI70A01F205X" })
		d.answer(costs(firstIUN, 1424))
		d.quote(t, other).asks(t, positions.SourceLive, 1424, 0)
	})
	t.Run("and not of a fee that was pushed", func(t *testing.T) {
		d := newDesk(t, nil)
		first, second := twoNotices(t, d)
		d.paid(t, first, firstIUN, 1424)
		d.answer(costs(firstIUN, 1424))
		d.quote(t, second).asks(t, positions.SourceLive, 0, 1424)
		n, err := d.store.Notice(t.Context(), ente, second)
		if err != nil {
			t.Fatal(err)
		}
		price, err := n.Option.Push(ente, 300, n.Price, d.now())
		if err == nil {
			err = d.store.SavePrice(t.Context(), ente, second, price)
		}
		if err != nil {
			t.Fatal(err)
		}
		d.answer(down)
		d.quote(t, second).asks(t, positions.SourceLastKnown, 300, 0)
	})
	t.Run("and nothing by a policy that charges no old fee", func(t *testing.T) {
		d := newDesk(t, func(p *positions.Policy) { p.OnSendUnavailable = positions.OnUnavailableBase })
		first, second := twoNotices(t, d)
		d.paid(t, first, firstIUN, 1424)
		d.answer(costs(firstIUN, 1424))
		d.quote(t, second).asks(t, positions.SourceLive, 0, 1424)
		d.advance(time.Hour)
		d.answer(down)
		if q := d.quote(t, second); q.Source != positions.SourceBase || q.NotificationFee != 0 || q.FeePaidElsewhere != 0 {
			t.Fatalf("%s, fee %d, %d paid elsewhere", q.Source, q.NotificationFee, q.FeePaidElsewhere)
		}
	})
}

// silentAboutFees is a store that does not tell in time what was paid of a fee.
type silentAboutFees struct{ Store }

func (silentAboutFees) FeesPaid(ctx context.Context, _, _, _ string, _ positions.NoticeNumber) (money.Cents, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}

func TestTheWholeFeeIsAskedWhenTheStoreDoesNotTellWhatWasPaid(t *testing.T) {
	d := newDesk(t, nil)
	first, second := twoNotices(t, d)
	d.paid(t, first, firstIUN, 1424)
	var log bytes.Buffer
	d.Actualizer.store, d.Actualizer.logger = silentAboutFees{d.store}, slog.New(slog.NewTextHandler(&log, nil))
	d.answer(costs(firstIUN, 1424))
	began := time.Now()
	d.quote(t, second).asks(t, positions.SourceLive, 1424, 0)
	if took := time.Since(began); took > time.Second {
		t.Errorf("answered after %s", took)
	}
	if told := log.String(); strings.Count(told, "the whole is charged") != 1 || strings.Contains(told, "RSSMRA") {
		t.Errorf("the log says %q", told)
	}
	d.quote(t, second).asks(t, positions.SourceCache, 0, 1424) // the store has the price by now, and tells with the notice
}
