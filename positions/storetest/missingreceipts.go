package storetest

import (
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions"
)

// lastDay is the day before noon.
var lastDay = positions.MissingReceiptFilter{
	OrganizationFiscalCode: comune, From: noon.AddDate(0, 0, -1), To: noon, Now: noon, Page: positions.Page{Limit: 100},
}

var none []positions.NoticeNumber

// missing lists the notices of a filter, and holds their number to the total.
func missing(t *testing.T, s positions.Store, f positions.MissingReceiptFilter) []positions.NoticeNumber {
	t.Helper()
	found, total, err := s.MissingReceipts(t.Context(), f)
	must(t, err)
	if total != len(found) {
		t.Fatalf("%d are found of %d", len(found), total)
	}
	var navs []positions.NoticeNumber
	for _, m := range found {
		navs = append(navs, m.NAV)
	}
	return navs
}

// activated stores a position of one notice that was activated some time before
// noon.
func activated(t *testing.T, s positions.Store, iupd string, ago time.Duration) *positions.Position {
	t.Helper()
	p := mustCreate(t, s, position(comune, iupd))
	must(t, s.RecordAnswers(t.Context(), []positions.Answer{answer(p.Options[0].NAV, noon.Add(-ago), 12_345)}))
	return p
}

// receiptAt is a receipt of a position's one notice that came some time before
// noon.
func receiptAt(p *positions.Position, ago time.Duration) *positions.Receipt {
	r := receipt(comune, "rt-"+p.IUPD, p.Options[0].NAV)
	r.ReceivedAt = noon.Add(-ago)
	return r
}

