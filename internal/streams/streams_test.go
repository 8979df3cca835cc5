package streams

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/sandbox"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/sendclient"
)

var (
	accept = sandbox.Step{Event: sandbox.Accept}
	letter = sandbox.Step{Event: sandbox.AnalogSend, Cost: 969}
	view   = sandbox.Step{Event: sandbox.View}
)

func days(n int) sandbox.Step {
	return sandbox.Step{Event: sandbox.ElapseTime, For: sandbox.Duration(n * 24 * int(time.Hour))}
}

func TestAnActivationAfterAnEventMakesNoCall(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *country) {
		seen, refined := c.owes(comune, 1), c.owes(comune, 2)
		r := c.following()
		other := c.replica() // carries out nothing, and sees everything
		both := func(nav positions.NoticeNumber, source positions.FeeSource, fee int64) {
			t.Helper()
			r.activates(comune, nav, source, fee)
			other.activates(comune, nav, source, fee)
		}
		first, second := c.notify(pays(comune, seen)), c.notify(pays(comune, refined))
		for iun, nav := range map[string]positions.NoticeNumber{first: seen, second: refined} {
			c.do(iun, accept)
			c.learns(comune, nav, 200, "")
			both(nav, positions.SourceCache, 200)
			c.do(iun, letter)
			c.learns(comune, nav, 1382, "")
			both(nav, positions.SourceCache, 1382)
		}

		c.do(first, view)
		c.eventually("the view freezes the price", func() bool { return c.price(comune, seen).Final })
		both(seen, positions.SourceFinal, 1382)

		c.do(second, sandbox.Step{Event: sandbox.AnalogDeliver}, days(12))
		c.eventually("the refinement freezes the price", func() bool { return c.price(comune, refined).Final })
		both(refined, positions.SourceFinal, 1382)
		c.do(second, sandbox.Step{Event: sandbox.Rework})
		c.learns(comune, refined, 200, "")
		both(refined, positions.SourceCache, 200)

		for _, iun := range []string{first, second} {
			c.do(iun, sandbox.Step{Event: sandbox.RequestCancellation})
		}
		for _, nav := range []positions.NoticeNumber{seen, refined} {
			c.learns(comune, nav, 0, "CANCELLED")
			both(nav, positions.SourceNoCost, 0)
		}
		c.do(first, sandbox.Step{Event: sandbox.Cancel})
		c.learns(comune, seen, 0, "NOT_FOUND")
		both(seen, positions.SourceNoCost, 0)

		if n := len(c.send.Requests(sandbox.Filter{Endpoint: sandbox.EndpointSent})); n != 2 {
			t.Fatalf("%d notifications were looked up", n)
		}
		for _, secret := range []string{"Inventato", "RSSMRA", "key-" + comune} {
			if strings.Contains(c.logs.String(), secret) {
				t.Fatal(c.logs)
			}
		}
	})
}

func TestEventsThatAreToldOrCarriedOutAgainDoNothing(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *country) {
		nav := c.owes(comune, 1)
		r := c.following()
		iun := c.notify(pays(comune, nav))
		c.do(iun, accept, letter, view)
		c.eventually("the view freezes the price", func() bool { p := c.price(comune, nav); return p != nil && p.Final })
		calls := c.send.Calls(comune, string(nav))
		c.eventually("the events are handed over", func() bool { _, all := r.queue.taken(); return len(all) == 3 })
		_, before := r.queue.taken()

		_, err := c.send.Inject(sandbox.Fault{Endpoint: sandbox.EndpointStreamEvents, Kind: sandbox.Redeliver, Requests: 3})
		c.must(err)
		c.eventually("they were told again", func() bool { return len(c.send.Faults()) == 0 })
		read, _ := c.readings()
		c.eventually("the stream is read on", func() bool { n, _ := c.readings(); return n > read+1 })
		_, after := r.queue.taken()
		if len(before) != 3 || len(after) != 3 {
			t.Fatalf("handed over: %v, then %v", before, after)
		}
		slices.Reverse(after)
		for _, e := range append(after, after...) {
			c.must(r.Handle(t.Context(), e))
			c.must(c.replica().Handle(t.Context(), e))
		}
		if n := c.send.Calls(comune, string(nav)); n != calls {
			t.Fatalf("%d more calls", n-calls)
		}
		r.activates(comune, nav, positions.SourceFinal, 1382)
	})
}

