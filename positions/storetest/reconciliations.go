package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions"
)

// bound stores a position of one SEND-bound notice of 123.45.
func bound(t *testing.T, s positions.Store, iupd string) *positions.Position {
	t.Helper()
	p := position(comune, iupd)
	p.Options[0].SendBound = true
	return mustCreate(t, s, p)
}

// said is an activation answered with a fee from a source.
func said(p *positions.Position, at time.Time, fee money.Cents, source positions.FeeSource) positions.Answer {
	o := &p.Options[0]
	a := answer(o.NAV, at, o.Amount+fee)
	a.OrganizationFiscalCode, a.BaseAmount, a.NotificationFee, a.Source = p.OrganizationFiscalCode, o.Amount, fee, source
	return a
}

// paidFor is the receipt of a notice that was paid with a fee.
func paidFor(p *positions.Position, id string, fee money.Cents) *positions.Receipt {
	r := receipt(p.OrganizationFiscalCode, id, p.Options[0].NAV)
	r.PaymentAmount = p.Options[0].Amount + fee
	return r
}

// reconciliationsOf are all of an organization, the newest last.
func reconciliationsOf(t *testing.T, s positions.Store, organization string) []positions.Reconciliation {
	t.Helper()
	return got(s.Reconciliations(t.Context(), positions.ReconciliationFilter{
		OrganizationFiscalCode: organization, AfterID: new(int64), Page: positions.Page{Limit: 100},
	}))(t)
}

// theOnly is the one reconciliation that there is.
func theOnly(t *testing.T, s positions.Store) positions.Reconciliation {
	t.Helper()
	all := reconciliationsOf(t, s, comune)
	if len(all) != 1 {
		t.Fatalf("%d reconciliations, want one: %+v", len(all), all)
	}
	return all[0]
}

func sameReconciliation(t *testing.T, got, want positions.Reconciliation) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(positions.Reconciliation{}, "ID", "Revision")); diff != "" {
		t.Fatalf("the reconciliation differs (-want +got):\n%s", diff)
	}
}

// opened is what an answer of noon opens.
func opened(p *positions.Position, fee money.Cents, source positions.FeeSource) positions.Reconciliation {
	return positions.Reconciliation{
		OrganizationFiscalCode: p.OrganizationFiscalCode, NAV: p.Options[0].NAV, State: positions.ReconciliationOpen, Source: source,
		Operation: "paGetPaymentV2", AnsweredAt: noon, Amount: p.Options[0].Amount + fee, ChargedFee: fee, OpenedAt: noon, DueAt: noon,
	}
}

// judged writes a verdict about a payment.
func judged(t *testing.T, s positions.Store, r positions.Reconciliation, due money.Cents, iun string) positions.Reconciliation {
	t.Helper()
	r.DueFee, r.IUN, r.JudgedAt, r.State = due, iun, noon.Add(time.Hour), positions.ReconciliationEven
	if due > r.ChargedFee {
		r.State = positions.ReconciliationUnder
	} else if due < r.ChargedFee {
		r.State = positions.ReconciliationOver
	}
	must(t, s.SettleReconciliation(t.Context(), &r))
	return r
}

