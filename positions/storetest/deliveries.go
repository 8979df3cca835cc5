package storetest

import (
	"fmt"
	"slices"
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
}
