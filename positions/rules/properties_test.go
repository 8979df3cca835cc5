package rules_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions/calendar"
	"github.com/attualizza/attualizza/positions/internal/document"
	"github.com/attualizza/attualizza/positions/rules"
)

// What is accepted can be answered on every day: the schema of paForNode carries
// no transfer of nothing (stAmountNonZero).
func TestNoTransferOfAnAcceptedSetEverComesToNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, m := acceptedSet(t), anyMoment(t)
		transfers := transfersOf(s)
		for _, today := range daysToTry(t, s, m) {
			m.Today = today
			a, err := s.At(&m)
			if err != nil {
				continue
			}
			if wrong := negative(&a, transfers); wrong != "" {
				t.Fatalf("on %s %s", today, wrong)
			}
		}
	})
}

// negative tells which component is below zero or which transfer not above it.
func negative(a *rules.Amount, transfers rules.Transfers) string {
	sums := map[int]money.Cents{}
	for _, c := range a.Parts {
		if c.Amount < 0 {
			return fmt.Sprintf("component %s is %d", c.Code, c.Amount)
		}
		sums[c.TransferID] += c.Amount
	}
	for id, given := range transfers {
		if sums[id] <= 0 && given.Amount > 0 {
			return fmt.Sprintf("transfer %d is %d", id, sums[id])
		}
	}
	return ""
}

func TestLinesLeadFromTheBaseToTheTotal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, m := acceptedSet(t), anyMoment(t)
		a, err := s.At(&m)
		if err != nil {
			return
		}
		lines, parts := map[string]money.Cents{}, map[string]money.Cents{}
		var sum money.Cents
		for _, c := range s.Parts {
			lines[c.Code] += c.Amount
		}
		for i, l := range a.Lines {
			lines[l.Component] += l.Change
			if l.Change == 0 || i > 0 && l.Rule < a.Lines[i-1].Rule || !s.Rules[l.Rule].HoldsOn(&m) || m.Today < l.First || m.Today > l.Last {
				t.Fatalf("line %+v of %+v", l, a.Lines)
			}
		}
		for _, c := range a.Parts {
			parts[c.Code] += c.Amount
			sum += c.Amount
			if lines[c.Code] != c.Amount {
				t.Fatalf("the lines lead to %d of %s, which is %d", lines[c.Code], c.Code, c.Amount)
			}
		}
		if sum != a.Total || len(parts) != len(a.Parts) {
			t.Fatalf("%d is not the sum of %+v", a.Total, a.Parts)
		}
	})
}

func TestAnEvaluationChangesNothingAndDependsOnNothingElse(t *testing.T) {
	local := time.Local
	defer func() { time.Local = local }()
	zones := []*time.Location{time.UTC, time.FixedZone("far east", 14*3600), time.FixedZone("far west", -12*3600), calendar.Rome}
	rapid.Check(t, func(t *rapid.T) {
		s, m := acceptedSet(t), anyMoment(t)
		before := written(&testing.T{}, s)
		first, err := s.At(&m)
		changes, wrong := s.Changes(&m)
		for _, zone := range zones {
			time.Local = zone
			again, err2 := s.At(&m)
			changes2, wrong2 := s.Changes(&m)
			if !reflect.DeepEqual(first, again) || err != err2 || !slices.Equal(changes, changes2) || wrong != wrong2 {
				t.Fatalf("%+v, %v\nand then\n%+v, %v", first, err, again, err2)
			}
		}
		if after := written(&testing.T{}, s); before != after {
			t.Fatalf("%s\nbecame\n%s", before, after)
		}
	})
}

func TestASetComesToWhatTheOracleSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, m := acceptedSet(t), anyMoment(t)
		for i, today := range daysToTry(t, s, m) {
			if i == 8 {
				break
			}
			m.Today = today
			a, err := s.At(&m)
			o := consult(s, &m)
			if (err != nil) != o.tooLarge {
				t.Fatalf("on %s: %v, and the oracle says too large: %t", today, err, o.tooLarge)
			}
			if err != nil {
				continue
			}
			parts := slices.DeleteFunc(slices.Clone(a.Parts), func(c rules.Component) bool {
				return c.Amount == 0 && !slices.ContainsFunc(s.Parts, func(p rules.Component) bool { return p.Code == c.Code })
			})
			if !slices.Equal(parts, o.parts) || a.Total != o.total() || a.Forbidding != o.forbidden {
				t.Fatalf("notified on %s, on %s:\n%+v, rule %d\nand the oracle says\n%+v, rule %d\nof %s", m.Notified, today, a.Parts, a.Forbidding, o.parts, o.forbidden, written(&testing.T{}, s))
			}
		}
	})
}

// Between two changes that are told nothing changes, as far as three years ahead.
func TestNoChangeIsLeftOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, m := acceptedSet(t), anyMoment(t)
		s.Rules = slices.DeleteFunc(s.Rules, func(r rules.Rule) bool { return r.Effect.Type == rules.Accrue || r.Effect.Type == rules.PerSemester })
		if !acceptable(s) { // it may have read interest
			return
		}
		changes, err := s.Changes(&m)
		if err != nil {
			return
		}
		if !slices.IsSorted(changes) || len(slices.Compact(slices.Clone(changes))) != len(changes) || len(changes) > 0 && changes[0] <= m.Today {
			t.Fatalf("%v after %s", changes, m.Today)
		}
		then := m
		before, errBefore := s.At(&then)
		for then.Today = m.Today + 1; then.Today < m.Today+3*365; then.Today++ {
			a, err := s.At(&then)
			changed := a.Payable() != before.Payable() || a.Payable() && ((err == nil) != (errBefore == nil) || err == nil && a.Total != before.Total)
			if changed != slices.Contains(changes, then.Today) {
				t.Fatalf("on %s from %d to %d, but %v is told", then.Today, before.Total, a.Total, changes)
			}
			before, errBefore = a, err
		}
	})
}

