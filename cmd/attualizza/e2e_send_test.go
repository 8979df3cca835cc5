package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/internal/nodo"
	"github.com/attualizza/attualizza/internal/sandbox"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/sendclient"
	"github.com/attualizza/attualizza/soap/pafornode"
)

// sendFaults is everything that SEND can do wrong, and what the journal says
// about it: the HTTP status, 0 for none, and one of the codes.
var sendFaults = []struct {
	name   string
	fault  sandbox.Fault
	status int
	codes  []string
	held   bool // SEND is left alone afterwards, for longer than a test can wait
}{
	{name: "hanging", fault: sandbox.Fault{Kind: sandbox.Hang}, codes: kinds(sendclient.KindTimeout)},
	{name: "resetting", fault: sandbox.Fault{Kind: sandbox.Reset}, codes: kinds(sendclient.KindTransport)},
	{name: "answering 500", fault: sandbox.Fault{Kind: sandbox.WithStatus, Status: 500}, status: 500},
	{name: "answering 503", fault: sandbox.Fault{Kind: sandbox.WithStatus, Status: 503}, status: 503},
	{name: "answering 429", fault: sandbox.Fault{Kind: sandbox.WithStatus, Status: 429}, status: 429},
	{name: "answering 401", fault: sandbox.Fault{Kind: sandbox.WithStatus, Status: 401}, status: 401, held: true},
	{name: "answering 403", fault: sandbox.Fault{Kind: sandbox.WithStatus, Status: 403}, status: 403, held: true},
	{name: "answering what is not JSON", fault: sandbox.Fault{Kind: sandbox.Malformed}, status: 200, codes: kinds(sendclient.KindUnreadable)},
	{name: "breaking off", fault: sandbox.Fault{Kind: sandbox.Truncated}, status: 200, codes: kinds(sendclient.KindTransport, sendclient.KindUnreadable)},
	{name: "answering without totalPrice", fault: sandbox.Fault{Kind: sandbox.NoTotalPrice}, status: 200, codes: kinds(sendclient.KindAnomaly)},
	{name: "dripping", fault: sandbox.Fault{Kind: sandbox.Drip}, status: 200, codes: kinds(sendclient.KindTimeout)},
	{name: "slower than its limit", fault: sandbox.Fault{Kind: sandbox.Latency, Wait: sandbox.Duration(1500 * time.Millisecond)}, codes: kinds(sendclient.KindTimeout)},
}

func kinds(all ...sendclient.ErrorKind) (codes []string) {
	for _, k := range all {
		codes = append(codes, string(k))
	}
	return codes
}

// policies is what each policy makes of it, with and without a price of 2.00
// known before.
var policies = []struct {
	policy positions.SendUnavailable
	known  bool
	fee    money.Cents
	source positions.FeeSource
	fault  string
}{
	{policy: positions.OnUnavailableLastKnown, known: true, fee: 200, source: positions.SourceLastKnown},
	{policy: positions.OnUnavailableLastKnown, known: false, fee: 0, source: positions.SourceNone},
	{policy: positions.OnUnavailableBase, known: true, fee: 0, source: positions.SourceBase},
	{policy: positions.OnUnavailableBase, known: false, fee: 0, source: positions.SourceNone},
	{policy: positions.OnUnavailableRefuse, known: true, fee: 200, source: positions.SourceLastKnown},
	{policy: positions.OnUnavailableRefuse, known: false, fault: "PAA_SYSTEM_ERROR", source: positions.SourceNone},
}