var reconciliationTests = []test{
	{"a payment that was reported, judged and taken back does not keep its receipt away", func(t *testing.T, s positions.Store) {
		for i, answered := range []bool{false, true} { // asked for once more, without SEND's price, before the receipt came
			p := bound(t, s, fmt.Sprint("iupd-", i))
			nav, id := p.Options[0].NAV, fmt.Sprint("rt-", i)
			must(t, s.RecordAnswers(t.Context(), []positions.Answer{said(p, noon, 0, positions.SourceNone)}))
			must(t, p.Pay(nav, positions.OptionPayment{ReceiptID: id, Amount: p.Options[0].Amount, Date: noon}, noon))
			must(t, s.UpdatePosition(t.Context(), p, positions.Change{Action: string(positions.EventPay), At: noon}))
			all := reconciliationsOf(t, s, comune)
			before := all[len(all)-1]
			before.ReceiptID, before.PaidAt = id, noon
			before = judged(t, s, before, 200, thisIUN)
			reopen(t, s, p)
			want := opened(p, 0, positions.SourceNone)
			if answered {
				want.AnsweredAt = noon.Add(2 * time.Hour)
				want.OpenedAt = want.AnsweredAt
				must(t, s.RecordAnswers(t.Context(), []positions.Answer{said(p, want.AnsweredAt, 0, positions.SourceNone)}))
			}
			r := paidFor(p, id, 0)
			got(s.SaveReceipt(t.Context(), r))(t)
			same(t, "flags", r.Flags, []string(nil))
			all = reconciliationsOf(t, s, comune)
			if len(all) != i+1 || all[i].ID != before.ID || all[i].Revision != before.Revision+1 {
				t.Fatalf("after the receipt: %+v", all)
			}
			want.IUPD, want.ReceiptID, want.PaidAt, want.DueAt = p.IUPD, id, r.PaymentDateTime, r.ReceivedAt
			sameReconciliation(t, all[i], want)
		}
	}},
	{"only an OK without SEND's price opens one, with the answer", func(t *testing.T, s positions.Store) {
		want := map[positions.FeeSource]bool{positions.SourceLastKnown: true, positions.SourceBase: true, positions.SourceNone: true}
		for i, source := range []positions.FeeSource{
			positions.SourceNotBound, positions.SourceLive, positions.SourceCache, positions.SourceFinal, positions.SourceNoCost, positions.SourcePushed,
			positions.SourceLastKnown, positions.SourceBase, positions.SourceNone, "",
		} {
			p := bound(t, s, fmt.Sprint("iupd-", i))
			p.OrganizationFiscalCode = fmt.Sprintf("9%010d", i)
			must(t, s.RecordAnswers(t.Context(), []positions.Answer{said(p, noon, 200, source)}))
			all := reconciliationsOf(t, s, p.OrganizationFiscalCode)
			if len(all) == 1 != want[source] || len(all) > 1 {
				t.Fatalf("%s opens %d", source, len(all))
			}
			if len(all) == 1 {
				sameReconciliation(t, all[0], opened(p, 200, source))
			}
		}
		p := bound(t, s, "refused")
		ko := said(p, noon, 0, positions.SourceNone)
		ko.Outcome, ko.Fault = "KO", "PAA_SYSTEM_ERROR"
		must(t, s.RecordAnswers(t.Context(), []positions.Answer{ko}))
		if all := reconciliationsOf(t, s, comune); len(all) > 0 {
			t.Fatalf("a KO opens %+v", all)
		}
	}},
	{"a notice has one while it is not paid, by its last answer, and keeps its turn", func(t *testing.T, s positions.Store) {
		p, other := bound(t, s, "iupd-1"), bound(t, s, "iupd-2")
		batch := []positions.Answer{
			said(p, noon.Add(time.Second), 150, positions.SourceBase), said(other, noon, 1, positions.SourceNone),
			said(p, noon.Add(2*time.Second), 200, positions.SourceLastKnown), said(p, noon, 100, positions.SourceNone),
		}
		must(t, s.RecordAnswers(t.Context(), batch))
		all := reconciliationsOf(t, s, comune)
		if len(all) != 2 {
			t.Fatalf("%d were opened", len(all))
		}
		must(t, s.RecordAnswers(t.Context(), []positions.Answer{said(p, noon, 999, positions.SourceNone)})) // late, and no longer the last
		must(t, s.RecordAnswers(t.Context(), []positions.Answer{said(p, noon.Add(time.Minute), 300, positions.SourceLastKnown)}))
		for _, r := range reconciliationsOf(t, s, comune) {
			want := opened(other, 1, positions.SourceNone)
			if r.NAV == p.Options[0].NAV {
				want = opened(p, 300, positions.SourceLastKnown)
				want.AnsweredAt, want.OpenedAt, want.DueAt = noon.Add(time.Minute), noon.Add(2*time.Second), noon.Add(2*time.Second)
			}
			sameReconciliation(t, r, want)
		}
	}},
	{"one that was priced anew opens again by the next such answer", func(t *testing.T, s positions.Store) {
		p := bound(t, s, "iupd-1")
		must(t, s.RecordAnswers(t.Context(), []positions.Answer{said(p, noon, 200, positions.SourceLastKnown)}))
		r := theOnly(t, s)
		r.State, r.JudgedAt, r.DueFee, r.IUN, r.IUPD, r.Attempts = positions.ReconciliationRepriced, noon.Add(time.Hour), 1424, thisIUN, "iupd-1", 3
		must(t, s.SettleReconciliation(t.Context(), &r))
		sameReconciliation(t, theOnly(t, s), r)
		again := said(p, noon.Add(2*time.Hour), 1424, positions.SourceLastKnown)
		must(t, s.RecordAnswers(t.Context(), []positions.Answer{again}))
		want := opened(p, 1424, positions.SourceLastKnown)
		want.AnsweredAt, want.OpenedAt, want.DueAt, want.IUPD = again.At, again.At, again.At, "iupd-1"
		sameReconciliation(t, theOnly(t, s), want)
	}},
	{"a payment that such an activation led to takes it over, whatever was found before", func(t *testing.T, s positions.Store) {
		for i, repriced := range []bool{false, true} {
			p := bound(t, s, fmt.Sprint("iupd-", i))
			must(t, s.RecordAnswers(t.Context(), []positions.Answer{said(p, noon, 200, positions.SourceLastKnown)}))
			all := reconciliationsOf(t, s, comune)
			if r := all[len(all)-1]; repriced {
				r.State, r.JudgedAt, r.DueFee = positions.ReconciliationRepriced, noon.Add(time.Hour), 1424
				must(t, s.SettleReconciliation(t.Context(), &r))
			}
			receipt := paidFor(p, fmt.Sprint("rt-", i), 150) // the payer paid 50 less than asked
			got(s.SaveReceipt(t.Context(), receipt))(t)
			want := opened(p, 200, positions.SourceLastKnown)
			want.IUPD, want.ReceiptID, want.PaidAt, want.ChargedFee, want.DueAt = p.IUPD, receipt.ReceiptID, receipt.PaymentDateTime, 150, receipt.ReceivedAt
			all = reconciliationsOf(t, s, comune)
			if len(all) != i+1 {
				t.Fatalf("%d reconciliations", len(all))
			}
			sameReconciliation(t, all[i], want)
		}
	}},
	{"a payment after an activation with SEND's price ends what a verify began", func(t *testing.T, s positions.Store) {
		p := bound(t, s, "iupd-1")
		verify := said(p, noon, 0, positions.SourceNone)
		verify.Operation = "paVerifyPaymentNotice"
		must(t, s.RecordAnswers(t.Context(), []positions.Answer{verify, said(p, noon.Add(time.Minute), 200, positions.SourceLive)}))
		if r := theOnly(t, s); r.State != positions.ReconciliationOpen {
			t.Fatalf("it is %s before the payment", r.State)
		}
		receipt := paidFor(p, "rt-1", 200)
		got(s.SaveReceipt(t.Context(), receipt))(t)
		want := opened(p, 0, positions.SourceNone)
		want.Operation, want.State, want.DueFee, want.JudgedAt = "paVerifyPaymentNotice", positions.ReconciliationRepriced, 200, receipt.ReceivedAt
		sameReconciliation(t, theOnly(t, s), want)
	}},
	{"a payment of less than SEND's price came to followed the answer before it", func(t *testing.T, s positions.Store) {
		p := bound(t, s, "iupd-1")
		must(t, s.RecordAnswers(t.Context(), []positions.Answer{said(p, noon, 0, positions.SourceNone), said(p, noon.Add(time.Minute), 200, positions.SourceLive)}))
		receipt := paidFor(p, "rt-1", 0)
		got(s.SaveReceipt(t.Context(), receipt))(t)
		want := opened(p, 0, positions.SourceNone)
		want.IUPD, want.ReceiptID, want.PaidAt, want.DueAt = p.IUPD, receipt.ReceiptID, receipt.PaymentDateTime, receipt.ReceivedAt
		sameReconciliation(t, theOnly(t, s), want)
	}},
	{"a payment without an activation on record counts as paid by what a verify said, and without that is nobody's business", func(t *testing.T, s positions.Store) {
		p, silent := bound(t, s, "iupd-1"), bound(t, s, "iupd-2")
		verify := said(p, noon, 0, positions.SourceNone)
		verify.Operation = "paVerifyPaymentNotice"
		must(t, s.RecordAnswers(t.Context(), []positions.Answer{verify}))
		got(s.SaveReceipt(t.Context(), paidFor(p, "rt-1", 0)))(t)
		got(s.SaveReceipt(t.Context(), paidFor(silent, "rt-2", 0)))(t)
		if r := theOnly(t, s); r.State != positions.ReconciliationOpen || r.ReceiptID != "rt-1" || r.Operation != "paVerifyPaymentNotice" {
			t.Fatalf("it is %+v", r)
		}
	}},
	{"a payment in stand-in is doubtful if SEND notifies the notice, whatever an activation said before", func(t *testing.T, s positions.Store) {
		p, unbound, asked := bound(t, s, "iupd-1"), mustCreate(t, s, position(comune, "iupd-2")), bound(t, s, "iupd-3")
		must(t, s.RecordAnswers(t.Context(), []positions.Answer{said(asked, noon, 200, positions.SourceLive)}))
		for i, p := range []*positions.Position{p, unbound, asked} {
			r := paidFor(p, fmt.Sprint("rt-", i), 0)
			r.StandIn = true
			got(s.SaveReceipt(t.Context(), r))(t)
			want := positions.Reconciliation{
				OrganizationFiscalCode: comune, NAV: r.NAV, IUPD: p.IUPD, ReceiptID: r.ReceiptID, State: positions.ReconciliationOpen, Source: positions.SourceStandIn,
				Amount: r.PaymentAmount, OpenedAt: r.ReceivedAt, PaidAt: r.PaymentDateTime, DueAt: r.ReceivedAt,
			}
			all := reconciliationsOf(t, s, comune)
			if i == 1 {
				if len(all) != 1 {
					t.Fatalf("a notice without SEND has one: %+v", all)
				}
				continue
			}
			sameReconciliation(t, all[len(all)-1], want)
		}
	}},
	{"the same receipt again, one of nobody's notice and a broadcast one open nothing", func(t *testing.T, s positions.Store) {
		p := bound(t, s, "iupd-1")
		must(t, s.RecordAnswers(t.Context(), []positions.Answer{said(p, noon, 200, positions.SourceLastKnown)}))
		got(s.SaveReceipt(t.Context(), paidFor(p, "rt-1", 200)))(t)
		before := theOnly(t, s)
		for _, change := range []func(*positions.Receipt){
			func(*positions.Receipt) {},
			func(r *positions.Receipt) { r.ReceiptID = "rt-2" }, // a second payment, to be refunded
			func(r *positions.Receipt) { r.ReceiptID, r.NAV = "rt-3", option(1).NAV },
			func(r *positions.Receipt) { r.ReceiptID, r.CreditorFiscalCode = "rt-4", provincia },
		} {
			r := paidFor(p, "rt-1", 200)
			r.StandIn = true
			change(r)
			got(s.SaveReceipt(t.Context(), r))(t)
			same(t, "what is to be reconciled", theOnly(t, s), before)
		}
	}},
	{"a receipt that settles while SEND is asked is not lost", func(t *testing.T, s positions.Store) {
		p := bound(t, s, "iupd-1")
		must(t, s.RecordAnswers(t.Context(), []positions.Answer{said(p, noon, 200, positions.SourceLastKnown)}))
		read := theOnly(t, s)
		got(s.SaveReceipt(t.Context(), paidFor(p, "rt-1", 200)))(t)
		read.State, read.JudgedAt = positions.ReconciliationRepriced, noon
		wantCode(t, s.SettleReconciliation(t.Context(), &read), positions.Stale)
		due := got(s.DueReconciliations(t.Context(), comune, noon.Add(time.Hour), 10))(t)
		if len(due) != 1 || due[0].ReceiptID != "rt-1" || due[0].State != positions.ReconciliationOpen {
			t.Fatalf("due is %+v", due)
		}
	}},
	{"an answer that comes while SEND is asked is not lost either", func(t *testing.T, s positions.Store) {
		p := bound(t, s, "iupd-1")
		must(t, s.RecordAnswers(t.Context(), []positions.Answer{said(p, noon, 200, positions.SourceLastKnown)}))
		read := theOnly(t, s)
		must(t, s.RecordAnswers(t.Context(), []positions.Answer{said(p, noon.Add(time.Second), 200, positions.SourceLastKnown)}))
		read.State = positions.ReconciliationRepriced
		wantCode(t, s.SettleReconciliation(t.Context(), &read), positions.Stale)
		read = theOnly(t, s)
		read.Attempts = 7
		must(t, s.SettleReconciliation(t.Context(), &read))
		read.Attempts = 8
		must(t, s.SettleReconciliation(t.Context(), &read)) // its revision is the new one
		same(t, "what was written", theOnly(t, s), read)
	}},
	{"a receipt has one reconciliation", func(t *testing.T, s positions.Store) {
		p := bound(t, s, "iupd-1")
		must(t, s.RecordAnswers(t.Context(), []positions.Answer{said(p, noon, 200, positions.SourceLastKnown)}))
		got(s.SaveReceipt(t.Context(), paidFor(p, "rt-1", 200)))(t)
		must(t, s.RecordAnswers(t.Context(), []positions.Answer{said(p, noon.Add(90*time.Second), 200, positions.SourceLastKnown)})) // after the payment
		all := reconciliationsOf(t, s, comune)
		if len(all) != 2 {
			t.Fatalf("there are %+v", all)
		}
		late := all[1]
		late.ReceiptID, late.PaidAt, late.State = "rt-1", noon, positions.ReconciliationUnder
		wantCode(t, s.SettleReconciliation(t.Context(), &late), positions.Conflict)
		same(t, "the other", reconciliationsOf(t, s, comune)[0], all[0])
	}},
}
