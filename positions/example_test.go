package positions_test

import (
	"fmt"
	"time"

	"github.com/attualizza/attualizza/positions"
)

// A notice number tells its creditor reference (IUV), its segregation code and
// whether its check digits are right.
func ExampleParseNoticeNumber() {
	for _, s := range []string{"347000000000000124", "001123456789012313", "302000000000000000", "4"} {
		n, err := positions.ParseNoticeNumber(s)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Printf("%s IUV %s, segregation code %q, check digits right: %v\n", n, n.IUV(), n.SegregationCode(), n.CheckDigitsRight())
	}
	// Output:
	// 347000000000000124 IUV 47000000000000124, segregation code "47", check digits right: true
	// 001123456789012313 IUV 123456789012313, segregation code "", check digits right: true
	// 302000000000000000 IUV 02000000000000000, segregation code "02", check digits right: false
	// a notice number is 18 digits, this is 1 characters
}

// The first 16 digits modulo 93 give the last two.
func ExampleNewNoticeNumber() {
	n, err := positions.NewNoticeNumber(47, 1)
	fmt.Println(n, err)
	// Output: 347000000000000124 <nil>
}

// A position without a notice number gets it from its IUV.
func ExampleNoticeFromIUV() {
	n, err := positions.NoticeFromIUV("47000000000000124")
	fmt.Println(n, err)
	// Output: 347000000000000124 <nil>
}

// What the Nodo is told follows from the state of the position and the clock.
func ExampleNotice_RefusalAt() {
	due := time.Date(2026, 6, 30, 22, 0, 0, 0, time.UTC)
	p := &positions.Position{
		OrganizationFiscalCode: "77777777777", IUPD: "VERBALE-1", Status: positions.Draft, Lifecycle: positions.Open, SwitchToExpired: true,
		Options: []positions.PaymentOption{{NAV: "347000000000000124", Amount: 10000, DueDate: due, Status: positions.OptionUnpaid}},
	}
	tell := func(when string, now time.Time) {
		notice, _ := positions.NewNotice(p, "347000000000000124", nil)
		fmt.Printf("%-10s %-9s %q\n", when, p.StatusAt(now), notice.RefusalAt(now))
	}
	tell("draft", due.AddDate(0, -2, 0))
	if err := p.Publish(due.AddDate(0, -2, 0)); err != nil {
		fmt.Println(err)
	}
	tell("published", due.AddDate(0, -1, 0))
	tell("too late", due.Add(time.Second))
	p.Settle(&positions.Receipt{NAV: "347000000000000124", Outcome: "OK", PaymentAmount: 10000}, positions.Asked{}, due)
	tell("paid", due.Add(time.Second))
	fmt.Println(p.Lifecycle)
	// Output:
	// draft      DRAFT     "PAA_PAGAMENTO_SCONOSCIUTO"
	// published  VALID     ""
	// too late   EXPIRED   "PAA_PAGAMENTO_SCADUTO"
	// paid       PAID      "PAA_PAGAMENTO_DUPLICATO"
	// CLOSED
}

// The fee goes to the organization itself, never on a stamp and never to
// somebody else.
func ExamplePaymentOption_FeeTransfer() {
	o := &positions.PaymentOption{Transfers: []positions.Transfer{
		{ID: 1, Amount: 1600, Stamp: &positions.Stamp{Type: "01"}},
		{ID: 2, Amount: 2000, OrganizationFiscalCode: "88888888888"},
		{ID: 3, Amount: 10000},
	}}
	i, ok := o.FeeTransfer("77777777777")
	fmt.Println(o.Transfers[i].ID, ok)
	// Output: 3 true
}
