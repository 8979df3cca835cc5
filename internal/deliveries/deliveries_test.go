package deliveries

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/sandbox"
	"github.com/attualizza/attualizza/positions"
)

const comune, provincia = "77777777777", "88888888888"

// inOrder fails unless each notice's receipts arrived in the order of their
// numbers, each one once.
func inOrder(t *testing.T, arrivals []arrival, want map[positions.NoticeNumber]int) {
	t.Helper()
	next := map[positions.NoticeNumber]int{}
	for _, a := range arrivals {
		nav := a.receipt.NAV
		_, number, _ := strings.Cut(a.receipt.ReceiptID, "/")
		if n, err := strconv.Atoi(number); err != nil || n != next[nav] {
			t.Fatalf("notice %s: receipt %s came when number %d was next", nav, a.receipt.ReceiptID, next[nav])
		}
		next[nav]++
	}
	for nav, n := range want {
		if next[nav] != n {
			t.Errorf("notice %s: %d of %d receipts arrived", nav, next[nav], n)
		}
	}
}

// A debt system that is down for an hour: first it answers 503, then its
// connections break. Receipts go on arriving. The hour is simulated, everything
// else is real.
func TestAReceiverDownForAnHourGetsEverythingAfterwardsInOrder(t *testing.T) {
	const notices, rounds = 25, 4
	onBoth(t, func(t *testing.T, open func(*testing.T) database) {
		db, c := open(t), &clock{}
		debts := startReceiver(t)
		register(t, db, comune, debts.URL)
		_, client := send(t, comune)
		r := start(t, db, c, client)

		debts.set(always(http.StatusServiceUnavailable))
		want := map[positions.NoticeNumber]int{}
		for minute := 0; minute < 60; minute += 3 {
			if minute == 30 {
				debts.set(always(0))
			}
			if minute%15 == 0 {
				for n := range notices {
					r.save(t, comune, notice(n), fmt.Sprintf("r-%d/%d", n, minute/15))
					want[notice(n)]++
				}
			}
			r.settled(t)
			c.advance(3 * time.Minute)
			r.courier.Wake()
		}
		if got := debts.arrivals(); len(got) != 0 {
			t.Fatalf("%d receipts arrived during the outage", len(got))
		}
		// A receiver that is down is tried every few minutes, however much waits for it.
		if got := debts.attempted(); got < 15 || got > 30 {
			t.Errorf("%d attempts during an hour", got)
		}
		debts.set(always(http.StatusOK))
		c.advance(time.Hour + 6*time.Minute) // the longest pause
		r.courier.Wake()
		eventually(t, "everything arrived", func() bool { return len(debts.arrivals()) >= notices*rounds })
		inOrder(t, debts.arrivals(), want)
		eventually(t, "everything is settled", func() bool {
			return len(r.list(t, positions.DeliveryFilter{State: positions.DeliveryDelivered})) == notices*rounds
		})
		if left := r.list(t, positions.DeliveryFilter{State: positions.DeliveryPending}); len(left) != 0 {
			t.Errorf("%d deliveries are still pending", len(left))
		}
	})
}

func TestAReceiptArrivesAtOnceAndAgainUnderTheSameIdentifier(t *testing.T) {
	onBoth(t, func(t *testing.T, open func(*testing.T) database) {
		db, c := open(t), &clock{}
		debts := startReceiver(t)
		register(t, db, comune, debts.URL)
		_, client := send(t, comune)
		r := start(t, db, c, client)
		began := time.Now()
		r.save(t, comune, notice(1), "r-1/0")
		eventually(t, "it arrived", func() bool { return len(debts.arrivals()) == 1 })
		r.within(t, "it", began, 3*time.Second)
		var d positions.Delivery
		eventually(t, "it is settled", func() bool {
			d = r.list(t, positions.DeliveryFilter{})[0]
			return d.State == positions.DeliveryDelivered
		})
		if d.Attempts != 1 || d.LastStatus != http.StatusOK || d.LastError != "" || d.EndedAt.IsZero() {
			t.Errorf("%+v", d)
		}
		if n, err := r.store.ReplayDeliveries(t.Context(), positions.DeliveryFilter{IDs: []int64{d.ID}}, c.now(), 10); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		r.courier.Wake()
		eventually(t, "it arrived again", func() bool { return len(debts.arrivals()) == 2 })
		if a := debts.arrivals(); a[0].webhookID != a[1].webhookID || a[0].webhookID == "" {
			t.Errorf("identifiers %q and %q", a[0].webhookID, a[1].webhookID)
		}
	})
}

