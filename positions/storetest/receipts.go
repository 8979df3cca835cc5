package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions"
)

var receiptTests = []test{
	{"a receipt pays its notice in a version of its own and comes back with its message", func(t *testing.T, s positions.Store) {
		p := mustCreate(t, s, position(comune, "iupd-1"))
		nav := p.Options[0].NAV
		fee := money.Cents(100)
		r := receipt(comune, "rt-1", nav)
		r.CreditorReferenceID, r.NotificationFee, r.PSPFee, r.StandIn = p.Options[0].IUV, &fee, 50, true
		r.ApplicationDate, r.TransferDate, r.Flags = "2026-11-21", "2026-11-22", []string{"receipt/channelDescription"}
		if got(s.SaveReceipt(t.Context(), r))(t) {
			t.Fatal("a new receipt is reported as a duplicate")
		}
		same(t, "flags", r.Flags, []string{"receipt/channelDescription"})
		same(t, "the receipt", got(s.Receipt(t.Context(), comune, "rt-1"))(t), r)

		paid := read(t, s, p)
		if paid.Status != positions.Paid || paid.Lifecycle != positions.Closed || paid.Version != 2 {
			t.Fatalf("the position is %s, %s, version %d", paid.Status, paid.Lifecycle, paid.Version)
		}
		same(t, "the payment", paid.Options[0].Payment, &positions.OptionPayment{Date: r.PaymentDateTime, Method: "CP", PSP: "Banca", ReceiptID: "rt-1", Amount: 13_345, PSPFee: 50, NotificationFee: fee})
		versions := got(s.Versions(t.Context(), comune, "iupd-1"))(t)
		same(t, "the version", versions[0], positions.VersionInfo{
			Version: 2, Status: positions.Paid, Life: positions.Closed,
			Change: positions.Change{Actor: positions.Actor{Kind: "NODO", ID: "15376371009_01"}, Action: "PAY", At: r.ReceivedAt},
		})
		want, _ := positions.NewNotice(paid, nav, nil)
		same(t, "the notice", got(s.Notice(t.Context(), comune, nav))(t), want)
		wantCode(t, s.UpdatePosition(t.Context(), p, update), positions.Stale) // who read it before has to read again
	}},
	{"the same receipt again is a duplicate and changes nothing", func(t *testing.T, s positions.Store) {
		p := mustCreate(t, s, position(comune, "iupd-1"))
		r := receipt(comune, "rt-1", p.Options[0].NAV)
		got(s.SaveReceipt(t.Context(), r))(t)
		before := read(t, s, p)
		again := receipt(comune, "rt-1", p.Options[0].NAV)
		again.PaymentAmount++
		if !got(s.SaveReceipt(t.Context(), again))(t) {
			t.Fatal("the same receipt is not reported as a duplicate")
		}
		same(t, "flags", again.Flags, []string(nil))
		same(t, "the receipt", got(s.Receipt(t.Context(), comune, "rt-1"))(t), r)
		same(t, "the position", read(t, s, p), before)
	}},
	{"another receipt of a paid notice is kept and flagged for refund", func(t *testing.T, s positions.Store) {
		p := mustCreate(t, s, position(comune, "iupd-1"))
		got(s.SaveReceipt(t.Context(), receipt(comune, "rt-1", p.Options[0].NAV)))(t)
		before := read(t, s, p)
		second := receipt(comune, "rt-2", p.Options[0].NAV)
		if got(s.SaveReceipt(t.Context(), second))(t) {
			t.Fatal("another receipt is reported as a duplicate")
		}
		same(t, "flags", second.Flags, []string{positions.FlagAlreadyPaid})
		same(t, "the receipt", got(s.Receipt(t.Context(), comune, "rt-2"))(t), second)
		same(t, "the position", read(t, s, p), before)
	}},
	{"after a reopening the receipt known already changes nothing, and another one pays", func(t *testing.T, s positions.Store) {
		p := mustCreate(t, s, position(comune, "iupd-1"))
		nav := p.Options[0].NAV
		first := receipt(comune, "rt-1", nav)
		got(s.SaveReceipt(t.Context(), first))(t)
		open := read(t, s, p)
		must(t, open.Reopen(noon.Add(time.Hour)))
		must(t, s.UpdatePosition(t.Context(), open, positions.Change{Action: string(positions.EventReopen), Reason: "revoca", At: noon.Add(time.Hour)}))
		reopened := read(t, s, p)
		if reopened.Status != positions.Valid || reopened.Lifecycle != positions.Open || reopened.Options[0].Paid() {
			t.Fatalf("reopened, it is %s, %s, %s", reopened.Status, reopened.Lifecycle, reopened.Options[0].Status)
		}
		want, _ := positions.NewNotice(reopened, nav, nil)
		same(t, "the notice", got(s.Notice(t.Context(), comune, nav))(t), want)

		if !got(s.SaveReceipt(t.Context(), receipt(comune, "rt-1", nav)))(t) {
			t.Fatal("the same receipt is no duplicate any more")
		}
		same(t, "the position", read(t, s, p), reopened)
		same(t, "the receipt", got(s.Receipt(t.Context(), comune, "rt-1"))(t), first)

		second := receipt(comune, "rt-2", nav)
		if got(s.SaveReceipt(t.Context(), second))(t) || len(second.Flags) > 0 {
			t.Fatalf("another receipt is a duplicate, or flagged %v", second.Flags)
		}
		paid := read(t, s, p)
		if paid.Status != positions.Paid || paid.Options[0].Payment.ReceiptID != "rt-2" || paid.Version != 4 {
			t.Fatalf("%s by %+v, version %d", paid.Status, paid.Options[0].Payment, paid.Version)
		}
		was, _, err := s.Version(t.Context(), comune, "iupd-1", 2)
		must(t, err)
		same(t, "the payment in the history", was.Options[0].Payment.ReceiptID, "rt-1")
	}},
	{"a receipt of an unknown notice is kept and flagged", func(t *testing.T, s positions.Store) {
		r := receipt(comune, "rt-1", option(1).NAV)
		for _, want := range []bool{false, true} {
			if got(s.SaveReceipt(t.Context(), r))(t) != want {
				t.Fatalf("duplicate is not %v", want)
			}
			same(t, "flags", r.Flags, []string{positions.FlagUnknownNotice})
		}
		same(t, "the receipt", got(s.Receipt(t.Context(), comune, "rt-1"))(t), r)
	}},
	{"a broadcast receipt never pays a notice of its receiver", func(t *testing.T, s positions.Store) {
		p := mustCreate(t, s, position(comune, "iupd-1"))
		r := receipt(comune, "rt-1", p.Options[0].NAV)
		r.CreditorFiscalCode = provincia
		got(s.SaveReceipt(t.Context(), r))(t)
		same(t, "flags", r.Flags, []string{positions.FlagBroadcast})
		same(t, "the position", read(t, s, p), p)
		// The primary creditor gets its own copy, under the same receiptId.
		theirs := receipt(provincia, "rt-1", p.Options[0].NAV)
		if got(s.SaveReceipt(t.Context(), theirs))(t) {
			t.Fatal("another organization's copy is reported as a duplicate")
		}
	}},
	{"a receipt that does not say OK pays nothing", func(t *testing.T, s positions.Store) {
		p := mustCreate(t, s, position(comune, "iupd-1"))
		r := receipt(comune, "rt-1", p.Options[0].NAV)
		r.Outcome = "KO"
		got(s.SaveReceipt(t.Context(), r))(t)
		same(t, "flags", r.Flags, []string{positions.FlagNotOK})
		same(t, "the position", read(t, s, p), p)
	}},
	{"a receipt without message, instants or outcome is kept too", func(t *testing.T, s positions.Store) {
		r := &positions.Receipt{OrganizationFiscalCode: comune, CreditorFiscalCode: comune, ReceiptID: "rt-1", NAV: option(1).NAV}
		got(s.SaveReceipt(t.Context(), r))(t)
		if time.Since(r.ReceivedAt) > time.Minute {
			t.Fatalf("received at %v", r.ReceivedAt)
		}
		same(t, "the receipt", got(s.Receipt(t.Context(), comune, "rt-1"))(t), r)
	}},
	{"a receipt of a big message keeps every byte of it", func(t *testing.T, s positions.Store) {
		r := receipt(comune, "rt-1", option(1).NAV)
		r.Message = make([]byte, 1<<20)
		for i := range r.Message {
			r.Message[i] = byte(i * 7 >> 3)
		}
		got(s.SaveReceipt(t.Context(), r))(t)
		if string(got(s.Receipt(t.Context(), comune, "rt-1"))(t).Message) != string(r.Message) {
			t.Fatal("the message differs")
		}
	}},
	{"a receipt carries what the newest successful activation asked", func(t *testing.T, s positions.Store) {
		p := mustCreate(t, s, position(comune, "iupd-1"))
		nav := p.Options[0].NAV
		verify, ko, other := answer(nav, noon.Add(3*time.Hour), 3), answer(nav, noon.Add(4*time.Hour), 4), answer(nav, noon.Add(5*time.Hour), 5)
		verify.Operation, ko.Outcome, other.OrganizationFiscalCode = "paVerifyPaymentNotice", "KO", provincia
		old := answer(nav, noon.Add(time.Hour), 1)
		old.Operation = "paGetPayment"
		must(t, s.RecordAnswers(t.Context(), []positions.Answer{answer(nav, noon.Add(2*time.Hour), 2), old, verify, ko, other}))
		r := receipt(comune, "rt-1", nav)
		got(s.SaveReceipt(t.Context(), r))(t)
		if r.LastAnswered == nil || *r.LastAnswered != 2 {
			t.Fatalf("last answered is %v", r.LastAnswered)
		}
		same(t, "the receipt", got(s.Receipt(t.Context(), comune, "rt-1"))(t), r)
	}},
	{"instalments are paid one by one", func(t *testing.T, s positions.Store) {
		whole, one, two := option(200), option(100), option(100)
		one.IsPartialPayment, two.IsPartialPayment = true, true
		p := mustCreate(t, s, position(comune, "iupd-1", whole, one, two))
		for i, step := range []struct {
			nav  positions.NoticeNumber
			want positions.Status
		}{{two.NAV, positions.PartiallyPaid}, {one.NAV, positions.Paid}} {
			got(s.SaveReceipt(t.Context(), receipt(comune, fmt.Sprint("rt-", i), step.nav)))(t)
			paid := read(t, s, p)
			if paid.Status != step.want {
				t.Fatalf("status is %s, want %s", paid.Status, step.want)
			}
			want, _ := positions.NewNotice(paid, whole.NAV, nil)
			same(t, "the whole", got(s.Notice(t.Context(), comune, whole.NAV))(t), want)
		}
	}},
	{"receipts are listed newest first, filtered and paged, without their messages", func(t *testing.T, s positions.Store) {
		var saved []positions.Receipt // newest first
		p := mustCreate(t, s, position(comune, "iupd-1"))
		for i := range 6 {
			r := receipt(comune, fmt.Sprint("rt-", i), p.Options[0].NAV)
			if i == 5 {
				r = receipt(provincia, "rt-5", option(1).NAV)
			}
			r.ReceivedAt = noon.AddDate(0, i-3, 0)
			got(s.SaveReceipt(t.Context(), r))(t)
			r.Message = nil
			saved = append([]positions.Receipt{*r}, saved...)
		}
		all := positions.Page{Limit: 100}
		for _, tt := range []struct {
			name   string
			filter positions.ReceiptFilter
			want   []positions.Receipt
			total  int
		}{
			{"all", positions.ReceiptFilter{Page: all}, saved, 6},
			{"of an organization", positions.ReceiptFilter{OrganizationFiscalCode: comune, Page: all}, saved[1:], 5},
			{"of a notice", positions.ReceiptFilter{NAV: p.Options[0].NAV, Page: all}, saved[1:], 5},
			{"of the segregation codes of a key", positions.ReceiptFilter{SegregationCodes: []string{"01", "02"}, Page: all}, saved, 6},
			{"of another segregation code", positions.ReceiptFilter{SegregationCodes: []string{"01", "20"}, Page: all}, nil, 0},
			{"flagged", positions.ReceiptFilter{OrganizationFiscalCode: comune, Flagged: true, Page: all}, saved[1:5], 4},
			{"between two instants, the second excluded", positions.ReceiptFilter{From: noon.AddDate(0, -2, 0), To: noon, Page: all}, saved[3:5], 2},
			{"second page", positions.ReceiptFilter{Page: positions.Page{Number: 1, Limit: 4}}, saved[4:], 6},
			{"beyond the last page", positions.ReceiptFilter{Page: positions.Page{Number: 9, Limit: 4}}, nil, 6},
			{"none of them", positions.ReceiptFilter{}, nil, 6},
		} {
			receipts, total, err := s.Receipts(t.Context(), tt.filter)
			must(t, err)
			same(t, tt.name, receipts, tt.want)
			if total != tt.total {
				t.Errorf("%s: total is %d, want %d", tt.name, total, tt.total)
			}
		}
		_, err := s.Receipt(t.Context(), provincia, "rt-1")
		wantCode(t, err, positions.NotFound)
	}},
	{"segregation codes are those after aux digit 3, and a notice of another aux digit has none", func(t *testing.T, s positions.Store) {
		for i, nav := range []positions.NoticeNumber{"302000000000000178", "301000000000000177", "002000000000000178", "230200000000000178"} {
			got(s.SaveReceipt(t.Context(), receipt(comune, fmt.Sprint("rt-", i), nav)))(t)
		}
		for codes, want := range map[string]string{"02": "rt-0", "01": "rt-1", "20": "", "00": ""} {
			receipts, total, err := s.Receipts(t.Context(), positions.ReceiptFilter{OrganizationFiscalCode: comune, SegregationCodes: []string{codes}, Page: positions.Page{Limit: 9}})
			must(t, err)
			found := ""
			for _, r := range receipts {
				found += r.ReceiptID
			}
			if found != want || total != len(receipts) {
				t.Errorf("code %s finds %q of %d", codes, found, total)
			}
		}
	}},
}
