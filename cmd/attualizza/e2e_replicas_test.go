package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/rest"
	"github.com/attualizza/attualizza/internal/sandbox"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/soap/pafornode"
)

// visibility is how long a replica may hold a delivery before another takes it up.
// It is the product's.
const visibility = 60 * time.Second

// stack are the receipts of one notice, in the order in which they are paid.
type stack struct {
	e        *ente
	receipts []*pafornode.Request
}

// stacks publishes notices round the replicas, with so many receipts of each: money
// that was paid again and again.
func (f *fleet) stacks(t *testing.T, e *ente, notices, each int, changes ...func(position, option object)) []stack {
	t.Helper()
	all := make([]stack, notices)
	var making sync.WaitGroup
	for worker := range 2 {
		making.Go(func() {
			for i := worker; i < notices; i += 2 {
				at := e.at(f.houses[i%fleetSize])
				first := at.receipt(t, at.publish(t, digital, changes...), pafornode.GetPaymentV2)
				all[i].e = e
				for n := range each {
					request, receipt := *first, *first.Receipt
					receipt.ReceiptID = fmt.Sprintf("%s-%d", receipt.NoticeNumber, n)
					request.Receipt = &receipt
					all[i].receipts = append(all[i].receipts, &request)
				}
			}
		})
	}
	making.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return all
}

// pace is the time between two receipts of a load: it runs beside tests that are
// about time.
const pace = 15 * time.Millisecond

// pour sends all receipts round the replicas: of one notice one after the other, of
// all the notices beside each other.
func (f *fleet) pour(t *testing.T, all []stack) (sent int) {
	t.Helper()
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for n := 0; ; n++ {
		work := make(chan int, len(all))
		for i, s := range all {
			if n < len(s.receipts) {
				work <- i
			}
		}
		close(work)
		if len(work) == 0 {
			return sent
		}
		sent += len(work)
		var sending sync.WaitGroup
		for range 6 {
			sending.Go(func() {
				for i := range work {
					<-tick.C
					f.deliver(t, (i+n)%fleetSize, all[i].receipts[n])
				}
			})
		}
		sending.Wait()
	}
}

// onceInOrder holds what a receiver saw to what it was promised: of one delivery one
// attempt at a time and none after it was taken, of one notice one receipt after the
// other.
func onceInOrder(t *testing.T, name string, seen []attempt, want int) {
	t.Helper()
	slices.SortStableFunc(seen, func(a, b attempt) int { return a.from.Compare(b.from) })
	last := map[string]attempt{} // by delivery
	next := map[string]int{}     // receipt of a notice
	taken := 0
	for _, a := range seen {
		if before, again := last[a.id]; again {
			switch {
			case before.took():
				t.Errorf("%s: %s came again %s after it was taken", name, a.receipt.ReceiptID, a.from.Sub(before.to))
			case a.from.Before(before.to):
				t.Errorf("%s: two attempts of %s overlap by %s", name, a.receipt.ReceiptID, before.to.Sub(a.from))
			}
		}
		last[a.id] = a
		nav, number, _ := strings.Cut(a.receipt.ReceiptID, "-")
		if n, err := strconv.Atoi(number); err != nil || n != next[nav] {
			t.Errorf("%s: %s was tried when number %d of its notice was next", name, a.receipt.ReceiptID, next[nav])
		}
		if a.took() {
			next[nav]++
			taken++
		}
	}
	if taken != want || len(last) != want {
		t.Errorf("%s: %d receipts taken under %d identifiers, %d were sent", name, taken, len(last), want)
	}
}

// togethers are the times that a receipt comes to each replica at once.
const togethers = 20