func TestAReceiverThatHangsSlowsNobodyElse(t *testing.T) {
	onBoth(t, func(t *testing.T, open func(*testing.T) database) {
		db, c := open(t), &clock{}
		hanging, working := startReceiver(t), startReceiver(t)
		released := make(chan struct{})
		hanging.set(func(request *http.Request) int {
			select {
			case <-released:
			case <-request.Context().Done():
			}
			return http.StatusInternalServerError
		})
		t.Cleanup(func() { close(released) })
		register(t, db, comune, hanging.URL)
		register(t, db, provincia, working.URL)
		_, client := send(t, comune)
		r := start(t, db, c, client)
		const others = 40
		pass := func(name string) time.Duration {
			t.Helper()
			before, began := len(working.arrivals()), time.Now()
			for i := range others {
				r.save(t, provincia, notice(i), fmt.Sprintf("%s-%d/0", name, i))
			}
			eventually(t, "the other's arrived", func() bool { return len(working.arrivals()) == before+others })
			return time.Since(began)
		}
		alone := pass("a") // how slow this machine is
		hung := time.Now()
		for i := range 5 * slots {
			r.save(t, comune, notice(i), fmt.Sprintf("h-%d/0", i))
		}
		eventually(t, "it hangs", func() bool { return hanging.attempted() > 0 })
		if took := pass("w"); took > attemptTimeout/2+2*alone {
			t.Errorf("the other's receipts took %v, and %v when nobody hung", took, alone)
		}
		// Of a receiver of which nobody knows whether it works there is one at a time.
		if got, most := hanging.attempted(), 1+int(time.Since(hung)/attemptTimeout); got > most {
			t.Errorf("%d attempts, of which each lasts %v, in %v", got, attemptTimeout, time.Since(hung))
		}
	})
}

func TestADeliveryIsParkedAfterAWeekAndHoldsNoLaterOne(t *testing.T) {
	onBoth(t, func(t *testing.T, open func(*testing.T) database) {
		db, c := open(t), &clock{}
		debts := startReceiver(t)
		debts.set(always(http.StatusBadRequest))
		register(t, db, comune, debts.URL)
		_, client := send(t, comune)
		r := start(t, db, c, client)
		r.save(t, comune, notice(1), "r-1/0")
		r.settled(t)
		for range 6 {
			c.advance(24 * time.Hour)
			r.courier.Wake()
			r.settled(t)
		}
		r.save(t, comune, notice(1), "r-1/1")
		c.advance(24 * time.Hour)
		r.courier.Wake()
		eventually(t, "the first is parked and the second tried", func() bool {
			all := r.list(t, positions.DeliveryFilter{NAV: notice(1)})
			return all[1].State == positions.DeliveryParked && all[0].State == positions.DeliveryPending && all[0].Attempts > 0
		})
		debts.set(always(http.StatusOK))
		c.advance(2 * time.Hour)
		r.courier.Wake()
		eventually(t, "the second arrived", func() bool { return len(debts.arrivals()) == 1 })
		if n, err := r.store.ReplayDeliveries(t.Context(), positions.DeliveryFilter{State: positions.DeliveryParked}, c.now(), 10); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		r.courier.Wake()
		eventually(t, "the parked one arrived", func() bool { return len(debts.arrivals()) == 2 })
		if ids := debts.arrivals(); ids[0].receipt.ReceiptID != "r-1/1" || ids[1].receipt.ReceiptID != "r-1/0" {
			t.Errorf("arrived %v", ids)
		}
	})
}

