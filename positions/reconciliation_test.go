package positions

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/attualizza/attualizza/internal/money"
)

var reconciled = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

const reconciledIUN = "ABCD-EFGH-ILMN-202611-A-1"

// doubtful is a notice of 100.00 with a price of SEND's, paid with a fee unless
// that is below zero.
func doubtful(price Price, fee money.Cents) *Notice {
	n := &Notice{
		Position: Position{OrganizationFiscalCode: "77777777777", IUPD: "iupd-1"},
		Option:   PaymentOption{NAV: "302000000000000178", Amount: 10000, SendBound: true, Status: OptionUnpaid, Transfers: []Transfer{{ID: 1, Amount: 10000}}},
		Price:    &price,
	}
	if fee >= 0 {
		n.Option.Status = OptionPaid
		n.Option.Payment = &OptionPayment{Date: reconciled.Add(-time.Hour), ReceiptID: "rt-1", Amount: 10000 + fee, NotificationFee: fee}
	}
	return n
}

func TestWhatAReconciliationComesTo(t *testing.T) {
	send := Price{TotalPrice: 1424, IUN: reconciledIUN}
	for name, c := range map[string]struct {
		price      Price
		paid       money.Cents // below zero: not paid
		elsewhere  money.Cents
		change     func(*Notice)
		state      ReconciliationState
		due        money.Cents
		difference money.Cents
		iun        string
	}{
		"paid without the fee":                            {price: send, state: ReconciliationUnder, due: 1424, difference: 1424, iun: reconciledIUN},
		"paid with an old fee":                            {price: send, paid: 200, state: ReconciliationUnder, due: 1424, difference: 1224, iun: reconciledIUN},
		"paid with the right fee":                         {price: send, paid: 1424, state: ReconciliationEven, due: 1424, iun: reconciledIUN},
		"paid with a fee that was too much":               {price: send, paid: 2557, state: ReconciliationOver, due: 1424, difference: -1133, iun: reconciledIUN},
		"paid with a fee, cancelled since":                {price: Price{NoCost: "CANCELLED"}, paid: 200, state: ReconciliationOver, difference: -200},
		"paid without a fee where there is none":          {price: Price{NoCost: "NOT_ACCEPTED"}, state: ReconciliationEven},
		"not paid":                                        {price: send, paid: -1, state: ReconciliationRepriced, due: 1424, iun: reconciledIUN},
		"a part was paid with another notice":             {price: Price{TotalPrice: 1424, IUN: reconciledIUN, PaidElsewhere: 1000}, paid: 0, state: ReconciliationUnder, due: 424, difference: 424, iun: reconciledIUN},
		"all of it is missed with another notice already": {price: send, elsewhere: 1424, state: ReconciliationEven, iun: reconciledIUN},
		"another notice was found to have paid too much":  {price: Price{TotalPrice: 1424, IUN: reconciledIUN, PaidElsewhere: 1424}, paid: 1424, elsewhere: -1424, state: ReconciliationEven, due: 1424, iun: reconciledIUN},
		"what a relay calls an IUN links nothing":         {price: Price{TotalPrice: 1424, IUN: "n/a"}, state: ReconciliationUnder, due: 1424, difference: 1424},
		"no transfer can carry a fee": {
			price: send, paid: 0, state: ReconciliationEven,
			change: func(n *Notice) { n.Option.Transfers[0].OrganizationFiscalCode = "88888888888" },
		},
		"paid, and the relay says no more than that": {price: Price{NoCost: NotPayable}, paid: 200, state: ReconciliationLapsed},
	} {
		t.Run(name, func(t *testing.T) {
			n := doubtful(c.price, c.paid)
			if c.change != nil {
				c.change(n)
			}
			r := Reconciliation{State: ReconciliationOpen, ChargedFee: 50}
			r.Judge(n, c.elsewhere, reconciled)
			if r.State != c.state || r.DueFee != c.due || r.Difference() != c.difference || r.IUN != c.iun || !r.JudgedAt.Equal(reconciled) || r.IUPD != "iupd-1" {
				t.Errorf("it came to %+v, difference %s", r, r.Difference())
			}
			if c.paid >= 0 && c.state != ReconciliationLapsed && (r.ChargedFee != c.paid || r.ReceiptID != "rt-1" || r.PaidAt.IsZero()) {
				t.Errorf("of the payment it says %+v", r)
			}
		})
	}
}

