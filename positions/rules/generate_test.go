package rules_test

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions/calendar"
	"github.com/attualizza/attualizza/positions/rules"
)

// Sets as organizations send them, and as nobody in their right mind would.

var anyRate = rapid.OneOf(
	rapid.SampledFrom([]string{"-30", "-2/3", "-50", "-1/6", "10", "3", "6", "30", "25", "-100", "0.0001", "-0.0001", "1000", "-1/3", "100"}),
	rapid.Map(rapid.IntRange(-10_000_000, 10_000_000), func(ppm int) string { return rules.Percent(int64(ppm)).String() }),
	rapid.Custom(func(t *rapid.T) string {
		den := rapid.IntRange(1, 1_000_000).Draw(t, "den")
		return strconv.Itoa(rapid.IntRange(-min(10*den, 1_000_000), min(10*den, 1_000_000)).Draw(t, "num")) + "/" + strconv.Itoa(den)
	}),
)

var (
	anyDay      = rapid.Map(rapid.IntRange(0, 70*365), func(n int) calendar.Day { return calendar.Of(2010, 1, 1) + calendar.Day(n) })
	anyCents    = rapid.OneOf(rapid.Int64Range(1, 200_000), rapid.SampledFrom([]int64{0, 1, 2, 3, 50, 17300, 9_999_999_999}))
	anyHolidays = rapid.Custom(func(t *rapid.T) calendar.Holidays {
		h := calendar.Holidays{SaturdayToo: rapid.Bool().Draw(t, "Saturday")}
		if rapid.Bool().Draw(t, "patron") {
			h.Patron = calendar.MonthDay{Month: time.Month(rapid.IntRange(1, 12).Draw(t, "month")), Day: rapid.IntRange(1, 28).Draw(t, "day")}
		}
		return h
	})
)

var anyTerm = rapid.Custom(func(t *rapid.T) *rules.Term {
	term := &rules.Term{Roll: rapid.Bool().Draw(t, "rolls")}
	switch rapid.IntRange(0, 5).Draw(t, "unit") {
	case 0:
		term.Unit, term.Count = calendar.Months, rapid.IntRange(0, 18).Draw(t, "months")
	case 1:
		term.Unit, term.Count = calendar.Semesters, rapid.IntRange(0, 3).Draw(t, "semesters")
	default:
		term.Unit, term.Count = calendar.Days, rapid.SampledFrom([]int{0, 1, 5, 15, 30, 59, 60, 61, 90, 150, 365, 700}).Draw(t, "days")
	}
	term.WithoutAugust = rapid.IntRange(0, 3).Draw(t, "without August") == 0
	if rapid.IntRange(0, 7).Draw(t, "postponed") == 0 {
		term.PostponedTo = anyDay.Draw(t, "to")
	}
	return term
})

var anySet = rapid.Custom(func(t *rapid.T) *rules.RuleSet {
	s := &rules.RuleSet{Carrier: 1}
	transfers := rapid.SampledFrom([]int{1, 1, 1, 2, 3}).Draw(t, "transfers")
	codes := []string{"FINE", "TAX", "SANCTION", "EXPENSES", "INTEREST", "X"}
	for i := range rapid.IntRange(transfers, 5).Draw(t, "components") {
		s.Parts = append(s.Parts, rules.Component{Code: codes[i], Amount: money.Cents(anyCents.Draw(t, "amount")), TransferID: i%transfers + 1})
	}
	for range rapid.IntRange(0, 6).Draw(t, "rules") {
		s.Rules = append(s.Rules, drawRule(t, s))
	}
	return s
})

func drawRule(t *rapid.T, s *rules.RuleSet) rules.Rule {
	r := rules.Rule{Anchor: rules.Notification}
	if rapid.IntRange(0, 3).Draw(t, "dated") == 0 {
		r.Anchor, r.Date = rules.Date, anyDay.Draw(t, "date")
	}
	switch rapid.IntRange(0, 3).Draw(t, "begins") {
	case 1:
		r.From = anyTerm.Draw(t, "from")
		r.From.Roll = false
	case 2, 3:
		r.After = anyTerm.Draw(t, "after")
	}
	if !starts(&r) && rapid.Bool().Draw(t, "ends") || starts(&r) && rapid.IntRange(0, 3).Draw(t, "ends") == 0 {
		r.Until = anyTerm.Draw(t, "until")
	}
	r.Effect = drawEffect(t, s, starts(&r))
	return r
}

func starts(r *rules.Rule) bool { return r.From != nil || r.After != nil }

