package storetest

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/attualizza/attualizza/positions"
)

// pushed is a receipt that is to leave for its organization.
func pushed(organization, id string, nav positions.NoticeNumber) *positions.Receipt {
	r := receipt(organization, id, nav)
	r.Outgoing.Receipt, r.ReceivedAt = true, noon
	return r
}

// deliver stores receipts of a notice that nobody knows, one delivery each.
func deliver(t *testing.T, s positions.Store, nav positions.NoticeNumber, ids ...string) {
	t.Helper()
	for _, id := range ids {
		got(s.SaveReceipt(t.Context(), pushed(comune, id, nav)))(t)
	}
}

// receipts are those of an organization, on their way to it.
func receipts(organization string) positions.DeliveryLane {
	return positions.DeliveryLane{Kind: positions.DeliverReceipt, OrganizationFiscalCode: organization}
}

// deliveries lists all that meet a filter, newest first.
func deliveries(t *testing.T, s positions.Store, f positions.DeliveryFilter) []positions.Delivery {
	t.Helper()
	f.Page.Limit = 1000
	list, total, err := s.Deliveries(t.Context(), f)
	must(t, err)
	if total != len(list) {
		t.Fatalf("the total is %d, of a list of %d", total, len(list))
	}
	return list
}

// about names the receipts that deliveries are about.
func about(list []positions.Delivery) (ids []string) {
	for _, d := range list {
		ids = append(ids, d.ReceiptID)
	}
	return ids
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

var deliveryTests = []test{
	{"a receipt is stored with its delivery, and a payment of what SEND notifies with the event for SEND", func(t *testing.T, s positions.Store) {
		bound := option(12_345)
		bound.SendBound = true
		p := mustCreate(t, s, position(comune, "iupd-1", bound))
		nav := p.Options[0].NAV
		r := pushed(comune, "rt-1", nav)
		r.Outgoing.SEND = true
		got(s.SaveReceipt(t.Context(), r))(t)
		list := deliveries(t, s, positions.DeliveryFilter{})
		if len(list) != 2 {
			t.Fatalf("%d deliveries", len(list))
		}
		waiting := positions.Delivery{
			OrganizationFiscalCode: comune, NAV: nav, ReceiptID: "rt-1", State: positions.DeliveryPending,
			CreatedAt: r.ReceivedAt, PendingSince: r.ReceivedAt, DueAt: r.ReceivedAt,
		}
		first, second := waiting, waiting
		first.ID, first.Kind = list[1].ID, positions.DeliverReceipt
		second.ID, second.Kind, second.Amount, second.PaidAt = list[0].ID, positions.DeliverToSEND, 13_345, r.PaymentDateTime
		same(t, "the deliveries", list, []positions.Delivery{second, first})
		if first.ID >= second.ID {
			t.Fatalf("the IDs are %d and %d", first.ID, second.ID)
		}
	}},
	{"a payment without its own instant was made when its receipt arrived", func(t *testing.T, s positions.Store) {
		bound := option(12_345)
		bound.SendBound = true
		p := mustCreate(t, s, position(comune, "iupd-1", bound))
		r := receipt(comune, "rt-1", p.Options[0].NAV)
		r.PaymentDateTime, r.Outgoing.SEND = time.Time{}, true
		got(s.SaveReceipt(t.Context(), r))(t)
		if list := deliveries(t, s, positions.DeliveryFilter{}); len(list) != 1 || !list[0].PaidAt.Equal(r.ReceivedAt) {
			t.Fatalf("the deliveries are %+v", list)
		}
	}},
	{"every receipt that is accepted leaves once, and nothing leaves that nobody wants", func(t *testing.T, s positions.Store) {
		known := mustCreate(t, s, position(comune, "iupd-1")).Options[0].NAV
		broadcast, refused, unwanted := pushed(comune, "broadcast", known), pushed(comune, "ko", known), receipt(comune, "unwanted", known)
		broadcast.CreditorFiscalCode, refused.Outcome = provincia, "KO"
		for _, r := range []*positions.Receipt{
			broadcast, refused, pushed(comune, "unknown", option(1).NAV), pushed(comune, "first", known), pushed(comune, "second", known),
			unwanted, pushed(comune, "first", known), pushed(comune, "broadcast", known), pushed(comune, "unwanted", known),
		} {
			r.Outgoing.SEND = true // which does not notify the notice
			got(s.SaveReceipt(t.Context(), r))(t)
		}
		list := deliveries(t, s, positions.DeliveryFilter{})
		same(t, "what leaves", about(list), []string{"second", "first", "unknown", "ko", "broadcast"})
		if slices.ContainsFunc(list, func(d positions.Delivery) bool { return d.Kind != positions.DeliverReceipt }) {
			t.Fatalf("SEND is told: %+v", list)
		}
	}},
	{"SEND is told of the payment that settled the notice, and by its sender alone", func(t *testing.T, s positions.Store) {
		mine, named, theirs := option(1), option(2), option(3)
		for _, o := range []*positions.PaymentOption{&mine, &named, &theirs} {
			o.SendBound, o.IsPartialPayment = true, true
		}
		named.SenderFiscalCode, theirs.SenderFiscalCode = comune, provincia
		p := mustCreate(t, s, position(comune, "iupd-1", mine, named, theirs))
		save := func(id string, i int, change func(*positions.Receipt)) {
			r := receipt(comune, id, p.Options[i].NAV)
			r.Outgoing.SEND = true
			change(r)
			got(s.SaveReceipt(t.Context(), r))(t)
		}
		save("broadcast", 0, func(r *positions.Receipt) { r.CreditorFiscalCode = provincia })
		save("ko", 0, func(r *positions.Receipt) { r.Outcome = "KO" })
		save("mine", 0, func(*positions.Receipt) {})
		save("again", 0, func(*positions.Receipt) {})
		save("named", 1, func(*positions.Receipt) {})
		save("theirs", 2, func(*positions.Receipt) {})
		same(t, "what SEND is told", about(deliveries(t, s, positions.DeliveryFilter{Kind: positions.DeliverToSEND})), []string{"named", "mine"})
	}},
	{"a receipt that cannot be stored leaves no delivery", func(t *testing.T, s positions.Store) {
		nav := option(1).NAV
		r := pushed(comune, "rt-1", nav)
		r.PaymentDateTime = time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC) // JSON has no such year
		_, err := s.SaveReceipt(t.Context(), r)
		wantCode(t, err, positions.Invalid)
		same(t, "the deliveries", deliveries(t, s, positions.DeliveryFilter{}), []positions.Delivery(nil))
		deliver(t, s, nav, "rt-1") // and it is no duplicate when it comes right
		same(t, "the deliveries", about(deliveries(t, s, positions.DeliveryFilter{})), []string{"rt-1"})
	}},
	{"a change of positions is stored with its deliveries, once, or neither is", func(t *testing.T, s positions.Store) {
		one, two := mustCreate(t, s, position(comune, "iupd-1")), mustCreate(t, s, position(comune, "iupd-2"))
		nav := one.Options[0].NAV
		c := update
		c.Deliveries = []positions.Delivery{{Kind: positions.DeliverToSEND, OrganizationFiscalCode: comune, NAV: nav, Amount: 5, PaidAt: noon}}
		stale := one.Clone()
		must(t, s.UpdatePositions(t.Context(), []*positions.Position{one, two}, c))
		wantCode(t, s.UpdatePosition(t.Context(), stale, c), positions.Stale)
		list := deliveries(t, s, positions.DeliveryFilter{})
		want := c.Deliveries[0]
		want.State, want.CreatedAt, want.PendingSince, want.DueAt = positions.DeliveryPending, update.At, update.At, update.At
		if len(list) > 0 {
			want.ID = list[0].ID
		}
		same(t, "the deliveries", list, []positions.Delivery{want})
	}},
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
	{"a replay takes up again what ended, in whichever way, and hurries what waits", func(t *testing.T, s positions.Store) {
		day := noon.AddDate(0, 0, 7)
		for _, state := range []positions.DeliveryState{positions.DeliveryParked, positions.DeliveryEnded, positions.DeliveryDelivered, positions.DeliveryPending} {
			deliver(t, s, option(1).NAV, string(state))
			d := claimed(t, s, noon)
			d.State, d.DueAt, d.LastStatus, d.LastError = state, noon.AddDate(0, 1, 0), 500, "500"
			if state != positions.DeliveryPending {
				d.EndedAt = noon
			}
			must(t, s.SettleDelivery(t.Context(), d))
			if n := got(s.ReplayDeliveries(t.Context(), positions.DeliveryFilter{IDs: []int64{d.ID}}, day, 10))(t); n != 1 {
				t.Fatalf("%s: %d were replayed", state, n)
			}
			again := deliveries(t, s, positions.DeliveryFilter{IDs: []int64{d.ID}})
			want := *d
			want.State, want.PendingSince, want.DueAt, want.Attempts, want.EndedAt, want.Claim = positions.DeliveryPending, day, day, 0, time.Time{}, again[0].Claim
			same(t, string(state)+" replayed", again, []positions.Delivery{want})
			same(t, "what is due", due(t, s, day, 10), lanes{receipts(comune): 1})
			if d = claimed(t, s, day); d.Attempts != 1 || d.ReceiptID != string(state) {
				t.Fatalf("%s: claimed is %+v", state, d)
			}
			end(t, s, d, positions.DeliveryDelivered, day)
		}
	}},
	{"an attempt that is being made when its delivery is replayed has no say any more", func(t *testing.T, s positions.Store) {
		deliver(t, s, option(1).NAV, "rt-1")
		d := claimed(t, s, noon)
		got(s.ReplayDeliveries(t.Context(), positions.DeliveryFilter{IDs: []int64{d.ID}}, noon, 1))(t)
		d.State, d.EndedAt = positions.DeliveryParked, noon
		wantCode(t, s.SettleDelivery(t.Context(), d), positions.Stale)
		end(t, s, claimed(t, s, noon), positions.DeliveryDelivered, noon)
	}},
	{"a replay takes what meets its filter, the oldest first and no more than its limit", func(t *testing.T, s positions.Store) {
		nav, other := option(1).NAV, option(1).NAV
		deliver(t, s, nav, "rt-1", "rt-2", "rt-3")
		deliver(t, s, other, "rt-4")
		for range 3 {
			end(t, s, claimed(t, s, noon), positions.DeliveryParked, noon)
		}
		parked := positions.DeliveryFilter{State: positions.DeliveryParked}
		for _, step := range []struct {
			f           positions.DeliveryFilter
			limit, want int
		}{
			{positions.DeliveryFilter{State: positions.DeliveryParked, OrganizationFiscalCode: provincia}, 10, 0},
			{positions.DeliveryFilter{State: positions.DeliveryParked, Kind: positions.DeliverToSEND}, 10, 0},
			{positions.DeliveryFilter{State: positions.DeliveryParked, To: noon}, 10, 0},
			{positions.DeliveryFilter{State: positions.DeliveryDelivered}, 10, 0},
			{parked, 0, 0},
			{parked, 1, 1},
			{parked, 10, 2},
			{parked, 10, 0},
		} {
			if n := got(s.ReplayDeliveries(t.Context(), step.f, noon, step.limit))(t); n != step.want {
				t.Fatalf("%+v: %d were replayed", step, n)
			}
			if step.limit == 1 {
				same(t, "still parked", about(deliveries(t, s, parked)), []string{"rt-3", "rt-2"})
			}
		}
	}},
	{"who replays again and again at one instant comes to an end, whatever state it is of", func(t *testing.T, s positions.Store) {
		nav := option(1).NAV
		deliver(t, s, nav, "rt-1", "rt-2", "rt-3", "rt-4", "rt-5")
		end(t, s, claimed(t, s, noon), positions.DeliveryParked, noon)
		day := noon.AddDate(0, 0, 1)
		for _, want := range []int{2, 2, 1, 0} {
			if n := got(s.ReplayDeliveries(t.Context(), positions.DeliveryFilter{NAV: nav}, day, 2))(t); n != want {
				t.Fatalf("%d were replayed, want %d", n, want)
			}
		}
		claimed(t, s, day) // which a replay takes away
		if n := got(s.ReplayDeliveries(t.Context(), positions.DeliveryFilter{NAV: nav}, day, 10))(t); n != 1 {
			t.Fatalf("%d were replayed", n)
		}
	}},
	{"a list of deliveries is the newest first, a page at a time, of what meets its filter", func(t *testing.T, s positions.Store) {
		nav, other := positions.NoticeNumber("347"+string(option(1).NAV[3:])), positions.NoticeNumber("147"+string(option(1).NAV[3:]))
		for i, n := range []positions.NoticeNumber{nav, other, nav} {
			r := pushed(comune, fmt.Sprint("rt-", i), n)
			r.ReceivedAt = noon.Add(time.Duration(i) * time.Hour)
			got(s.SaveReceipt(t.Context(), r))(t)
		}
		got(s.SaveReceipt(t.Context(), pushed(provincia, "rt-3", other)))(t)
		first := claimed(t, s, noon.Add(time.Hour))
		end(t, s, claimed(t, s, noon.Add(time.Hour)), positions.DeliveryEnded, noon)
		first.Attempts, first.LastAttemptAt = 0, time.Time{}
		must(t, s.SettleDelivery(t.Context(), first))
		id := deliveries(t, s, positions.DeliveryFilter{ReceiptID: "rt-2"})[0].ID
		for _, tt := range []struct {
			f    positions.DeliveryFilter
			want []string
		}{
			{positions.DeliveryFilter{}, []string{"rt-3", "rt-2", "rt-1", "rt-0"}},
			{positions.DeliveryFilter{OrganizationFiscalCode: comune}, []string{"rt-2", "rt-1", "rt-0"}},
			{positions.DeliveryFilter{IDs: []int64{id, id + 100}}, []string{"rt-2"}},
			{positions.DeliveryFilter{IDs: []int64{id}, OrganizationFiscalCode: provincia}, nil},
			{positions.DeliveryFilter{Kind: positions.DeliverToSEND}, nil},
			{positions.DeliveryFilter{State: positions.DeliveryEnded}, []string{"rt-1"}},
			{positions.DeliveryFilter{State: positions.DeliveryPending, OrganizationFiscalCode: comune}, []string{"rt-2", "rt-0"}},
			{positions.DeliveryFilter{NAV: nav}, []string{"rt-2", "rt-0"}},
			{positions.DeliveryFilter{ReceiptID: "rt-0"}, []string{"rt-0"}},
			{positions.DeliveryFilter{OrganizationFiscalCode: comune, From: noon.Add(time.Hour), To: noon.Add(2 * time.Hour)}, []string{"rt-1"}},
			{positions.DeliveryFilter{SegregationCodes: []string{"01", "47"}}, []string{"rt-2", "rt-0"}},
			{positions.DeliveryFilter{SegregationCodes: []string{"01"}}, nil},
		} {
			same(t, fmt.Sprintf("of %+v", tt.f), about(deliveries(t, s, tt.f)), tt.want)
		}
		page, total, err := s.Deliveries(t.Context(), positions.DeliveryFilter{OrganizationFiscalCode: comune, Page: positions.Page{Number: 1, Limit: 2}})
		must(t, err)
		if total != 3 || !slices.Equal(about(page), []string{"rt-0"}) {
			t.Fatalf("the second page is %v of %d", about(page), total)
		}
	}},
	{"the backlog counts what waits and what is parked of every kind", func(t *testing.T, s positions.Store) {
		none := []positions.DeliveryBacklog{{Kind: positions.DeliverReceipt}, {Kind: positions.DeliverToSEND}}
		same(t, "an empty backlog", got(s.DeliveryBacklog(t.Context()))(t), none)
		deliver(t, s, option(1).NAV, "rt-1", "rt-2")
		end(t, s, claimed(t, s, noon), positions.DeliveryParked, noon)
		r := pushed(comune, "rt-3", option(1).NAV)
		r.ReceivedAt = noon.Add(-time.Hour)
		got(s.SaveReceipt(t.Context(), r))(t)
		want := slices.Clone(none)
		want[0].Pending, want[0].Oldest, want[0].Parked = 2, r.ReceivedAt, 1
		same(t, "the backlog", got(s.DeliveryBacklog(t.Context()))(t), want)
		end(t, s, claimed(t, s, noon), positions.DeliveryDelivered, noon)
		end(t, s, claimed(t, s, noon), positions.DeliveryEnded, noon)
		want[0].Pending, want[0].Oldest = 0, time.Time{}
		same(t, "the backlog", got(s.DeliveryBacklog(t.Context()))(t), want)
	}},
	{"of many who claim at once one has the first delivery about a notice, again and again", func(t *testing.T, s positions.Store) {
		ids := []string{"rt-1", "rt-2", "rt-3"}
		deliver(t, s, option(1).NAV, ids...)
		for _, id := range ids {
			won := make([]*positions.Delivery, 16)
			errs := all(len(won), func(i int) (err error) {
				won[i], err = s.ClaimDelivery(bounded(t), receipts(comune), noon, noon.Add(time.Minute))
				return err
			})
			if n := count(t, errs, positions.NotFound); n != 1 {
				t.Fatalf("%d claimed the first", n)
			}
			d := won[slices.Index(errs, nil)]
			if d.ReceiptID != id || d.Attempts != 1 {
				t.Fatalf("claimed is attempt %d of %s, not of %s", d.Attempts, d.ReceiptID, id)
			}
			end(t, s, d, positions.DeliveryDelivered, noon)
		}
	}},
	{"of many who settle claims of one delivery only the last claim counts", func(t *testing.T, s positions.Store) {
		deliver(t, s, option(1).NAV, "rt-1")
		claims := make([]*positions.Delivery, 16)
		for i := range claims {
			claims[i] = claimed(t, s, noon.Add(time.Duration(i)*time.Minute))
		}
		errs := all(len(claims), func(i int) error {
			claims[i].State, claims[i].LastStatus, claims[i].EndedAt = positions.DeliveryDelivered, 200+i, noon
			return s.SettleDelivery(bounded(t), claims[i])
		})
		if n := count(t, errs, positions.Stale); n != 1 || errs[15] != nil {
			t.Fatalf("%d settled it; the last claim: %v", n, errs[15])
		}
	}},
	{"workers who drain a lane together deliver everything once, and in order about each notice", func(t *testing.T, s positions.Store) {
		const notices, each = 8, 5
		var navs []positions.NoticeNumber
		for range notices {
			nav := option(1).NAV
			for i := range each {
				deliver(t, s, nav, fmt.Sprintf("%s-%d", nav, i))
			}
			navs = append(navs, nav)
		}
		var mu sync.Mutex
		left := map[positions.NoticeNumber][]string{}
		ctx := bounded(t)
		errs := all(16, func(int) error {
			for {
				d, err := s.ClaimDelivery(ctx, receipts(comune), noon, noon.Add(time.Minute))
				if positions.CodeOf(err) == positions.NotFound {
					mu.Lock()
					done := len(slices.Concat(slices.Collect(maps.Values(left))...)) == notices*each
					mu.Unlock()
					if done {
						return nil
					}
					if ctx.Err() != nil {
						return ctx.Err()
					}
					continue
				}
				if err != nil {
					return err
				}
				mu.Lock()
				left[d.NAV] = append(left[d.NAV], d.ReceiptID)
				mu.Unlock()
				d.State, d.EndedAt = positions.DeliveryDelivered, noon
				if err := s.SettleDelivery(ctx, d); err != nil {
					return err
				}
			}
		})
		count(t, errs, "")
		for _, nav := range navs {
			var want []string
			for i := range each {
				want = append(want, fmt.Sprintf("%s-%d", nav, i))
			}
			same(t, "what left", left[nav], want)
		}
	}},
	{"replays, claims and looks at what is due at once neither block nor fail each other", func(t *testing.T, s positions.Store) {
		nav := option(1).NAV
		deliver(t, s, nav, "rt-1", "rt-2", "rt-3", "rt-4")
		ctx := bounded(t)
		errs := all(12, func(i int) error {
			for round := range 10 {
				at := noon.Add(time.Duration(round) * time.Minute)
				switch i % 3 {
				case 0:
					if _, err := s.ReplayDeliveries(ctx, positions.DeliveryFilter{NAV: nav}, at, 10); err != nil {
						return err
					}
				case 1:
					if _, err := s.DueDeliveries(ctx, at.Add(time.Hour), 10); err != nil {
						return err
					}
				default:
					d, err := s.ClaimDelivery(ctx, receipts(comune), at, at.Add(time.Second))
					switch {
					case positions.CodeOf(err) == positions.NotFound:
						continue
					case err != nil:
						return err
					}
					d.State, d.EndedAt = positions.DeliveryDelivered, at
					if err := s.SettleDelivery(ctx, d); err != nil && positions.CodeOf(err) != positions.Stale {
						return err
					}
				}
			}
			return nil
		})
		count(t, errs, "")
	}},
}
