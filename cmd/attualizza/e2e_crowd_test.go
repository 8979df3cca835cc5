package main

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/sandbox"
	"github.com/attualizza/attualizza/internal/testservers"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/soap/pafornode"
)

func TestCrowds(t *testing.T) {
	onBoth(t, map[string]func(*testing.T, *house){
		"50 concurrent activations of one uncached notice make one SEND request": func(t *testing.T, h *house) {
			e := h.ente(t)
			if n := crowd(t, e, e); n != 1 {
				t.Errorf("SEND was called %d times", n)
			}
		},
		"50 who ask a SEND that hangs share the wait and the answer": func(t *testing.T, h *house) {
			e := h.ente(t)
			d := e.publish(t, digital)
			e.inject(t, sandbox.Fault{Kind: sandbox.Hang})
			var together sync.WaitGroup
			for range 50 {
				together.Go(func() { wants(t, e.ask(t, pafornode.GetPaymentV2, d.nav), d.amount) })
			}
			together.Wait()
			if n := e.calls(d); n != 1 {
				t.Errorf("SEND was called %d times", n)
			}
		},
		"two receipts of one payment that arrive together are one": func(t *testing.T, h *house) {
			e := h.ente(t)
			d := e.publish(t, digital)
			receipt := e.receipt(t, d, pafornode.GetPaymentV2)
			var together sync.WaitGroup
			for range 10 {
				together.Go(func() { e.accepted(t, receipt) })
			}
			together.Wait()
			if all := e.kept(t, d.nav); len(all) != 1 {
				t.Errorf("%d receipts are kept", len(all))
			}
		},
	})
}

// crowd has 50 ask for a notice that nobody knows the price of, through any of
// the given houses, while SEND takes a moment, and returns how often it was
// called.
func crowd(t *testing.T, here, there *ente) int {
	t.Helper()
	d := here.publish(t, oneLetter)
	id := here.inject(t, sandbox.Fault{Kind: sandbox.Latency, Wait: sandbox.Duration(300 * time.Millisecond)})
	var together sync.WaitGroup
	for i := range 50 {
		e := here
		if i%2 == 1 {
			e = there
		}
		together.Go(func() {
			reply := e.ask(t, pafornode.GetPaymentV2, d.nav)
			wants(t, reply, d.amount+1424)
		})
	}
	together.Wait()
	here.mend(t, id)
	live := 0
	for _, a := range here.answersOnRecord(t, d.nav, 50) {
		if *a.Source == positions.SourceLive {
			live++
		}
	}
	if live == 0 {
		t.Error("nobody's answer was live")
	}
	return here.calls(d)
}