func TestWhatADeadReplicaHadBegunIsTakenUpOnceItsClaimIsOver(t *testing.T) {
	onBoth(t, func(t *testing.T, open func(*testing.T) database) {
		db, c := open(t), &clock{}
		debts := startReceiver(t)
		register(t, db, comune, debts.URL)
		_, client := send(t, comune)
		r := start(t, db, c, client)
		r.stop() // it stands in for one that stored the receipt, claimed the delivery and died
		r.save(t, comune, notice(1), "r-1/0")
		now := c.now()
		if _, err := db.store.ClaimDelivery(t.Context(), ours, now, now.Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		other := start(t, db, c, client)
		other.courier.Wake()
		time.Sleep(500 * time.Millisecond)
		if len(debts.arrivals()) != 0 {
			t.Fatal("it was delivered while somebody had it")
		}
		c.advance(time.Minute + time.Second)
		other.courier.Wake()
		eventually(t, "it arrived", func() bool { return len(debts.arrivals()) == 1 })
	})
}

func TestWhoIsStuckWithOneDeliveryKeepsNobodyFromTheOthers(t *testing.T) {
	onBoth(t, func(t *testing.T, open func(*testing.T) database) {
		db, c := open(t), &clock{}
		debts := startReceiver(t)
		var first atomic.Bool
		debts.set(func(request *http.Request) int {
			if first.CompareAndSwap(false, true) {
				<-request.Context().Done() // as long as the attempt may last
				return 0
			}
			return http.StatusOK
		})
		register(t, db, comune, debts.URL)
		_, client := send(t, comune)
		stuck := start(t, db, c, client)
		stuck.save(t, comune, notice(0), "r-0/0")
		eventually(t, "it is stuck", func() bool { return debts.attempted() == 1 })
		other := start(t, open(t), c, client)
		began := time.Now()
		for n := 1; n <= 10; n++ {
			other.save(t, comune, notice(n), fmt.Sprintf("r-%d/0", n))
		}
		eventually(t, "the others arrived", func() bool { return len(debts.arrivals()) == 10 })
		other.within(t, "the others", began, attemptTimeout/2)
	})
}

func TestReceiptsThatAreRefusedKeepNoOthers(t *testing.T) {
	for _, refusal := range []int{http.StatusNotFound, http.StatusUnprocessableEntity, http.StatusInternalServerError} {
		t.Run(http.StatusText(refusal), func(t *testing.T) {
			db, c := sqliteOnly(t), &clock{}
			debts := startReceiver(t)
			debts.set(always(refusal))
			register(t, db, comune, debts.URL)
			_, client := send(t, comune)
			r := start(t, db, c, client)
			for n := range 16 {
				r.save(t, comune, notice(n), fmt.Sprintf("r-%d/0", n))
			}
			eventually(t, "all are refused", func() bool { return debts.attempted() >= 16 })
			debts.set(func(request *http.Request) int {
				if strings.HasPrefix(request.Header.Get("Webhook-Id"), "delivery_17_") {
					return http.StatusOK
				}
				return refusal
			})
			c.advance(time.Minute) // all of them may be tried again
			began := time.Now()
			r.save(t, comune, notice(16), "r-16/0")
			eventually(t, "the good one arrived", func() bool { return len(debts.arrivals()) == 1 })
			r.within(t, "it", began, 3*time.Second)
		})
	}
}

func TestAStoppingReplicaGivesBackWhatItHad(t *testing.T) {
	onBoth(t, func(t *testing.T, open func(*testing.T) database) {
		db, c := open(t), &clock{}
		debts := startReceiver(t)
		debts.set(func(request *http.Request) int {
			<-request.Context().Done()
			return 0
		})
		register(t, db, comune, debts.URL)
		_, client := send(t, comune)
		r := start(t, db, c, client)
		r.save(t, comune, notice(1), "r-1/0")
		eventually(t, "it is under way", func() bool { return debts.attempted() == 1 })
		r.stop()
		d := r.list(t, positions.DeliveryFilter{})[0]
		if d.State != positions.DeliveryPending || d.Attempts != 0 || d.DueAt.After(c.now()) {
			t.Fatalf("%+v", d)
		}
		debts.set(always(http.StatusOK))
		other := start(t, db, c, client)
		began := time.Now()
		other.courier.Wake()
		eventually(t, "it arrived", func() bool { return len(debts.arrivals()) == 1 })
		other.within(t, "it", began, 15*time.Second)
	})
}

func TestTwoReplicasNeverMakeTheSameAttempt(t *testing.T) {
	onBoth(t, func(t *testing.T, open func(*testing.T) database) {
		c := &clock{}
		debts := startReceiver(t)
		db := open(t)
		register(t, db, comune, debts.URL)
		_, client := send(t, comune)
		replicas := []*replica{start(t, db, c, client)}
		if other := open(t); other.store != db.store {
			replicas = append(replicas, start(t, other, c, client), start(t, open(t), c, client))
		}
		const notices, each = 40, 3
		want := map[positions.NoticeNumber]int{}
		var writers sync.WaitGroup
		for n := range notices {
			want[notice(n)] = each
			writers.Go(func() {
				for i := range each {
					replicas[(n+i)%len(replicas)].save(t, comune, notice(n), fmt.Sprintf("r-%d/%d", n, i))
				}
			})
		}
		writers.Wait()
		eventually(t, "everything arrived", func() bool { return len(debts.arrivals()) >= notices*each })
		time.Sleep(time.Second) // for whoever would make one again
		inOrder(t, debts.arrivals(), want)
	})
}

func TestWhereThereIsNobodyToTellADeliveryEnds(t *testing.T) {
	onBoth(t, func(t *testing.T, open func(*testing.T) database) {
		db, c := open(t), &clock{}
		register(t, db, comune, "") // its address was taken away meanwhile
		_, client := send(t, comune)
		r := start(t, db, c, client)
		r.save(t, comune, notice(1), "r-1/0")
		r.save(t, provincia, notice(1), "r-1/0") // its registration was
		eventually(t, "both ended", func() bool {
			return len(r.list(t, positions.DeliveryFilter{State: positions.DeliveryEnded})) == 2
		})
		for _, d := range r.list(t, positions.DeliveryFilter{}) {
			if d.LastError == "" || d.EndedAt.IsZero() {
				t.Errorf("%+v", d)
			}
		}
	})
}

func TestAReceiverThatSendsElsewhereOrAsksForTimeIsHeard(t *testing.T) {
	elsewhere := startReceiver(t)
	db, c := sqliteOnly(t), &clock{}
	moved := startReceiver(t)
	register(t, db, comune, moved.URL)
	_, client := send(t, comune)
	r := start(t, db, c, client)
	moved.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", elsewhere.URL)
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	r.save(t, comune, notice(1), "r-1/0")
	r.settled(t)
	if elsewhere.attempted() != 0 {
		t.Error("a receipt went where it was not registered to go")
	}
	if d := r.list(t, positions.DeliveryFilter{})[0]; d.LastStatus != http.StatusTemporaryRedirect || d.State != positions.DeliveryPending {
		t.Errorf("%+v", d)
	}
	moved.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "600")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	c.advance(2 * time.Second)
	r.courier.Wake()
	eventually(t, "it was tried again", func() bool { return r.list(t, positions.DeliveryFilter{})[0].LastStatus == http.StatusTooManyRequests })
	if d := r.list(t, positions.DeliveryFilter{})[0]; d.DueAt.Before(d.LastAttemptAt.Add(600 * time.Second)) {
		t.Errorf("it asked for ten minutes: %v after %v", d.DueAt, d.LastAttemptAt)
	}
}

