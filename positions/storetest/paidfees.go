package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions"
)

const thisIUN, otherIUN = "ABCD-EFGH-ILMN-202611-A-1", "QRST-EFGH-ILMN-202611-A-1"

// notified stores a position of one notice with a fee of 14.24 that was spent on
// a notification.
func notified(t *testing.T, s positions.Store, iupd, iun string, change func(*positions.Position)) *positions.Position {
	t.Helper()
	p := position(comune, iupd)
	p.Options[0].SendBound = true
	if change != nil {
		change(p)
	}
	mustCreate(t, s, p)
	must(t, s.SavePrice(t.Context(), p.OrganizationFiscalCode, p.Options[0].NAV, &positions.Price{TotalPrice: 1424, IUN: iun, FetchedAt: noon}))
	return p
}

// elsewhere is what was paid of the fee of a position's one notice with others,
// as each of the ways to read it has it.
func elsewhere(t *testing.T, s positions.Store, p *positions.Position) money.Cents {
	t.Helper()
	organization, nav := p.OrganizationFiscalCode, p.Options[0].NAV
	n := got(s.Notice(t.Context(), organization, nav))(t)
	listed := got(s.Prices(t.Context(), organization, []positions.NoticeNumber{nav}))(t)[nav]
	asked := got(s.FeesPaid(t.Context(), organization, n.Price.IUN, p.Debtor.FiscalCode, nav))(t)
	if n.Price.PaidElsewhere != listed.PaidElsewhere || n.Price.PaidElsewhere != asked {
		t.Fatalf("a notice has %d paid elsewhere, in a list %d, asked for alone %d", n.Price.PaidElsewhere, listed.PaidElsewhere, asked)
	}
	return asked
}

// payWithFee pays a position's one notice by a receipt, after an activation that
// asked for a fee.
func payWithFee(t *testing.T, s positions.Store, p *positions.Position, fee money.Cents) *positions.Position {
	t.Helper()
	organization, o := p.OrganizationFiscalCode, &p.Options[0]
	a := answer(o.NAV, noon, o.Amount+fee)
	a.OrganizationFiscalCode, a.NotificationFee = organization, fee
	a.Price = got(s.Notice(t.Context(), organization, o.NAV))(t).Price
	must(t, s.RecordAnswers(t.Context(), []positions.Answer{a}))
	r := receipt(organization, fmt.Sprint("rt-", serial.Add(1)), o.NAV)
	r.PaymentAmount = o.Amount + fee
	got(s.SaveReceipt(t.Context(), r))(t)
	return read(t, s, p)
}

func reopen(t *testing.T, s positions.Store, p *positions.Position) {
	t.Helper()
	must(t, p.Reopen(noon.Add(time.Hour)))
	must(t, s.UpdatePosition(t.Context(), p, positions.Change{Action: string(positions.EventReopen), At: noon.Add(time.Hour)}))
}