var missingReceiptTests = []test{
	{"a notice that was activated and never paid is listed once, by its last activation", func(t *testing.T, s positions.Store) {
		p := activated(t, s, "iupd-1", 5*time.Hour)
		nav := p.Options[0].NAV
		v1, same2, newest := answer(nav, noon.Add(-4*time.Hour), 200), answer(nav, noon.Add(-3*time.Hour), 300), answer(nav, noon.Add(-3*time.Hour), 400)
		v1.Operation = "paGetPayment"
		must(t, s.RecordAnswers(t.Context(), []positions.Answer{v1, same2, newest}))
		found, total, err := s.MissingReceipts(t.Context(), lastDay)
		must(t, err)
		same(t, "the list", found, []positions.MissingReceipt{{NAV: nav, IUPD: "iupd-1", Status: positions.Valid, ActivatedAt: noon.Add(-3 * time.Hour), Amount: 400, Activations: 4}})
		same(t, "the total", total, 1)
	}},
	{"verifies and refusals are no activations, and another organization's are its own", func(t *testing.T, s positions.Store) {
		verify, ko, other := answer(option(1).NAV, noon.Add(-time.Hour), 1), answer(option(1).NAV, noon.Add(-time.Hour), 0), answer(option(1).NAV, noon.Add(-time.Hour), 1)
		verify.Operation, ko.Outcome, other.OrganizationFiscalCode = "paVerifyPaymentNotice", "KO", provincia
		must(t, s.RecordAnswers(t.Context(), []positions.Answer{verify, ko, other}))
		same(t, "of the comune", missing(t, s, lastDay), none)
		f := lastDay
		f.OrganizationFiscalCode = provincia
		same(t, "of the provincia", missing(t, s, f), []positions.NoticeNumber{other.NAV})
	}},
	{"a receipt since the activation ends the suspicion, whatever it says", func(t *testing.T, s positions.Store) {
		paid, failed := activated(t, s, "paid", 3*time.Hour), activated(t, s, "failed", 3*time.Hour)
		got(s.SaveReceipt(t.Context(), receiptAt(paid, 2*time.Hour)))(t)
		ko := receiptAt(failed, 2*time.Hour)
		ko.Outcome = "KO"
		got(s.SaveReceipt(t.Context(), ko))(t)
		same(t, "the list", missing(t, s, lastDay), none)
	}},
	{"a receipt that came after the period ends it too", func(t *testing.T, s positions.Store) {
		p := activated(t, s, "iupd-1", 3*time.Hour)
		same(t, "before", missing(t, s, lastDay), []positions.NoticeNumber{p.Options[0].NAV})
		got(s.SaveReceipt(t.Context(), receiptAt(p, -48*time.Hour)))(t)
		same(t, "after", missing(t, s, lastDay), none)
		months := activated(t, s, "iupd-2", 3*time.Hour)
		got(s.SaveReceipt(t.Context(), receiptAt(months, -90*24*time.Hour)))(t)
		same(t, "months after", missing(t, s, lastDay), none)
		last, first := activated(t, s, "iupd-3", 3*time.Hour), activated(t, s, "iupd-4", 3*time.Hour)
		got(s.SaveReceipt(t.Context(), receiptAt(last, -3*24*time.Hour+time.Microsecond)))(t)
		got(s.SaveReceipt(t.Context(), receiptAt(first, -3*24*time.Hour)))(t)
		same(t, "three days after", missing(t, s, lastDay), none)
	}},
	{"a receipt from before the activation is of another payment", func(t *testing.T, s positions.Store) {
		p := mustCreate(t, s, position(comune, "iupd-1"))
		got(s.SaveReceipt(t.Context(), receiptAt(p, 9*time.Hour)))(t)
		reopen(t, s, read(t, s, p))
		must(t, s.RecordAnswers(t.Context(), []positions.Answer{answer(p.Options[0].NAV, noon.Add(-3*time.Hour), 1)}))
		same(t, "the list", missing(t, s, lastDay), []positions.NoticeNumber{p.Options[0].NAV})
	}},
	{"a broadcast receipt is of another creditor's notice with the same number", func(t *testing.T, s positions.Store) {
		p := activated(t, s, "iupd-1", 3*time.Hour)
		r := receiptAt(p, 2*time.Hour)
		r.CreditorFiscalCode = provincia
		got(s.SaveReceipt(t.Context(), r))(t)
		same(t, "the list", missing(t, s, lastDay), []positions.NoticeNumber{p.Options[0].NAV})
		own := receiptAt(p, time.Hour)
		own.ReceiptID = "rt-own"
		own.Flags = []string{"receipt/channelDescription"}
		got(s.SaveReceipt(t.Context(), own))(t)
		same(t, "with a flagged one of its own", missing(t, s, lastDay), none)
	}},
	{"a notice that was paid by other means needs no receipt", func(t *testing.T, s positions.Store) {
		p := activated(t, s, "iupd-1", 3*time.Hour)
		p.Options[0].Status = positions.OptionPaid
		must(t, s.UpdatePosition(t.Context(), p, update))
		same(t, "the list", missing(t, s, lastDay), none)
	}},
	{"a notice whose position is gone is listed, without it", func(t *testing.T, s positions.Store) {
		p := activated(t, s, "iupd-1", 3*time.Hour)
		must(t, s.DeletePositions(t.Context(), []*positions.Position{p}, update))
		found, _, err := s.MissingReceipts(t.Context(), lastDay)
		must(t, err)
		same(t, "the list", found, []positions.MissingReceipt{{NAV: p.Options[0].NAV, ActivatedAt: noon.Add(-3 * time.Hour), Amount: 12_345, Activations: 1}})
	}},
	{"the status is that of the filter's clock", func(t *testing.T, s positions.Store) {
		p := position(comune, "iupd-1")
		p.SwitchToExpired = true
		mustCreate(t, s, p)
		must(t, s.RecordAnswers(t.Context(), []positions.Answer{answer(p.Options[0].NAV, noon.Add(-3*time.Hour), 1)}))
		for now, want := range map[time.Time]positions.Status{noon: positions.Valid, noon.AddDate(0, 2, 0): positions.Expired} {
			f := lastDay
			f.Now = now
			found, _, err := s.MissingReceipts(t.Context(), f)
			must(t, err)
			same(t, "the status", found[0].Status, want)
		}
	}},
	{"the period has its first instant and not its last, and only the last activation counts", func(t *testing.T, s positions.Store) {
		first, last := activated(t, s, "first", 24*time.Hour), activated(t, s, "last", 0)
		activated(t, s, "too early", 24*time.Hour+time.Microsecond)
		same(t, "the list", missing(t, s, lastDay), []positions.NoticeNumber{first.Options[0].NAV})
		f := lastDay
		f.To = noon.Add(time.Microsecond)
		same(t, "a microsecond more", missing(t, s, f), []positions.NoticeNumber{last.Options[0].NAV, first.Options[0].NAV})
		// Activated again later: the Nodo would not have asked if it had been paid.
		must(t, s.RecordAnswers(t.Context(), []positions.Answer{answer(first.Options[0].NAV, noon, 1)}))
		same(t, "activated again after the period", missing(t, s, lastDay), none)
	}},
	{"the latest activation comes first, in pages, and codes narrow", func(t *testing.T, s positions.Store) {
		var want []positions.NoticeNumber // latest first
		for i := range 5 {
			nav := option(1).NAV
			must(t, s.RecordAnswers(t.Context(), []positions.Answer{answer(nav, noon.Add(time.Duration(i-9)*time.Hour), money.Cents(i))}))
			want = append([]positions.NoticeNumber{nav}, want...)
		}
		must(t, s.RecordAnswers(t.Context(), []positions.Answer{answer("230200000000000178", noon.Add(-time.Hour), 1)}))
		f := lastDay
		f.SegregationCodes = []string{"01", "02"}
		same(t, "with codes", missing(t, s, f), want)
		f.SegregationCodes = []string{"30"}
		same(t, "with another code", missing(t, s, f), none)
		f.SegregationCodes = []string{"02"}
		for number, want := range [][]positions.NoticeNumber{want[:2], want[2:4], want[4:], nil} {
			f.Page = positions.Page{Number: number, Limit: 2}
			found, total, err := s.MissingReceipts(t.Context(), f)
			must(t, err)
			if len(found) != len(want) || total != 5 {
				t.Fatalf("page %d has %d of %d", number, len(found), total)
			}
			for i := range found {
				same(t, "the page", found[i].NAV, want[i])
			}
		}
	}},
	{"an empty period, and one that ends before it begins, hold nothing", func(t *testing.T, s positions.Store) {
		activated(t, s, "iupd-1", 3*time.Hour)
		f := lastDay
		f.From, f.To = noon, noon
		same(t, "empty", missing(t, s, f), none)
		f.To = lastDay.From
		same(t, "ends before it begins", missing(t, s, f), none)
	}},
}