func TestAPaymentIsToldToSENDUntilItKnowsOrSaysThatItDoesNot(t *testing.T) {
	onBoth(t, func(t *testing.T, open func(*testing.T) database) {
		db, c := open(t), &clock{}
		register(t, db, comune, "")
		known, unknown := notice(1), positions.NoticeNumber("301000000000000002") // the simulator knows all of 302
		sim, client := send(t, comune, known)
		r := start(t, db, c, client)
		breakEvents(t, sim)
		for _, nav := range []positions.NoticeNumber{known, unknown} {
			p := owed(nav)
			must(t, db.store.CreatePosition(t.Context(), p, positions.Change{Action: "CREATE", At: c.now()}))
			r.save(t, comune, nav, "r-"+string(nav)+"/0")
		}
		told := positions.DeliveryFilter{Kind: positions.DeliverToSEND}
		eventually(t, "both were tried in vain", func() bool {
			c.advance(200 * time.Millisecond) // the first that failed holds the other for a while
			all := r.list(t, told)
			return len(all) == 2 && !slices.ContainsFunc(all, func(d positions.Delivery) bool { return d.LastStatus != http.StatusInternalServerError })
		})
		sim.ClearFaults()
		c.advance(2 * time.Minute)
		r.courier.Wake()
		defer func() {
			if t.Failed() {
				t.Logf("%+v", r.list(t, told))
			}
		}()
		eventually(t, "the known one is told and the other ended", func() bool {
			all := r.list(t, told) // newest first
			return all[0].State == positions.DeliveryEnded && all[0].LastStatus == http.StatusNotFound &&
				all[1].State == positions.DeliveryDelivered && all[1].LastStatus == http.StatusNoContent
		})
	})
}