// withinTwoSeconds holds the time that receipts take to their receiver to two seconds, also
// when they come to all replicas at once and nothing comes after.
func (f *fleet) withinTwoSeconds(t *testing.T, e *ente, r *receiver) {
	t.Helper()
	f.known(t, e)
	all := f.stacks(t, e, togethers*fleetSize, 1, withoutSEND)
	var worst time.Duration
	for i := range togethers {
		var sending sync.WaitGroup
		var acknowledged [fleetSize]time.Time
		for replica := range fleetSize {
			sending.Go(func() {
				f.deliver(t, replica, all[i*fleetSize+replica].receipts[0])
				acknowledged[replica] = time.Now()
			})
		}
		sending.Wait()
		for replica, at := range acknowledged {
			id := all[i*fleetSize+replica].receipts[0].Receipt.ReceiptID
			for len(r.of(id)) == 0 && time.Since(at) < 10*time.Second {
				time.Sleep(10 * time.Millisecond)
			}
			if got := r.of(id); len(got) == 0 || got[0].from.Sub(at) > 2*time.Second {
				t.Errorf("of receipts that came together, that of replica %d is not delivered within 2 s of its acknowledgement", replica)
			} else {
				worst = max(worst, got[0].from.Sub(at))
			}
		}
	}
	t.Logf("receipts that come to three replicas together arrive within %s", worst.Round(time.Millisecond))
}

func TestThreeReplicasDeliverEveryReceiptOnceAndInOrder(t *testing.T) {
	t.Parallel()
	quick, slow, failing := newReceiver(t), newReceiver(t), newReceiver(t)
	slow.answers(func(attempt) int {
		time.Sleep(rand.N(2 * time.Second))
		return http.StatusOK
	})
	failing.answers(func(a attempt) int {
		if a.number <= 2 && rand.N(2) == 0 { // a third failure would cost half a minute
			return http.StatusInternalServerError
		}
		return http.StatusOK
	})
	f := newFleet(t)
	watch := f.watch(t)
	h := f.houses[0]
	var all []stack
	bound := h.ente(t, withStreams, pushesTo(failing))
	for _, load := range []struct {
		e             *ente
		notices, each int
		changes       []func(_, _ object)
	}{
		{h.ente(t, withStreams, pushesTo(quick)), 150, 5, []func(_, _ object){withoutSEND}},
		{h.ente(t, withStreams, pushesTo(slow)), 100, 3, []func(_, _ object){withoutSEND}},
		{bound, 150, 3, nil}, // SEND is told too, once of each notice
	} {
		f.known(t, load.e)
		all = append(all, f.stacks(t, load.e, load.notices, load.each, load.changes...)...)
	}
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })

	began := time.Now()
	sent := f.pour(t, all)
	took := time.Since(began)
	var pending int
	eventually(t, 90*time.Second, "everything has left", func() bool {
		f.ask(t, &pending, `SELECT count(*) FROM deliveries WHERE state = 'PENDING'`)
		return pending == 0
	})
	left := time.Since(began)
	attempts := 0
	for _, r := range []*receiver{quick, slow, failing} {
		attempts += len(r.seen())
	}
	t.Logf("%d receipts taken in %s (%.0f/s) and delivered in %s with %d attempts", sent, took.Round(time.Millisecond),
		float64(sent)/took.Seconds(), left.Round(time.Millisecond), attempts)
	f.withinTwoSeconds(t, h.ente(t, pushesTo(quick)), quick)
	// What one replica holds, another may take up after this long.
	time.Sleep(time.Until(began.Add(took + visibility + 5*time.Second)))
	watch.stop()

	for name, r := range map[string]struct {
		*receiver
		want int
	}{"quick": {quick, 750 + togethers*fleetSize}, "slow": {slow, 300}, "failing": {failing, 450}} {
		onceInOrder(t, name, r.seen(), r.want)
	}
	if len(failing.seen()) < 450*5/4 {
		t.Errorf("%d attempts of 450 receipts at a receiver that fails half of the time", len(failing.seen()))
	}
	told := f.sim.Requests(sandbox.Filter{Endpoint: sandbox.EndpointPaymentEvents})
	if len(told) != 150 || slices.ContainsFunc(told, func(e sandbox.Entry) bool {
		return e.KeyName != bound.fiscalCode || e.Status != http.StatusNoContent
	}) {
		t.Errorf("SEND was told of payments %d times, of 150 notices", len(told))
	}
	samples := watch.between(time.Time{}, time.Time{})
	if len(samples) < 60 {
		t.Errorf("the leaders were looked at %d times only", len(samples))
	}
	for _, s := range samples {
		if !slices.Equal(s.leader, []int{0}) && !slices.Contains(s.silent, 0) {
			t.Errorf("%v lead at %s", s.leader, s.at)
		}
	}
	f.pacedPolls(t, 10)
}