func TestSENDIsNotAskedAboutWhatIsGone(t *testing.T) {
	paid := Reconciliation{PaidAt: reconciled, ReceiptID: "rt-1"}
	for name, c := range map[string]struct {
		r    Reconciliation
		n    *Notice
		moot bool
	}{
		"the notice is gone":                        {Reconciliation{}, nil, true},
		"the notice is there":                       {Reconciliation{}, doubtful(Price{}, -1), false},
		"it was paid in the meantime":               {Reconciliation{}, doubtful(Price{}, 0), false},
		"the payment is there":                      {paid, doubtful(Price{}, 0), false},
		"the payment was taken back":                {paid, doubtful(Price{}, -1), true},
		"it was taken back, and paid again":         {Reconciliation{PaidAt: reconciled, ReceiptID: "rt-0"}, doubtful(Price{}, 0), true},
		"nobody knows how it was paid":              {Reconciliation{}, func() *Notice { n := doubtful(Price{}, 0); n.Option.Payment = nil; return n }(), true},
		"SEND does not notify the notice any more":  {Reconciliation{}, func() *Notice { n := doubtful(Price{}, -1); n.Option.SendBound = false; return n }(), true},
		"SEND does not notify the paid one anymore": {paid, func() *Notice { n := doubtful(Price{}, 0); n.Option.SendBound = false; return n }(), true},
	} {
		if c.r.Moot(c.n) != c.moot {
			t.Errorf("%s: moot is %v", name, !c.moot)
		}
	}
}

// The notices of one notification cost it once, whichever of them were paid with
// whichever fee, and in whichever order they are judged.
func TestWhatIsMissingOfANotificationIsItsCostLessWhatWasPaidOfIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		total := money.Cents(rapid.IntRange(0, 3000).Draw(t, "total"))
		fees := rapid.SliceOfN(rapid.IntRange(0, 3000), 1, 5).Draw(t, "fees")
		var paid, found money.Cents
		for _, f := range fees {
			paid += money.Cents(f)
		}
		for _, f := range fees {
			price := Price{TotalPrice: total, IUN: reconciledIUN, PaidElsewhere: paid - money.Cents(f)}
			r := Reconciliation{State: ReconciliationOpen}
			r.Judge(doubtful(price, money.Cents(f)), found, reconciled)
			found += r.Difference()
		}
		if want := total - paid; found != want {
			t.Fatalf("of %d, %v was paid and %d found missing, want %d", total, fees, found, want)
		}
	})
}

func TestAnswersOpenTheSameInWhicheverOrderTheyCome(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var answers []Answer
		for i := range rapid.IntRange(0, 12).Draw(t, "answers") {
			answers = append(answers, Answer{
				At: reconciled.Add(time.Duration(i) * time.Second), NAV: NoticeNumber(fmt.Sprint(rapid.IntRange(0, 2).Draw(t, "notice"))), Outcome: rapid.SampledFrom([]string{"OK", "OK", "KO"}).Draw(t, "outcome"),
				Source: rapid.SampledFrom([]FeeSource{SourceLive, SourceNone, SourceBase, SourceLastKnown}).Draw(t, "source"), Amount: money.Cents(i),
			})
		}
		last := map[NoticeNumber]money.Cents{}
		for _, a := range answers {
			if a.Outcome == "OK" && a.Source != SourceLive {
				last[a.NAV] = a.Amount
			}
		}
		opened := OpenedBy(rapid.Permutation(answers).Draw(t, "order"))
		got, before := map[NoticeNumber]money.Cents{}, NoticeNumber("")
		for _, r := range opened {
			if r.NAV <= before {
				t.Fatalf("%s comes after %s", r.NAV, before)
			}
			got[r.NAV], before = r.Amount, r.NAV
		}
		if diff := cmp.Diff(last, got); diff != "" {
			t.Fatal(diff)
		}
	})
}
