package storetest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attualizza/attualizza/positions"
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

// outcomes is one letter for each result: created, there, refused.
func outcomes(results []positions.Imported) string {
	var b strings.Builder
	for _, r := range results {
		switch {
		case r.Created():
			b.WriteByte('c')
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
			p.Options[0].DueDate = time.Date(1999+i, 1, 31, 10, 0, 0, 0, positions.Rome)
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
		again[0].Options[0].DueDate = again[0].Options[0].DueDate.In(positions.Rome) // the same instant
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