var paidFeeTests = []test{
	{"of three notices of a notification, each counts what was paid with the two others", func(t *testing.T, s positions.Store) {
		one, two, three := notified(t, s, "one", thisIUN, nil), notified(t, s, "two", thisIUN, nil), notified(t, s, "three", thisIUN, nil)
		wants := func(what string, want ...money.Cents) {
			t.Helper()
			same(t, what, []money.Cents{elsewhere(t, s, one), elsewhere(t, s, two), elsewhere(t, s, three)}, want)
		}
		wants("before any payment", 0, 0, 0)
		paid := payWithFee(t, s, one, 1000)
		same(t, "the fee of the payment", []any{paid.Options[0].Payment.NotificationFee, paid.Options[0].Payment.IUN}, []any{money.Cents(1000), thisIUN})
		wants("after the first payment", 0, 1000, 1000)
		payWithFee(t, s, two, 424)
		wants("after the second", 424, 1000, 1424)
		payWithFee(t, s, three, 0)
		wants("after the third, without fee", 424, 1000, 1424)
	}},
	{"a payment that is taken back gives its fee back", func(t *testing.T, s positions.Store) {
		one, two := notified(t, s, "one", thisIUN, nil), notified(t, s, "two", thisIUN, nil)
		paid := payWithFee(t, s, one, 1424)
		same(t, "when paid", elsewhere(t, s, two), money.Cents(1424))
		reopen(t, s, paid)
		same(t, "when reopened", elsewhere(t, s, two), money.Cents(0))
		payWithFee(t, s, one, 200)
		same(t, "when paid again", elsewhere(t, s, two), money.Cents(200))
	}},
	{"an option that is gone, and a position that is removed, have paid nothing", func(t *testing.T, s positions.Store) {
		two := notified(t, s, "two", thisIUN, nil)
		more := func(p *positions.Position) {
			p.Options = append(p.Options, option(1))
			p.Options[0].IsPartialPayment = true
		}
		one := payWithFee(t, s, notified(t, s, "one", thisIUN, more), 1424)
		same(t, "when paid", elsewhere(t, s, two), money.Cents(1424))
		one.Options = one.Options[1:]
		must(t, s.UpdatePosition(t.Context(), one, update))
		same(t, "when the option is gone", elsewhere(t, s, two), money.Cents(0))
		three := payWithFee(t, s, notified(t, s, "three", thisIUN, nil), 1424)
		same(t, "when a third is paid", elsewhere(t, s, two), money.Cents(1424))
		must(t, s.DeletePositions(t.Context(), []*positions.Position{three}, update))
		same(t, "when that is removed", elsewhere(t, s, two), money.Cents(0))
	}},
	{"only notices of the same organization, notification and recipient count", func(t *testing.T, s positions.Store) {
		p := notified(t, s, "this", thisIUN, nil)
		debtor := func(code string) func(*positions.Position) {
			return func(p *positions.Position) { p.Debtor.FiscalCode = code }
		}
		for name, c := range map[string]struct {
			iun    string
			change func(*positions.Position)
			want   money.Cents
		}{
			"another recipient":               {thisIUN, debtor("VRDLGI70A01F205X"), 0},
			"nobody in particular":            {thisIUN, debtor("ANONIMO"), 0},
			"another notification":            {otherIUN, nil, 0},
			"another organization":            {thisIUN, func(p *positions.Position) { p.OrganizationFiscalCode = provincia }, 0},
			"the same, written in small caps": {thisIUN, debtor("rssmra80a01h501u"), 1424},
		} {
			paid := payWithFee(t, s, notified(t, s, name, c.iun, c.change), 1424)
			same(t, name, elsewhere(t, s, p), c.want)
			reopen(t, s, paid)
		}
		one, two := notified(t, s, "a1", thisIUN, debtor("ANONIMO")), notified(t, s, "a2", thisIUN, debtor("ANONIMO"))
		payWithFee(t, s, one, 1424)
		same(t, "two debtors of whom nobody knows who they are", elsewhere(t, s, two), money.Cents(0))
	}},
	{"a debtor who changes takes the fee along", func(t *testing.T, s positions.Store) {
		p, paid := notified(t, s, "this", thisIUN, nil), payWithFee(t, s, notified(t, s, "paid", thisIUN, nil), 1424)
		for _, step := range []struct {
			code string
			want money.Cents
		}{{"VRDLGI70A01F205X", 0}, {p.Debtor.FiscalCode, 1424}} {
			paid.Debtor.FiscalCode = step.code
			must(t, s.UpdatePosition(t.Context(), paid, update))
			same(t, step.code, elsewhere(t, s, p), step.want)
		}
	}},
	{"instalments of one position are notices of one recipient", func(t *testing.T, s positions.Store) {
		one, two := option(6_000), option(4_000)
		one.IsPartialPayment, two.IsPartialPayment, one.SendBound, two.SendBound = true, true, true, true
		p := mustCreate(t, s, position(comune, "iupd-1", one, two))
		for _, o := range p.Options {
			must(t, s.SavePrice(t.Context(), comune, o.NAV, &positions.Price{TotalPrice: 1424, IUN: thisIUN, FetchedAt: noon}))
		}
		payWithFee(t, s, p, 1424)
		prices := got(s.Prices(t.Context(), comune, []positions.NoticeNumber{one.NAV, two.NAV}))(t)
		same(t, "of the second", prices[two.NAV].PaidElsewhere, money.Cents(1424))
		same(t, "of the first", prices[one.NAV].PaidElsewhere, money.Cents(0))
	}},
	{"a receipt without an activation paid the fee that is known, less what was paid of it", func(t *testing.T, s positions.Store) {
		one, two := notified(t, s, "one", thisIUN, nil), notified(t, s, "two", thisIUN, nil)
		payWithFee(t, s, one, 1000)
		r := receipt(comune, "rt-2", two.Options[0].NAV)
		r.PaymentAmount = two.Options[0].Amount + 1424
		got(s.SaveReceipt(t.Context(), r))(t)
		same(t, "the fee of the second", read(t, s, two).Options[0].Payment.NotificationFee, money.Cents(424))
		same(t, "of the first", elsewhere(t, s, one), money.Cents(424))
	}},
	{"what was paid elsewhere is never kept with a price", func(t *testing.T, s positions.Store) {
		p := notified(t, s, "this", thisIUN, nil)
		price := &positions.Price{TotalPrice: 1424, IUN: thisIUN, FetchedAt: noon.Add(time.Hour), PaidElsewhere: 1424}
		must(t, s.SavePrice(t.Context(), comune, p.Options[0].NAV, price))
		same(t, "read again", elsewhere(t, s, p), money.Cents(0))
	}},
	{"a notification that nobody knows of was paid with nothing", func(t *testing.T, s positions.Store) {
		same(t, "paid", got(s.FeesPaid(t.Context(), comune, otherIUN, "RSSMRA80A01H501U", option(1).NAV))(t), money.Cents(0))
	}},
}
