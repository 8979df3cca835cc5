package storetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/calendar"
)

var positionTests = []test{
	{"a position comes back as it was stored, every field of it", func(t *testing.T, s positions.Store) {
		p := full("iupd-1")
		want := p.Clone()
		mustCreate(t, s, p)
		want.Version, want.InsertedAt, want.UpdatedAt = 1, noon, noon
		same(t, "what the caller holds", p, want)
		same(t, "what is stored", read(t, s, p), want)
		q, info, err := s.Version(t.Context(), comune, "iupd-1", 1)
		must(t, err)
		same(t, "version 1", q, want)
		same(t, "what is known of version 1", info, positions.VersionInfo{Version: 1, Status: p.Status, Life: p.Lifecycle, Change: create})
	}},
	{"extreme instants, amounts and texts come back unchanged", func(t *testing.T, s positions.Store) {
		for i, at := range []time.Time{
			time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9998, 12, 31, 23, 59, 59, 999999000, time.UTC),
			time.Date(2026, 10, 25, 2, 30, 0, 0, calendar.Rome), time.Date(1969, 12, 31, 23, 59, 59, 999999000, time.UTC), time.Unix(0, 0),
		} {
			for _, amount := range []money.Cents{0, 1, money.Max} {
				o := option(amount)
				o.DueDate, o.RetentionDate = at, at
				p := position(comune, fmt.Sprintf("iupd-%d-%d", i, amount), o)
				p.ValidityDate, p.PublishDate, p.PaymentDate, p.BlockedUntil = at, at, at, at
				p.Debtor.FullName = strings.Repeat("𝄞", 255)
				mustCreate(t, s, p)
				same(t, "the position", read(t, s, p), p)
				n := got(s.Notice(t.Context(), comune, o.NAV))(t)
				same(t, "the option", n.Option, p.Options[0])
			}
		}
	}},
	{"an instant that no document can hold is refused as invalid", func(t *testing.T, s positions.Store) {
		p := position(comune, "iupd-1")
		p.ValidityDate = time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)
		wantCode(t, s.CreatePosition(t.Context(), p, create), positions.Invalid)
		_, err := s.Position(t.Context(), comune, "iupd-1")
		wantCode(t, err, positions.NotFound)
	}},
	{"a hundred options are kept in their order", func(t *testing.T, s positions.Store) {
		p := position(comune, "iupd-1")
		for range positions.MaxOptions - 1 {
			p.Options = append([]positions.PaymentOption{option(1)}, p.Options...)
		}
		mustCreate(t, s, p)
		same(t, "the position", read(t, s, p), p)
		p.Options = append(p.Options[50:], p.Options[:50]...)
		must(t, s.UpdatePosition(t.Context(), p, update))
		same(t, "the position turned round", read(t, s, p), p)
	}},
	{"what is not there is not found", func(t *testing.T, s positions.Store) {
		p := mustCreate(t, s, position(comune, "iupd-1"))
		_, err := s.Position(t.Context(), comune, "iupd-2")
		wantCode(t, err, positions.NotFound)
		_, err = s.Position(t.Context(), provincia, "iupd-1")
		wantCode(t, err, positions.NotFound)
		_, err = s.Versions(t.Context(), comune, "iupd-2")
		wantCode(t, err, positions.NotFound)
		_, _, err = s.Version(t.Context(), comune, "iupd-1", 2)
		wantCode(t, err, positions.NotFound)
		other := position(comune, "iupd-2")
		other.Version = 1
		wantCode(t, s.UpdatePosition(t.Context(), other, update), positions.NotFound)
		_, err = s.Notice(t.Context(), provincia, p.Options[0].NAV)
		wantCode(t, err, positions.NotFound)
	}},
	{"an iupd that is there is a conflict that names it", func(t *testing.T, s positions.Store) {
		mustCreate(t, s, position(comune, "iupd-1"))
		err := s.CreatePosition(t.Context(), position(comune, "iupd-1"), create)
		wantConflict(t, err, "iupd-1", "/iupd")
		must(t, s.CreatePosition(t.Context(), position(provincia, "iupd-1"), create))
	}},
	{"a notice number that is there is a conflict that names it and its position", func(t *testing.T, s positions.Store) {
		p := mustCreate(t, s, position(comune, "iupd-1"))
		second := option(100)
		q := position(comune, "iupd-2", option(100), p.Options[0], second)
		err := s.CreatePosition(t.Context(), q, create)
		wantConflict(t, err, string(p.Options[0].NAV), "/paymentOption/1/nav")
		wantConflict(t, err, "iupd-1", "/paymentOption/1/nav")
		if q.Version != 0 || !q.InsertedAt.IsZero() {
			t.Fatal("a position that was refused carries a version")
		}
		// Nothing is half-written: every part of it can be used again.
		for _, nav := range []positions.NoticeNumber{q.Options[0].NAV, second.NAV} {
			_, err = s.Notice(t.Context(), comune, nav)
			wantCode(t, err, positions.NotFound)
		}
		_, err = s.Versions(t.Context(), comune, "iupd-2")
		wantCode(t, err, positions.NotFound)
		q.Options = append(q.Options[:1], second)
		must(t, s.CreatePosition(t.Context(), q, create))
		// Another organization may use the same number.
		must(t, s.CreatePosition(t.Context(), position(provincia, "iupd-1", p.Options[0]), create))
	}},
	{"an IUV that is there is a conflict, even under another notice number", func(t *testing.T, s positions.Store) {
		p := mustCreate(t, s, position(comune, "iupd-1"))
		o := option(100)
		o.NAV, o.IUV = "1"+p.Options[0].NAV[1:], p.Options[0].IUV
		err := s.CreatePosition(t.Context(), position(comune, "iupd-2", o), create)
		wantConflict(t, err, p.Options[0].IUV, "/paymentOption/0/iuv")
		wantConflict(t, err, "iupd-1", "/paymentOption/0/iuv")
	}},
	{"an update becomes the next version and leaves the earlier ones alone", func(t *testing.T, s positions.Store) {
		p := mustCreate(t, s, full("iupd-1"))
		first := p.Clone()
		p.CompanyName = "Comune di Prova (nuovo)"
		p.Options[1].Amount++
		p.Options = append(p.Options, option(7))
		must(t, s.UpdatePosition(t.Context(), p, update))
		if p.Version != 2 || !p.InsertedAt.Equal(noon) || !p.UpdatedAt.Equal(update.At) {
			t.Fatalf("version %d inserted %v updated %v", p.Version, p.InsertedAt, p.UpdatedAt)
		}
		if !p.Options[0].UpdatedAt.Equal(noon) || !p.Options[1].UpdatedAt.Equal(update.At) {
			t.Fatal("only the option that changed is updated")
		}
		same(t, "the position", read(t, s, p), p)
		q, _, err := s.Version(t.Context(), comune, "iupd-1", 1)
		must(t, err)
		same(t, "version 1", q, first)
		versions := got(s.Versions(t.Context(), comune, "iupd-1"))(t)
		same(t, "the history", versions, []positions.VersionInfo{
			{Version: 2, Status: p.Status, Life: p.Lifecycle, Change: update},
			{Version: 1, Status: p.Status, Life: p.Lifecycle, Change: create},
		})
	}},
	{"an update may exchange, drop and take back notice numbers", func(t *testing.T, s positions.Store) {
		p := mustCreate(t, s, position(comune, "iupd-1", option(1), option(2), option(3)))
		a, b, c := p.Options[0], p.Options[1], p.Options[2]
		for _, options := range [][]positions.PaymentOption{{b, a, c}, {c}, {a, c}, {c, b, a}, {a, b, c}} {
			p.Options = options
			must(t, s.UpdatePosition(t.Context(), p, update))
			same(t, "the position", read(t, s, p), p)
			for i := range p.Options {
				n := got(s.Notice(t.Context(), comune, p.Options[i].NAV))(t)
				same(t, "the option", n.Option, p.Options[i])
			}
		}
		p.Options = p.Options[:1]
		must(t, s.UpdatePosition(t.Context(), p, update))
		_, err := s.Notice(t.Context(), comune, c.NAV)
		wantCode(t, err, positions.NotFound)
		must(t, s.CreatePosition(t.Context(), position(comune, "iupd-2", c), create)) // the number is free again
	}},
	{"an update that takes another position's notice number is a conflict and changes nothing", func(t *testing.T, s positions.Store) {
		p := mustCreate(t, s, position(comune, "iupd-1"))
		q := mustCreate(t, s, position(comune, "iupd-2"))
		before := q.Clone()
		q.Options = []positions.PaymentOption{option(5), p.Options[0]}
		wantConflict(t, s.UpdatePosition(t.Context(), q, update), "iupd-1", "/paymentOption/1/nav")
		same(t, "the position", read(t, s, q), before)
		n := got(s.Notice(t.Context(), comune, before.Options[0].NAV))(t)
		same(t, "its option", n.Option, before.Options[0])
	}},
	{"an update of an old version is stale and changes nothing", func(t *testing.T, s positions.Store) {
		p := mustCreate(t, s, position(comune, "iupd-1"))
		old := p.Clone()
		p.CompanyName = "due"
		must(t, s.UpdatePosition(t.Context(), p, update))
		old.CompanyName = "uno e mezzo"
		wantCode(t, s.UpdatePosition(t.Context(), old, update), positions.Stale)
		if old.Version != 1 {
			t.Fatalf("the caller's version moved to %d", old.Version)
		}
		old.Version = 3 // from the future
		wantCode(t, s.UpdatePosition(t.Context(), old, update), positions.Stale)
		same(t, "the position", read(t, s, p), p)
	}},
}

func wantConflict(t *testing.T, err error, names, pointer string) {
	t.Helper()
	wantCode(t, err, positions.Conflict)
	if !strings.Contains(err.Error(), names) {
		t.Errorf("%q does not name %s", err, names)
	}
	if e, ok := err.(*positions.Error); !ok || len(e.Problems) == 0 || e.Problems[0].Pointer != pointer {
		t.Errorf("problems of %#v do not point at %s", err, pointer)
	}
}
