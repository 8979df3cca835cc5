package positions

import (
	"testing"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions/calendar"
	"github.com/attualizza/attualizza/positions/rules"
)

// shared is an option of several transfers, of which the third is the first of the
// organization itself that is no stamp.
func shared(components ...rules.Component) *Position {
	p := sample()
	p.Options = p.Options[:1]
	o := &p.Options[0]
	transfer := func(id int, amount money.Cents) Transfer {
		return Transfer{ID: id, Amount: amount, RemittanceInformation: "a", Category: "b", IBAN: "IT60X0542811101000000123456"}
	}
	stamp := transfer(2, 1600)
	stamp.IBAN, stamp.Stamp = "", &Stamp{HashDocument: "x2QSBJ4ZZyEnMlC8f2cAv+qRo8CgbUIFlhlq9CbdXfE=", Type: "01", ProvincialResidence: "RM"}
	foreign := transfer(1, 2000)
	foreign.OrganizationFiscalCode = "88888888888"
	o.Transfers = []Transfer{transfer(4, 500), stamp, transfer(3, 6000), foreign}
	o.Amount, o.Components = 10100, components
	return p
}

var parts = []rules.Component{
	{Code: "TAX", Amount: 6000}, // by default where the fee goes
	{Code: "PROVINCE", Amount: 2000, TransferID: 1},
	{Code: "STAMP", Amount: 1600, TransferID: 2},
	{Code: "EXPENSES", Amount: 500, TransferID: 4},
}

func onDate(effect rules.Effect) rules.Rule {
	return rules.Rule{Anchor: rules.Date, Date: calendar.DayOf(noon), From: &rules.Term{Span: days(0)}, Effect: effect}
}

func TestWhatRulesChangeMovesTheTransferOfItsComponent(t *testing.T) {
	for name, c := range map[string]struct {
		effect rules.Effect
		want   [4]money.Cents // by place in the list
	}{
		"a component that names its transfer":         {rules.Effect{Type: rules.Add, Amount: 7, Components: []string{"PROVINCE"}}, [4]money.Cents{500, 1600, 6000, 2007}},
		"one that names none goes where the fee goes": {rules.Effect{Type: rules.Set, Amount: 100, Components: []string{"TAX"}}, [4]money.Cents{500, 1600, 100, 2000}},
		"interest that nobody declared goes there too": {
			rules.Effect{Type: rules.Accrue, Annual: rules.Percent(3_650_000), Components: []string{"TAX"}}, [4]money.Cents{500, 1600, 6060, 2000},
		},
		"a part of the sum goes to where it is sent": {
			rules.Effect{Type: rules.Proportion, Value: rules.Percent(100_000), Components: []string{"TAX", "PROVINCE"}, To: "EXPENSES"}, [4]money.Cents{1300, 1600, 6000, 2000},
		},
	} {
		p := shared(parts...)
		o := &p.Options[0]
		o.AmountRules = []rules.Rule{onDate(c.effect)}
		if err := p.Validate(); err != nil {
			t.Errorf("%s: %+v", name, err)
			continue
		}
		m := Moment(&Policy{}, nil, noon, noon)
		amount, err := o.RuleSet(p.OrganizationFiscalCode).At(&m)
		if err != nil {
			t.Fatal(err)
		}
		transfers, err := o.TransfersBy(amount.Parts)
		if err != nil {
			t.Fatal(err)
		}
		var sum money.Cents
		for i := range transfers {
			sum += transfers[i].Amount
			if transfers[i].Amount != c.want[i] || transfers[i].ID != o.Transfers[i].ID {
				t.Errorf("%s: transfer %d is of %s, want %s", name, transfers[i].ID, transfers[i].Amount, c.want[i])
			}
		}
		if sum != amount.Total {
			t.Errorf("%s: the transfers add up to %s of %s", name, sum, amount.Total)
		}
	}
}

func TestRulesNeedATransferOnlyForWhatTheyChange(t *testing.T) {
	foreign := func(change func(*PaymentOption)) error {
		p := shared()
		o := &p.Options[0]
		o.Transfers = o.Transfers[3:]
		o.Amount, o.SendBound = 2000, false
		o.Components = []rules.Component{{Code: "TAX", Amount: 2000, TransferID: 1}}
		change(o)
		return p.Validate()
	}
	accrue := onDate(rules.Effect{Type: rules.Accrue, Legal: true, Components: []string{"TAX"}})
	for name, c := range map[string]struct {
		change func(*PaymentOption)
		want   Code
	}{
		"parts that name their transfer": {func(*PaymentOption) {}, ""},
		"a part that names none":         {func(o *PaymentOption) { o.Components[0].TransferID = 0 }, Invalid},
		"interest that goes nowhere":     {func(o *PaymentOption) { o.AmountRules = []rules.Rule{accrue} }, Invalid},
		"interest that is declared": {func(o *PaymentOption) {
			o.Components = append(o.Components, rules.Component{Code: rules.Interest, TransferID: 1})
			o.AmountRules = []rules.Rule{accrue}
		}, ""},
	} {
		if err := foreign(c.change); CodeOf(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOnlyRulesOfTheNotificationHangOnIt(t *testing.T) {
	o := &PaymentOption{AmountRules: []rules.Rule{onDate(rules.Effect{Type: rules.NotPayable})}}
	if o.HangsOnNotification() || !o.HasRules() {
		t.Error("a given date is no notification")
	}
	o.AmountRules = append(o.AmountRules, rules.Rule{Anchor: rules.Notification})
	if !o.HangsOnNotification() {
		t.Error("it is")
	}
}

func TestTheAmountOfANoticeWithoutComponentsMayBeNamed(t *testing.T) {
	p := ruled(t)
	nav := p.Options[0].NAV
	if _, err := p.SetAmount(nav, 5000, nil, []Part{{rules.Whole, 5000}}, noon); err != nil || p.Options[0].Amount != 5000 {
		t.Error(err)
	}
	if _, err := p.SetAmount(nav, 6000, nil, []Part{{rules.Whole, 5000}}, noon); CodeOf(err) != Invalid {
		t.Error(err)
	}
}
