package positions

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/attualizza/attualizza/internal/money"
)

const iun = "ABCD-EFGH-ILMN-202611-A-1"

func TestAFeeIsWhatRemainsOfATotal(t *testing.T) {
	for name, c := range map[string]struct {
		price Price
		want  money.Cents
	}{
		"of which nothing was paid":          {Price{TotalPrice: 1424}, 1424},
		"paid with another notice":           {Price{TotalPrice: 1424, PaidElsewhere: 1424}, 0},
		"that grew since":                    {Price{TotalPrice: 2557, PaidElsewhere: 1424}, 1133},
		"of which more was paid":             {Price{TotalPrice: 200, PaidElsewhere: 1424}, 0},
		"that was set for this notice alone": {Price{TotalPrice: 300, PaidElsewhere: 1424, Pushed: true}, 300},
	} {
		o := sample().Options[0]
		o.SendBound = true
		known, _ := o.KnownFee("77777777777", &c.price)
		if got := c.price.Fee(); got != c.want || known != c.want {
			t.Errorf("%s: %d, known %d, want %d", name, got, known, c.want)
		}
	}
}

func TestAPaidOptionKeepsTheFeeThatItWasPaidWith(t *testing.T) {
	o := sample().Options[0]
	o.SendBound, o.Status, o.Payment = true, OptionPaid, &OptionPayment{Amount: 11424}
	o.Payment.SetFee(1424, iun)
	if fee, _ := o.KnownFee("77777777777", &Price{TotalPrice: 2557, PaidElsewhere: 1424}); fee != 1424 {
		t.Errorf("it reads %d", fee)
	}
	if fee, _ := o.KnownFee("77777777777", &Price{NoCost: "CANCELLED"}); fee != 1424 {
		t.Errorf("cancelled afterwards, it reads %d", fee)
	}
	o.Payment = &OptionPayment{Amount: 10000}
	o.Payment.SetFee(0, iun)
	for _, price := range []*Price{nil, {TotalPrice: 1424}, {TotalPrice: 2557, PaidElsewhere: 2557}} {
		if fee, _ := o.KnownFee("77777777777", price); fee != 0 {
			t.Errorf("paid without a fee, which is %+v by now, it reads %d", price, fee)
		}
	}
}

func TestWhichPartOfAPaymentWasTheFee(t *testing.T) {
	cents := func(c money.Cents) *money.Cents { return &c }
	asked := func(amount, fee money.Cents, price *Price) *Answer {
		return &Answer{Amount: amount, NotificationFee: fee, Price: price}
	}
	of := func(total money.Cents, iun string) *Price { return &Price{TotalPrice: total, IUN: iun} }
	const newer, placeholder = "QRST-EFGH-ILMN-202611-A-1", "NON DISPONIBILE"
	for name, c := range map[string]struct {
		paid money.Cents
		said *money.Cents
		Asked
		fee money.Cents
		iun string
	}{
		"what was asked was paid":                {11424, nil, Asked{Answer: asked(11424, 1424, of(1424, iun))}, 1424, iun},
		"the fee was not paid":                   {10000, nil, Asked{Answer: asked(11424, 1424, of(1424, iun))}, 0, ""},
		"not even the debt was paid":             {5000, nil, Asked{Answer: asked(11424, 1424, of(1424, iun))}, 0, ""},
		"a part of the fee was paid":             {10200, nil, Asked{Answer: asked(11424, 1424, of(1424, iun))}, 200, iun},
		"more than was asked was paid":           {20000, nil, Asked{Answer: asked(11424, 1424, of(1424, iun))}, 1424, iun},
		"the debt was less by its rules":         {7424, nil, Asked{Answer: asked(7424, 1424, of(1424, iun))}, 1424, iun},
		"the answer knew no notification":        {10200, nil, Asked{Answer: asked(10200, 200, nil), Price: of(1424, iun)}, 200, iun},
		"the notification was another since":     {10200, nil, Asked{Answer: asked(10200, 200, of(200, iun)), Price: of(1424, newer)}, 200, iun},
		"a relay has no IUN and says so":         {11424, nil, Asked{Answer: asked(11424, 1424, of(1424, placeholder))}, 1424, ""},
		"stand-in, with the fee last known":      {11424, nil, Asked{Price: of(1424, iun)}, 1424, iun},
		"stand-in, without it":                   {10000, nil, Asked{Price: of(1424, iun)}, 0, ""},
		"stand-in, of a fee paid already":        {11424, nil, Asked{Price: &Price{TotalPrice: 1424, PaidElsewhere: 1000, IUN: iun}}, 424, iun},
		"nothing is on record":                   {11424, nil, Asked{}, 0, ""},
		"the receipt says so":                    {10200, cents(200), Asked{Answer: asked(11424, 1424, of(1424, iun))}, 200, iun},
		"the receipt says so of a stand-in":      {7424, cents(1424), Asked{Price: of(1424, iun)}, 1424, iun},
		"the receipt says that there was none":   {11424, cents(0), Asked{Answer: asked(11424, 1424, of(1424, iun))}, 0, ""},
		"the receipt says what was not paid":     {10000, cents(1424), Asked{Answer: asked(11424, 1424, of(1424, iun))}, 0, ""},
		"the receipt says more than was paid":    {11424, cents(11425), Asked{Answer: asked(11424, 1424, of(1424, iun))}, 1424, iun},
		"the receipt says what makes no sense":   {11424, cents(-1), Asked{Answer: asked(11424, 1424, of(1424, iun))}, 1424, iun},
		"the receipt alone says so, without IUN": {11424, cents(1424), Asked{}, 1424, ""},
	} {
		p := sample()
		p.Status, p.Options[0].SendBound, p.Options[0].Amount = Valid, true, 10000
		r := &Receipt{NAV: p.Options[0].NAV, ReceiptID: "r", Outcome: "OK", PaymentAmount: c.paid, NotificationFee: c.said}
		if !p.Settle(r, c.Asked, noon) {
			t.Fatalf("%s: not paid", name)
		}
		if got := p.Options[0].Payment; got.NotificationFee != c.fee || got.IUN != c.iun || got.Amount != c.paid {
			t.Errorf("%s: fee %d of %q in %d; want %d of %q", name, got.NotificationFee, got.IUN, got.Amount, c.fee, c.iun)
		}
	}
}

func TestTheFeeOfAPaymentIsAPartOfIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cents := func(name string) money.Cents { return money.Cents(rapid.Int64Range(0, 20000).Draw(t, name)) }
		p := sample()
		p.Status, p.Options[0].SendBound = Valid, true
		asked := Asked{Price: &Price{TotalPrice: cents("total"), PaidElsewhere: cents("elsewhere"), IUN: iun}}
		if rapid.Bool().Draw(t, "answered") {
			fee := cents("fee asked")
			asked.Answer = &Answer{Amount: fee + cents("base"), NotificationFee: fee}
		}
		r := &Receipt{NAV: p.Options[0].NAV, Outcome: "OK", PaymentAmount: cents("paid")}
		if rapid.Bool().Draw(t, "said") {
			fee := cents("fee said") - 1
			r.NotificationFee = &fee
		}
		p.Settle(r, asked, noon)
		if got := p.Options[0].Payment; got.NotificationFee < 0 || got.NotificationFee > got.Amount || (got.IUN != "") != (got.NotificationFee > 0) {
			t.Fatalf("fee %d of %q in %d", got.NotificationFee, got.IUN, got.Amount)
		}
	})
}