func TestWithSENDFailing(t *testing.T) {
	t.Parallel()
	scenarios := map[string]func(*testing.T, *house){
		"slow, but within its limit: the answer is live":                slowButLive,
		"an open breaker answers at once and closes by itself":          breaker,
		"a 429 is obeyed for as long as it asks and not longer":         retryAfter,
		"a refused credential is left alone until it is replaced":       deniedCredential,
		"a notification that was cancelled clears the last known price": cancelled,
	}
	for _, f := range sendFaults {
		scenarios["SEND "+f.name] = func(t *testing.T, h *house) {
			for _, p := range policies {
				t.Run(fmt.Sprintf("%s, known %v", p.policy, p.known), func(t *testing.T) {
					t.Parallel()
					e := h.ente(t, askEveryTime, policy("onSendUnavailable", p.policy))
					d := e.publish(t, digital)
					if p.known {
						wants(t, e.ask(t, pafornode.VerifyPaymentNotice, d.nav), d.amount+200)
					}
					id := e.inject(t, f.fault)
					for i, op := range []pafornode.Operation{pafornode.VerifyPaymentNotice, pafornode.GetPaymentV2} {
						reply := e.ask(t, op, d.nav)
						degradedAs(t, reply, d, p.fee, p.fault)
						slowest.note("SEND "+f.name, reply.Took)
						a := e.wantsSource(t, d.nav, reply, p.source, p.fee)
						switch x := a.Send; {
						case x == nil:
							t.Error("the failed exchange with SEND is not on record")
						case i > 0 && f.held: // not asked again
						case f.status != 0 && (x.Status == nil || *x.Status != f.status),
							f.codes != nil && (x.Code == nil || !slices.Contains(f.codes, *x.Code)):
							t.Errorf("on record is %+v, want status %d and one of %v", show(x), f.status, f.codes)
						}
					}
					if f.held {
						return // see deniedCredential
					}
					e.mend(t, id)
					reply := e.ask(t, pafornode.GetPaymentV2, d.nav)
					wants(t, reply, d.amount+200)
					e.wantsSource(t, d.nav, reply, positions.SourceLive, 200)
				})
			}
		}
	}
	onBoth(t, scenarios)
}

// degradedAs holds an answer without a price from SEND to the policy.
func degradedAs(t *testing.T, reply *nodo.Reply, d debt, fee money.Cents, code string) {
	t.Helper()
	if code != "" {
		wantsFault(t, reply, code)
		return
	}
	wants(t, reply, d.amount+fee)
}

func slowButLive(t *testing.T, h *house) {
	e := h.ente(t, askEveryTime)
	d := e.publish(t, digital)
	e.inject(t, sandbox.Fault{Kind: sandbox.Latency, Wait: sandbox.Duration(800 * time.Millisecond)})
	for _, op := range bothWays {
		reply := e.ask(t, op, d.nav)
		wants(t, reply, d.amount+200)
		a := e.wantsSource(t, d.nav, reply, positions.SourceLive, 200)
		if x := a.Send; x == nil || x.AnsweredAt == nil || x.AnsweredAt.Sub(x.RequestedAt) < 800*time.Millisecond || a.DurationMs < 800 {
			t.Errorf("the journal's timings are not those of a SEND that took 800 ms: %v, %+v", a.DurationMs, show(x))
		}
	}
}

// recoversWithin asks until the price is live again.
func (e *ente) recoversWithin(t *testing.T, d debt, limit time.Duration) {
	t.Helper()
	began := time.Now()
	eventually(t, limit, "the price is live again", func() bool {
		e.ask(t, pafornode.VerifyPaymentNotice, d.nav)
		a := e.answersOnRecord(t, d.nav, 1)[0]
		return *a.Source == positions.SourceLive && a.Amount == d.amount+200
	})
	slowest.note("recovery: "+t.Name(), time.Since(began))
}

