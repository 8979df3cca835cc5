package soap

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/soap/pafornode"
)

// Bounds of what is remembered of verifies: an amount for one or two generations,
// whichever of its age and of what came since ends them first.
const (
	generation     = 15 * time.Minute
	mostGeneration = 25_000 // notices
)

// told remembers the amount that a verify last told of a notice, so that the
// activation can be held against it: did the payer see one price and pay another? It
// is of this process alone, and forgets: it counts, and decides nothing. There are two
// generations, of which the older is forgotten as a whole, so that nothing has to tidy
// up. It is safe for concurrent use.
type told struct {
	mu         sync.Mutex
	young, old map[toldKey]money.Cents
	began      time.Time // of the young
}

// toldKey is a notice: the organization's tax code and the notice number. It holds no
// string, because that would keep a whole message.
type toldKey [11 + 18]byte

func keyOf(q *pafornode.Request) (k toldKey, ok bool) {
	organization, nav := q.QRCode.FiscalCode, q.QRCode.NoticeNumber
	if len(organization)+len(nav) != len(k) {
		return k, false
	}
	copy(k[copy(k[:], organization):], nav)
	return k, true
}

// remember keeps what a verify told.
func (t *told) remember(k toldKey, amount money.Cents, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.age(now)
	if len(t.young) >= mostGeneration {
		t.turn(now)
	}
	if t.young == nil {
		t.young = map[toldKey]money.Cents{}
	}
	t.young[k] = amount
}

// recall returns what a verify last told, if that is remembered.
func (t *told) recall(k toldKey, now time.Time) (amount money.Cents, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.age(now)
	if amount, ok = t.young[k]; !ok {
		amount, ok = t.old[k]
	}
	return amount, ok
}

// age turns the generations that are over by now.
func (t *told) age(now time.Time) {
	if now.Sub(t.began) >= 2*generation {
		clear(t.young) // the time of both is over
	}
	if now.Sub(t.began) >= generation {
		t.turn(now)
	}
}

func (t *told) turn(now time.Time) {
	t.young, t.old, t.began = t.old, t.young, now
	clear(t.young)
}

// What an activation asked, held against what the verify before it told.
var (
	comparisons = []string{"same", "more", "less"}
	directions  = []string{"up", "down"}
)

func resultOption(s string) metric.AddOption {
	return metric.WithAttributeSet(attribute.NewSet(attribute.String("result", s)))
}

func directionOption(s string) metric.AddOption {
	return metric.WithAttributeSet(attribute.NewSet(attribute.String("direction", s)))
}

// compare remembers the amount of a verify, and holds that of an activation against
// it. Both were answered with an amount.
func (h *Handler) compare(ctx context.Context, x *exchange) {
	q, op := x.result.quote, x.request.Operation
	if q == nil || x.result.outcome != "OK" {
		return
	}
	k, ok := keyOf(&x.request)
	switch {
	case !ok:
	case op == pafornode.VerifyPaymentNotice:
		h.told.remember(k, q.Amount, x.arrived)
	case op == pafornode.GetPayment || op == pafornode.GetPaymentV2:
		if before, ok := h.told.recall(k, x.arrived); ok {
			h.meters.drifted(ctx, q.Amount-before)
		}
	}
}

// drifted counts an activation that asked by so much more, or less, than the verify
// before it.
func (m *meters) drifted(ctx context.Context, by money.Cents) {
	result := "same"
	switch {
	case by > 0:
		result = "more"
		m.drift.Add(ctx, int64(by), m.driftSets.Of("up", directionOption)...)
	case by < 0:
		result = "less"
		m.drift.Add(ctx, -int64(by), m.driftSets.Of("down", directionOption)...)
	}
	m.compared.Add(ctx, 1, m.comparedSets.Of(result, resultOption)...)
}
