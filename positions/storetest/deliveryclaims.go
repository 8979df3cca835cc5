package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/attualizza/attualizza/positions"
)

// receipts are those of an organization, on their way to it.
func receipts(organization string) positions.DeliveryLane {
	return positions.DeliveryLane{Kind: positions.DeliverReceipt, OrganizationFiscalCode: organization}
}

// claimed takes a receipt of the municipality for a minute.
func claimed(t *testing.T, s positions.Store, now time.Time) *positions.Delivery {
	t.Helper()
	return got(s.ClaimDelivery(t.Context(), receipts(comune), now, now.Add(time.Minute)))(t)
}

func nothingToClaim(t *testing.T, s positions.Store, now time.Time) {
	t.Helper()
	_, err := s.ClaimDelivery(t.Context(), receipts(comune), now, now.Add(time.Minute))
	wantCode(t, err, positions.NotFound)
}

// lanes tell how much is due in each.
type lanes map[positions.DeliveryLane]int

func due(t *testing.T, s positions.Store, now time.Time, most int) lanes {
	t.Helper()
	found := lanes{}
	for _, l := range got(s.DueDeliveries(t.Context(), now, most))(t) {
		if found[l.DeliveryLane] > 0 {
			t.Fatalf("lane %v is told twice", l.DeliveryLane)
		}
		found[l.DeliveryLane] = l.Due
	}
	return found
}

// end settles a claimed delivery in a state other than PENDING.
func end(t *testing.T, s positions.Store, d *positions.Delivery, state positions.DeliveryState, at time.Time) {
	t.Helper()
	d.State, d.EndedAt = state, at
	must(t, s.SettleDelivery(t.Context(), d))
}