// The first replica leads, has deliveries in its hands, and is killed.
func TestAnotherReplicaTakesOverFromALeaderThatWasKilled(t *testing.T) {
	t.Parallel()
	held := newReceiver(t)
	release, holding := make(chan struct{}), atomic.Bool{}
	held.answers(func(a attempt) int {
		if holding.Load() && a.number == 1 {
			select {
			case <-release:
			case <-a.gone:
			case <-time.After(9 * time.Second): // before its callers give up
			}
		}
		return http.StatusOK
	})
	f := newFleet(t)
	watch := f.watch(t)
	e := f.houses[0].ente(t, withStreams, pushesTo(held))
	f.known(t, e)
	survivors := []*ente{e.at(f.houses[1]), e.at(f.houses[2])}
	eventually(t, 20*time.Second, "the stream is there", func() bool { return len(f.sim.Streams(e.fiscalCode)) == 1 })

	// A notice whose fee every replica knows, from SEND's own telling.
	d := e.publish(t, digital)
	n := e.notifies(t, d)
	n.step(sandbox.Step{Event: sandbox.Accept})
	survivors[0].learns(t, d, 200)

	known := f.stacks(t, e, 60, 1, withoutSEND) // a receiver that is known to work is given eight at once
	f.pour(t, known)
	eventually(t, 20*time.Second, "the receiver is known to work", func() bool { return len(held.taken()) == len(known) })
	holding.Store(true)
	stacks := f.stacks(t, e, 60, 1, withoutSEND)
	f.pour(t, stacks)
	inHand := func() int { return len(held.seen()) - len(known) }
	eventually(t, 8*time.Second, "the replicas have deliveries in their hands", func() bool { return inHand() > 8*(fleetSize-1) })
	river := f.riverLeader(t)
	killed := time.Now()
	if err := f.replicas[0].cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-f.replicas[0].ended
	calls := e.calls(d)
	n.step(sandbox.Step{Event: sandbox.AnalogSend, Cost: 1003})
	var cut []attempt
	eventually(t, 5*time.Second, "the attempts of the dead replica break off", func() bool {
		before := len(cut)
		cut = slices.DeleteFunc(held.seen(), func(a attempt) bool { return a.to.IsZero() || a.status != 0 })
		return before > 0 && before == len(cut) // all of them have
	})
	began := cut[len(cut)-1].from
	close(release)

	leader := -1
	eventually(t, 30*time.Second, "another replica leads", func() bool {
		for _, s := range watch.between(killed, time.Time{}) {
			if len(s.leader) == 1 && s.leader[0] != 0 {
				leader = s.leader[0]
			}
		}
		return leader > 0
	})
	led := time.Since(killed)
	survivors[0].learns(t, d, 1424)
	learnt := time.Since(killed)
	if learnt > 30*time.Second+streamPause {
		t.Errorf("what happened meanwhile was learnt %s after the leader was killed", learnt)
	}
	for _, survivor := range survivors {
		reply := survivor.ask(t, pafornode.GetPaymentV2, d.nav)
		wants(t, reply, d.amount+1424)
		survivor.wantsSource(t, d.nav, reply, positions.SourceCache, 1424)
	}
	if got := e.calls(d); got != calls+1 {
		t.Errorf("SEND was asked %d times for the price after the letter left", got-calls)
	}

	eventually(t, 30*time.Second, "another replica does River's work", func() bool { now := f.riverLeader(t); return now != "" && now != river })
	elected := time.Since(killed)
	eventually(t, 30*time.Second-elected, "the receipts arrive that the dead replica had not", func() bool { return len(held.taken()) >= len(known)+len(stacks)-len(cut) })
	var others time.Duration
	for _, a := range held.taken() {
		others = max(others, a.from.Sub(killed))
	}
	var rounds int
	f.ask(t, &rounds, `SELECT count(*) FROM river_job WHERE kind = 'reconcile' AND finalized_at > $1`, killed.Add(elected))
	eventually(t, 35*time.Second, "the rounds of the reconciliation go on", func() bool {
		before := rounds
		f.ask(t, &rounds, `SELECT count(*) FROM river_job WHERE kind = 'reconcile' AND finalized_at > $1`, killed.Add(elected))
		return rounds > before || rounds > 1
	})
	eventually(t, visibility+10*time.Second-time.Since(began), "the deliveries of the dead replica arrive", func() bool {
		return len(held.taken()) >= len(known)+len(stacks)
	})
	arrived := time.Since(began)
	t.Logf("after the kill: another led after %s, the event was carried out after %s, River's leader was another after %s, "+
		"what the dead had not taken had arrived after %s; what it had %s after its attempts began",
		led.Round(time.Millisecond), learnt.Round(time.Millisecond), elected.Round(time.Millisecond), others.Round(time.Millisecond), arrived.Round(time.Millisecond))
	watch.stop()
	for _, a := range cut {
		all := held.of(a.receipt.ReceiptID)
		if len(all) != 2 || all[1].from.Sub(a.from) < visibility-time.Second {
			t.Errorf("%s, cut off with its replica, was tried %d times", a.receipt.ReceiptID, len(all))
		}
	}
	onceInOrder(t, "held", held.seen(), len(known)+len(stacks))
	for _, s := range watch.between(killed.Add(-time.Hour), killed) {
		if !slices.Equal(s.leader, []int{0}) && !slices.Contains(s.silent, 0) {
			t.Errorf("before the kill %v led", s.leader)
		}
	}
	for _, s := range watch.between(killed.Add(led), time.Time{}) {
		if !slices.Equal(s.leader, []int{leader}) && !slices.Contains(s.silent, leader) {
			t.Errorf("after the takeover by %d %v led", leader, s.leader)
		}
	}
	f.pacedPolls(t, 10)
}

