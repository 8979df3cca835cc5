package actualize

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/attualizza/attualizza/cache"
	"github.com/attualizza/attualizza/positions"
)

const frozenPrice = `{"iun":"AAAA-BBBB-CCCC-202611-D-1","totalPrice":200,"notificationViewDate":"2026-01-10T23:59:59.999999999+01:00"}`

// replica is another process on the same database and SEND, with a memory of its own.
func (d *desk) replica(t *testing.T) *Actualizer {
	t.Helper()
	prices := cache.New[positions.Price](cache.Options{Prefix: "test"})
	t.Cleanup(prices.Close)
	a := New(Config{Store: d.store, Prices: d.prices, Cache: prices, SendTimeout: d.sendTimeout, Now: d.now})
	t.Cleanup(func() { a.Close(context.Background()) })
	return a
}

func TestWhatHappenedSinceAPriceWasAskedForMakesItOutOfDateOnEveryReplica(t *testing.T) {
	for name, body := range map[string]string{"a fresh price": `{"totalPrice":200}`, "a frozen one": frozenPrice} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, nil)
			other := d.replica(t)
			d.answer(priced(body))
			nav := d.position(t, 1, nil)
			both := func(want positions.FeeSource, fee int64) {
				t.Helper()
				for _, a := range []*Actualizer{d.Actualizer, other} {
					q, err := a.Quote(t.Context(), d.org, nav)
					if err != nil || q.Source != want || int64(q.NotificationFee) != fee {
						t.Fatalf("%v, %s %d, want %s %d", err, q.Source, q.NotificationFee, want, fee)
					}
				}
			}
			d.quote(t, nav)
			key := priceKey(ente, nav)
			p, _ := d.cache.Peek(key)
			other.cache.Put(t.Context(), key, p, time.Hour) // it answered too, a moment ago
			before := d.now()
			if err := d.Reopen(t.Context(), ente, nav, p.FetchedAt.Add(-time.Second)); err != nil { // told of by the price already
				t.Fatal(err)
			}
			if q := d.quote(t, nav); q.Source != positions.SourceCache && q.Source != positions.SourceFinal {
				t.Fatalf("after an older event: %s", q.Source)
			}
			d.answer(problem(http.StatusInternalServerError, "PN_GENERIC_ERROR"))
			if err := other.Reopen(t.Context(), ente, nav, d.now()); err != nil {
				t.Fatal(err)
			}
			both(positions.SourceLastKnown, 200)
			d.answer(priced(`{"totalPrice":1382}`))
			if p, err := d.Refresh(t.Context(), d.org, nav); err != nil || p.TotalPrice != 1382 || !p.AskedAfter(before) {
				t.Fatalf("refreshed: %+v, %v", p, err)
			}
			calls := d.calls.Load()
			both(positions.SourceCache, 1382)
			if d.calls.Load() != calls {
				t.Fatal("SEND was asked again")
			}
		})
	}
}

func TestAPriceThatWasAskedForBeforeIsOutOfDateWhateverKeepsIt(t *testing.T) {
	d := newDesk(t, nil)
	d.answer(priced(`{"totalPrice":200}`))
	nav := d.position(t, 1, nil)
	d.quote(t, nav)
	// A newer answer that the store did not get yet, and that asked too early.
	p, _ := d.cache.Peek(priceKey(ente, nav))
	asked := d.now()
	p.AskedAt, p.FetchedAt, p.TotalPrice, p.Final = asked, asked.Add(time.Second), 300, true
	if !d.unsaved.keep(priceKey(ente, nav), ente, nav, &p) {
		t.Fatal("not kept")
	}
	if err := d.Reopen(t.Context(), ente, nav, asked.Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	d.answer(problem(http.StatusInternalServerError, "PN_GENERIC_ERROR"))
	if q := d.quote(t, nav); q.Source != positions.SourceLastKnown || q.NotificationFee != 300 {
		t.Fatalf("%s %d", q.Source, q.NotificationFee)
	}
	if !p.Final {
		t.Fatal("the price that others read was changed")
	}
}

func TestARefreshIsNotSatisfiedWithAnAnswerThatWasAskedForBefore(t *testing.T) {
	d := newDesk(t, nil)
	asked, answer := make(chan struct{}), make(chan struct{})
	d.answer(func(w http.ResponseWriter, r *http.Request) {
		if d.calls.Load() == 1 {
			close(asked)
			<-answer
			priced(`{"totalPrice":200}`)(w, r)
			return
		}
		priced(`{"totalPrice":1382}`)(w, r)
	})
	nav := d.position(t, 1, nil)
	quoted := make(chan error, 1)
	go func() {
		_, err := d.Quote(t.Context(), d.org, nav)
		quoted <- err
	}()
	<-asked
	time.AfterFunc(50*time.Millisecond, func() { close(answer) })
	p, err := d.Refresh(t.Context(), d.org, nav)
	if err != nil || p.TotalPrice != 1382 || d.calls.Load() != 2 {
		t.Fatalf("%+v, %v after %d calls", p, err, d.calls.Load())
	}
	if err := <-quoted; err != nil {
		t.Fatal(err)
	}
	if q := d.quote(t, nav); q.Source != positions.SourceCache || q.NotificationFee != 1382 {
		t.Fatalf("%s %d", q.Source, q.NotificationFee)
	}
}
