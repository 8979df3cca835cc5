package main

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/rest"
	"github.com/attualizza/attualizza/internal/sandbox"
	"github.com/attualizza/attualizza/internal/streams"
	"github.com/attualizza/attualizza/positions"
)

func TestPaidBeforeNotified(t *testing.T) {
	t.Parallel()
	onBoth(t, map[string]func(*testing.T, *house){
		"SEND hears of a payment that came before the notification, once": toldOnceItIsKnown,
		"it does not hear of one that was taken back":                     notToldOfTheFirst,
		"without streams nobody tells it":                                 notToldWithoutStreams,
	})
}

// sender is an ente whose notifications are followed from now on.
func (h *house) sender(t *testing.T) *ente {
	t.Helper()
	e := h.ente(t, withStreams)
	eventually(t, 30*time.Second, "a stream is there", func() bool { return len(h.sim.Streams(e.fiscalCode)) == 1 })
	return e
}

// unknown pays a notice that SEND has never heard of, and waits until it said so.
func (e *ente) unknown(t *testing.T, d debt) {
	t.Helper()
	e.pay(t, d)
	eventually(t, 20*time.Second, "SEND does not know the notice", func() bool {
		last := e.deliveries(t, d.nav, positions.DeliverToSEND)[0]
		return last.State == positions.DeliveryEnded && last.LastStatus != nil && *last.LastStatus == http.StatusNotFound
	})
}

// lookedAt is longer than a delivery waits that nobody told the service of.
const lookedAt = 7 * time.Second

func toldOnceItIsKnown(t *testing.T, h *house) {
	e := h.sender(t)
	d := e.publish(t, unnotified)
	e.unknown(t, d)
	first := e.deliveries(t, d.nav, positions.DeliverToSEND)[0]

	n := e.notifies(t, d)
	n.step(sandbox.Step{Event: sandbox.Accept})
	accepted := time.Now()
	eventually(t, 30*time.Second, "SEND is told", func() bool { return n.tells(sandbox.PaymentReceived) })
	slowest.note("SEND hears of a payment before the notification", time.Since(accepted))
	got := e.delivered(t, d.nav, positions.DeliverToSEND, positions.DeliveryDelivered)
	if got.ID != first.ID || got.Amount == nil || *got.Amount != d.amount || n.payment() != d.amount {
		t.Errorf("the delivery reads %s, SEND was told of %s", show(got), n.payment())
	}
	if _, err := h.sim.Advance(n.iun, sandbox.Step{Event: sandbox.AnalogSend, Cost: 1003}); err == nil {
		t.Error("a letter leaves though the notice is paid")
	}

	again := streams.Event{Organization: e.fiscalCode, ID: "9", Category: "REQUEST_ACCEPTED", IUN: n.iun, RecIndex: -1, ArrivedAt: time.Now()}
	if err := h.follower.Handle(t.Context(), again); err != nil {
		t.Error(err)
	}
	time.Sleep(lookedAt)
	if e.told() != 2 {
		t.Errorf("SEND was told %d times, want 2: in vain, and once", e.told())
	}
	e.delivered(t, d.nav, positions.DeliverToSEND, positions.DeliveryDelivered)
}

func notToldOfTheFirst(t *testing.T, h *house) {
	e := h.sender(t)
	reopen := func(d debt) {
		e.mustREST(t, http.MethodPost, "/debtpositions/"+d.iupd+"/reopen", e.key, object{"reason": "revoca"}, http.StatusOK, nil)
	}
	owed, paidAgain := e.publish(t, unnotified), e.publish(t, unnotified)
	for _, d := range []debt{owed, paidAgain} {
		e.unknown(t, d)
		reopen(d)
	}
	// Replayed, the first payment's delivery ends because it was taken back.
	first := e.deliveries(t, paidAgain.nav, positions.DeliverToSEND)[0]
	e.mustREST(t, http.MethodPost, fmt.Sprintf("/deliveries/%d/replay", first.ID), e.key, nil, http.StatusOK, nil)
	eventually(t, 20*time.Second, "it was taken back", func() bool {
		d := e.deliveries(t, paidAgain.nav, positions.DeliverToSEND)[0]
		return d.State == positions.DeliveryEnded && (d.LastStatus == nil || *d.LastStatus == 0)
	})
	e.unknown(t, paidAgain)
	if e.told() != 3 {
		t.Fatalf("SEND was told %d times", e.told())
	}

	n, of := e.notifies(t, owed), e.notifies(t, paidAgain)
	for _, n := range []*notification{n, of} {
		n.step(sandbox.Step{Event: sandbox.Accept})
	}
	e.learns(t, owed, 200) // its event was carried out
	eventually(t, 30*time.Second, "SEND is told of the second payment", func() bool { return of.tells(sandbox.PaymentReceived) })
	time.Sleep(lookedAt)
	if n.tells(sandbox.PaymentReceived) || e.told() != 4 {
		t.Errorf("SEND was told %d times, of the revoked payment: %v", e.told(), n.tells(sandbox.PaymentReceived))
	}
	states := func(all []rest.NoticeDelivery) (s string) {
		for _, d := range all {
			s += string(d.State) + " "
		}
		return s
	}
	if got := states(e.deliveries(t, paidAgain.nav, positions.DeliverToSEND)); got != "DELIVERED ENDED " {
		t.Errorf("the deliveries, newest first, are %s", got)
	}
	if got := states(e.deliveries(t, owed.nav, positions.DeliverToSEND)); got != "ENDED " {
		t.Errorf("the delivery of what is owed again is %s", got)
	}
}

// docs/integrations.md says what to do about it.
func notToldWithoutStreams(t *testing.T, h *house) {
	e := h.ente(t)
	d := e.publish(t, unnotified)
	e.unknown(t, d)
	n := e.notifies(t, d)
	n.step(sandbox.Step{Event: sandbox.Accept})
	time.Sleep(lookedAt)
	if n.tells(sandbox.PaymentReceived) || e.told() != 1 {
		t.Fatalf("SEND was told %d times", e.told())
	}
	var count rest.Replayed
	e.mustREST(t, http.MethodPost, "/deliveries/replay", e.key, object{"state": "ENDED", "kind": "SEND_PAYMENT", "nav": d.nav}, http.StatusOK, &count)
	if count.Replayed != 1 {
		t.Errorf("%d deliveries are replayed", count.Replayed)
	}
	eventually(t, 20*time.Second, "SEND is told", func() bool { return n.tells(sandbox.PaymentReceived) })
}
