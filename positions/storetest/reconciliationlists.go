package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions"
)

var reconciliationListTests = []test{
	{"what is due comes by organization, the longest due first, except who is held", func(t *testing.T, s positions.Store) {
		for i, at := range []time.Duration{3, 1, 2} {
			p := bound(t, s, fmt.Sprint("iupd-", i))
			p.OrganizationFiscalCode = fmt.Sprint("9000000000", i)
			must(t, s.RecordAnswers(t.Context(), []positions.Answer{said(p, noon.Add(at*time.Minute), 0, positions.SourceNone)}))
		}
		queues := func(at time.Time, limit int) (names string) {
			for _, q := range got(s.OrganizationsToReconcile(t.Context(), at, limit))(t) {
				names += fmt.Sprintf("%s:%d ", q.OrganizationFiscalCode[10:], q.Failures)
			}
			return names
		}
		hour := noon.Add(time.Hour)
		same(t, "all", queues(hour, 10), "1:0 2:0 0:0 ")
		same(t, "two", queues(hour, 2), "1:0 2:0 ")
		same(t, "at the first minute", queues(noon.Add(time.Minute), 10), "1:0 ")
		same(t, "before", queues(noon, 10), "")
		must(t, s.HoldReconciliations(t.Context(), "90000000001", 1, hour.Add(time.Minute)))
		must(t, s.HoldReconciliations(t.Context(), "90000000001", 2, hour.Add(time.Minute)))
		same(t, "one held", queues(hour, 10), "2:0 0:0 ")
		same(t, "its hold over", queues(hour.Add(time.Minute), 10), "1:2 2:0 0:0 ")
		must(t, s.HoldReconciliations(t.Context(), "90000000001", 0, time.Time{}))
		must(t, s.HoldReconciliations(t.Context(), "90000000002", 0, time.Time{})) // was not held
		same(t, "its hold lifted", queues(hour, 10), "1:0 2:0 0:0 ")
		r := reconciliationsOf(t, s, "90000000002")[0]
		r.DueAt, r.Attempts = hour.Add(time.Hour), 1
		must(t, s.SettleReconciliation(t.Context(), &r))
		same(t, "one postponed", queues(hour, 10), "1:0 0:0 ")
		same(t, "due of it", len(got(s.DueReconciliations(t.Context(), "90000000002", hour, 10))(t)), 0)
		r.State = positions.ReconciliationLapsed
		must(t, s.SettleReconciliation(t.Context(), &r))
		same(t, "one settled", queues(hour.Add(2*time.Hour), 10), "1:0 0:0 ")
	}},
	{"lists filter, page and add up", func(t *testing.T, s positions.Store) {
		var all []positions.Reconciliation
		dues := []money.Cents{1424, 200, 0, 100, 500}
		for i, due := range dues {
			p := position(comune, fmt.Sprint("iupd-", i))
			p.Options[0].SendBound = true
			p.Options[0].NAV = positions.NoticeNumber(fmt.Sprintf("3%02d%015d", i%2, serial.Add(1)))
			p.Options[0].IUV = p.Options[0].NAV.IUV()
			mustCreate(t, s, p)
			must(t, s.RecordAnswers(t.Context(), []positions.Answer{said(p, noon.Add(time.Duration(i)*time.Hour), 200, positions.SourceLastKnown)}))
			if i < 4 {
				got(s.SaveReceipt(t.Context(), paidFor(p, fmt.Sprint("rt-", i), 200)))(t)
			}
			found := reconciliationsOf(t, s, comune)
			r := found[len(found)-1]
			if i < 4 {
				r = judged(t, s, r, due, "")
			}
			all = append(all, r)
		}
		stranger := bound(t, s, "another")
		stranger.OrganizationFiscalCode = provincia
		must(t, s.RecordAnswers(t.Context(), []positions.Answer{said(stranger, noon, 0, positions.SourceNone)}))

		check := func(what string, f positions.ReconciliationFilter, totals positions.ReconciliationTotals, want ...int) {
			t.Helper()
			f.OrganizationFiscalCode = comune
			if f.Page.Limit == 0 {
				f.Page.Limit = 100
			}
			listed := []positions.Reconciliation{}
			for _, i := range want {
				listed = append(listed, all[i])
			}
			same(t, what, got(s.Reconciliations(t.Context(), f))(t), listed)
			same(t, "the totals of "+what, got(s.ReconciliationTotals(t.Context(), f))(t), totals)
		}
		whole := positions.ReconciliationTotals{UnderCollected: 1224, OverCollected: 300, Open: 1, Count: 5}
		check("all", positions.ReconciliationFilter{}, whole, 4, 3, 2, 1, 0)
		check("a page", positions.ReconciliationFilter{Page: positions.Page{Number: 1, Limit: 2}}, whole, 2, 1)
		check("a state", positions.ReconciliationFilter{State: positions.ReconciliationOver}, positions.ReconciliationTotals{OverCollected: 300, Count: 2}, 3, 2)
		check("a time", positions.ReconciliationFilter{From: noon.Add(time.Hour), To: noon.Add(3 * time.Hour)}, positions.ReconciliationTotals{OverCollected: 200, Count: 2}, 2, 1)
		check("a segregation code", positions.ReconciliationFilter{SegregationCodes: []string{"01"}}, positions.ReconciliationTotals{OverCollected: 100, Count: 2}, 3, 1)
		check("after one", positions.ReconciliationFilter{AfterID: &all[1].ID}, positions.ReconciliationTotals{OverCollected: 300, Open: 1, Count: 3}, 2, 3, 4)
		everybody := got(s.ReconciliationTotals(t.Context(), positions.ReconciliationFilter{}))(t)
		same(t, "everybody's totals", everybody, positions.ReconciliationTotals{UnderCollected: 1224, OverCollected: 300, Open: 2, Count: 6})
		everybody.Count = 0
		same(t, "everybody's sums", got(s.ReconciliationSums(t.Context()))(t), everybody)
		var added positions.ReconciliationTotals
		for i := range all {
			added.Add(&all[i])
		}
		same(t, "the sum of all", added, whole)
	}},
	{"what is missing elsewhere is of the same notification and recipient, and of payments that stand", func(t *testing.T, s positions.Store) {
		pay := func(iupd, iun string, fee, due money.Cents, change func(*positions.Position)) *positions.Position {
			p := notified(t, s, iupd, iun, change)
			must(t, s.RecordAnswers(t.Context(), []positions.Answer{said(p, noon, fee, positions.SourceNone)}))
			got(s.SaveReceipt(t.Context(), paidFor(p, "rt-"+iupd, fee)))(t)
			for _, r := range reconciliationsOf(t, s, p.OrganizationFiscalCode) {
				if r.NAV == p.Options[0].NAV {
					judged(t, s, r, due, iun)
				}
			}
			return read(t, s, p)
		}
		missing := func(p *positions.Position, iun string) money.Cents {
			return got(s.MissingElsewhere(t.Context(), comune, iun, p.Debtor.FiscalCode, p.Options[0].NAV))(t)
		}
		mine := notified(t, s, "mine", thisIUN, nil)
		same(t, "of nothing", missing(mine, thisIUN), money.Cents(0))
		one := pay("one", thisIUN, 0, 1424, nil)
		pay("two", thisIUN, 300, 0, func(p *positions.Position) { p.Debtor.FiscalCode = "rssmra80a01h501u" })
		pay("another debtor", thisIUN, 0, 5000, func(p *positions.Position) { p.Debtor.FiscalCode = "VRDLGI70A01F205X" })
		pay("nobody", thisIUN, 0, 5000, func(p *positions.Position) { p.Debtor.FiscalCode = "ANONIMO" })
		pay("another notification", otherIUN, 0, 5000, nil)
		pay("another organization", thisIUN, 0, 5000, func(p *positions.Position) { p.OrganizationFiscalCode = provincia })
		same(t, "of two", missing(mine, thisIUN), money.Cents(1124))
		same(t, "of itself", missing(one, thisIUN), money.Cents(-300))
		same(t, "of no notification", missing(mine, ""), money.Cents(0))
		reopen(t, s, one)
		same(t, "of a payment that was taken back", missing(mine, thisIUN), money.Cents(-300))
	}},
	{"answers and receipts of many at once leave each notice with one", func(t *testing.T, s positions.Store) {
		const notices, writers = 8, 4
		var ps [notices]*positions.Position
		for i := range ps {
			ps[i] = bound(t, s, fmt.Sprint("iupd-", i))
		}
		ctx := bounded(t)
		var errs [writers + notices]error
		var all sync.WaitGroup
		for w := range writers {
			all.Go(func() {
				for round := range 5 {
					var batch []positions.Answer
					for i := range ps { // in another order each
						batch = append(batch, said(ps[(i*3+w)%notices], noon.Add(time.Duration(round*writers+w)*time.Second), 200, positions.SourceLastKnown))
					}
					errs[w] = errors.Join(errs[w], s.RecordAnswers(ctx, batch))
				}
			})
		}
		for i, p := range ps {
			all.Go(func() {
				_, errs[writers+i] = s.SaveReceipt(ctx, paidFor(p, fmt.Sprint("rt-", i), 200))
			})
		}
		all.Wait()
		must(t, errors.Join(errs[:]...))
		openRest(t, s)
		paid, unpaid := map[positions.NoticeNumber]int{}, map[positions.NoticeNumber]int{}
		for _, r := range reconciliationsOf(t, s, comune) {
			if r.PaidAt.IsZero() {
				unpaid[r.NAV]++
			} else {
				paid[r.NAV]++
			}
		}
		for _, p := range ps {
			if nav := p.Options[0].NAV; paid[nav] > 1 || unpaid[nav] > 1 || paid[nav]+unpaid[nav] == 0 {
				t.Errorf("a notice has %d that are paid and %d that are not", paid[nav], unpaid[nav])
			}
		}
	}},
}
