package rules_test

import (
	"testing"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions/calendar"
	"github.com/attualizza/attualizza/positions/rules"
)

// The short forms that the tests of this package are written in.

func day(text string) calendar.Day {
	d, err := calendar.Parse(text)
	if err != nil {
		panic(err)
	}
	return d
}

func rate(text string) rules.Rate {
	r, err := rules.ParseRate(text)
	if err != nil {
		panic(err)
	}
	return r
}

func days(n int) *rules.Term { return &rules.Term{Span: calendar.Span{Unit: calendar.Days, Count: n}} }

func months(n int) *rules.Term {
	return &rules.Term{Span: calendar.Span{Unit: calendar.Months, Count: n}}
}

func rolled(t *rules.Term) *rules.Term {
	t.Roll = true
	return t
}

func withoutAugust(t *rules.Term) *rules.Term {
	t.WithoutAugust = true
	return t
}

// always is a rule without terms.
func always(e rules.Effect) rules.Rule { return rules.Rule{Anchor: rules.Notification, Effect: e} }

func percent(value string, components ...string) rules.Effect {
	return rules.Effect{Type: rules.Proportion, Value: rate(value), Components: components}
}

func perSemester(value string, components ...string) rules.Effect {
	return rules.Effect{Type: rules.PerSemester, Value: rate(value), Components: components}
}

func set(amount money.Cents, component string) rules.Effect {
	return rules.Effect{Type: rules.Set, Amount: amount, Components: []string{component}}
}

func add(amount money.Cents, component string) rules.Effect {
	return rules.Effect{Type: rules.Add, Amount: amount, Components: []string{component}}
}

func interest(annual string, components ...string) rules.Effect {
	return rules.Effect{Type: rules.Accrue, Annual: rate(annual), Components: components}
}

func legal(components ...string) rules.Effect {
	return rules.Effect{Type: rules.Accrue, Legal: true, Components: components}
}

func part(code string, amount money.Cents) rules.Component {
	return rules.Component{Code: code, Amount: amount, TransferID: 1}
}

func setOf(parts []rules.Component, list ...rules.Rule) *rules.RuleSet {
	return &rules.RuleSet{Parts: parts, Rules: list, Carrier: 1}
}

// transfersOf are the transfers that the parts of a set add up to.
func transfersOf(s *rules.RuleSet) rules.Transfers {
	transfers := rules.Transfers{}
	for _, c := range s.Parts {
		t := transfers[c.TransferID]
		t.Amount += c.Amount
		transfers[c.TransferID] = t
	}
	return transfers
}

// problems are what Check reports of a set, "pointer: detail".
func problems(s *rules.RuleSet, transfers rules.Transfers) (list []string) {
	s.Check(transfers, func(pointer, detail string) { list = append(list, pointer+": "+detail) })
	return list
}

func at(t testing.TB, s *rules.RuleSet, m rules.Moment) rules.Amount {
	t.Helper()
	a, err := s.At(&m)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// fine is a fine of the highway code as one notice: reduced by 30% for five days,
// half of the maximum after sixty (D.Lgs. 285/1992 art. 202 and 203), a tenth more
// for each semester (L. 689/1981 art. 27).
func fine() *rules.RuleSet {
	notified := func(r rules.Rule) rules.Rule {
		r.Anchor = rules.Notification
		return r
	}
	return setOf([]rules.Component{part("FINE", 17300), part("EXPENSES", 1520)},
		notified(rules.Rule{Label: "Riduzione 30% entro 5 giorni", Until: rolled(days(5)), Effect: percent("-30", "FINE")}),
		notified(rules.Rule{After: rolled(days(60)), Effect: set(34600, "FINE")}),
		notified(rules.Rule{After: rolled(days(60)), Effect: perSemester("10", "FINE")}),
	)
}

// assessment is a local tax with a sanction: two thirds of it are spared within
// the term to appeal, charges grow after it (L. 160/2019 art. 1 c. 792 and 803).
func assessment() *rules.RuleSet {
	term := func() *rules.Term { return withoutAugust(rolled(days(60))) }
	charges := percent("3", "TAX", "SANCTION")
	charges.To, charges.Max = "CHARGES", 30000
	more := percent("6", "TAX", "SANCTION")
	more.To, more.Max = "CHARGES", 60000
	return setOf([]rules.Component{part("TAX", 100000), part("SANCTION", 30000), part("CHARGES", 0), part("EXPENSES", 1000)},
		rules.Rule{Anchor: rules.Notification, Until: term(), Effect: percent("-2/3", "SANCTION")},
		rules.Rule{Anchor: rules.Notification, After: term(), Until: days(150), Effect: charges},
		rules.Rule{Anchor: rules.Notification, From: days(151), Effect: more},
		rules.Rule{Anchor: rules.Notification, After: term(), Effect: legal("TAX")},
	)
}
