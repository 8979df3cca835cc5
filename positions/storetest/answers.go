package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions"
)

func answer(nav positions.NoticeNumber, at time.Time, amount money.Cents) positions.Answer {
	return positions.Answer{
		At: at, OrganizationFiscalCode: comune, NAV: nav, Operation: "paGetPaymentV2", StationCode: "15376371009_01",
		Duration: 1234 * time.Microsecond, Outcome: "OK", Amount: amount, BaseAmount: amount, Source: positions.SourceNotBound, PositionVersion: 1,
	}
}

var withoutID = cmpopts.IgnoreFields(positions.Answer{}, "ID")

var answerTests = []test{
	{"an answer comes back as it was recorded, every field of it", func(t *testing.T, s positions.Store) {
		nav := option(1).NAV
		degraded := answer(nav, noon.Add(time.Microsecond), money.Max)
		degraded.Source, degraded.NotificationFee, degraded.BaseAmount, degraded.PositionVersion = positions.SourceLastKnown, 810, money.Max-810, 1<<40
		degraded.Price = fullPrice()
		degraded.Send = &positions.SendExchange{RequestedAt: noon, AnsweredAt: noon.Add(time.Second), Status: 503, Code: "PN_DELIVERYPUSH_DOWN"}
		ko := answer(nav, noon, 0)
		ko.Outcome, ko.Fault, ko.Source = "KO", "PAA_PAGAMENTO_SCADUTO", ""
		want := []positions.Answer{degraded, ko}
		must(t, s.RecordAnswers(t.Context(), []positions.Answer{ko, degraded}))
		answers, total, err := s.Answers(t.Context(), comune, nav, positions.Page{Limit: 10})
		must(t, err)
		if total != 2 {
			t.Fatalf("total is %d", total)
		}
		if diff := cmp.Diff(want, answers, withoutID); diff != "" {
			t.Fatal(diff)
		}
		if answers[0].ID == 0 || answers[0].ID == answers[1].ID {
			t.Fatalf("ids are %d and %d", answers[0].ID, answers[1].ID)
		}
	}},
	{"answers are paged newest first, the later id first at the same instant", func(t *testing.T, s positions.Store) {
		nav := option(1).NAV
		var batch []positions.Answer
		for i := range 25 {
			batch = append(batch, answer(nav, noon.Add(time.Duration(i/2)*time.Hour), money.Cents(i)))
		}
		must(t, s.RecordAnswers(t.Context(), batch))
		must(t, s.RecordAnswers(t.Context(), []positions.Answer{answer(option(1).NAV, noon, 99)}))
		var amounts []money.Cents
		for page := range 4 {
			answers, total, err := s.Answers(t.Context(), comune, nav, positions.Page{Number: page, Limit: 10})
			must(t, err)
			if total != 25 {
				t.Fatalf("total is %d", total)
			}
			for _, a := range answers {
				amounts = append(amounts, a.Amount)
			}
		}
		var want []money.Cents
		for i := range 25 {
			want = append(want, money.Cents(i))
		}
		slices.Reverse(want)
		same(t, "the order", amounts, want)
		_, total, err := s.Answers(t.Context(), provincia, nav, positions.Page{Limit: 10})
		must(t, err)
		if total != 0 {
			t.Fatal("another organization sees the answers")
		}
	}},
	{"answers far in the past and in the future are kept", func(t *testing.T, s positions.Store) {
		nav := option(1).NAV
		var batch []positions.Answer
		for i := -15; i <= 15; i++ {
			batch = append(batch, answer(nav, noon.AddDate(0, i, 0), money.Cents(i+100)))
		}
		must(t, s.RecordAnswers(t.Context(), batch))
		answers, total, err := s.Answers(t.Context(), comune, nav, positions.Page{Limit: 1})
		must(t, err)
		if total != 31 || answers[0].Amount != 115 {
			t.Fatalf("total %d, newest %d", total, answers[0].Amount)
		}
	}},
	{"a batch with an answer that cannot be stored is refused as a whole, an empty one changes nothing", func(t *testing.T, s positions.Store) {
		nav := option(1).NAV
		bad := answer(nav, noon, 2)
		bad.Price = &positions.Price{FetchedAt: time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC)}
		wantCode(t, s.RecordAnswers(t.Context(), []positions.Answer{answer(nav, noon, 1), bad}), positions.Invalid)
		must(t, s.RecordAnswers(t.Context(), nil))
		_, total, err := s.Answers(t.Context(), comune, nav, positions.Page{})
		must(t, err)
		if total != 0 {
			t.Fatalf("total is %d", total)
		}
	}},
}