// pair starts two services that share a database and, perhaps, a Redis.
func pair(t *testing.T, redis string) (here, there *house) {
	t.Helper()
	database := testservers.Postgres(t)
	sim := newSimulator(t)
	cfg, err := stageConfig(sim, database, redis)
	if err != nil {
		t.Fatal(err)
	}
	twin := *cfg // with the same keys
	here, there = newHouseWith(t, sim, cfg), newHouseWith(t, sim, &twin)
	for _, h := range []*house{here, there} {
		if err := h.ready(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return here, there
}

// withoutRedis counts the looks into the shared cache that were given up.
func (h *house) withoutRedis(t *testing.T) int {
	t.Helper()
	const looks = "attualizza_price_cache_requests_total"
	return h.counter(t, looks+`{result="error",tier="redis"}`) + h.counter(t, looks+`{result="skipped",tier="redis"}`)
}

// at is the same organization seen through another replica.
func (e *ente) at(h *house) *ente {
	other := *e
	other.h = h
	return &other
}

// follows waits until a replica has loaded an organization.
func (e *ente) follows(t *testing.T, h *house) *ente {
	t.Helper()
	began := time.Now()
	eventually(t, 5*time.Second, "the other replica knows the organization", func() bool {
		_, known := h.registry.Organization(e.fiscalCode)
		return known
	})
	slowest.note("a registration in force on the other replica", time.Since(began))
	return e.at(h)
}

// It runs before the scenarios that keep the processors busy: a Redis that takes
// more than 50 ms is gone without, and then each replica is for itself.
func TestReplicas(t *testing.T) {
	t.Run("with Redis, 50 activations through two replicas make one SEND request", func(t *testing.T) {
		t.Parallel()
		here, there := pair(t, testservers.Redis(t))
		e := here.ente(t)
		other := e.follows(t, there)
		for try := 1; ; try++ {
			before := here.withoutRedis(t) + there.withoutRedis(t)
			n := crowd(t, e, other)
			if n == 1 {
				break
			}
			if try == 5 || here.withoutRedis(t)+there.withoutRedis(t) == before {
				t.Fatalf("SEND was called %d times", n)
			}
			t.Log("this machine is too busy for a Redis within 50 ms; again")
			time.Sleep(4 * time.Second)
		}
		// What one learned serves the other.
		d := e.publish(t, digital)
		wants(t, e.ask(t, pafornode.VerifyPaymentNotice, d.nav), d.amount+200)
		reply := other.ask(t, pafornode.GetPaymentV2, d.nav)
		wants(t, reply, d.amount+200)
		other.wantsSource(t, d.nav, reply, positions.SourceCache, 200)
	})
	t.Run("without Redis, each of two replicas asks SEND once", func(t *testing.T) {
		t.Parallel()
		here, there := pair(t, "")
		e := here.ente(t)
		if n := crowd(t, e, e.follows(t, there)); n != 2 {
			t.Errorf("SEND was called %d times", n)
		}
	})
	t.Run("one voucher serves both replicas", func(t *testing.T) {
		t.Parallel()
		here, there := pair(t, testservers.Redis(t))
		e := here.ente(t, here.withVoucher(t), askEveryTime)
		d := e.publish(t, digital)
		wants(t, e.ask(t, pafornode.VerifyPaymentNotice, d.nav), d.amount+200)
		wants(t, e.follows(t, there).ask(t, pafornode.VerifyPaymentNotice, d.nav), d.amount+200)
		if n := e.tokens(); n != 1 {
			t.Errorf("PDND was asked for %d vouchers", n)
		}
	})
	t.Run("a registration is in force here at once and there within 5 s", registration)
}

func registration(t *testing.T) {
	t.Parallel()
	here, there := pair(t, testservers.Redis(t))
	e := here.ente(t)
	d := e.publish(t, oneLetter)
	wants(t, e.ask(t, pafornode.VerifyPaymentNotice, d.nav), d.amount+1424) // at once
	other := e.follows(t, there)
	wants(t, other.ask(t, pafornode.VerifyPaymentNotice, d.nav), d.amount+1424)

	policy("notificationFeeMetadata", "EURO")(e.body)
	e.register(t, http.StatusOK)
	if got, _ := metadata(e.ask(t, pafornode.GetPaymentV2, d.nav)); got != "14.24" {
		t.Errorf("replaced here, NOTIFICATION_FEE is still %s", got)
	}
	eventually(t, 5*time.Second, "the replacement is in force there", func() bool {
		got, _ := metadata(other.ask(t, pafornode.GetPaymentV2, d.nav))
		return got == "14.24"
	})

	e.mustREST(t, http.MethodDelete, "", here.adminKey, nil, http.StatusNoContent, nil)
	if got := fault(e.ask(t, pafornode.VerifyPaymentNotice, d.nav)); !strings.HasPrefix(got, "PAA_ID_") {
		t.Errorf("unregistered here, it answers %s", got)
	}
	eventually(t, 5*time.Second, "the removal is in force there", func() bool {
		return fault(other.ask(t, pafornode.VerifyPaymentNotice, d.nav)) != ""
	})
}

// Beyond the bound of answers in preparation a refusal comes at once, and
// receipts are never starved by verifies.
func TestOverload(t *testing.T) {
	t.Parallel()
	sim := newSimulator(t)
	cfg, err := stageConfig(sim, "sqlite:"+t.TempDir()+"/overload.db", "")
	if err != nil {
		t.Fatal(err)
	}
	cfg.MaxInFlight = 4
	h := newHouseWith(t, sim, cfg)
	if err := h.ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	e := h.ente(t)
	paid := e.receipt(t, e.publish(t, digital), pafornode.GetPaymentV2)
	e.inject(t, sandbox.Fault{Kind: sandbox.Hang})
	d := e.publish(t, digital)
	var four []debt
	for range 4 {
		four = append(four, e.publish(t, digital))
	}
	asked := len(sim.Requests(sandbox.Filter{Endpoint: sandbox.EndpointPrice}))
	var together sync.WaitGroup
	for _, d := range four {
		together.Go(func() { wants(t, e.ask(t, pafornode.VerifyPaymentNotice, d.nav), d.amount) })
	}
	eventually(t, time.Second, "the four are waiting for SEND", func() bool {
		return len(sim.Requests(sandbox.Filter{Endpoint: sandbox.EndpointPrice})) >= 4+asked
	})
	for range 5 {
		reply := e.ask(t, pafornode.VerifyPaymentNotice, d.nav)
		wantsFault(t, reply, "PAA_SYSTEM_ERROR")
		if reply.Took > 300*time.Millisecond {
			t.Errorf("refused after %s", reply.Took)
		}
	}
	e.accepted(t, paid)
	together.Wait()
}
