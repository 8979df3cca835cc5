package main

import (
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/internal/sandbox"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/soap/pafornode"
)

func TestStreams(t *testing.T) {
	t.Parallel()
	onBoth(t, map[string]func(*testing.T, *house){
		"what SEND tells while nobody pays is known when somebody does":    toldBeforehand,
		"a price that was final is taken back with the outcome it hung on": takenBack,
		"without streams a price is asked for when somebody pays":          notFollowed,
	})
}

// followed is an ente whose notifications are followed, with a notice that SEND has
// just accepted to notify.
func (h *house) followed(t *testing.T) (*ente, debt, *notification) {
	t.Helper()
	e := h.ente(t, withStreams)
	eventually(t, 30*time.Second, "a stream is there", func() bool { return len(h.sim.Streams(e.fiscalCode)) == 1 })
	d := e.publish(t, digital)
	n := e.notifies(t, d)
	n.step(sandbox.Step{Event: sandbox.Accept})
	e.learns(t, d, 200)
	return e, d, n
}

// wantsUnasked holds a verify and an activation to an amount that is known: SEND is
// not asked for it.
func (e *ente) wantsUnasked(t *testing.T, d debt, fee money.Cents, source positions.FeeSource) {
	t.Helper()
	calls := e.quiet(t, d)
	for _, op := range bothWays {
		reply := e.ask(t, op, d.nav)
		wants(t, reply, d.amount+fee)
		e.wantsSource(t, d.nav, reply, source, fee)
	}
	if n := e.calls(d); n != calls {
		t.Errorf("SEND was asked %d times for what it had told", n-calls)
	}
}

// quiet waits until SEND has not been asked about a notice for a second, because
// one step of a notification can tell several events, and returns how often it was.
func (e *ente) quiet(t *testing.T, d debt) (calls int) {
	t.Helper()
	calls, since := e.calls(d), time.Now()
	eventually(t, 30*time.Second, "all events are carried out", func() bool {
		if n := e.calls(d); n != calls {
			calls, since = n, time.Now()
		}
		return time.Since(since) > time.Second
	})
	return calls
}

// known waits until the price that is known of a notice is as it should be, without
// asking SEND.
func (e *ente) known(t *testing.T, d debt, what string, is func(*positions.Price) bool) {
	t.Helper()
	eventually(t, 40*time.Second, what, func() bool {
		n, err := e.h.store.Notice(t.Context(), e.fiscalCode, d.nav)
		if err != nil {
			t.Fatal(err)
		}
		return n.Price != nil && is(n.Price)
	})
}

func toldBeforehand(t *testing.T, h *house) {
	e, d, n := h.followed(t)
	if got := e.calls(d); got != 1 {
		t.Errorf("SEND was asked %d times because of one event", got)
	}
	e.wantsUnasked(t, d, 200, positions.SourceCache)

	n.step(sandbox.Step{Event: sandbox.AnalogSend, Cost: 1003})
	left := time.Now()
	e.learns(t, d, 1424)
	slowest.note("a letter's cost is known", time.Since(left))
	e.wantsUnasked(t, d, 1424, positions.SourceCache)

	n.step(sandbox.Step{Event: sandbox.View})
	e.known(t, d, "the view freezes the price", func(p *positions.Price) bool { return p.Final })
	e.wantsUnasked(t, d, 1424, positions.SourceFinal)
}

// A postal outcome that turns out to be wrong starts the paper phase again; and what
// is cancelled costs nothing (SEND, "Annullamento di una notifica").
func takenBack(t *testing.T, h *house) {
	e, d, n := h.followed(t)
	const days = 24 * time.Hour
	n.step(sandbox.Step{Event: sandbox.AnalogSend, Cost: 1003}, sandbox.Step{Event: sandbox.AnalogDeliver},
		sandbox.Step{Event: sandbox.ElapseTime, For: sandbox.Duration(12 * days)})
	e.known(t, d, "the refinement freezes the price", func(p *positions.Price) bool { return p.Final })
	e.wantsUnasked(t, d, 1424, positions.SourceFinal)

	n.step(sandbox.Step{Event: sandbox.Rework})
	e.known(t, d, "the rework takes it back", func(p *positions.Price) bool { return !p.Final })
	e.learns(t, d, 200)
	e.wantsUnasked(t, d, 200, positions.SourceCache)
	n.step(sandbox.Step{Event: sandbox.AnalogSend, Cost: 903})
	e.learns(t, d, 1302)
	e.wantsUnasked(t, d, 1302, positions.SourceCache)

	n.step(sandbox.Step{Event: sandbox.RequestCancellation})
	e.learns(t, d, 0)
	e.wantsUnasked(t, d, 0, positions.SourceNoCost)
}

func notFollowed(t *testing.T, h *house) {
	e := h.ente(t)
	d := e.publish(t, digital)
	n := e.notifies(t, d)
	n.step(sandbox.Step{Event: sandbox.Accept})
	time.Sleep(3 * time.Second) // of reading, for the others
	if len(h.sim.Streams(e.fiscalCode)) != 0 || e.calls(d) != 0 {
		t.Error("the notifications of who does not want it are followed")
	}
	reply := e.ask(t, pafornode.GetPaymentV2, d.nav)
	wants(t, reply, d.amount+200)
	e.wantsSource(t, d.nav, reply, positions.SourceLive, 200)
}
