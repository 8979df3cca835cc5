package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/nodo"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/soap/pafornode"
)

// load is a steady stream of calls by the Nodo over keep-alive connections: two
// verifies, an activation and a receipt in turn. It is an open loop: a call
// that is slow to be answered does not hold the next one back.
type load struct {
	e       *ente // whose price is asked every time
	cached  *ente // whose price is fresh for a while
	debts   []debt
	unpaid  []debt // of cached
	receipt pafornode.Request

	stopping chan struct{}
	running  sync.WaitGroup
	mu       sync.Mutex
	told     []told
	began    time.Time
}

// told is one call and what came of it.
type told struct {
	at      time.Duration // since the load began
	took    time.Duration
	op      pafornode.Operation
	nav     positions.NoticeNumber
	id      string // of a receipt
	status  int    // HTTP
	outcome string
	fault   string
	problem string // an answer that should not be
}

func (x *told) ok() bool { return x.status == http.StatusOK && x.outcome == "OK" && x.problem == "" }

// every is the pace of the load: 50 calls a second.
const every = 20 * time.Millisecond

func (h *house) load(t testing.TB) *load {
	t.Helper()
	l := &load{e: h.ente(t, askEveryTime), cached: h.ente(t), stopping: make(chan struct{})}
	for range 10 {
		l.debts = append(l.debts, l.e.publish(t, digital))
		l.unpaid = append(l.unpaid, l.cached.publish(t, digital))
	}
	paid := l.e.publish(t, digital)
	l.receipt = *l.e.receipt(t, paid, pafornode.GetPaymentV2)
	l.began = time.Now()
	l.running.Go(l.run)
	t.Cleanup(l.stop)
	return l
}

func (l *load) run() {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-l.stopping:
			return
		case <-tick.C:
		}
		switch d := i / 4 % len(l.debts); i % 4 {
		case 0:
			l.send(l.e, l.e.request(pafornode.VerifyPaymentNotice, l.debts[d].nav))
		case 1:
			l.send(l.cached, l.cached.request(pafornode.VerifyPaymentNotice, l.unpaid[d].nav))
		case 2:
			l.send(l.cached, l.cached.request(pafornode.GetPaymentV2, l.unpaid[d].nav))
		case 3: // money that was paid again and again: each receipt is another one
			request, receipt := l.receipt, *l.receipt.Receipt
			receipt.ReceiptID = fmt.Sprintf("%s-%d", receipt.ReceiptID, i)
			request.Receipt = &receipt
			l.send(l.e, &request)
		}
	}
}

func (l *load) send(e *ente, request *pafornode.Request) {
	l.running.Go(func() {
		sent := time.Now()
		x := l.call(e, request)
		x.at, x.took = sent.Sub(l.began), time.Since(sent)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.told = append(l.told, x)
	})
}

func (l *load) call(e *ente, request *pafornode.Request) (x told) {
	x.op, x.nav = request.Operation, positions.NoticeNumber(request.QRCode.NoticeNumber)
	if request.Receipt != nil {
		x.id = request.Receipt.ReceiptID
	}
	message := pafornode.AppendRequest(nil, request)
	response, err := e.h.client.Post(e.h.endpoint(), "text/xml", bytes.NewReader(message))
	if err != nil {
		x.problem = err.Error()
		return x
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		x.problem = err.Error()
		return x
	}
	x.status = response.StatusCode
	if x.status == http.StatusServiceUnavailable && len(body) == 0 {
		return x
	}
	answer, err := pafornode.DecodeResponse(string(body))
	if err != nil {
		x.problem = err.Error()
		return x
	}
	all, err := schemas()
	for _, schema := range all {
		if err == nil {
			err = schema.Validate(body)
		}
	}
	if err != nil {
		x.problem = err.Error()
	}
	x.outcome = answer.Outcome
	if answer.Fault != nil {
		x.fault = answer.Fault.Code
	}
	if got := asked(&nodo.Reply{Response: answer}); x.id == "" && x.outcome == "OK" && got != 10200 {
		x.problem = "asks " + got.String()
	}
	return x
}