var deliveryClaimTests = []test{
	{"what is due is told of every lane, as far as it is counted, until somebody has it", func(t *testing.T, s positions.Store) {
		same(t, "what is due of nothing", due(t, s, noon, 10), lanes{})
		bound := option(1)
		bound.SendBound = true
		nav := mustCreate(t, s, position(comune, "iupd-1", bound)).Options[0].NAV
		for i, minutes := range []int{0, 1, 1, 5} {
			r := pushed(comune, fmt.Sprint("rt-", i), option(1).NAV)
			r.ReceivedAt = noon.Add(time.Duration(minutes) * time.Minute)
			if i == 1 {
				r.NAV, r.Outgoing.SEND = nav, true
			}
			got(s.SaveReceipt(t.Context(), r))(t)
		}
		got(s.SaveReceipt(t.Context(), pushed(provincia, "rt-4", nav)))(t)
		ours, theirs, send := receipts(comune), receipts(provincia), positions.DeliveryLane{Kind: positions.DeliverToSEND, OrganizationFiscalCode: comune}
		for _, step := range []struct {
			minute, most int
			want         lanes
		}{
			{-1, 10, lanes{}},
			{0, 10, lanes{ours: 1, theirs: 1}},
			{1, 10, lanes{ours: 3, theirs: 1, send: 1}},
			{1, 2, lanes{ours: 2, theirs: 1, send: 1}},
			{9, 10, lanes{ours: 4, theirs: 1, send: 1}},
			{9, 0, lanes{}},
		} {
			same(t, fmt.Sprintf("what is due at %d", step.minute), due(t, s, noon.Add(time.Duration(step.minute)*time.Minute), step.most), step.want)
		}
		at := noon.Add(time.Hour)
		d := claimed(t, s, at)
		same(t, "what is due beside a claim", due(t, s, at, 10), lanes{ours: 3, theirs: 1, send: 1})
		same(t, "what is due once it lapsed", due(t, s, at.Add(time.Minute), 10), lanes{ours: 4, theirs: 1, send: 1})
		end(t, s, d, positions.DeliveryDelivered, at)
		same(t, "what is due after it ended", due(t, s, at.Add(time.Minute), 10), lanes{ours: 3, theirs: 1, send: 1})
	}},
	{"a claim counts the attempt, and what it came to is kept", func(t *testing.T, s positions.Store) {
		deliver(t, s, option(1).NAV, "rt-1")
		before := deliveries(t, s, positions.DeliveryFilter{})[0]
		at := noon.Add(time.Hour)
		d := claimed(t, s, at)
		want := before
		want.Attempts, want.LastAttemptAt, want.Claim = 1, at, d.Claim
		same(t, "the claimed delivery", d, &want)

		d.DueAt, d.LastStatus, d.LastError = at.Add(5*time.Second), 503, "the receiver answered 503 — città"
		must(t, s.SettleDelivery(t.Context(), d))
		same(t, "the failed one", deliveries(t, s, positions.DeliveryFilter{}), []positions.Delivery{*d})
		wantCode(t, s.SettleDelivery(t.Context(), d), positions.Stale) // its claim is given back

		d = claimed(t, s, at.Add(5*time.Second))
		if d.Attempts != 2 || d.LastStatus != 503 {
			t.Fatalf("the second attempt is of %+v", d)
		}
		d.LastStatus, d.LastError = 204, ""
		end(t, s, d, positions.DeliveryDelivered, at.Add(6*time.Second))
		same(t, "the delivered one", deliveries(t, s, positions.DeliveryFilter{}), []positions.Delivery{*d})
		nothingToClaim(t, s, at.Add(time.Hour))
	}},
	{"the longest due leaves first, and those about one notice in the order of their IDs", func(t *testing.T, s positions.Store) {
		bound := option(1)
		bound.SendBound = true
		nav, other := mustCreate(t, s, position(comune, "iupd-1", bound)).Options[0].NAV, option(1).NAV
		for i, n := range []positions.NoticeNumber{nav, nav, other, nav} {
			r := pushed(comune, fmt.Sprint("rt-", i), n)
			r.Outgoing.SEND, r.ReceivedAt = true, noon.Add(time.Duration(10-i)*time.Minute) // clocks of replicas may differ
			got(s.SaveReceipt(t.Context(), r))(t)
		}
		got(s.SaveReceipt(t.Context(), pushed(provincia, "rt-4", nav)))(t)
		at := noon.Add(time.Hour)
		first, second := claimed(t, s, at), claimed(t, s, at)
		same(t, "what leaves at once", about([]positions.Delivery{*first, *second}), []string{"rt-2", "rt-0"})
		nothingToClaim(t, s, at)
		nothingToClaim(t, s, at.Add(2*time.Second))
		end(t, s, second, positions.DeliveryDelivered, at)
		next := claimed(t, s, at)
		end(t, s, next, positions.DeliveryDelivered, at)
		last := claimed(t, s, at)
		same(t, "what follows", about([]positions.Delivery{*next, *last}), []string{"rt-1", "rt-3"})
		send := got(s.ClaimDelivery(t.Context(), positions.DeliveryLane{Kind: positions.DeliverToSEND, OrganizationFiscalCode: comune}, at, at.Add(time.Minute)))(t)
		theirs := got(s.ClaimDelivery(t.Context(), receipts(provincia), at, at.Add(time.Minute)))(t)
		same(t, "the others", about([]positions.Delivery{*send, *theirs}), []string{"rt-0", "rt-4"})
	}},
	{"those that were tried in vain leave after the others, and after a replay before them", func(t *testing.T, s positions.Store) {
		for i := range 3 {
			deliver(t, s, option(1).NAV, fmt.Sprint("refused-", i))
		}
		at := noon.Add(time.Hour)
		for range 3 {
			d := claimed(t, s, noon)
			d.DueAt = noon.Add(time.Second)
			must(t, s.SettleDelivery(t.Context(), d))
		}
		r := pushed(comune, "new", option(1).NAV)
		r.ReceivedAt = noon.Add(time.Minute)
		got(s.SaveReceipt(t.Context(), r))(t)
		same(t, "what is due", due(t, s, at, 10), lanes{receipts(comune): 4})
		if d := claimed(t, s, at); d.ReceiptID != "new" {
			t.Fatalf("%s leaves before the new one", d.ReceiptID)
		}
		refused := deliveries(t, s, positions.DeliveryFilter{ReceiptID: "refused-2"})[0]
		got(s.ReplayDeliveries(t.Context(), positions.DeliveryFilter{IDs: []int64{refused.ID}}, at, 1))(t)
		same(t, "what follows", about([]positions.Delivery{*claimed(t, s, at), *claimed(t, s, at), *claimed(t, s, at)}), []string{"refused-2", "refused-0", "refused-1"})
	}},
	{"one that was given back untried is not tried", func(t *testing.T, s positions.Store) {
		deliver(t, s, option(1).NAV, "rt-1")
		d := claimed(t, s, noon)
		d.Attempts--
		must(t, s.SettleDelivery(t.Context(), d))
		deliver(t, s, option(1).NAV, "rt-2")
		if d := claimed(t, s, noon); d.ReceiptID != "rt-1" {
			t.Fatalf("%s leaves before it", d.ReceiptID)
		}
	}},
	{"one that failed holds the later ones about its notice, a parked or ended one does not", func(t *testing.T, s positions.Store) {
		deliver(t, s, option(1).NAV, "rt-1", "rt-2", "rt-3")
		d := claimed(t, s, noon)
		d.DueAt = noon.Add(time.Hour)
		must(t, s.SettleDelivery(t.Context(), d))
		nothingToClaim(t, s, noon)
		nothingToClaim(t, s, noon.Add(time.Hour-time.Microsecond))
		same(t, "what is due of those that were passed over", due(t, s, noon.Add(time.Hour-time.Microsecond), 10), lanes{})
		if d = claimed(t, s, noon.Add(time.Hour)); d.ReceiptID != "rt-1" {
			t.Fatalf("%s overtook the first", d.ReceiptID)
		}
		nothingToClaim(t, s, noon.Add(time.Hour))
		end(t, s, d, positions.DeliveryParked, noon)
		if d = claimed(t, s, noon); d.ReceiptID != "rt-2" {
			t.Fatalf("%s comes after the parked one", d.ReceiptID)
		}
		end(t, s, d, positions.DeliveryEnded, noon)
		if d = claimed(t, s, noon); d.ReceiptID != "rt-3" {
			t.Fatalf("%s comes after the ended one", d.ReceiptID)
		}
	}},
	{"however many follow one that waits, the others leave", func(t *testing.T, s positions.Store) {
		held, free := option(1).NAV, option(1).NAV
		for i := range 100 {
			deliver(t, s, held, fmt.Sprint("held-", i))
		}
		deliver(t, s, free, "free")
		d := claimed(t, s, noon)
		d.DueAt = noon.Add(time.Hour)
		must(t, s.SettleDelivery(t.Context(), d))
		for range 100 {
			d, err := s.ClaimDelivery(t.Context(), receipts(comune), noon, noon.Add(time.Minute))
			if positions.CodeOf(err) == positions.NotFound {
				continue // it passed over as many as it may
			}
			if must(t, err); d.ReceiptID != "free" {
				t.Fatalf("%s leaves", d.ReceiptID)
			}
			return
		}
		t.Fatal("it never left")
	}},
	{"a lapsed claim is taken over, and who had it has no say any more", func(t *testing.T, s positions.Store) {
		deliver(t, s, option(1).NAV, "rt-1")
		late := claimed(t, s, noon)
		nothingToClaim(t, s, noon.Add(time.Minute-time.Microsecond))
		d := claimed(t, s, noon.Add(time.Minute))
		if d.ID != late.ID || d.Attempts != 2 {
			t.Fatalf("attempt %d of delivery %d is claimed", d.Attempts, d.ID)
		}
		late.State, late.EndedAt = positions.DeliveryParked, noon
		wantCode(t, s.SettleDelivery(t.Context(), late), positions.Stale)
		end(t, s, d, positions.DeliveryDelivered, noon)
		wantCode(t, s.SettleDelivery(t.Context(), late), positions.Stale)
		same(t, "the delivery", deliveries(t, s, positions.DeliveryFilter{}), []positions.Delivery{*d})
	}},
	{"a claim that lapsed and that nobody took over is settled", func(t *testing.T, s positions.Store) {
		deliver(t, s, option(1).NAV, "rt-1")
		d := claimed(t, s, noon)
		end(t, s, d, positions.DeliveryDelivered, noon.Add(time.Hour))
		same(t, "the delivery", deliveries(t, s, positions.DeliveryFilter{}), []positions.Delivery{*d})
	}},
}
