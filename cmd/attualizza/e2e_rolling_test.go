package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/attualizza/attualizza/internal/config"
	"github.com/attualizza/attualizza/internal/nodo"
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

// steadyTraffic is the life of forty notices a second, all through the balancer: the
// organization publishes one, somebody looks at it three times and activates it,
// and its receipt comes. That makes 200 calls of the Nodo and 40 by REST a second.
// It is an open loop: no call waits for another one's answer, and how long an answer
// took is counted from the instant at which the call was due.
type steadyTraffic struct {
	r       *rolling
	debts   []debt // some are there before
	receipt pafornode.Request
	began   time.Time

	stopping chan struct{}
	running  sync.WaitGroup
	mu       sync.Mutex
	all      []called
	lag      time.Duration // the most that a call left after it was due: this machine's, not the service's
}

// called is one call and what came of it.
type called struct {
	what    string
	receipt string        // its identifier
	at      time.Duration // when it was due, since the beginning
	took    time.Duration
	problem string // "": it was answered as it should be, and in time
}

const (
	publication = "POST debtpositions"
	perNotice   = 5 // calls of the Nodo
	tempo       = time.Second / 200
)

// laterBy is how many notices later the calls about one are made: 2 s after its
// publication it is looked at, after 3 s activated, after 4 s paid.
var laterBy = [perNotice]int{80, 88, 96, 120, 160}

func (r *rolling) traffic(t *testing.T) *steadyTraffic {
	t.Helper()
	l := &steadyTraffic{r: r, stopping: make(chan struct{})}
	l.receipt = *r.door.receipt(t, r.door.publish(t, digital), pafornode.GetPaymentV2)
	for range laterBy[perNotice-1] {
		l.debts = append(l.debts, r.door.publish(t, digital))
	}
	l.began = time.Now()
	l.running.Go(func() { l.run(t) })
	t.Cleanup(l.stop)
	return l
}

func (l *steadyTraffic) run(t *testing.T) {
	for i := 0; ; i++ {
		due := time.Duration(i) * tempo
		select {
		case <-l.stopping:
			return
		case <-time.After(time.Until(l.began.Add(due))):
		}
		l.lag = max(l.lag, time.Since(l.began)-due)
		step := i % perNotice
		if step == 0 {
			d, position := l.r.door.position(t, digital)
			l.debts = append(l.debts, d)
			l.running.Go(func() { l.publish(position, due) })
		}
		d := l.debts[len(l.debts)-1-laterBy[step]]
		e := l.r.ways[i%len(l.r.ways)]
		switch step {
		case perNotice - 1:
			request, receipt := l.receipt, *l.receipt.Receipt
			receipt.ReceiptID, receipt.NoticeNumber, receipt.CreditorReferenceID = "r"+string(d.nav), string(d.nav), d.nav.IUV()
			request.Receipt = &receipt
			l.running.Go(func() { l.call(e, &request, due) })
		case perNotice - 2:
			l.running.Go(func() { l.call(e, e.request(pafornode.GetPaymentV2, d.nav), due) })
		default:
			l.running.Go(func() { l.call(e, e.request(pafornode.VerifyPaymentNotice, d.nav), due) })
		}
	}
}

func (l *steadyTraffic) publish(position object, due time.Duration) {
	status, _, err := l.r.door.callREST(http.MethodPost, "/debtpositions?toPublish=true", l.r.door.key, position, nil)
	problem := ""
	if err != nil || status != http.StatusCreated {
		problem = fmt.Sprintf("HTTP %d: %v", status, err)
	}
	l.note(called{what: publication, at: due, problem: problem})
}

func (l *steadyTraffic) call(e *ente, request *pafornode.Request, due time.Duration) {
	c := called{what: request.Operation.String(), at: due}
	if request.Receipt != nil {
		c.receipt = request.Receipt.ReceiptID
	}
	client := nodo.Client{Endpoint: e.h.endpoint(), HTTP: e.h.client}
	reply, err := client.Send(context.Background(), request)
	switch {
	case err != nil:
		c.problem = err.Error()
	case len(reply.Problems) > 0:
		c.problem = strings.Join(reply.Problems, "; ") + " " + string(reply.Body)
	case reply.Response.Outcome != "OK":
		c.problem = reply.Response.Outcome + " " + fault(reply)
	case c.receipt == "" && asked(reply) != 10200:
		c.problem = "asks " + asked(reply).String()
	}
	l.note(c)
}

// note keeps a call, once it was answered.
func (l *steadyTraffic) note(c called) {
	if c.took = time.Since(l.began) - c.at; c.took > nodo.ServiceLevel && c.problem == "" {
		c.problem = late
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, c)
}

const late = "late"

// stop ends the traffic and waits for the last answer.
func (l *steadyTraffic) stop() {
	select {
	case <-l.stopping:
	default:
		close(l.stopping)
	}
	l.running.Wait()
}

// soFar returns the calls that were answered until now, in the order in which they
// were due.
func (l *steadyTraffic) soFar() []called {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.SortedFunc(slices.Values(l.all), func(a, b called) int { return int(a.at - b.at) })
}

// judge holds every answer to what it should be.
func (l *steadyTraffic) judge(t *testing.T) {
	t.Helper()
	const shown = 20
	bad := slices.DeleteFunc(l.soFar(), func(c called) bool { return c.problem == "" })
	for _, c := range bad[:min(len(bad), shown)] {
		t.Errorf("%s at %s, after %s: %s", c.what, c.at.Round(time.Millisecond), c.took.Round(time.Millisecond), c.problem)
	}
	if len(bad) > 0 {
		t.Errorf("%d calls failed or were late", len(bad))
	}
	t.Logf("\n%s", l.table())
}

// table shows what came of the calls, by their kind.
func (l *steadyTraffic) table() string {
	by := map[string][]called{}
	all := l.soFar()
	for _, c := range all {
		by[c.what] = append(by[c.what], c)
	}
	w := table.NewWriter()
	w.AppendHeader(table.Row{"call", "calls", "failed", "late", "p50", "p99", "slowest"})
	row := func(what string, calls []called) {
		var took []time.Duration
		failed, slow := 0, 0
		for _, c := range calls {
			took = append(took, c.took)
			switch c.problem {
			case "":
			case late:
				slow++
			default:
				failed++
			}
		}
		slices.Sort(took)
		at := func(share float64) string {
			return took[int(share*float64(len(took)-1))].Round(100 * time.Microsecond).String()
		}
		w.AppendRow(table.Row{what, len(calls), failed, slow, at(0.5), at(0.99), at(1)})
	}
	for _, what := range slices.Sorted(maps.Keys(by)) {
		row(what, by[what])
	}
	if len(all) == 0 {
		return "nothing was asked"
	}
	row("all", all)
	return fmt.Sprintf("%s\n%.0f calls a second for %s; none left more than %s after it was due", w.RenderMarkdown(),
		float64(len(all))/all[len(all)-1].at.Seconds(), all[len(all)-1].at.Round(time.Second), l.lag.Round(time.Millisecond))
}
