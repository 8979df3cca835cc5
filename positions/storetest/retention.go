package storetest

import (
	"bytes"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions"
)

// kept is all that Expire knows.
var kept = []positions.Kept{positions.KeptAnswers, positions.KeptReceipts, positions.KeptDeliveries, positions.KeptNotified, positions.KeptReconciliations}

var retentionTests = []test{
	{"answers from before an instant are deleted, a batch at a time, and no others", func(t *testing.T, s positions.Store) {
		nav := option(1).NAV
		var batch []positions.Answer
		for i := range 7 { // over several months
			batch = append(batch, answer(nav, noon.AddDate(0, -i, 0), money.Cents(i)))
		}
		must(t, s.RecordAnswers(t.Context(), batch))
		before := noon.AddDate(0, -2, 0) // the answer of that very instant stays
		for _, want := range []int{2, 2, 0, 0} {
			left := got(s.CountExpired(t.Context(), positions.KeptAnswers, before))(t)
			if n := got(s.Expire(t.Context(), positions.KeptAnswers, before, 2))(t); n != want {
				t.Fatalf("%d were deleted, want %d", n, want)
			}
			same(t, "what is left", got(s.CountExpired(t.Context(), positions.KeptAnswers, before))(t), left-want)
		}
		answers, total, err := s.Answers(t.Context(), comune, nav, positions.Page{Limit: 10})
		must(t, err)
		if total != 3 || answers[2].Amount != 2 {
			t.Fatalf("%d answers are left", total)
		}
	}},
	{"a receipt is anonymised once: people and message go, amounts and numbers stay", func(t *testing.T, s positions.Store) {
		p := mustCreate(t, s, position(comune, "iupd-1"))
		fee := money.Cents(100)
		r := receipt(comune, "rt-1", p.Options[0].NAV)
		r.CreditorReferenceID, r.NotificationFee, r.PSPFee, r.StandIn = p.Options[0].IUV, &fee, 50, true
		r.ApplicationDate, r.TransferDate, r.Flags = "2026-11-21", "2026-11-22", []string{"receipt/channelDescription"}
		r.Message = []byte("<fullName>Maria Rossi</fullName>")
		got(s.SaveReceipt(t.Context(), r))(t)
		paid := read(t, s, p)

		same(t, "before its time", got(s.Expire(t.Context(), positions.KeptReceipts, r.ReceivedAt, 10))(t), 0)
		later := r.ReceivedAt.Add(time.Microsecond)
		same(t, "counted", got(s.CountExpired(t.Context(), positions.KeptReceipts, later))(t), 1)
		same(t, "the receipt, counted only", got(s.Receipt(t.Context(), comune, "rt-1"))(t), r)
		same(t, "anonymised", got(s.Expire(t.Context(), positions.KeptReceipts, later, 10))(t), 1)
		anonymous := got(s.Receipt(t.Context(), comune, "rt-1"))(t)
		if since := time.Since(anonymous.AnonymizedAt); since < 0 || since > time.Hour || len(anonymous.Message) > 0 {
			t.Fatalf("anonymised at %v, with a message of %d bytes", anonymous.AnonymizedAt, len(anonymous.Message))
		}
		want := *r
		want.Message, want.PSPCompanyName, want.PaymentMethod, want.AnonymizedAt = nil, "", "", anonymous.AnonymizedAt
		same(t, "the receipt", anonymous, &want)
		listed, total, err := s.Receipts(t.Context(), positions.ReceiptFilter{OrganizationFiscalCode: comune, NAV: r.NAV, Flagged: true, Page: positions.Page{Limit: 9}})
		must(t, err)
		same(t, "in a list", []any{listed, total}, []any{[]positions.Receipt{want}, 1})
		same(t, "the position", read(t, s, p), paid)

		same(t, "a second time", got(s.Expire(t.Context(), positions.KeptReceipts, later, 10))(t), 0)
		same(t, "counted a second time", got(s.CountExpired(t.Context(), positions.KeptReceipts, later))(t), 0)
	}},
	{"a receipt that is sent again after it was anonymised is a duplicate, and does not bring people back", func(t *testing.T, s positions.Store) {
		p := mustCreate(t, s, position(comune, "iupd-1"))
		r := receipt(comune, "rt-1", p.Options[0].NAV)
		got(s.SaveReceipt(t.Context(), r))(t)
		got(s.Expire(t.Context(), positions.KeptReceipts, r.ReceivedAt.Add(time.Hour), 10))(t)
		before := read(t, s, p)
		again := receipt(comune, "rt-1", p.Options[0].NAV)
		again.ReceivedAt = noon.AddDate(11, 0, 0)
		if !got(s.SaveReceipt(t.Context(), again))(t) {
			t.Fatal("it is not reported as a duplicate")
		}
		stored := got(s.Receipt(t.Context(), comune, "rt-1"))(t)
		if stored.AnonymizedAt.IsZero() || bytes.Contains(stored.Message, []byte("Envelope")) || !stored.ReceivedAt.Equal(r.ReceivedAt) {
			t.Fatalf("the receipt is %+v", stored)
		}
		same(t, "the position", read(t, s, p), before)
	}},
	{"receipts are anonymised the oldest first, a batch at a time", func(t *testing.T, s positions.Store) {
		for i := range 5 {
			r := receipt(comune, fmt.Sprint("rt-", i), option(1).NAV)
			r.ReceivedAt = noon.AddDate(0, -i, 0)
			got(s.SaveReceipt(t.Context(), r))(t)
		}
		for _, want := range []int{2, 2, 0} {
			same(t, "anonymised", got(s.Expire(t.Context(), positions.KeptReceipts, noon, 2))(t), want)
			if want == 2 {
				_, total, err := s.Receipts(t.Context(), positions.ReceiptFilter{OrganizationFiscalCode: comune})
				must(t, err)
				same(t, "receipts", total, 5)
			}
		}
		for i := range 5 {
			r := got(s.Receipt(t.Context(), comune, fmt.Sprint("rt-", i)))(t)
			if whole := r.AnonymizedAt.IsZero(); whole != (i == 0) {
				t.Errorf("receipt %d is whole: %v", i, whole)
			}
		}
	}},
	{"an anonymised receipt still answers for its activation", func(t *testing.T, s positions.Store) {
		p := activated(t, s, "iupd-1", 3*time.Hour)
		got(s.SaveReceipt(t.Context(), receiptAt(p, 2*time.Hour)))(t)
		same(t, "anonymised", got(s.Expire(t.Context(), positions.KeptReceipts, noon, 9))(t), 1)
		same(t, "missing", missing(t, s, lastDay), none)
	}},
	{"deliveries that ended are deleted, whatever the end; those that wait or were replayed stay", func(t *testing.T, s positions.Store) {
		nav := option(1).NAV
		deliver(t, s, nav, "delivered", "ended", "parked", "late", "waiting")
		for i, state := range []positions.DeliveryState{positions.DeliveryDelivered, positions.DeliveryEnded, positions.DeliveryParked, positions.DeliveryDelivered} {
			end(t, s, claimed(t, s, noon.Add(time.Hour)), state, noon.Add(time.Duration(i+1)*time.Hour))
		}
		later := noon.Add(4 * time.Hour) // the end of the last of them
		same(t, "counted", got(s.CountExpired(t.Context(), positions.KeptDeliveries, later))(t), 3)
		same(t, "the first batch", got(s.Expire(t.Context(), positions.KeptDeliveries, later, 1))(t), 1)
		same(t, "what is left", about(deliveries(t, s, positions.DeliveryFilter{})), []string{"waiting", "late", "parked", "ended"})
		same(t, "replayed", got(s.ReplayDeliveries(t.Context(), positions.DeliveryFilter{ReceiptID: "parked"}, later, 9))(t), 1)
		same(t, "the rest", got(s.Expire(t.Context(), positions.KeptDeliveries, later, 9))(t), 1)
		same(t, "what stays", about(deliveries(t, s, positions.DeliveryFilter{})), []string{"waiting", "late", "parked"})
		same(t, "long after", got(s.Expire(t.Context(), positions.KeptDeliveries, noon.AddDate(9, 0, 0), 9))(t), 1)
		same(t, "what still waits", about(deliveries(t, s, positions.DeliveryFilter{})), []string{"waiting", "parked"})
		if !got(s.SaveReceipt(t.Context(), pushed(comune, "delivered", nav)))(t) {
			t.Fatal("a receipt whose delivery is gone is new again")
		}
	}},
	{"the notices of a notification are deleted together, a batch of notifications at a time", func(t *testing.T, s positions.Store) {
		keep := func(iuns ...string) {
			t.Helper()
			for _, iun := range iuns {
				must(t, s.KeepNotified(t.Context(), iun, []positions.NotifiedNotice{
					{RecIndex: 0, OrganizationFiscalCode: comune, NAV: "301000000000000001"},
					{RecIndex: 1, OrganizationFiscalCode: comune, NAV: "301000000000000002"},
				}))
			}
		}
		keep("AAAA-AAAA-AAAA-202611-A-1", "BBBB-BBBB-BBBB-202611-B-1", thisIUN)
		must(t, s.KeepNotified(t.Context(), "NONE-NONE-NONE-202611-A-1", nil))
		same(t, "before their time", got(s.Expire(t.Context(), positions.KeptNotified, time.Now().Add(-time.Hour), 9))(t), 0)
		later := time.Now().Add(time.Hour)
		for left, want := range []int{3, 1, 0} {
			same(t, "counted", got(s.CountExpired(t.Context(), positions.KeptNotified, later))(t), []int{4, 1, 0}[left])
			same(t, "deleted", got(s.Expire(t.Context(), positions.KeptNotified, later, 3))(t), want)
			for _, iun := range []string{"AAAA-AAAA-AAAA-202611-A-1", "BBBB-BBBB-BBBB-202611-B-1", thisIUN} {
				if notices, known, err := s.NotifiedNotices(t.Context(), iun); err != nil || known != (len(notices) == 2) {
					t.Fatalf("of %s %d notices are left, %v", iun, len(notices), err)
				}
			}
		}
		keep(thisIUN) // told again
		same(t, "told again", got(s.CountExpired(t.Context(), positions.KeptNotified, later))(t), 1)
	}},
	{"reconciliations of no payment are deleted once they ended; those of payments and the open ones stay", func(t *testing.T, s positions.Store) {
		var stay []positions.Reconciliation
		for i, c := range []struct {
			state positions.ReconciliationState
			paid  bool
			hours int // until the verdict
		}{
			{positions.ReconciliationRepriced, false, 1},
			{positions.ReconciliationLapsed, false, 2},
			{positions.ReconciliationRepriced, false, 3},
			{positions.ReconciliationOpen, false, 0},
			{positions.ReconciliationLapsed, true, 1},
			{positions.ReconciliationEven, true, 1},
			{positions.ReconciliationUnder, true, 1},
			{positions.ReconciliationOver, true, 1},
		} {
			p := bound(t, s, fmt.Sprint("iupd-", i))
			must(t, s.RecordAnswers(t.Context(), []positions.Answer{said(p, noon, 200, positions.SourceNone)}))
			all := reconciliationsOf(t, s, comune)
			r := all[len(all)-1]
			if c.state != positions.ReconciliationOpen {
				r.State, r.JudgedAt = c.state, noon.Add(time.Duration(c.hours)*time.Hour)
				if c.paid {
					r.PaidAt, r.ReceiptID = noon, fmt.Sprint("rt-", i)
				}
				must(t, s.SettleReconciliation(t.Context(), &r))
			}
			if i > 1 {
				stay = append(stay, r)
			}
		}
		before := noon.Add(3 * time.Hour) // the verdict of that very instant stays
		for _, want := range []int{1, 1, 0} {
			left := got(s.CountExpired(t.Context(), positions.KeptReconciliations, before))(t)
			same(t, "deleted", got(s.Expire(t.Context(), positions.KeptReconciliations, before, 1))(t), want)
			same(t, "what is left", got(s.CountExpired(t.Context(), positions.KeptReconciliations, before))(t), left-want)
		}
		same(t, "what stays", reconciliationsOf(t, s, comune), stay)
	}},
	{"records of a name that nobody knows are refused", func(t *testing.T, s positions.Store) {
		_, err := s.Expire(t.Context(), "positions", noon, 1)
		wantCode(t, err, positions.Invalid)
		_, err = s.CountExpired(t.Context(), "positions", noon)
		wantCode(t, err, positions.Invalid)
	}},
	{"replicas at once count each record once", func(t *testing.T, s positions.Store) {
		const records = 60
		var answers []positions.Answer
		for i := range records {
			answers = append(answers, answer(option(1).NAV, noon.AddDate(0, -i%9, 0), 1))
			got(s.SaveReceipt(t.Context(), receipt(comune, fmt.Sprint("rt-", i), option(1).NAV)))(t)
		}
		must(t, s.RecordAnswers(t.Context(), answers))
		later := noon.AddDate(1, 0, 0)
		for _, what := range []positions.Kept{positions.KeptAnswers, positions.KeptReceipts} {
			var expired atomic.Int64
			errs := all(4, func(int) error {
				for range records {
					n, err := s.Expire(bounded(t), what, later, 7)
					expired.Add(int64(n))
					if err != nil {
						return err
					}
				}
				return nil
			})
			count(t, errs, "")
			same(t, string(what), []int{int(expired.Load()), got(s.CountExpired(t.Context(), what, later))(t)}, []int{records, 0})
		}
	}},
}