func TestSixtyEventsAreReadInTwoCalls(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *country) {
		r := c.replica()
		stop := r.start()
		c.eventually("a stream is there", func() bool { return len(c.send.Streams(comune)) == 1 })
		stop()
		for i := range 60 {
			nav, err := positions.NewNoticeNumber(1, int64(1000+i))
			c.must(err)
			c.do(c.notify(pays(comune, nav)), accept)
		}
		c.send.ClearRequests()
		next := c.replica()
		next.queue.handle = nil
		next.start()
		c.eventually("sixty events are handed over", func() bool { _, events := next.queue.taken(); return len(events) == 60 })
		if batches, events := next.queue.taken(); !slices.Equal(batches, []int{50, 10}) || !slices.IsSortedFunc(events, func(a, b Event) int { return strings.Compare(a.ID, b.ID) }) {
			t.Fatal(batches)
		}
		_, events := next.queue.taken()
		c.eventually("the stream is moved on", func() bool {
			at, err := c.store.StreamCursor(t.Context(), comune)
			c.must(err)
			return at.LastEventID == events[59].ID
		})
		if n := len(c.send.Streams(comune)); n != 1 {
			t.Fatalf("%d streams", n)
		}
	})
}

func TestAStreamIsReadNoSoonerThanSendAsks(t *testing.T) {
	c := onSQLite(t)
	key := sandbox.APIKey{Name: comune, Value: "key-" + comune, SenderTaxID: comune, PDND: sandbox.VoucherForbidden}
	const pause = 300 * time.Millisecond
	c.serve(pause)
	c.must(c.send.RegisterKey(key))
	c.following()
	c.eventually("it was read a few times", func() bool { n, _ := c.readings(); return n >= 5 })
	if _, refused := c.readings(); refused > 0 {
		t.Fatalf("%d readings were too early", refused)
	}
	// In milliseconds, whatever the header means elsewhere.
	_, err := c.send.Inject(sandbox.Fault{Endpoint: sandbox.EndpointStreamEvents, Kind: sandbox.WithStatus, Status: 429, Code: "PN_STREAM_RETRY_AFTER_ERROR", RetryAfter: 900, Requests: 1})
	c.must(err)
	c.eventually("one was refused, and another followed", func() bool {
		log := c.send.Requests(sandbox.Filter{Endpoint: sandbox.EndpointStreamEvents})
		return log[len(log)-1].Status == 200 && slices.ContainsFunc(log, func(e sandbox.Entry) bool { return e.Status == 429 })
	})
	log := c.send.Requests(sandbox.Filter{Endpoint: sandbox.EndpointStreamEvents})
	for i := 1; i < len(log); i++ {
		want := pause
		if log[i-1].Status == 429 {
			want = 900 * time.Millisecond
		}
		if got := log[i].At.Sub(log[i-1].At); got < want {
			t.Fatalf("reading %d came after %s, want %s", i, got, want)
		}
	}
	if strings.Contains(c.logs.String(), "cannot be read") {
		t.Fatal(c.logs)
	}
}

func TestNothingIsLostWhileEventsCannotBeHandedOver(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *country) {
		nav := c.owes(comune, 1)
		r := c.following()
		r.queue.failing(errBroken)
		c.do(c.notify(pays(comune, nav)), accept)
		c.eventually("handing over fails", func() bool { return strings.Contains(c.logs.String(), errBroken.Error()) })
		if at, err := c.store.StreamCursor(t.Context(), comune); err != nil || at.LastEventID != "" {
			t.Fatal(at, err)
		}
		r.queue.failing(nil)
		c.learns(comune, nav, 200, "")
	})
}

func TestAPriceThatCannotBeHadIsAskedForAgain(t *testing.T) {
	c := onSQLite(t)
	nav := c.owes(comune, 1)
	iun := c.notify(pays(comune, nav))
	c.do(iun, accept)
	r := c.replica()
	event := func(category string) Event {
		return Event{Organization: comune, ID: "1", Category: category, IUN: iun, RecIndex: -1, ArrivedAt: time.Now()}
	}
	c.must(r.Handle(t.Context(), event("REQUEST_ACCEPTED")))
	c.do(iun, letter)
	fault, err := c.send.Inject(sandbox.Fault{Kind: sandbox.WithStatus, Status: 500})
	c.must(err)
	sent := event("SEND_ANALOG_DOMICILE")
	if err := r.Handle(t.Context(), sent); err == nil || !strings.Contains(err.Error(), "1 of 1") {
		t.Fatal(err)
	}
	// Meanwhile who pays is answered by policy, with the last known price.
	org, _ := c.registry.Organization(comune)
	if q, err := r.prices.Quote(t.Context(), org, nav); err != nil || q.Source != positions.SourceLastKnown || q.NotificationFee != 200 {
		t.Fatalf("%v %+v", err, q)
	}
	c.must(c.send.ClearFault(fault.ID))
	c.must(r.Handle(t.Context(), sent))
	r.activates(comune, nav, positions.SourceCache, 1382)
}

