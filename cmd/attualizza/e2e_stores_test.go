package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/nodo"
	"github.com/attualizza/attualizza/internal/testservers"
	"github.com/attualizza/attualizza/soap/pafornode"
)

// One service lives through all of it, and is never restarted: its database and
// its Redis are stopped, killed, frozen and cut off under load. It runs alone,
// before the scenarios that run beside each other, because it is about time.
func TestTheServiceOutlivesItsStores(t *testing.T) {
	// Durable: what a killed server had committed must be there.
	postgres, redis := testservers.StartPostgres(t, testservers.Durable()), testservers.StartRedis(t)
	direct := newHouse(t, postgres.Database(), redis.URL())

	postgresLine, redisLine := testservers.StartProxy(t, postgres.Addr()), testservers.StartProxy(t, redis.Addr())
	through := func(p *testservers.Proxy, url string) string {
		u, err := p.Through(url)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	cut := newHouse(t, through(postgresLine, postgres.Database()), through(redisLine, redis.URL()))

	const database, cache = true, false
	for _, c := range []struct {
		name       string
		h          *house
		what       bool
		refuses    bool // connections are refused at once
		fail, heal func()
	}{
		{"Redis frozen, then resumed", direct, cache, false, redis.Pause, redis.Resume},
		{"Redis killed, then started", direct, cache, true, redis.Kill, redis.Start},
		{"Redis cut off, then reachable", cut, cache, false, func() { redisLine.Blackhole(true) }, func() { redisLine.Blackhole(false) }},
		{"PostgreSQL stopped, then started", direct, database, true, postgres.Stop, postgres.Start},
		{"PostgreSQL killed, then started", direct, database, true, postgres.Kill, postgres.Start},
		{"PostgreSQL frozen, then resumed", direct, database, false, postgres.Pause, postgres.Resume},
		{"PostgreSQL cut off, then reachable", cut, database, false, func() { postgresLine.Blackhole(true) }, func() { postgresLine.Blackhole(false) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := c.h.counter(t, "attualizza_answers_unlogged_total")
			l := c.h.load(t)
			time.Sleep(time.Second)
			if well, _ := l.wellSince(0); well < 900*time.Millisecond {
				t.Error("not well before the fault")
			}
			c.fail()
			failed := l.since()
			time.Sleep(1500 * time.Millisecond)
			c.h.saysItself(t, l, c.what == database)
			time.Sleep(time.Second)
			c.heal()
			healed := l.since()
			eventually(t, 11*time.Second, "all is well again for a second", func() bool {
				well, _ := l.wellSince(healed)
				return well > time.Second
			})
			_, lastBad := l.wellSince(healed)
			slowest.note("recovery: "+c.name, lastBad-healed)
			if lastBad-healed > 10*time.Second {
				t.Errorf("well again only after %s", lastBad-healed)
			}
			l.stop()
			if status, body := c.h.get(t, "ops", "/readyz"); status != http.StatusOK {
				t.Errorf("readyz afterwards: %d %s", status, body)
			}

			refused, resubmitted := l.judge(t, c.name)
			switch {
			case c.what == cache && refused+resubmitted > 0:
				t.Errorf("%d refusals and %d receipts put off for want of a cache", refused, resubmitted)
			case c.what == database && (refused == 0 || resubmitted == 0):
				t.Errorf("%d refusals, %d receipts put off: the database was not missed", refused, resubmitted)
			case c.what == database && c.refuses:
				l.wasQuick(t, c.name, failed+500*time.Millisecond, healed)
			}
			l.nothingLost(t, func() int { return c.h.counter(t, "attualizza_answers_unlogged_total") - before })
			c.h.nothingPersonal(t)
			if strings.Contains(c.h.logs.String(), "defect while answering") {
				t.Error("something panicked")
			}
			t.Logf("%d calls, the slowest verify or activation %s, receipt %s; %d refusals, %d receipts put off; well again %s after the end of the fault",
				len(l.soFar()), l.slowest(false), l.slowest(true), refused, resubmitted, (lastBad - healed).Round(time.Millisecond))
		})
	}
}

// saysItself holds the probes and the REST API to the truth in the middle of a
// fault.
func (h *house) saysItself(t *testing.T, l *load, withoutStore bool) {
	t.Helper()
	want := http.StatusOK
	if withoutStore {
		want = http.StatusServiceUnavailable
	}
	if status, _ := h.get(t, "ops", "/livez"); status != http.StatusOK {
		t.Errorf("livez: %d", status)
	}
	if status, body := h.get(t, "ops", "/readyz"); status != want {
		t.Errorf("readyz: %d %s", status, body)
	}
	asked := time.Now()
	status, problem, err := l.e.callREST(http.MethodGet, "/debtpositions/"+l.debts[0].iupd, l.e.key, nil, nil)
	if err != nil || status != want || want != http.StatusOK && problem.Title == "" {
		t.Errorf("REST: %d %s %v", status, show(problem), err)
	}
	if took := time.Since(asked); took > 5*time.Second {
		t.Errorf("REST answered after %s", took)
	}
}

// wasQuick: a store that refuses connections costs next to no time.
func (l *load) wasQuick(t *testing.T, name string, from, to time.Duration) {
	t.Helper()
	var all []time.Duration
	for _, x := range l.soFar() {
		if x.at > from && x.at < to {
			all = append(all, x.took)
		}
	}
	if len(all) < 50 {
		t.Fatalf("only %d calls while the store refused connections", len(all))
	}
	slices.Sort(all)
	median, worst := all[len(all)/2], all[len(all)*95/100]
	t.Logf("%s: median %s, 95 %% below %s", name, median.Round(time.Millisecond), worst.Round(time.Millisecond))
	if median > 100*time.Millisecond || worst > 700*time.Millisecond {
		t.Errorf("refusals took %s in the median, 95 %% below %s", median, worst)
	}
}

func (l *load) slowest(receipts bool) (worst time.Duration) {
	for _, x := range l.soFar() {
		if x.op.IsReceipt() == receipts {
			worst = max(worst, x.took)
		}
	}
	return worst.Round(time.Millisecond)
}

func TestTheServiceStartsBeforeItsStores(t *testing.T) {
	postgres, redis := testservers.StartPostgres(t), testservers.StartRedis(t)
	database := postgres.Database()
	postgres.Stop()
	redis.Stop()
	sim := newSimulator(t)
	stop(t, sim)
	h := newHouseOn(t, sim, database, redis.URL())

	if status, _ := h.get(t, "ops", "/livez"); status != http.StatusOK {
		t.Errorf("livez: %d", status)
	}
	if status, body := h.get(t, "ops", "/readyz"); status != http.StatusServiceUnavailable {
		t.Errorf("readyz without a database: %d %s", status, body)
	}
	// Nobody is known yet, but that is no reason for a final KO.
	somebody := &ente{h: h, fiscalCode: demoOrganization}
	early := somebody.request(pafornode.GetPaymentV2, newNotice(t, digital))
	wantsFault(t, h.send(t, early), "PAA_SYSTEM_ERROR")
	receipt := nodo.ReceiptFor(early, &pafornode.Payment{CreditorReferenceID: "1", Amount: 100, Description: "-"}, time.Now())
	if status, body := h.post(t, string(pafornode.AppendRequest(nil, receipt))); status != http.StatusServiceUnavailable || body != "" {
		t.Errorf("a receipt before the organizations are loaded: HTTP %d %s", status, body)
	}

	postgres.Start()
	began := time.Now()
	eventually(t, 10*time.Second, "ready, with neither Redis nor SEND", func() bool {
		status, _ := h.get(t, "ops", "/readyz")
		return status == http.StatusOK
	})
	slowest.note("ready after the database", time.Since(began))
	e := h.ente(t, askEveryTime)
	d := e.publish(t, digital)
	wants(t, e.ask(t, pafornode.VerifyPaymentNotice, d.nav), d.amount)
	e.accepted(t, e.receipt(t, e.publish(t, digital), pafornode.GetPaymentV2))

	restart(t, sim)
	e.recoversWithin(t, d, 15*time.Second)
	redis.Start()
	e.recoversWithin(t, d, time.Second)
}