// Whoever gets more time never pays more for it: of sets that lower an amount
// until the end of a term and raise it afterwards.
func TestAnExtensionNeverRaisesTheAmountWithinIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := anyHolidays.Draw(t, "holidays")
		terms := func(n int, unit calendar.Unit) *rules.Term {
			return &rules.Term{Span: calendar.Span{Unit: unit, Count: n, WithoutAugust: rapid.Bool().Draw(t, "without August")}, Roll: rapid.Bool().Draw(t, "rolls")}
		}
		draw := func() *rules.Term {
			return terms(rapid.SampledFrom([]int{5, 30, 60}).Draw(t, "count"), rapid.SampledFrom([]calendar.Unit{calendar.Days, calendar.Days, calendar.Months}).Draw(t, "unit"))
		}
		parts := []rules.Component{part("FINE", 17300), part("SANCTION", 999), part("EXPENSES", 500)}
		s := setOf(parts)
		for i := range rapid.IntRange(1, 2).Draw(t, "levels") { // what a component is set to is no less than it was
			s.Rules = append(s.Rules, rules.Rule{Anchor: rules.Notification, After: draw(), Effect: set(parts[i].Amount+money.Cents(rapid.IntRange(0, 20000).Draw(t, "more")), parts[i].Code)})
		}
		for range rapid.IntRange(1, 5).Draw(t, "rules") {
			code := rapid.SampledFrom(parts).Draw(t, "component").Code
			r := rules.Rule{Anchor: rules.Notification}
			switch rapid.IntRange(0, 5).Draw(t, "kind") {
			case 0:
				r.Until, r.Effect = draw(), percent("-30", code)
			case 1:
				r.Until, r.Effect = draw(), add(-100, code)
			case 2:
				r.After, r.Effect = draw(), percent("10", code)
			case 3:
				r.From, r.Effect = draw(), add(70, code)
				r.From.Roll = false
				r.From.Count++
			case 4:
				r.After, r.Effect = draw(), perSemester("10", code)
			case 5:
				r.From, r.Effect = draw(), interest("36.5", code)
				r.From.Roll = false
				r.From.Count++
			}
			s.Rules = append(s.Rules, r)
		}
		notified := anyDay.Draw(t, "notified")
		p := rapid.SampledFrom(rules.Terms(s.Rules)).Draw(t, "term")
		p.To = notified + calendar.Day(rapid.IntRange(1, 400).Draw(t, "to"))
		extended := &rules.RuleSet{Parts: s.Parts, Rules: rules.Clone(s.Rules), Carrier: 1}
		if p.Apply(extended.Rules) == 0 {
			t.Fatalf("%+v is no term", p)
		}
		for today := notified; today <= p.To; today++ {
			m := rules.Moment{Today: today, Notified: notified, Holidays: h}
			was, err1 := s.At(&m)
			is, err2 := extended.At(&m)
			if err1 != nil || err2 != nil || is.Total > was.Total {
				t.Fatalf("with %+v on %s: %d, without %d; %s", p, today, is.Total, was.Total, written(&testing.T{}, s))
			}
		}
	})
}

func FuzzRuleSet(f *testing.F) {
	type stored struct {
		Components  []rules.Component
		AmountRules []rules.Rule
	}
	for _, s := range []*rules.RuleSet{fine(), assessment(), setOf([]rules.Component{part("A", money.Max)}, always(percent("1000", "A")))} {
		f.Add([]byte(written(f, stored{s.Parts, s.Rules})), uint64(1))
	}
	f.Fuzz(func(t *testing.T, text []byte, seed uint64) {
		var given stored
		if document.Read(text, &given) != nil {
			return
		}
		s := &rules.RuleSet{Parts: given.Components, Rules: given.AmountRules, Carrier: 1}
		for i := range s.Parts {
			if s.Parts[i].TransferID == 0 {
				s.Parts[i].TransferID = 1
			}
		}
		transfers := transfersOf(s)
		if len(problems(s, transfers)) > 0 {
			return
		}
		s.Warn(seed%2 == 0, func(string, string) {})
		random := rand.New(rand.NewPCG(seed, 0))
		for range 50 {
			m := rules.Moment{Today: calendar.Of(2000+random.IntN(100), 1, random.IntN(366)), Notified: calendar.Unknown}
			if random.IntN(5) > 0 {
				m.Notified = m.Today - calendar.Day(random.IntN(800))
			}
			a, err := s.At(&m)
			if err != nil {
				continue
			}
			if wrong := negative(&a, transfers); wrong != "" {
				t.Fatalf("on %s %s of %s", m.Today, wrong, text)
			}
			for i := range a.Lines {
				s.Words(&a.Lines[i])
			}
			s.TermEnds(&m)
		}
	})
}