// stop ends the load and waits for the last answer.
func (l *load) stop() {
	select {
	case <-l.stopping:
	default:
		close(l.stopping)
	}
	l.running.Wait()
}

// soFar returns what was told until now, in order of asking.
func (l *load) soFar() []told {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := slices.Clone(l.told)
	slices.SortFunc(all, func(a, b told) int { return int(a.at - b.at) })
	return all
}

// since is the instant now on the load's own clock.
func (l *load) since() time.Duration { return time.Since(l.began) }

// wellSince tells for how long all answers have been OK, by the calls since an
// instant, and when the last that was not was asked.
func (l *load) wellSince(from time.Duration) (well, lastBad time.Duration) {
	lastBad = from
	for _, x := range l.soFar() {
		if x.at > from && !x.ok() {
			lastBad = x.at
		}
	}
	return l.since() - lastBad, lastBad
}

// judge holds every answer of the load to what may be answered while a store
// is failing. It tells how many answers were not OK, by kind.
func (l *load) judge(t *testing.T, name string) (refused, resubmitted int) {
	t.Helper()
	for _, x := range l.soFar() {
		kind := ", payments"
		if x.op.IsReceipt() {
			kind = ", receipts"
		}
		slowest.note(name+kind, x.took)
		if x.problem != "" {
			t.Errorf("%s at %s: %s", x.op, x.at.Round(time.Millisecond), x.problem)
		}
		if x.took > 2*time.Second {
			t.Errorf("%s at %s: answered after %s", x.op, x.at.Round(time.Millisecond), x.took)
		}
		switch {
		case x.ok() || x.problem != "":
		case x.op.IsReceipt() && x.status == http.StatusServiceUnavailable:
			resubmitted++
		case !x.op.IsReceipt() && x.status == http.StatusOK && x.fault == "PAA_SYSTEM_ERROR":
			refused++
		default:
			t.Errorf("%s at %s: HTTP %d %s %s", x.op, x.at.Round(time.Millisecond), x.status, x.outcome, x.fault)
		}
	}
	return refused, resubmitted
}

// nothingLost looks in the store for all that was acknowledged: every receipt
// that was answered OK, and every amount that was told. Those that left before
// their record was durable are counted; here, where nobody crashed and the fault
// was shorter than the recorder's patience, their records must follow.
func (l *load) nothingLost(t *testing.T, unlogged func() int) {
	t.Helper()
	store := l.e.h.store
	told := 0
	for _, x := range l.soFar() {
		switch {
		case !x.ok():
		case x.op.IsReceipt():
			if _, err := store.Receipt(t.Context(), l.e.fiscalCode, x.id); err != nil {
				t.Errorf("receipt %s was answered OK and is not there: %v", x.id, err)
			}
		default:
			told++
		}
	}
	recorded := func() (n int) {
		for i := range l.debts {
			n += l.e.recorded(t, l.debts[i].nav) + l.cached.recorded(t, l.unpaid[i].nav)
		}
		return n
	}
	late := unlogged()
	if n := recorded(); n < told-late {
		t.Errorf("%d amounts told, %d on record, though only %d left before their record", told, n, late)
	}
	eventually(t, 15*time.Second, fmt.Sprintf("all of %d told amounts are on record", told), func() bool { return recorded() >= told })
	t.Logf("%d amounts told, %d on record; %d answers left before their record", told, recorded(), late)
}

// recorded counts the OKs about a notice in the journal.
func (e *ente) recorded(t *testing.T, nav positions.NoticeNumber) (n int) {
	t.Helper()
	all, total, err := e.h.store.Answers(t.Context(), e.fiscalCode, nav, positions.Page{Limit: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != total {
		t.Fatalf("%d answers of %d", len(all), total)
	}
	for _, a := range all {
		if a.Outcome == "OK" {
			n++
		}
	}
	return n
}

// counter reads a metric, by its name and labels; 0 when it is not there yet.
func (h *house) counter(t *testing.T, name string) int {
	t.Helper()
	_, page := h.get(t, "ops", "/metrics")
	for line := range strings.Lines(page) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				t.Fatal(err)
			}
			return int(n)
		}
	}
	return 0
}