func breaker(t *testing.T, h *house) {
	e := h.ente(t, askEveryTime)
	d := e.publish(t, digital)
	wants(t, e.ask(t, pafornode.VerifyPaymentNotice, d.nav), d.amount+200)
	id := e.inject(t, sandbox.Fault{Kind: sandbox.Hang})
	var together sync.WaitGroup
	for range 6 { // of one notice each, or they would share the request
		other := e.publish(t, digital)
		together.Go(func() { wants(t, e.ask(t, pafornode.VerifyPaymentNotice, other.nav), other.amount) })
	}
	together.Wait()
	before := e.calls(d)
	for range 10 {
		reply := e.ask(t, pafornode.GetPaymentV2, d.nav)
		wants(t, reply, d.amount+200)
		a := e.wantsSource(t, d.nav, reply, positions.SourceLastKnown, 200)
		if a.Send == nil || *a.Send.Code != string(sendclient.KindBreakerOpen) {
			t.Errorf("on record is %+v, want an open breaker", show(a.Send))
		}
		if reply.Took > 500*time.Millisecond {
			t.Errorf("answered after %s with the breaker open", reply.Took)
		}
	}
	if after := e.calls(d); after != before {
		t.Errorf("SEND was called %d times with the breaker open", after-before)
	}
	_, page := h.get(t, "ops", "/metrics")
	if want := `attualizza_send_breaker_state{key="` + e.fiscalCode + `"} 2`; !contains(page, want) {
		t.Errorf("the metrics do not say %s", want)
	}
	e.mend(t, id)
	e.recoversWithin(t, d, 15*time.Second) // it stays open for 5 to 10 s
	told := func(line string) int {
		said := regexp.MustCompile(`"msg":"SEND or the relay of an organization ` + line + `[^}]*"organization":"` + e.fiscalCode)
		return len(said.FindAllString(h.logs.String(), -1))
	}
	eventually(t, 5*time.Second, "the log says that SEND answers again", func() bool {
		e.ask(t, pafornode.VerifyPaymentNotice, d.nav) // it closes after three good answers
		return told("answers again") == 1
	})
	if n := told("keeps failing"); n != 1 {
		t.Errorf("the log says %d times that SEND keeps failing", n)
	}
}

func retryAfter(t *testing.T, h *house) {
	e := h.ente(t, askEveryTime)
	d := e.publish(t, digital)
	wants(t, e.ask(t, pafornode.VerifyPaymentNotice, d.nav), d.amount+200)
	e.inject(t, sandbox.Fault{Kind: sandbox.WithStatus, Status: 429, RetryAfter: 2, Requests: 1})
	began := time.Now()
	before := e.calls(d)
	for range 5 {
		reply := e.ask(t, pafornode.VerifyPaymentNotice, d.nav)
		wants(t, reply, d.amount+200)
		e.wantsSource(t, d.nav, reply, positions.SourceLastKnown, 200)
	}
	if after := e.calls(d); time.Since(began) < 2*time.Second && after != before+1 {
		t.Errorf("SEND was called %d times after it asked for a pause", after-before-1)
	}
	e.recoversWithin(t, d, 6*time.Second)
}

func deniedCredential(t *testing.T, h *house) {
	e := h.ente(t, askEveryTime)
	d := e.publish(t, digital)
	wants(t, e.ask(t, pafornode.VerifyPaymentNotice, d.nav), d.amount+200)
	if err := h.sim.RemoveKey(e.fiscalCode); err != nil {
		t.Fatal(err)
	}
	before := e.calls(d)
	for range 20 {
		reply := e.ask(t, pafornode.GetPaymentV2, d.nav)
		wants(t, reply, d.amount+200)
		e.wantsSource(t, d.nav, reply, positions.SourceLastKnown, 200)
	}
	if n := e.calls(d) - before; n != 1 {
		t.Errorf("SEND, which repeats a refusal for a minute, was called %d times", n)
	}
	e.sendKey += "2"
	if err := h.sim.RegisterKey(sandbox.APIKey{Name: e.fiscalCode, Value: e.sendKey, SenderTaxID: e.fiscalCode, PDND: sandbox.VoucherForbidden}); err != nil {
		t.Fatal(err)
	}
	e.body["send"].(object)["apiKey"] = e.sendKey
	e.register(t, http.StatusOK)
	reply := e.ask(t, pafornode.GetPaymentV2, d.nav)
	wants(t, reply, d.amount+200)
	e.wantsSource(t, d.nav, reply, positions.SourceLive, 200)
}

