package positions

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/money"
)

func TestReopeningTakesBackWhatHappenedLast(t *testing.T) {
	for name, c := range map[string]struct {
		p     func() *Position
		want  string
		check func(p *Position) bool
	}{
		"a payment that was revoked leaves nothing paid": {
			func() *Position { return in("PAID", "CLOSED") }, "VALID/OPEN",
			func(p *Position) bool {
				return !p.Options[0].Paid() && p.Options[0].Payment == nil && p.PaymentDate.IsZero()
			},
		},
		"a paid instalment is not asked for again when the rest comes back": {
			func() *Position { return in("PARTIALLY_PAID", "TRANSFERRED") }, "PARTIALLY_PAID/OPEN",
			func(p *Position) bool { return p.Options[1].Paid() && p.TransferTo == "" },
		},
		"a validity date ahead keeps it PUBLISHED": {
			func() *Position {
				p := in("INVALID", "OPEN")
				p.ValidityDate = noon.Add(1)
				return p
			}, "PUBLISHED/OPEN", func(p *Position) bool { return p.ValidityDate.Equal(noon.Add(1)) },
		},
		"past its due date it is EXPIRED by the clock": {
			func() *Position {
				p := in("EXPIRED", "OPEN")
				p.Status = Invalidated
				return p
			}, "EXPIRED/OPEN", func(p *Position) bool { return p.Status == Valid },
		},
		"a validity date that has come stays": {
			func() *Position { return in("PAID", "CLOSED") }, "VALID/OPEN",
			func(p *Position) bool { return p.ValidityDate.Equal(noon.AddDate(0, -1, 0)) },
		},
		"a draft that was paid is published by it": {
			func() *Position {
				p := in("DRAFT", "OPEN")
				p.Settle(&Receipt{NAV: p.Options[0].NAV, ReceiptID: "r"}, Asked{}, noon.Add(-1))
				return p
			}, "VALID/OPEN",
			func(p *Position) bool { return p.PublishDate.Equal(noon) && p.ValidityDate.Equal(noon) },
		},
		"a reconciled instalment stays paid": {
			func() *Position {
				p := in("PARTIALLY_PAID", "OPEN")
				p.Options[2].Status, p.Options[2].Payment = OptionReported, &OptionPayment{Date: noon.Add(-9)}
				p.Status, p.Lifecycle = Paid, Closed
				return p
			}, "PARTIALLY_PAID/OPEN",
			func(p *Position) bool {
				return !p.Options[1].Paid() && p.Options[2].Paid() && p.PaymentDate.Equal(noon.Add(-9))
			},
		},
	} {
		p := c.p()
		if err := p.Reopen(noon); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := state(p); got != c.want || !c.check(p) {
			t.Errorf("%s: %s, %+v", name, got, p)
		}
	}
	p := in("PARTIALLY_PAID", "OPEN")
	p.Options[1].Status = OptionPartiallyReported
	if err := p.Reopen(noon); CodeOf(err) != Conflict || !p.Options[1].Paid() || p.Status != PartiallyPaid {
		t.Errorf("payments that were all reconciled are taken back: %v", err)
	}
}

func TestAReopenedPositionIsPaidByAnotherReceipt(t *testing.T) {
	p := in("VALID", "OPEN")
	full := p.Options[0].NAV
	pay := func(id string) *Receipt {
		r := &Receipt{NAV: full, ReceiptID: id, Outcome: "OK", PaymentAmount: 30000}
		if !p.Settle(r, Asked{}, noon) || len(r.Flags) > 0 {
			t.Fatalf("receipt %s: %v", id, r.Flags)
		}
		return r
	}
	pay("first")
	if err := p.Reopen(noon); err != nil {
		t.Fatal(err)
	}
	n, _ := NewNotice(p, full, nil)
	if n.RefusalAt(noon) != Payable {
		t.Fatalf("reopened, and answered %s", n.RefusalAt(noon))
	}
	pay("second")
	if state(p) != "PAID/CLOSED" || p.Options[0].Payment.ReceiptID != "second" {
		t.Fatalf("%s by %s", state(p), p.Options[0].Payment.ReceiptID)
	}
}

func TestTheNodoIsToldTheLifecycle(t *testing.T) {
	for lifecycle, want := range map[string]Refusal{
		"OPEN": Payable, "BLOCKED": RefusedInProgress, "BLOCKED+": RefusedInProgress, "BLOCKED~": Payable, "TRANSFERRED": RefusedCancelled, "CLOSED": RefusedCancelled,
	} {
		n, _ := NewNotice(in("VALID", lifecycle), "301000000000000148", nil)
		if got := n.RefusalAt(noon); got != want {
			t.Errorf("%s: %q, want %q", lifecycle, got, want)
		}
	}
}

func TestABlockEndsInTheFutureOrNever(t *testing.T) {
	for until, ok := range map[time.Time]bool{
		{}: true, noon.Add(1): true, noon: false, noon.Add(-1): false, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC): false,
	} {
		p := in("VALID", "OPEN")
		switch err := p.Block(until, noon); {
		case ok && (err != nil || p.Lifecycle != Blocked || !p.BlockedUntil.Equal(until)):
			t.Errorf("until %s: %v", until, err)
		case !ok && (CodeOf(err) != Invalid || p.Lifecycle != Open):
			t.Errorf("until %s: %v", until, err)
		}
	}
	p := in("VALID", "BLOCKED+")
	if err := p.Block(time.Time{}, noon); err != nil || !p.BlockedUntil.IsZero() {
		t.Errorf("blocking again without an end: %v, until %s", err, p.BlockedUntil)
	}
}

