package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions"
)

// openRest opens all that recorded answers left to reconcile, in parts of two, and
// tells how many parts there were.
func openRest(t *testing.T, s positions.Store) (parts int) {
	t.Helper()
	for next := int64(0); parts == 0 || next != 0; parts++ {
		next = got(s.OpenReconciliations(t.Context(), next, 2))(t)
	}
	return parts
}

// OpensWhatWasLeft holds a store to finding again what an answer left to reconcile,
// when the process ended or the store failed after the answer was recorded and before
// that was opened. open is as for [Run], but also returns what runs statements in the
// store's database; refuse and allow are statements after which nothing, and all, can
// be inserted into reconciliations: what is there meanwhile is what a process that
// ended leaves.
func OpensWhatWasLeft(t *testing.T, open func(t *testing.T) (s positions.Store, run func(statement string)), refuse, allow string) {
	for _, tt := range []struct {
		name string
		test func(t *testing.T, s positions.Store, cut func(...positions.Answer))
	}{
		{"the answers are there, and what they left is opened later, once", func(t *testing.T, s positions.Store, cut func(...positions.Answer)) {
			var ps []*positions.Position
			for i := range 5 {
				p := bound(t, s, fmt.Sprint("iupd-", i))
				ps = append(ps, p)
				cut(said(p, noon, 200, positions.SourceLastKnown), said(p, noon.Add(-time.Second), 100, positions.SourceNone), said(p, noon.Add(time.Second), 1424, positions.SourceLive))
				answers, total, err := s.Answers(t.Context(), comune, p.Options[0].NAV, positions.Page{Limit: 9})
				must(t, err)
				if total != 3 || answers[1].Amount != p.Options[0].Amount+200 {
					t.Fatalf("%d answers are on record: %+v", total, answers)
				}
			}
			if all := reconciliationsOf(t, s, comune); len(all) > 0 {
				t.Fatalf("there is already %+v", all)
			}
			if parts := openRest(t, s); parts < 5 {
				t.Errorf("ten answers were looked at in %d parts of two", parts)
			}
			all := reconciliationsOf(t, s, comune)
			if len(all) != len(ps) {
				t.Fatalf("%d were opened", len(all))
			}
			for i, p := range ps {
				all[i].OpenedAt, all[i].DueAt = noon, noon // of the first answer that was seen
				sameReconciliation(t, all[i], opened(p, 200, positions.SourceLastKnown))
			}
			all = reconciliationsOf(t, s, comune)
			if parts := openRest(t, s); parts != 1 {
				t.Errorf("something was left: %d parts", parts)
			}
			same(t, "after doing it again", reconciliationsOf(t, s, comune), all)
		}},
		{"the next answers open it too", func(t *testing.T, s positions.Store, cut func(...positions.Answer)) {
			p, other := bound(t, s, "iupd-1"), bound(t, s, "iupd-2")
			cut(said(p, noon, 200, positions.SourceLastKnown))
			must(t, s.RecordAnswers(t.Context(), []positions.Answer{said(other, noon, 200, positions.SourceLastKnown)}))
			same(t, "how many", len(reconciliationsOf(t, s, comune)), 2)
		}},
		{"an older answer changes nothing that a newer one opened", func(t *testing.T, s positions.Store, cut func(...positions.Answer)) {
			p := bound(t, s, "iupd-1")
			for _, at := range []time.Time{noon, noon.Add(-time.Second)} {
				cut(said(p, at, 100, positions.SourceNone))
			}
			must(t, s.RecordAnswers(t.Context(), []positions.Answer{said(p, noon, 200, positions.SourceLastKnown), said(p, noon.Add(time.Second), 200, positions.SourceLastKnown)}))
			openRest(t, s)
			before := theOnly(t, s)
			if !before.AnsweredAt.Equal(noon.Add(time.Second)) {
				t.Fatalf("it is of %v", before.AnsweredAt)
			}
			cut(said(p, noon.Add(time.Second), 200, positions.SourceLastKnown)) // recorded twice
			openRest(t, s)
			same(t, "what was opened", theOnly(t, s), before)
		}},
		{"what was judged since stays judged, until the next such answer", func(t *testing.T, s positions.Store, cut func(...positions.Answer)) {
			for i, verdict := range []positions.ReconciliationState{positions.ReconciliationRepriced, positions.ReconciliationLapsed} {
				p := bound(t, s, fmt.Sprint("iupd-", i))
				must(t, s.RecordAnswers(t.Context(), []positions.Answer{said(p, noon, 200, positions.SourceLastKnown)}))
				cut(said(p, noon.Add(time.Second), 300, positions.SourceLastKnown))
				r := reconciliationsOf(t, s, comune)[i]
				r.State, r.JudgedAt, r.DueFee = verdict, noon.Add(time.Hour), 1424
				must(t, s.SettleReconciliation(t.Context(), &r))
				openRest(t, s)
				same(t, "what was judged", reconciliationsOf(t, s, comune)[i], r)
				cut(said(p, noon.Add(2*time.Hour), 300, positions.SourceLastKnown))
				openRest(t, s)
				if again := reconciliationsOf(t, s, comune); len(again) != i+1 || again[i].State != positions.ReconciliationOpen || !again[i].OpenedAt.Equal(noon.Add(2*time.Hour)) {
					t.Fatalf("after the next answer there is %+v", again)
				}
			}
		}},
		{"what was paid and judged since stays closed, with a receipt and without", func(t *testing.T, s positions.Store, cut func(...positions.Answer)) {
			for i, id := range []string{"rt-1", ""} {
				p := bound(t, s, fmt.Sprint("iupd-", i))
				nav := p.Options[0].NAV
				must(t, s.RecordAnswers(t.Context(), []positions.Answer{said(p, noon, 200, positions.SourceLastKnown)}))
				if id != "" {
					got(s.SaveReceipt(t.Context(), paidFor(p, id, 200)))(t)
				}
				r := reconciliationsOf(t, s, comune)[i]
				if id == "" {
					must(t, p.Pay(nav, positions.OptionPayment{Amount: p.Options[0].Amount, Date: noon.Add(-time.Hour)}, noon)) // a day without a time, say
					must(t, s.UpdatePosition(t.Context(), p, positions.Change{Action: string(positions.EventPay), At: noon}))
					r.PaidAt = noon.Add(-time.Hour)
				}
				r = judged(t, s, r, 1424, thisIUN)
				for _, late := range []time.Duration{0, time.Second, 59 * time.Minute} { // it was judged an hour after noon
					cut(said(p, noon.Add(late), 200, positions.SourceLastKnown))
					openRest(t, s)
					if all := reconciliationsOf(t, s, comune); len(all) != i+1 {
						t.Fatalf("an answer %v after the first opened %+v", late, all)
					}
					same(t, "what was judged", reconciliationsOf(t, s, comune)[i], r)
				}
			}
		}},
		{"a payment that was taken back keeps no answer after it from being reconciled", func(t *testing.T, s positions.Store, cut func(...positions.Answer)) {
			p := bound(t, s, "iupd-1")
			must(t, s.RecordAnswers(t.Context(), []positions.Answer{said(p, noon, 200, positions.SourceLastKnown)}))
			got(s.SaveReceipt(t.Context(), paidFor(p, "rt-1", 200)))(t)
			reopen(t, s, read(t, s, p))
			cut(said(p, noon.Add(10*time.Minute), 200, positions.SourceLastKnown)) // before the payment's lapsed
			r := theOnly(t, s)
			r.Lapse(noon.Add(time.Hour))
			must(t, s.SettleReconciliation(t.Context(), &r))
			openRest(t, s)
			all := reconciliationsOf(t, s, comune)
			if len(all) != 2 || all[1].State != positions.ReconciliationOpen || !all[1].PaidAt.IsZero() {
				t.Fatalf("there is %+v", all)
			}
		}},
		{"a receipt that comes first judges as if it had been opened", func(t *testing.T, s positions.Store, cut func(...positions.Answer)) {
			verify := func(p *positions.Position) positions.Answer {
				a := said(p, noon, 0, positions.SourceNone)
				a.Operation = "paVerifyPaymentNotice"
				return a
			}
			for i, tt := range []struct {
				what    string
				answers func(p *positions.Position) []positions.Answer
				fee     money.Cents
				state   positions.ReconciliationState
				paid    bool
			}{
				{"activated without SEND's price", func(p *positions.Position) []positions.Answer {
					return []positions.Answer{said(p, noon, 0, positions.SourceNone)}
				}, 0, positions.ReconciliationOpen, true},
				{"verified without, the activation is not on record", func(p *positions.Position) []positions.Answer {
					return []positions.Answer{verify(p)}
				}, 0, positions.ReconciliationOpen, true},
				{"verified without, activated with SEND's price", func(p *positions.Position) []positions.Answer {
					return []positions.Answer{verify(p), said(p, noon.Add(time.Second), 200, positions.SourceLive)}
				}, 200, positions.ReconciliationRepriced, false},
			} {
				p := bound(t, s, fmt.Sprint("iupd-", i))
				cut(tt.answers(p)...)
				r := paidFor(p, fmt.Sprint("rt-", i), 0)
				r.PaymentAmount = p.Options[0].Amount + tt.fee
				got(s.SaveReceipt(t.Context(), r))(t)
				same(t, "flags", r.Flags, []string(nil))
				all := reconciliationsOf(t, s, comune)
				if len(all) != i+1 || all[i].State != tt.state || all[i].PaidAt.IsZero() == tt.paid {
					t.Fatalf("%s: there is %+v", tt.what, all)
				}
				openRest(t, s)
				same(t, "after what was left was opened", reconciliationsOf(t, s, comune), all)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, run := open(t)
			tt.test(t, s, func(answers ...positions.Answer) {
				t.Helper()
				run(refuse)
				must(t, s.RecordAnswers(t.Context(), answers))
				run(allow)
			})
		})
	}
}