func TestAPaymentThatWasTakenBackIsNotToldToSEND(t *testing.T) {
	onBoth(t, func(t *testing.T, open func(*testing.T) database) {
		db, c := open(t), &clock{}
		register(t, db, comune, "")
		sim, client := send(t, comune, notice(1))
		breakEvents(t, sim)
		r := start(t, db, c, client)
		p := owed(notice(1))
		must(t, db.store.CreatePosition(t.Context(), p, positions.Change{Action: "CREATE", At: c.now()}))
		r.save(t, comune, notice(1), "r-1/0")
		r.settled(t)
		p, err := db.store.Position(t.Context(), comune, p.IUPD)
		must(t, err)
		must(t, p.Reopen(c.now()))
		must(t, db.store.UpdatePosition(t.Context(), p, positions.Change{Action: "REOPEN", At: c.now()}))
		sim.ClearFaults()
		c.advance(2 * time.Second)
		r.courier.Wake()
		eventually(t, "it ended", func() bool {
			return len(r.list(t, positions.DeliveryFilter{Kind: positions.DeliverToSEND, State: positions.DeliveryEnded})) == 1
		})
		if told := sim.Requests(sandbox.Filter{Endpoint: sandbox.EndpointPaymentEvents}); len(told) != 1 {
			t.Errorf("SEND was told %d times, once before it was taken back", len(told))
		}
	})
}

func TestReceiversOfOneHostDoNotWaitForEachOther(t *testing.T) {
	db, c := sqliteOnly(t), &clock{}
	host := startReceiver(t)
	released := make(chan struct{})
	host.set(func(request *http.Request) int {
		if request.URL.Path == "/works" {
			return http.StatusOK
		}
		select {
		case <-released:
		case <-request.Context().Done():
		}
		return http.StatusInternalServerError
	})
	t.Cleanup(func() { close(released) })
	_, client := send(t, comune)
	r := start(t, db, c, client)
	for i := range 4 {
		code := fmt.Sprintf("9000000000%d", i)
		register(t, db, code, host.URL+"/hangs")
		must(t, r.directory.Reload(t.Context()))
		for n := range 2 * slots {
			r.save(t, code, notice(n), fmt.Sprintf("h-%d/0", n))
		}
	}
	eventually(t, "all hang", func() bool { return host.attempted() == 4 })
	register(t, db, comune, host.URL+"/works")
	must(t, r.directory.Reload(t.Context()))
	began := time.Now()
	r.save(t, comune, notice(1), "r-1/0")
	eventually(t, "it arrived", func() bool { return len(host.arrivals()) == 1 })
	r.within(t, "it", began, attemptTimeout/2)
}