func TestATransferGoesToAnotherOrganization(t *testing.T) {
	for to, ok := range map[string]bool{"88888888888": true, "77777777777": false, "8888888888": false, "8888888888x": false, "": false} {
		p := in("VALID", "OPEN")
		if err := p.Transfer(to, noon); (err == nil) != ok || err != nil && CodeOf(err) != Invalid || ok && p.TransferTo != to {
			t.Errorf("to %q: %v", to, err)
		}
	}
}

func TestAReasonHasOneToTwoHundredCharacters(t *testing.T) {
	for reason, ok := range map[string]bool{"a": true, strings.Repeat("è", 200): true, strings.Repeat("e", 201): false, "": false, " \n": false, "\xff": false} {
		if got := len(CheckReason(reason)) == 0; got != ok {
			t.Errorf("%q: %v", reason, got)
		}
	}
}

func TestAnAmountIsSetOnceAndAddsUp(t *testing.T) {
	for name, c := range map[string]struct {
		amount  money.Cents
		shares  []Share
		single  bool
		changed bool
		wrong   []string
	}{
		"one transfer takes it all":        {amount: 500, single: true, changed: true},
		"one transfer may be named":        {amount: 500, single: true, shares: []Share{{1, 500}}, changed: true},
		"named, it must agree":             {amount: 500, single: true, shares: []Share{{1, 499}}, wrong: []string{"/amount"}},
		"what is there already":            {amount: 10000, shares: []Share{{2, 3000}, {1, 7000}}},
		"another split of the same amount": {amount: 10000, shares: []Share{{2, 2000}, {1, 8000}}, changed: true},
		"another amount":                   {amount: 300, shares: []Share{{1, 100}, {2, 200}}, changed: true},
		"several, none named":              {amount: 300, wrong: []string{"/transfers", "/transfers"}},
		"several, one missing":             {amount: 300, shares: []Share{{1, 300}}, wrong: []string{"/transfers"}},
		"one twice":                        {amount: 300, shares: []Share{{1, 100}, {2, 100}, {1, 100}}, wrong: []string{"/transfers/2/idTransfer"}},
		"one that is not there":            {amount: 300, shares: []Share{{1, 100}, {2, 100}, {3, 100}}, wrong: []string{"/transfers/2/idTransfer"}},
		"nothing for one of them":          {amount: 300, shares: []Share{{1, 300}, {2, 0}}, wrong: []string{"/transfers/1/amount"}},
		"not adding up":                    {amount: 300, shares: []Share{{1, 100}, {2, 100}}, wrong: []string{"/amount"}},
		"nothing at all":                   {amount: 0, single: true, wrong: []string{"/amount"}},
		"above the schema":                 {amount: money.Max + 1, single: true, wrong: []string{"/amount"}},
		"an overflow hidden in transfers":  {amount: 1, shares: []Share{{1, 1<<63 - 1}, {2, 1<<63 - 1}}, wrong: []string{"/transfers/0/amount", "/transfers/1/amount"}},
	} {
		p := sample()
		p.Status = Valid
		if c.single {
			p.Options[0].Amount, p.Options[0].Transfers = 7000, p.Options[0].Transfers[:1]
		}
		before := p.Clone()
		changed, err := p.SetAmount(p.Options[0].NAV, c.amount, c.shares, nil, noon)
		if changed != c.changed || (CodeOf(err) == Invalid) != (c.wrong != nil) {
			t.Errorf("%s: changed %v, %v", name, changed, err)
			continue
		}
		if err == nil {
			if invalid := p.Validate(); invalid != nil || p.Options[0].Amount != c.amount {
				t.Errorf("%s: left %d, %v", name, p.Options[0].Amount, invalid)
			}
			if before.Options[0].Transfers[0].Amount != 7000 {
				t.Errorf("%s: a copy of the position changed with it", name)
			}
			continue
		}
		var pointers []string
		for _, problem := range err.(*Error).Problems {
			pointers = append(pointers, problem.Pointer)
		}
		if !slices.Equal(pointers, c.wrong) || p.Options[0].Amount != before.Options[0].Amount {
			t.Errorf("%s: problems at %v", name, pointers)
		}
	}
	p := sample()
	if _, err := p.SetAmount("301000000000009999", 1, nil, nil, noon); CodeOf(err) != NotFound {
		t.Errorf("a notice of nobody: %v", err)
	}
	p = in("PARTIALLY_PAID", "OPEN")
	for i, want := range []Code{Conflict, Conflict, ""} { // replaced by instalments, paid, open
		if _, err := p.SetAmount(p.Options[i].NAV, 300, []Share{{1, 100}, {2, 200}}, []Part{{"FINE", 100}, {"EXPENSES", 200}}, noon); CodeOf(err) != want {
			t.Errorf("option %d of a partly paid position: %v", i, err)
		}
	}
}