// notification is one of the simulator's, advanced step by step.
type notification struct {
	t   *testing.T
	sim *simulator
	iun string
}

// notifies deposits a notification of a notice, whose sender is the ente.
func (e *ente) notifies(t *testing.T, d debt) *notification {
	t.Helper()
	n, err := e.h.sim.Notify(sandbox.Request{
		SenderTaxID: e.fiscalCode,
		Recipients:  []sandbox.RecipientRequest{{Payments: []sandbox.Payment{{CreditorTaxID: e.fiscalCode, NoticeCode: string(d.nav)}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &notification{t, e.h.sim, n.IUN}
}

// step lets things happen to the notification.
func (n *notification) step(steps ...sandbox.Step) {
	n.t.Helper()
	for _, s := range steps {
		if _, err := n.sim.Advance(n.iun, s); err != nil {
			n.t.Fatal(err)
		}
	}
}

// tells whether something is in the notification's timeline.
func (n *notification) tells(c sandbox.Category) bool {
	n.t.Helper()
	now, err := n.sim.Notification(n.iun)
	if err != nil {
		n.t.Fatal(err)
	}
	return slices.ContainsFunc(now.Timeline, func(e sandbox.Element) bool { return e.Category == c })
}

// learns waits until a notice's fee is known to be so much, without asking SEND.
func (e *ente) learns(t *testing.T, d debt, fee int64) {
	t.Helper()
	var notice rest.Notice
	eventually(t, 40*time.Second, fmt.Sprintf("the fee of notice %s is known to be %d", d.nav, fee), func() bool {
		e.mustREST(t, http.MethodGet, "/notices/"+string(d.nav), e.key, nil, http.StatusOK, &notice)
		return int64(notice.NotificationFee) == fee
	})
}
