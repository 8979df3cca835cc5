package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/attualizza/attualizza/positions"
)

func cursor(stream, event string) positions.StreamCursor {
	return positions.StreamCursor{StreamID: stream, LastEventID: event}
}

func at(t *testing.T, s positions.Store, organization string, want positions.StreamCursor) {
	t.Helper()
	same(t, "the cursor of "+organization, got(s.StreamCursor(t.Context(), organization))(t), want)
}

// stored returns a notice's price as both readings give it.
func stored(t *testing.T, s positions.Store, nav positions.NoticeNumber) *positions.Price {
	t.Helper()
	p := got(s.Notice(t.Context(), comune, nav))(t).Price
	same(t, "the price in a list", got(s.Prices(t.Context(), comune, []positions.NoticeNumber{nav}))(t)[nav], p)
	return p
}

var streamTests = []test{
	{"a cursor moves on from where it is, for each organization alone, and nowhere else", func(t *testing.T, s positions.Store) {
		none, first, second := positions.StreamCursor{}, cursor("stream-1", ""), cursor("stream-1", "01")
		at(t, s, comune, none)
		wantCode(t, s.MoveStreamCursor(t.Context(), comune, first, second), positions.Stale)
		must(t, s.MoveStreamCursor(t.Context(), comune, none, first))
		wantCode(t, s.MoveStreamCursor(t.Context(), comune, none, second), positions.Stale)
		must(t, s.MoveStreamCursor(t.Context(), comune, first, second))
		wantCode(t, s.MoveStreamCursor(t.Context(), comune, first, cursor("stream-1", "00")), positions.Stale)
		wantCode(t, s.MoveStreamCursor(t.Context(), comune, cursor("stream-0", "01"), none), positions.Stale)
		at(t, s, comune, second)
		at(t, s, provincia, none)
		must(t, s.MoveStreamCursor(t.Context(), comune, second, none))
		at(t, s, comune, none)
		must(t, s.MoveStreamCursor(t.Context(), comune, none, cursor("stream-2", "")))
	}},
	{"of many who move a cursor from the same place one does", func(t *testing.T, s positions.Store) {
		from := positions.StreamCursor{}
		for round := range 3 {
			errs := all(crowd, func(i int) error {
				return s.MoveStreamCursor(bounded(t), comune, from, cursor("stream", fmt.Sprint(round, "-", i)))
			})
			if n := count(t, errs, positions.Stale); n != 1 {
				t.Fatalf("%d moved it", n)
			}
			from = got(s.StreamCursor(t.Context(), comune))(t)
		}
	}},
	{"the notices of a notification are kept as they were told, be there none", func(t *testing.T, s positions.Store) {
		notices := []positions.NotifiedNotice{
			{RecIndex: 0, OrganizationFiscalCode: comune, NAV: "301000000000000001"},
			{RecIndex: 0, OrganizationFiscalCode: comune, NAV: "301000000000000002"},
			{RecIndex: 1, OrganizationFiscalCode: provincia, NAV: "301000000000000001"},
		}
		for range 2 {
			must(t, s.KeepNotified(t.Context(), thisIUN, notices))
		}
		must(t, s.KeepNotified(t.Context(), "NONE-NONE-NONE-202611-A-1", nil))
		for iun, want := range map[string][]positions.NotifiedNotice{thisIUN: notices, "NONE-NONE-NONE-202611-A-1": nil, "ELSE-ELSE-ELSE-202611-A-1": nil} {
			list, known, err := s.NotifiedNotices(t.Context(), iun)
			must(t, err)
			same(t, "the notices of "+iun, list, want)
			if known != (iun != "ELSE-ELSE-ELSE-202611-A-1") {
				t.Fatalf("%s is known: %v", iun, known)
			}
		}
	}},
	{"notices are found by the notification that their last price names", func(t *testing.T, s positions.Store) {
		p := price(200, noon)
		for _, nav := range []positions.NoticeNumber{"301000000000000002", "301000000000000001"} {
			must(t, s.SavePrice(t.Context(), comune, nav, p))
		}
		must(t, s.SavePrice(t.Context(), provincia, "301000000000000003", &positions.Price{NoCost: "NOT_FOUND", FetchedAt: noon}))
		want := []positions.NotifiedNotice{
			{RecIndex: -1, OrganizationFiscalCode: comune, NAV: "301000000000000001"},
			{RecIndex: -1, OrganizationFiscalCode: comune, NAV: "301000000000000002"},
		}
		same(t, "the notices", got(s.PricedNotices(t.Context(), p.IUN, 10))(t), want)
		same(t, "the first", got(s.PricedNotices(t.Context(), p.IUN, 1))(t), want[:1])
		same(t, "of no notification", got(s.PricedNotices(t.Context(), "", 10))(t), []positions.NotifiedNotice{})
		must(t, s.SavePrice(t.Context(), comune, "301000000000000002", &positions.Price{NoCost: "CANCELLED", FetchedAt: noon.Add(1)}))
		same(t, "after a cancellation", got(s.PricedNotices(t.Context(), p.IUN, 10))(t), want[:1])
	}},
	{"a price that is reopened is out of date and not final, until one is saved that was asked for later", func(t *testing.T, s positions.Store) {
		nav := mustCreate(t, s, position(comune, "iupd-1")).Options[0].NAV
		must(t, s.ReopenPrice(t.Context(), comune, nav, noon)) // there is none
		frozen := price(200, noon)
		frozen.Final = true
		must(t, s.SavePrice(t.Context(), comune, nav, frozen))
		same(t, "a price that nothing was reopened for", stored(t, s, nav), frozen)
		later := noon.Add(time.Minute)
		must(t, s.ReopenPrice(t.Context(), comune, nav, later))
		must(t, s.ReopenPrice(t.Context(), comune, nav, noon)) // an event that comes late
		p := stored(t, s, nav)
		if !p.StaleSince.Equal(later) || p.Final || !p.Outdated() || p.TotalPrice != 200 {
			t.Fatalf("reopened: %+v", p)
		}
		// An answer that was under way when it happened.
		before := price(300, later.Add(time.Second))
		before.AskedAt, before.Final = later.Add(-time.Second), true
		must(t, s.SavePrice(t.Context(), comune, nav, before))
		if p := stored(t, s, nav); !p.Outdated() || p.Final || p.TotalPrice != 300 {
			t.Fatalf("asked for before: %+v", p)
		}
		after := price(400, later.Add(2*time.Second))
		after.AskedAt, after.Final = later.Add(time.Second), true
		must(t, s.SavePrice(t.Context(), comune, nav, after))
		if p := stored(t, s, nav); p.Outdated() || !p.Final || p.TotalPrice != 400 {
			t.Fatalf("asked for after: %+v", p)
		}
	}},
	{"however a price is saved and reopened at once, it ends out of date when it was asked for before", func(t *testing.T, s positions.Store) {
		nav := mustCreate(t, s, position(comune, "iupd-1")).Options[0].NAV
		must(t, s.SavePrice(t.Context(), comune, nav, price(1, noon)))
		for _, err := range all(crowd, func(i int) error {
			if i%2 == 0 {
				return s.SavePrice(bounded(t), comune, nav, price(200, noon.Add(time.Duration(i)*time.Second)))
			}
			return s.ReopenPrice(bounded(t), comune, nav, noon.Add(time.Duration(i)*time.Second))
		}) {
			must(t, err)
		}
		last := noon.Add((crowd - 1) * time.Second)
		if p := stored(t, s, nav); !p.StaleSince.Equal(last) || !p.Outdated() {
			t.Fatalf("%+v", p)
		}
	}},
}
