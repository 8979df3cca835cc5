package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/attualizza/attualizza/positions"
)

var listTests = []test{
	{"several positions are created, replaced and deleted, all or none", func(t *testing.T, s positions.Store) {
		ps := []*positions.Position{position(comune, "iupd-2"), position(comune, "iupd-1"), position(comune, "iupd-3")}
		must(t, s.CreatePositions(t.Context(), ps, create))
		for _, p := range ps {
			same(t, "the position", read(t, s, p), p)
			p.CompanyName = "Nuovo"
		}
		must(t, s.UpdatePositions(t.Context(), ps, update))
		for _, p := range ps {
			same(t, "the position", read(t, s, p), p)
		}
		stale := ps[0].Clone()
		stale.Version--
		wantCode(t, s.UpdatePositions(t.Context(), []*positions.Position{ps[1].Clone(), stale}, update), positions.Stale)
		wantCode(t, s.DeletePositions(t.Context(), []*positions.Position{ps[1].Clone(), stale}, update), positions.Stale)
		unknown := position(comune, "iupd-9")
		wantCode(t, s.DeletePositions(t.Context(), []*positions.Position{ps[1].Clone(), unknown}, update), positions.NotFound)
		for _, p := range ps {
			same(t, "the position", read(t, s, p), p)
		}
		must(t, s.DeletePositions(t.Context(), ps, update))
		for _, p := range ps {
			_, err := s.Position(t.Context(), comune, p.IUPD)
			wantCode(t, err, positions.NotFound)
			_, err = s.Notice(t.Context(), comune, p.Options[0].NAV)
			wantCode(t, err, positions.NotFound)
		}
		for _, none := range []error{s.CreatePositions(t.Context(), nil, create), s.UpdatePositions(t.Context(), nil, update), s.DeletePositions(t.Context(), nil, update)} {
			must(t, none)
		}
	}},
	{"a conflict of one position refuses all and points at it", func(t *testing.T, s positions.Store) {
		p := mustCreate(t, s, position(comune, "iupd-9"))
		ps := []*positions.Position{position(comune, "iupd-2"), position(comune, "iupd-1", option(1), p.Options[0])}
		wantConflict(t, s.CreatePositions(t.Context(), ps, create), "iupd-9", "/1/paymentOption/1/nav")
		_, err := s.Position(t.Context(), comune, "iupd-2")
		wantCode(t, err, positions.NotFound)
		for pointer, twice := range map[string][]*positions.Position{
			"/1/iupd":                {position(comune, "iupd-1"), position(comune, "iupd-1")},
			"/1/paymentOption/0/nav": {ps[0], position(comune, "iupd-1", ps[0].Options...)},
		} {
			wantConflict(t, s.CreatePositions(t.Context(), twice, create), "twice", pointer)
		}
		must(t, s.CreatePosition(t.Context(), ps[0], create))
	}},
	{"positions of one batch may hand their numbers to each other", func(t *testing.T, s positions.Store) {
		ps := []*positions.Position{position(comune, "iupd-2"), position(comune, "iupd-1", option(1), option(2)), position(comune, "iupd-3")}
		must(t, s.CreatePositions(t.Context(), ps, create))
		outside := mustCreate(t, s, position(comune, "iupd-0"))
		before := []*positions.Position{ps[0].Clone(), ps[1].Clone(), ps[2].Clone()}
		a, b, c, d := ps[0].Options[0], ps[1].Options[0], ps[1].Options[1], ps[2].Options[0]
		other := a // the same IUV under another notice number
		other.NAV = "1" + other.NAV[1:]
		// A circle, and a number that is taken beside the batch: nothing moves.
		ps[0].Options, ps[1].Options, ps[2].Options = []positions.PaymentOption{b}, []positions.PaymentOption{d}, []positions.PaymentOption{a, outside.Options[0]}
		wantConflict(t, s.UpdatePositions(t.Context(), ps, update), "iupd-0", "/2/paymentOption/1/nav")
		for i, p := range before {
			same(t, "the position", read(t, s, p), p)
			ps[i].Version = p.Version
		}
		// The circle alone.
		ps[2].Options = []positions.PaymentOption{other, c}
		must(t, s.UpdatePositions(t.Context(), ps, update))
		for _, p := range ps {
			same(t, "the position", read(t, s, p), p)
			for i := range p.Options {
				same(t, "the option", got(s.Notice(t.Context(), comune, p.Options[i].NAV))(t).Option, p.Options[i])
			}
		}
		_, err := s.Notice(t.Context(), comune, a.NAV)
		wantCode(t, err, positions.NotFound)
		// What a position outside of the batch has is not handed over.
		ps[0].Options = []positions.PaymentOption{outside.Options[0]}
		wantConflict(t, s.UpdatePositions(t.Context(), ps[:2], update), "iupd-0", "/0/paymentOption/0/nav")
		same(t, "the position beside it", read(t, s, outside), outside)
	}},
	{"a deleted position leaves its history and frees its numbers", func(t *testing.T, s positions.Store) {
		p := mustCreate(t, s, position(comune, "iupd-1"))
		first := p.Clone()
		gone := positions.Change{Actor: positions.Actor{Kind: "KEY", ID: "key-1"}, Action: "DELETE", At: noon.Add(time.Hour)}
		must(t, s.DeletePositions(t.Context(), []*positions.Position{p}, gone))
		wantCode(t, s.UpdatePosition(t.Context(), first.Clone(), update), positions.NotFound)
		again := position(comune, "iupd-1", first.Options[0])
		must(t, s.CreatePosition(t.Context(), again, create))
		if again.Version != 3 {
			t.Fatalf("the new position is version %d", again.Version)
		}
		same(t, "the new position", read(t, s, again), again)
		var actions []string
		for _, v := range got(s.Versions(t.Context(), comune, "iupd-1"))(t) {
			actions = append(actions, fmt.Sprint(v.Version, v.Action))
		}
		same(t, "the history", actions, []string{"3CREATE", "2DELETE", "1CREATE"})
		q, _, err := s.Version(t.Context(), comune, "iupd-1", 1)
		must(t, err)
		same(t, "version 1", q, first)
	}},
	{"positions are filtered, ordered and paged", func(t *testing.T, s positions.Store) {
		var iupds []string
		for i := range 5 {
			o := option(1)
			o.NAV = positions.NoticeNumber(fmt.Sprintf("3%02d", i)) + o.NAV[3:]
			o.IUV = o.NAV.IUV()
			o.DueDate = noon.AddDate(0, 0, i)
			p := position(comune, fmt.Sprint("iupd-", i), o)
			p.CompanyName = fmt.Sprint("Comune ", 9-i)
			p.Status = []positions.Status{positions.Draft, positions.Valid, positions.Paid, positions.Valid, positions.Invalidated}[i]
			p.PaymentDate = noon.AddDate(0, i, 0)
			c := create
			c.At = noon.Add(time.Duration(i) * time.Second)
			must(t, s.CreatePosition(t.Context(), p, c))
			iupds = append(iupds, p.IUPD)
		}
		mustCreate(t, s, position(provincia, "iupd-7"))
		backwards := slices.Clone(iupds)
		slices.Reverse(backwards)
		for _, tt := range []struct {
			name   string
			filter positions.PositionFilter
			want   []string
			total  int
		}{
			{"newest first", positions.PositionFilter{}, backwards, 5},
			{"oldest first", positions.PositionFilter{Ascending: true, OrderBy: positions.ByInsertion}, iupds, 5},
			{"by iupd", positions.PositionFilter{Ascending: true, OrderBy: positions.ByIUPD}, iupds, 5},
			{"by company", positions.PositionFilter{Ascending: true, OrderBy: positions.ByCompanyName}, backwards, 5},
			{"by status, equal ones by insertion", positions.PositionFilter{Ascending: true, OrderBy: positions.ByStatus}, []string{"iupd-0", "iupd-4", "iupd-2", "iupd-1", "iupd-3"}, 5},
			{"of a status", positions.PositionFilter{Status: positions.Valid}, []string{"iupd-3", "iupd-1"}, 2},
			{"due between two instants, both included", positions.PositionFilter{DueFrom: noon.AddDate(0, 0, 1), DueTo: noon.AddDate(0, 0, 3)}, []string{"iupd-3", "iupd-2", "iupd-1"}, 3},
			{"paid between two instants, both included", positions.PositionFilter{PaymentFrom: noon.AddDate(0, 3, 0), PaymentTo: noon.AddDate(0, 4, 0)}, []string{"iupd-4", "iupd-3"}, 2},
			{"of two segregation codes", positions.PositionFilter{SegregationCodes: []string{"02", "04"}}, []string{"iupd-4", "iupd-2"}, 2},
			{"of two ids", positions.PositionFilter{IUPDs: []string{"iupd-4", "iupd-0", "iupd-9"}}, []string{"iupd-4", "iupd-0"}, 2},
			{"second page", positions.PositionFilter{Page: positions.Page{Number: 1, Limit: 2}}, []string{"iupd-2", "iupd-1"}, 5},
			{"all filters at once", positions.PositionFilter{
				Status: positions.Valid, DueFrom: noon, DueTo: noon.AddDate(1, 0, 0), PaymentFrom: noon, PaymentTo: noon.AddDate(1, 0, 0),
				SegregationCodes: []string{"03"},
			}, []string{"iupd-3"}, 1},
		} {
			tt.filter.OrganizationFiscalCode = comune
			if tt.filter.Page.Limit == 0 {
				tt.filter.Page.Limit = 100
			}
			list, total, err := s.Positions(t.Context(), tt.filter)
			must(t, err)
			var names []string
			for i := range list {
				names = append(names, list[i].IUPD)
				same(t, "the position", &list[i], read(t, s, &list[i]))
			}
			same(t, tt.name, names, tt.want)
			if total != tt.total {
				t.Errorf("%s: total is %d, want %d", tt.name, total, tt.total)
			}
		}
		_, _, err := s.Positions(t.Context(), positions.PositionFilter{OrderBy: "1; DROP TABLE positions"})
		wantCode(t, err, positions.Invalid)
	}},
	{"dates and segregation codes are looked for in one and the same option", func(t *testing.T, s positions.Store) {
		early, late := option(1), option(2)
		early.NAV, late.NAV = "303"+early.NAV[3:], "304"+late.NAV[3:]
		early.IUV, late.IUV = early.NAV.IUV(), late.NAV.IUV()
		early.DueDate, late.DueDate = noon, noon.AddDate(0, 2, 0)
		mustCreate(t, s, position(comune, "iupd-1", early, late))
		for _, tt := range []struct {
			name   string
			filter positions.PositionFilter
			want   int
		}{
			{"an early option falls due then", positions.PositionFilter{DueFrom: noon, DueTo: noon.Add(time.Hour)}, 1},
			{"none falls due in between", positions.PositionFilter{DueFrom: noon.Add(time.Hour), DueTo: noon.AddDate(0, 1, 0)}, 0},
			{"the early one is of the code", positions.PositionFilter{DueTo: noon, SegregationCodes: []string{"03"}}, 1},
			{"the early one is not of the code", positions.PositionFilter{DueTo: noon, SegregationCodes: []string{"04"}}, 0},
		} {
			tt.filter.OrganizationFiscalCode, tt.filter.Page.Limit = comune, 10
			_, total, err := s.Positions(t.Context(), tt.filter)
			must(t, err)
			if total != tt.want {
				t.Errorf("%s: %d positions, want %d", tt.name, total, tt.want)
			}
		}
	}},
	{"the status that a list filters by is the one that a reader sees", func(t *testing.T, s positions.Store) {
		statuses := []positions.Status{positions.Draft, positions.Published, positions.Valid, positions.Invalidated, positions.Expired, positions.PartiallyPaid, positions.Paid, positions.Reported}
		near := rapid.Custom(func(r *rapid.T) time.Time {
			return noon.Add(time.Duration(rapid.IntRange(-2, 2).Draw(r, "hours")) * time.Hour)
		})
		count := 0
		rapid.Check(t, func(r *rapid.T) {
			count++
			p := position(comune, fmt.Sprint("iupd-", count), option(1), option(2))
			p.Status = rapid.SampledFrom(statuses).Draw(r, "status")
			p.SwitchToExpired = rapid.Bool().Draw(r, "switchToExpired")
			if rapid.Bool().Draw(r, "validity") {
				p.ValidityDate = near.Draw(r, "validityDate")
			}
			for i := range p.Options {
				p.Options[i].DueDate = near.Draw(r, "dueDate")
				p.Options[i].Status = rapid.SampledFrom([]positions.OptionStatus{positions.OptionUnpaid, positions.OptionPaid}).Draw(r, "paid")
			}
			must(t, s.CreatePosition(t.Context(), p, create))
			for _, now := range []time.Time{noon, near.Draw(r, "now")} {
				for _, status := range statuses {
					f := positions.PositionFilter{OrganizationFiscalCode: comune, Status: status, Now: now, Page: positions.Page{Limit: 1}}
					list, _, err := s.Positions(t.Context(), f)
					must(t, err)
					found := slices.ContainsFunc(list, func(q positions.Position) bool { return q.IUPD == p.IUPD })
					if want := p.StatusAt(now) == status; found != want {
						t.Fatalf("%+v is %s at %v, in the list of %s: %v", p, p.StatusAt(now), now, status, found)
					}
				}
			}
			must(t, s.DeletePositions(t.Context(), []*positions.Position{p}, update))
		})
	}},
}
