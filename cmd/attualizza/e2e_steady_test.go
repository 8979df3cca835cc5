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

	"github.com/attualizza/attualizza/internal/nodo"
	"github.com/attualizza/attualizza/soap/pafornode"
)

// steadyTraffic is the life of forty notices a second, all through the balancer: the
// organization publishes one, somebody looks at it three times and activates it,
// and its receipt comes. That makes 200 calls of the Nodo and 40 by REST a second.
// It is an open loop: no call waits for another one's answer, and how long an answer
// took is counted from the instant at which the call was due. A call that this machine
// sent too late to say so is counted from the instant at which it was sent; with
// many of those nothing was measured.
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

// Of the generator itself: how late a call may leave and still be judged from when it
// was due, and how many of a hundred may leave later than that.
const (
	punctual    = 100 * time.Millisecond
	mostDelayed = 5
)

// called is one call and what came of it.
type called struct {
	what    string
	receipt string        // its identifier
	at      time.Duration // when it was due, since the beginning
	sent    time.Duration // when it left
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
	sent := time.Since(l.began)
	status, _, err := l.r.door.callREST(http.MethodPost, "/debtpositions?toPublish=true", l.r.door.key, position, nil)
	problem := ""
	if err != nil || status != http.StatusCreated {
		problem = fmt.Sprintf("HTTP %d: %v", status, err)
	}
	l.note(called{what: publication, at: due, sent: sent, problem: problem})
}

func (l *steadyTraffic) call(e *ente, request *pafornode.Request, due time.Duration) {
	c := called{what: request.Operation.String(), at: due}
	if request.Receipt != nil {
		c.receipt = request.Receipt.ReceiptID
	}
	client := nodo.Client{Endpoint: e.h.endpoint(), HTTP: e.h.client}
	c.sent = time.Since(l.began)
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
	c.judgedAt(time.Since(l.began))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lag = max(l.lag, c.sent-c.at)
	l.all = append(l.all, c)
}

const late = "late"

// judgedAt tells how long an answer took that was there at an instant.
func (c *called) judgedAt(answered time.Duration) {
	from := c.at
	if c.delayed() {
		from = c.sent
	}
	if c.took = answered - from; c.took > nodo.ServiceLevel && c.problem == "" {
		c.problem = late
	}
}

// delayed tells whether it was the generator that was late.
func (c *called) delayed() bool { return c.sent-c.at > punctual }

// delayedOf counts the calls that left late, and says why that is too many.
func delayedOf(all []called) (n int, invalid string) {
	for i := range all {
		if all[i].delayed() {
			n++
		}
	}
	if n*100 > mostDelayed*len(all) {
		invalid = fmt.Sprintf("nothing was measured: %d of %d calls left more than %v after they were due; this machine is too busy to make %.0f calls a second on time",
			n, len(all), punctual, float64(time.Second/tempo))
	}
	return n, invalid
}

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
	if _, invalid := delayedOf(l.soFar()); invalid != "" {
		t.Error(invalid)
	}
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
	delayed, _ := delayedOf(all)
	return fmt.Sprintf("%s\n%.0f calls a second for %s; none left more than %s after it was due, %d more than %s", w.RenderMarkdown(),
		float64(len(all))/all[len(all)-1].at.Seconds(), all[len(all)-1].at.Round(time.Second), l.lag.Round(time.Millisecond), delayed, punctual)
}

func TestWhatTheGeneratorSendsLateIsNotTheServicesFault(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sent, answered time.Duration // since it was due
		want           string
		took           time.Duration
	}{
		{0, 2 * time.Second, "", 2 * time.Second},
		{0, 2001 * time.Millisecond, late, 2001 * time.Millisecond},
		{punctual, 2001 * time.Millisecond, late, 2001 * time.Millisecond},
		{time.Second, 3 * time.Second, "", 2 * time.Second},
		{time.Second, 3001 * time.Millisecond, late, 2001 * time.Millisecond},
	} {
		got := called{at: time.Minute, sent: time.Minute + c.sent}
		if got.judgedAt(time.Minute + c.answered); got.problem != c.want || got.took != c.took {
			t.Errorf("sent %v and answered %v after it was due: %q after %v", c.sent, c.answered, got.problem, got.took)
		}
	}
	failed := called{sent: time.Second, problem: "HTTP 500"}
	if failed.judgedAt(9 * time.Second); failed.problem != "HTTP 500" {
		t.Error("what failed is taken for late")
	}
	all := make([]called, 100)
	for i := range mostDelayed {
		all[i].sent = punctual + 1
	}
	if n, invalid := delayedOf(all); n != mostDelayed || invalid != "" {
		t.Error(n, invalid)
	}
	all[mostDelayed].sent = time.Second
	if n, invalid := delayedOf(all); n != mostDelayed+1 || !strings.HasPrefix(invalid, "nothing was measured: 6 of 100 calls") || !strings.Contains(invalid, "200 calls a second") {
		t.Error(n, invalid)
	}
}
