package main

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/config"
	"github.com/attualizza/attualizza/internal/testservers"
	"github.com/attualizza/attualizza/soap/pafornode"
)

// An update of two replicas, one after the other, is noticed by nobody: no call
// fails, none is late, no receipt is lost or comes twice. In front of them is a
// balancer; the replicas are given nothing but SIGTERM and the default drain delay.
func TestARollingRestartOfTwoReplicasFailsNobody(t *testing.T) {
	r := newRolling(t)
	l := r.traffic(t)
	for range 2 {
		for i := range r.replicas {
			r.restart(t, i)
		}
	}
	time.Sleep(time.Second)
	l.stop()
	l.judge(t)
	r.nothingLost(t, l.soFar())

	// For comparison: nobody can be kept from a process that dies at once.
	crashed := r.traffic(t)
	time.Sleep(time.Second)
	if err := r.replicas[0].cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-r.replicas[0].ended
	time.Sleep(checkEvery * (checkFall + 2))
	crashed.stop()
	t.Logf("for comparison, one replica killed:\n%s", crashed.table())
	for i, c := range r.replicas {
		c.house(t, r.sim, r.cfg[i]).nothingPersonal(t)
	}
}

// rolling is two replicas behind a balancer, on one PostgreSQL and one Redis.
type rolling struct {
	cfg      []*config.Config
	sim      *simulator
	database string
	replicas []*child
	balancer *balancer
	receiver *receiver
	door     *ente    // by REST, through the balancer
	ways     []*ente  // of the Nodo: through the balancer that reads HTTP, and through the one that does not
	houses   []*house // of the ways
}

func newRolling(t *testing.T) *rolling {
	t.Helper()
	r := &rolling{sim: newSimulator(t), database: testservers.Postgres(t), receiver: newReceiver(t)}
	cfg, err := stageConfig(r.sim, r.database, testservers.Redis(t))
	if err != nil {
		t.Fatal(err)
	}
	cfg.APIRateLimit = config.Rate{Requests: 100_000, Per: time.Second}
	free := map[string]bool{}
	for len(free) < 6 {
		free[freeAddress(t)] = true
	}
	var doors []map[string]string
	var addresses []string
	for address := range free {
		addresses = append(addresses, address)
	}
	for three := range slices.Chunk(addresses, 3) {
		own := *cfg
		own.NodoListen, own.APIListen, own.OpsListen = three[0], three[1], three[2]
		r.cfg = append(r.cfg, &own)
		c := startChild(t, &own)
		eventually(t, 20*time.Second, "a replica is ready", c.ready)
		r.replicas, doors = append(r.replicas, c), append(doors, c.doors)
	}
	r.balancer = newBalancer(t, doors...)
	eventually(t, 20*time.Second, "the balancer has found the replicas", r.allUp)

	api := r.balancer.http(t, "api")
	for _, nodo := range []string{r.balancer.http(t, "nodo"), r.balancer.tcp(t, "nodo")} {
		front := &child{doors: map[string]string{"nodo": nodo, "api": api, "ops": doors[0]["ops"]}, log: r.replicas[0].log}
		h := front.house(t, r.sim, cfg)
		h.client.Transport = onlyOnce{h.client.Transport}
		r.houses = append(r.houses, h)
	}
	r.door = r.houses[0].ente(t, pushesTo(r.receiver))
	r.ways = []*ente{r.door, r.door.at(r.houses[1])}
	known := r.door.publish(t, digital)
	for _, c := range r.replicas {
		eventually(t, 10*time.Second, "every replica knows the organization", func() bool {
			return r.door.at(c.house(t, r.sim, cfg)).ask(t, pafornode.VerifyPaymentNotice, known.nav).Response.Outcome == "OK"
		})
	}
	return r
}

// onlyOnce keeps a transport from sending again what it sent on a connection that
// had just been closed: the Nodo's may not.
type onlyOnce struct{ http.RoundTripper }

func (o onlyOnce) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	request.GetBody = nil
	return o.RoundTripper.RoundTrip(request)
}

func (r *rolling) allUp() bool {
	return !slices.ContainsFunc(r.balancer.backends, func(x *backend) bool { return !x.up.Load() })
}

// restart ends a replica as an update does, and starts it again.
func (r *rolling) restart(t *testing.T, i int) {
	t.Helper()
	c, asked := r.replicas[i], time.Now()
	c.end(t)
	stopped := time.Since(asked)
	if r.balancer.backends[i].up.Load() {
		t.Error("the balancer still asks a replica that has ended")
	}
	c.house(t, r.sim, r.cfg[i]).nothingPersonal(t)
	r.replicas[i] = startChild(t, r.cfg[i])
	eventually(t, 20*time.Second, "it is ready", r.replicas[i].ready)
	ready := time.Since(asked)
	eventually(t, 20*time.Second, "the balancer has found it", r.allUp)
	t.Logf("replica %d: stopped %s after SIGTERM, ready %s, asked again %s", i,
		stopped.Round(time.Millisecond), ready.Round(time.Millisecond), time.Since(asked).Round(time.Millisecond))
}

// nothingLost looks in the database for all that was acknowledged, and at what the
// receiver was told.
func (r *rolling) nothingLost(t *testing.T, all []called) {
	t.Helper()
	told, receipts := 0, map[string]bool{}
	for _, c := range all {
		switch {
		case c.problem != "":
		case c.receipt != "":
			receipts[c.receipt] = true
		case c.what != publication:
			told++
		}
	}
	var kept, distinct, recorded, pending int
	ask := func(into *int, query string) { (&fleet{database: r.database}).ask(t, into, query, r.door.fiscalCode) }
	ask(&kept, `SELECT count(*) FROM receipts WHERE organization = $1`)
	ask(&distinct, `SELECT count(DISTINCT receipt_id) FROM receipts WHERE organization = $1`)
	if kept != len(receipts) || distinct != kept {
		t.Errorf("%d receipts were acknowledged; %d are kept, under %d identifiers", len(receipts), kept, distinct)
	}
	eventually(t, 5*time.Second, "every amount that was told is on record", func() bool {
		ask(&recorded, `SELECT count(*) FROM answers WHERE organization = $1 AND outcome = 'OK' AND operation IN ('paVerifyPaymentNotice', 'paGetPaymentV2')`)
		return recorded >= told
	})
	eventually(t, 20*time.Second, "every receipt has left", func() bool {
		ask(&pending, `SELECT count(*) FROM deliveries WHERE organization = $1 AND state = 'PENDING'`)
		return pending == 0
	})
	pushed := map[string]int{}
	for _, a := range r.receiver.taken() {
		pushed[a.receipt.ReceiptID]++
	}
	again := 0
	for id := range receipts {
		if again += pushed[id] - 1; pushed[id] == 0 {
			t.Errorf("receipt %s never came to the debt system", id)
		}
	}
	if again > 0 {
		t.Errorf("%d receipts were pushed more than once, though nobody died", again)
	}
	t.Logf("%d receipts acknowledged, %d kept, %d pushed, %d of them more than once; %d amounts told, %d on record", len(receipts), kept, len(pushed), again, told, recorded)
}