func cancelled(t *testing.T, h *house) {
	e := h.ente(t, askEveryTime)
	d := e.publish(t, digital)
	wants(t, e.ask(t, pafornode.VerifyPaymentNotice, d.nav), d.amount+200)
	n, err := h.sim.Notify(sandbox.Request{
		SenderTaxID: e.fiscalCode,
		Recipients:  []sandbox.RecipientRequest{{Payments: []sandbox.Payment{{CreditorTaxID: e.fiscalCode, NoticeCode: string(d.nav)}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, event := range []sandbox.Event{sandbox.Accept, sandbox.RequestCancellation} {
		if _, err := h.sim.Advance(n.IUN, sandbox.Step{Event: event}); err != nil {
			t.Fatal(err)
		}
	}
	reply := e.ask(t, pafornode.GetPaymentV2, d.nav)
	wants(t, reply, d.amount)
	e.wantsSource(t, d.nav, reply, positions.SourceNoCost, 0)
	e.inject(t, sandbox.Fault{Kind: sandbox.Reset})
	reply = e.ask(t, pafornode.GetPaymentV2, d.nav)
	wants(t, reply, d.amount)
	e.wantsSource(t, d.nav, reply, positions.SourceLastKnown, 0) // the last answer was "no cost"
}

// A refused connection concerns everybody: the simulator is stopped and started
// again on its port, for a house of its own.
func TestWithSENDNotListening(t *testing.T) {
	t.Parallel()
	for _, deploy := range deployments {
		t.Run(deploy.name, func(t *testing.T) {
			t.Parallel()
			database, redis := deploy.start(t)
			h := newHouse(t, database, redis)
			type case_ struct {
				e *ente
				d debt
			}
			cases := make([]case_, len(policies))
			for i, p := range policies {
				e := h.ente(t, askEveryTime, policy("onSendUnavailable", p.policy))
				cases[i] = case_{e, e.publish(t, digital)}
				if p.known {
					wants(t, e.ask(t, pafornode.VerifyPaymentNotice, cases[i].d.nav), cases[i].d.amount+200)
				}
			}
			stop(t, h.sim)
			for i, p := range policies {
				c := cases[i]
				for _, op := range []pafornode.Operation{pafornode.VerifyPaymentNotice, pafornode.GetPaymentV2} {
					reply := c.e.ask(t, op, c.d.nav)
					degradedAs(t, reply, c.d, p.fee, p.fault)
					slowest.note("SEND refusing connections", reply.Took)
					if a := c.e.wantsSource(t, c.d.nav, reply, p.source, p.fee); a.Send == nil || *a.Send.Code != string(sendclient.KindTransport) {
						t.Errorf("%s, known %v: on record is %+v", p.policy, p.known, show(a.Send))
					}
				}
			}
			restart(t, h.sim)
			for _, c := range cases {
				reply := c.e.ask(t, pafornode.GetPaymentV2, c.d.nav)
				wants(t, reply, c.d.amount+200)
				c.e.wantsSource(t, c.d.nav, reply, positions.SourceLive, 200)
			}
		})
	}
}

// stop closes the simulator's port; what it knows is kept.
func stop(t *testing.T, sim *simulator) {
	t.Helper()
	if err := sim.server.Close(); err != nil {
		t.Fatal(err)
	}
}

// restart serves the simulator again at its old address.
func restart(t *testing.T, sim *simulator) {
	t.Helper()
	var listener net.Listener
	eventually(t, 5*time.Second, "the simulator's port is free", func() bool {
		var err error
		listener, err = (&net.ListenConfig{}).Listen(context.Background(), "tcp", sim.URL[len("http://"):])
		return err == nil
	})
	server := &http.Server{Handler: sim.Handler(), ReadHeaderTimeout: 5 * time.Second}
	t.Cleanup(func() { _ = server.Close() })
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}()
}
