package storetest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/calendar"
)

var load = positions.Change{Actor: positions.Actor{Kind: "OPERATOR"}, Action: "IMPORT", Reason: "import of tari.csv", At: noon}

func mustImport(t *testing.T, s positions.Store, ps ...*positions.Position) []positions.Imported {
	t.Helper()
	results := got(s.ImportPositions(t.Context(), ps, load))(t)
	if len(results) != len(ps) {
		t.Fatalf("%d results for %d positions", len(results), len(ps))
	}
	return results
}

// outcomes is one letter for each result: created, there, there as a draft,
// published, refused.
func outcomes(results []positions.Imported) string {
	var b strings.Builder
	for _, r := range results {
		switch {
		case r.Created():
			b.WriteByte('c')
		case r.Published:
			b.WriteByte('p')
		case r.AlreadyThere && r.Draft:
			b.WriteByte('d')
		case r.AlreadyThere:
			b.WriteByte('t')
		default:
			b.WriteByte('r')
		}
	}
	return b.String()
}

func wantOutcomes(t *testing.T, results []positions.Imported, want string) {
	t.Helper()
	if got := outcomes(results); got != want {
		t.Fatalf("outcomes %s, want %s: %+v", got, want, results)
	}
}

var importTests = []test{
	{"an import stores what a creation would, in the order given", func(t *testing.T, s positions.Store) {
		ps := []*positions.Position{full("iupd-2"), position(comune, "iupd-1", option(1), option(2), option(3)), full("iupd-3")}
		for i, p := range ps { // a bulk of past debts, one of them long ago
			p.Options[0].DueDate = time.Date(1999+i, 1, 31, 10, 0, 0, 0, calendar.Rome)
		}
		want := []*positions.Position{ps[0].Clone(), ps[1].Clone(), ps[2].Clone()}
		wantOutcomes(t, mustImport(t, s, ps...), "ccc")
		for i, w := range want {
			w.Version, w.InsertedAt, w.UpdatedAt = 1, noon, noon
			same(t, "what the caller holds", ps[i], w)
			same(t, "what is stored", read(t, s, w), w)
			same(t, "the history", got(s.Versions(t.Context(), comune, w.IUPD))(t),
				[]positions.VersionInfo{{Version: 1, Status: w.Status, Life: w.Lifecycle, Change: load}})
			for j := range w.Options {
				same(t, "a notice", got(s.Notice(t.Context(), comune, w.Options[j].NAV))(t).Option, w.Options[j])
			}
		}
		list, n, err := s.Positions(t.Context(), positions.PositionFilter{OrganizationFiscalCode: comune, Ascending: true, Page: positions.Page{Limit: 10}})
		must(t, err)
		if n != 3 || list[0].IUPD != "iupd-2" || list[1].IUPD != "iupd-1" || list[2].IUPD != "iupd-3" {
			t.Fatalf("%d positions are listed, not in the order of the import", n)
		}
	}},
	{"nothing to import is no import", func(t *testing.T, s positions.Store) {
		wantOutcomes(t, mustImport(t, s), "")
	}},
	{"an import that is made again finds everything there", func(t *testing.T, s positions.Store) {
		ps := []*positions.Position{full("iupd-1"), position(comune, "iupd-2")}
		again := []*positions.Position{ps[0].Clone(), ps[1].Clone(), position(comune, "iupd-3")}
		wantOutcomes(t, mustImport(t, s, ps...), "cc")
		again[0].Options[0].DueDate = again[0].Options[0].DueDate.In(calendar.Rome) // the same instant
		again[0].Status, again[0].ValidityDate = positions.Draft, noon.AddDate(1, 0, 0)
		wantOutcomes(t, mustImport(t, s, again...), "ttc")
		same(t, "the position", read(t, s, ps[0]), ps[0])
		if n := len(got(s.Versions(t.Context(), comune, "iupd-1"))(t)); n != 1 {
			t.Fatalf("%d versions", n)
		}
	}},
	{"a position that changed since is there all the same", func(t *testing.T, s positions.Store) {
		p := position(comune, "iupd-1")
		first := p.Clone()
		wantOutcomes(t, mustImport(t, s, p), "c")
		p.Options[0].Amount, p.Options[0].Transfers[0].Amount = 5, 5
		p.Status, p.Lifecycle = positions.Paid, positions.Closed
		must(t, s.UpdatePosition(t.Context(), p, update))
		now := p.Clone()
		now.Version = 0
		wantOutcomes(t, mustImport(t, s, first.Clone()), "t")
		wantOutcomes(t, mustImport(t, s, now), "t")
		same(t, "the position", read(t, s, p), p)
	}},
	{"drafts are published by the same import as payable positions", func(t *testing.T, s positions.Store) {
		waiting := positions.Change{Actor: load.Actor, Action: load.Action, Reason: load.Reason, At: noon.Add(time.Hour)}
		publish := waiting
		publish.Action = "PUBLISH"
		later := noon.AddDate(0, 1, 0)
		drafted := func(p *positions.Position) *positions.Position {
			p = p.Clone()
			p.Status, p.ValidityDate, p.PublishDate = positions.Draft, time.Time{}, time.Time{}
			return p
		}
		imported := func(ps ...*positions.Position) []positions.Imported {
			return got(s.ImportPositions(t.Context(), ps, waiting))(t)
		}
		now := position(comune, "iupd-2", option(1), option(2))
		now.SwitchToExpired, now.ValidityDate, now.PublishDate = true, waiting.At.Add(900*time.Nanosecond), waiting.At
		now.Options[0].DueDate = time.Date(1999, 1, 31, 10, 0, 0, 0, calendar.Rome) // no obstacle
		ahead := position(comune, "iupd-1")
		ahead.Status, ahead.ValidityDate, ahead.PublishDate = positions.Published, later, waiting.At
		aheadDraft := drafted(ahead)
		aheadDraft.ValidityDate = later
		changed, moved := position(comune, "iupd-3"), position(comune, "iupd-4")
		changedDraft, movedDraft := drafted(changed), drafted(moved)
		wantOutcomes(t, mustImport(t, s, drafted(now), aheadDraft, changedDraft, movedDraft), "cccc")
		changedDraft.Debtor.FullName = "Un'altra"
		must(t, s.UpdatePosition(t.Context(), changedDraft, update))
		movedDraft.ValidityDate = later
		must(t, s.UpdatePosition(t.Context(), movedDraft, update))

		wantOutcomes(t, imported(drafted(now), drafted(ahead)), "dd") // drafts publish nothing
		ps := []*positions.Position{now.Clone(), ahead.Clone(), changed.Clone(), moved.Clone(), now.Clone(), position(comune, "iupd-0")}
		wantOutcomes(t, imported(ps...), "ppddtc")
		for i, w := range []*positions.Position{now, ahead} {
			w.Version, w.InsertedAt, w.UpdatedAt = 2, noon, waiting.At
			if w.ValidityDate.Before(later) {
				w.ValidityDate = waiting.At
			}
			same(t, "what the caller holds", ps[i], w)
			same(t, "what is stored", read(t, s, w), w)
			same(t, "the history", got(s.Versions(t.Context(), comune, w.IUPD))(t), []positions.VersionInfo{
				{Version: 2, Status: w.Status, Life: w.Lifecycle, Change: publish}, {Version: 1, Status: positions.Draft, Life: w.Lifecycle, Change: load},
			})
			for j := range w.Options {
				n := got(s.Notice(t.Context(), comune, w.Options[j].NAV))(t)
				same(t, "a notice", n.Option, w.Options[j])
				if n.Position.Status != w.Status || n.Position.Version != 2 {
					t.Fatalf("its position is %s at version %d", n.Position.Status, n.Position.Version)
				}
			}
			status := positions.PositionFilter{OrganizationFiscalCode: comune, Status: w.StatusAt(waiting.At), Now: waiting.At, Page: positions.Page{Limit: 10}}
			list, _, err := s.Positions(t.Context(), status)
			must(t, err)
			if !slices.ContainsFunc(list, func(p positions.Position) bool { return p.IUPD == w.IUPD }) {
				t.Fatalf("%s is not among the positions that are %s", w.IUPD, status.Status)
			}
		}
		same(t, "the draft that was changed", read(t, s, changedDraft), changedDraft)
		same(t, "the draft that waits for another day", read(t, s, movedDraft), movedDraft)
		// Again, nothing is left to be done; and what was published is changed as ever.
		wantOutcomes(t, imported(now.Clone(), ahead.Clone(), changed.Clone()), "ttd")
		p := read(t, s, now)
		p.Options[1].Amount++
		must(t, s.UpdatePosition(t.Context(), p, update))
		same(t, "the position", read(t, s, p), p)
	}},
	{"a draft that somebody else changes while it is published is left to the one or the other", func(t *testing.T, s positions.Store) {
		const many = 60
		ctx := bounded(t)
		var drafts, payable []*positions.Position
		for i := range many {
			p := position(comune, fmt.Sprintf("iupd-%03d", i))
			payable = append(payable, p.Clone())
			p.Status = positions.Draft
			drafts = append(drafts, p)
		}
		mustImport(t, s, drafts...)
		outcome, updated := make([]string, 3), make([]bool, many)
		errs := all(4, func(i int) error {
			if i == 3 {
				for j, p := range drafts {
					mine := p.Clone()
					mine.Debtor.FullName = "Un'altra"
					err := s.UpdatePosition(ctx, mine, update)
					if updated[j] = err == nil; err != nil && positions.CodeOf(err) != positions.Stale {
						return err
					}
				}
				return nil
			}
			mine := make([]*positions.Position, many)
			for j, p := range payable {
				mine[j] = p.Clone()
			}
			if i == 1 {
				slices.Reverse(mine)
			}
			results, err := s.ImportPositions(ctx, mine, load)
			outcome[i] = outcomes(results)
			return err
		})
		for _, err := range errs {
			must(t, err)
		}
		published := 0
		for j, p := range drafts {
			now, versions := read(t, s, p), got(s.Versions(t.Context(), comune, p.IUPD))(t)
			if changed := now.Debtor.FullName == "Un'altra"; len(versions) != 2 || changed != updated[j] || changed != (now.Status == positions.Draft) {
				t.Fatalf("%s is %s in version %d of %d, changed: %t, the writer says %t", p.IUPD, now.Status, now.Version, len(versions), changed, updated[j])
			}
			if !updated[j] {
				published++
			}
		}
		if n := strings.Count(strings.Join(outcome, ""), "p"); n != published {
			t.Fatalf("%d are said to be published, %d are", n, published)
		}
	}},
	{"an iupd that is there with other content is refused and stays as it is", func(t *testing.T, s positions.Store) {
		p := mustCreate(t, s, position(comune, "iupd-1"))
		q := p.Clone()
		q.Version, q.Debtor.FullName = 0, "Un'altra"
		results := mustImport(t, s, q, position(comune, "iupd-2"))
		wantOutcomes(t, results, "rc")
		wantConflict(t, results[0].Refused, "iupd-1", "/iupd")
		same(t, "the position", read(t, s, p), p)
	}},
	{"a number that is taken refuses its position alone", func(t *testing.T, s positions.Store) {
		p := mustCreate(t, s, position(comune, "iupd-1"))
		disguised := option(100)
		disguised.NAV, disguised.IUV = "1"+p.Options[0].NAV[1:], p.Options[0].IUV
		free := option(7)
		ps := []*positions.Position{
			position(comune, "iupd-2"), position(comune, "iupd-3", free, p.Options[0]), position(comune, "iupd-4"),
			position(comune, "iupd-5", disguised), position(comune, "iupd-6"),
		}
		results := mustImport(t, s, ps...)
		wantOutcomes(t, results, "crcrc")
		wantConflict(t, results[1].Refused, "iupd-1", "/paymentOption/1/nav")
		wantConflict(t, results[3].Refused, "iupd-1", "/paymentOption/0/iuv")
		// Nothing of the refused is there: not a version, not an option.
		_, err := s.Versions(t.Context(), comune, "iupd-3")
		wantCode(t, err, positions.NotFound)
		_, err = s.Notice(t.Context(), comune, free.NAV)
		wantCode(t, err, positions.NotFound)
		if ps[1].Version != 0 {
			t.Fatal("a position that was refused carries a version")
		}
		wantOutcomes(t, mustImport(t, s, position(comune, "iupd-3", free)), "c")
	}},
	{"of two that want the same the first gets it", func(t *testing.T, s positions.Store) {
		first := position(comune, "iupd-1", option(1), option(2))
		twin, other := first.Clone(), first.Clone()
		other.Options = other.Options[:1]
		thief := position(comune, "iupd-0", first.Options[1]) // comes first by iupd, second by place
		results := mustImport(t, s, first, twin, other, thief)
		wantOutcomes(t, results, "ctrr")
		wantConflict(t, results[2].Refused, "iupd-1", "/iupd")
		wantConflict(t, results[3].Refused, "iupd-1", "/paymentOption/0/nav")
		// The same in two imports.
		wantOutcomes(t, mustImport(t, s, first.Clone(), twin, other, thief), "ttrr")
	}},
	{"another organization's numbers are in nobody's way", func(t *testing.T, s positions.Store) {
		p := mustCreate(t, s, position(comune, "iupd-1"))
		wantOutcomes(t, mustImport(t, s, position(provincia, "iupd-1", p.Options[0])), "c")
	}},
	{"an import goes on with the history of a position that was removed", func(t *testing.T, s positions.Store) {
		p := position(comune, "iupd-1")
		again := p.Clone()
		wantOutcomes(t, mustImport(t, s, p), "c")
		must(t, s.DeletePositions(t.Context(), []*positions.Position{p}, update))
		wantOutcomes(t, mustImport(t, s, again), "c")
		if again.Version != 3 {
			t.Fatalf("version %d after a creation and a removal", again.Version)
		}
		same(t, "the position", read(t, s, again), again)
	}},
	{"what no document can hold is refused alone", func(t *testing.T, s positions.Store) {
		p := position(comune, "iupd-1")
		p.ValidityDate = time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)
		results := mustImport(t, s, p, position(comune, "iupd-2"))
		wantOutcomes(t, results, "rc")
		wantCode(t, results[0].Refused, positions.Invalid)
	}},
	{"two imports of the same at the same time store it once", func(t *testing.T, s positions.Store) {
		const many = 200
		var ps []*positions.Position
		for i := range many {
			ps = append(ps, position(comune, fmt.Sprintf("iupd-%03d", i)))
		}
		ctx := bounded(t)
		var together sync.WaitGroup
		all := make([]string, 4)
		for i := range all {
			mine := make([]*positions.Position, many)
			for j, p := range ps {
				mine[j] = p.Clone()
			}
			if i%2 == 1 {
				slices.Reverse(mine)
			}
			together.Go(func() {
				results, err := s.ImportPositions(ctx, mine, load)
				if err != nil {
					t.Errorf("%v (cause: %v)", err, cause(err))
				}
				all[i] = outcomes(results)
			})
		}
		together.Wait()
		text := strings.Join(all, "")
		if c, there := strings.Count(text, "c"), strings.Count(text, "t"); c != many || there != 3*many {
			t.Fatalf("%d created, %d already there", c, there)
		}
	}},
}