func drawEffect(t *rapid.T, s *rules.RuleSet, starts bool) rules.Effect {
	one := func(name string) string { return rapid.SampledFrom(s.Parts).Draw(t, name).Code }
	some := func() (codes []string) {
		for _, i := range rapid.Permutation(indexes(s.Parts)).Draw(t, "order")[:rapid.IntRange(1, min(3, len(s.Parts))).Draw(t, "of")] {
			codes = append(codes, s.Parts[i].Code)
		}
		return codes
	}
	value := func(ok func(r rules.Rate) bool) rules.Rate {
		return rapid.Map(anyRate, rate).Filter(ok).Draw(t, "value")
	}
	e := rules.Effect{Type: rapid.SampledFrom([]rules.EffectType{rules.Proportion, rules.Proportion, rules.Proportion, rules.Set, rules.Add, rules.Accrue, rules.PerSemester, rules.NotPayable}).Draw(t, "type")}
	if !starts && (e.Type == rules.Accrue || e.Type == rules.PerSemester) {
		e.Type = rules.Proportion
	}
	switch e.Type {
	case rules.Proportion:
		e.Components = some()
		if rapid.IntRange(0, 3).Draw(t, "elsewhere") == 0 {
			e.To = one("to")
		}
		e.Value = value(func(r rules.Rate) bool { return r.Sign() > 0 || r.Sign() < 0 && (e.To != "" || notAll(r)) })
	case rules.PerSemester:
		e.Components = some()
		e.Value = value(func(r rules.Rate) bool { return r.Sign() > 0 })
	case rules.Set:
		e.Components, e.Amount = []string{one("component")}, money.Cents(anyCents.Draw(t, "set"))
	case rules.Add:
		amount := anyCents.Filter(func(n int64) bool { return n > 0 }).Draw(t, "add")
		if rapid.IntRange(0, 2).Draw(t, "take") == 0 {
			amount = -1 - amount%5000
		}
		e.Components, e.Amount = []string{one("component")}, money.Cents(amount)
	case rules.Accrue:
		e.Components = some()
		if e.Legal = rapid.Bool().Draw(t, "legal"); !e.Legal {
			e.Annual = rapid.Map(rapid.Int64Range(0, 10_000_000), rules.Percent).Draw(t, "annual")
		}
		if rapid.Bool().Draw(t, "more") {
			e.Plus = rapid.Map(rapid.Int64Range(0, 100_000), rules.Percent).Draw(t, "plus")
		}
	}
	if (e.Type == rules.Proportion || e.Type == rules.PerSemester) && rapid.IntRange(0, 2).Draw(t, "bounded") == 0 {
		e.Max = money.Cents(rapid.Int64Range(1, 50_000).Draw(t, "max"))
	}
	return e
}

// notAll keeps most reductions to a part of what there is.
func notAll(r rules.Rate) bool {
	return ratOf(r).Num().Int64() > -ratOf(r).Denom().Int64()
}

func indexes[T any](list []T) (is []int) {
	for i := range list {
		is = append(is, i)
	}
	return is
}

func acceptable(s *rules.RuleSet) bool { return len(problems(s, transfersOf(s))) == 0 }

// acceptedSet is one that an organization could have been given a notice with.
func acceptedSet(t *rapid.T) *rules.RuleSet {
	s := anySet.Draw(t, "set")
	if !acceptable(s) {
		t.Skip("refused")
	}
	return s
}

func TestMostOfTheSetsThatAreGeneratedAreAccepted(t *testing.T) {
	accepted, rules := 0, 0
	const all = 2000
	for seed := range all {
		if s := anySet.Example(seed); acceptable(s) {
			accepted++
			rules += len(s.Rules)
		}
	}
	t.Logf("%d of %d, with %d rules", accepted, all, rules)
	if accepted < all*6/10 || rules < 2*accepted {
		t.Errorf("only %d of %d, with %d rules", accepted, all, rules)
	}
}

// daysToTry are days on which something happens, and others.
func daysToTry(t *rapid.T, s *rules.RuleSet, m rules.Moment) (list []calendar.Day) {
	anchors := []calendar.Day{m.Notified}
	for i := range s.Rules {
		anchors = append(anchors, s.Rules[i].Date)
	}
	anchors = slices.DeleteFunc(anchors, func(d calendar.Day) bool { return !d.Known() })
	if len(anchors) == 0 {
		anchors = append(anchors, anyDay.Draw(t, "some day"))
	}
	for i := range 3 {
		m.Today = rapid.SampledFrom(anchors).Draw(t, "around") + calendar.Day(rapid.IntRange(-5, 1000).Draw(t, "days after "+strconv.Itoa(i)))
		list = append(list, m.Today)
		if found, err := s.Changes(&m); err == nil {
			for _, d := range found {
				list = append(list, d-1, d)
			}
		}
	}
	return list
}

func anyMoment(t *rapid.T) rules.Moment {
	m := rules.Moment{Today: anyDay.Draw(t, "today"), Notified: calendar.Unknown, Holidays: anyHolidays.Draw(t, "holidays")}
	if rapid.IntRange(0, 4).Draw(t, "notified") > 0 {
		m.Notified = anyDay.Draw(t, "notification")
		m.Today = m.Notified + calendar.Day(rapid.IntRange(-10, 1500).Draw(t, "days"))
	}
	return m
}