func TestWhoseNoticesAnEventConcerns(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *country) {
		mine, his, theirs, paid := c.owes(comune, 1), c.owes(comune, 2), c.owes(provincia, 3), c.owes(comune, 4)
		p, err := c.store.Position(t.Context(), comune, string(paid))
		c.must(err)
		p.Status, p.Options[0].Status = positions.Paid, positions.OptionPaid
		p.Options[0].Payment = &positions.OptionPayment{Date: time.Now(), Amount: 10000}
		c.must(c.store.UpdatePosition(t.Context(), p, positions.Change{Action: "PAY", At: time.Now()}))
		iun := c.notify(
			slices.Concat(pays(comune, mine), pays(provincia, theirs), pays("99999999999", mine)),
			slices.Concat(pays(comune, his), pays(comune, paid), pays(comune, "301000000000099999")),
		)
		c.do(iun, accept)
		r := c.replica()
		calls := func() (n []int) {
			for _, k := range [][2]string{{comune, string(mine)}, {provincia, string(theirs)}, {comune, string(his)}, {comune, string(paid)}, {"99999999999", string(mine)}, {comune, "301000000000099999"}} {
				n = append(n, c.send.Calls(k[0], k[1]))
			}
			return n
		}
		handle := func(category string, recipient int) {
			t.Helper()
			c.must(r.Handle(t.Context(), Event{Organization: comune, ID: "1", Category: category, IUN: iun, RecIndex: recipient, ArrivedAt: time.Now()}))
		}
		for _, step := range []struct {
			category  string
			recipient int
			want      []int
		}{
			{"PAYMENT", 0, []int{0, 0, 0, 0, 0, 0}},
			{"SOMETHING_NEW", 0, []int{0, 0, 0, 0, 0, 0}},
			{"NOTIFICATION_VIEWED", 1, []int{0, 0, 1, 0, 0, 0}},
			{"SEND_SIMPLE_REGISTERED_LETTER", 0, []int{1, 1, 1, 0, 0, 0}},
			{"NOTIFICATION_CANCELLED", -1, []int{2, 2, 2, 0, 0, 0}},
		} {
			handle(step.category, step.recipient)
			if got := calls(); !slices.Equal(got, step.want) {
				t.Fatalf("after %s: %v, want %v", step.category, got, step.want)
			}
		}
		r.activates(provincia, theirs, positions.SourceCache, 200)
		if n := len(c.send.Requests(sandbox.Filter{Endpoint: sandbox.EndpointSent})); n != 1 {
			t.Fatalf("the notification was looked up %d times", n)
		}
		// Another sender's, or none at all: nothing to do.
		c.must(r.Handle(t.Context(), Event{Organization: provincia, Category: "REFINEMENT", IUN: "ABCD-EFGH-IJKL-202611-M-1", ArrivedAt: time.Now()}))
		c.must(r.Handle(t.Context(), Event{Organization: "99999999999", Category: "REFINEMENT", IUN: "ABCD-EFGH-IJKL-202611-M-1", ArrivedAt: time.Now()}))
	})
}

func TestANotificationThatCannotBeLookedUpIsKnownByItsPricesUntilItCan(t *testing.T) {
	c := onSQLite(t)
	priced, silent := c.owes(comune, 1), c.owes(comune, 2)
	iun := c.notify(slices.Concat(pays(comune, priced), pays(comune, silent)))
	c.do(iun, accept)
	r := c.replica()
	org, _ := c.registry.Organization(comune)
	if _, err := r.prices.Quote(t.Context(), org, priced); err != nil {
		t.Fatal(err)
	}
	c.do(iun, letter)
	_, err := c.send.Inject(sandbox.Fault{Endpoint: sandbox.EndpointSent, Kind: sandbox.WithStatus, Status: 503, Requests: 1})
	c.must(err)
	sent := Event{Organization: comune, Category: "SEND_ANALOG_DOMICILE", IUN: iun, ArrivedAt: time.Now()}
	if err := r.Handle(t.Context(), sent); sendclient.KindOf(err) != sendclient.KindServerError {
		t.Fatalf("%v: the other notice would never hear of it", err)
	}
	r.activates(comune, priced, positions.SourceCache, 1382)
	calls := c.send.Calls(comune, string(priced))
	c.must(r.Handle(t.Context(), sent))
	r.activates(comune, silent, positions.SourceCache, 1382)
	if n := c.send.Calls(comune, string(priced)); n != calls {
		t.Fatalf("%d more calls for what was known", n-calls)
	}
}
