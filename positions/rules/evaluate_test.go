package rules_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions/calendar"
	"github.com/attualizza/attualizza/positions/rules"
)

func TestEveryEffectOnTheComponents(t *testing.T) {
	notified := day("2026-03-02") // a Monday
	bounded := func(e rules.Effect, most money.Cents) rules.Effect {
		e.Max = most
		return e
	}
	into := func(e rules.Effect, to string) rules.Effect {
		e.To = to
		return e
	}
	from := func(n int, e rules.Effect) rules.Rule {
		return rules.Rule{Anchor: rules.Notification, From: days(n), Effect: e}
	}
	ab := []rules.Component{part("A", 10000), part("B", 5001), part("C", 0)}
	for _, c := range []struct {
		name  string
		parts []rules.Component
		list  []rules.Rule
		after int           // days from the notification to today
		want  []money.Cents // of the parts, in order
	}{
		{"no rule leaves the parts", ab, nil, 0, []money.Cents{10000, 5001, 0}},
		{"a percentage is taken from each component, each rounded once", ab, []rules.Rule{always(percent("-30", "A", "B"))}, 0, []money.Cents{7000, 3501, 0}}, // 1500.3
		{"a half cent taken rounds the new value up", []rules.Component{part("A", 15)}, []rules.Rule{always(percent("-30", "A"))}, 0, []money.Cents{11}},      // 10.5
		{"a half cent added rounds it up too", []rules.Component{part("A", 15)}, []rules.Rule{always(percent("30", "A"))}, 0, []money.Cents{20}},              // 19.5
		{"a fraction is exact", []rules.Component{part("A", 30000)}, []rules.Rule{always(percent("-2/3", "A"))}, 0, []money.Cents{10000}},
		{"a fraction leaves thirds rounded", []rules.Component{part("A", 10000)}, []rules.Rule{always(percent("-2/3", "A"))}, 0, []money.Cents{3333}},
		{"all of a component can be taken", ab, []rules.Rule{always(percent("-100", "B"))}, 0, []money.Cents{10000, 0, 0}},
		{"rules run in order on what those before left", ab, []rules.Rule{always(percent("-50", "A")), always(percent("10", "A"))}, 0, []money.Cents{5500, 5001, 0}},
		{"a percentage of a sum goes to one component, rounded once", ab, []rules.Rule{always(into(percent("3", "A", "B"), "C"))}, 0, []money.Cents{10000, 5001, 450}}, // 450.03
		{"a component may be base and target", ab, []rules.Rule{always(into(percent("10", "A", "B"), "B"))}, 0, []money.Cents{10000, 6501, 0}},
		{"what goes to one component may lower it, to nothing at the least", ab, []rules.Rule{always(into(percent("-60", "A"), "B"))}, 0, []money.Cents{10000, 0, 0}},
		{"a bound caps what is added", ab, []rules.Rule{always(bounded(into(percent("3", "A", "B"), "C"), 300))}, 0, []money.Cents{10000, 5001, 300}},
		{"a bound that is not reached does nothing", ab, []rules.Rule{always(bounded(into(percent("3", "A", "B"), "C"), 451))}, 0, []money.Cents{10000, 5001, 450}},
		{"a bound caps what is taken", ab, []rules.Rule{always(bounded(percent("-30", "A"), 100))}, 0, []money.Cents{9900, 5001, 0}},
		{"a bound is shared by components in their order", ab, []rules.Rule{always(bounded(percent("10", "A", "B"), 1200))}, 0, []money.Cents{11000, 5201, 0}},
		{"a bound that the first component uses up leaves nothing to the next", ab, []rules.Rule{always(bounded(percent("-10", "A", "B"), 1000))}, 0, []money.Cents{9000, 5001, 0}},
		{"a component is replaced", ab, []rules.Rule{always(set(123, "B"))}, 0, []money.Cents{10000, 123, 0}},
		{"a component is replaced by nothing", ab, []rules.Rule{always(set(0, "B"))}, 0, []money.Cents{10000, 0, 0}},
		{"an amount is added", ab, []rules.Rule{always(add(250, "C"))}, 0, []money.Cents{10000, 5001, 250}},
		{"an amount is taken", ab, []rules.Rule{always(add(-5000, "B"))}, 0, []money.Cents{10000, 1, 0}},
		{"no more is taken than there is", ab, []rules.Rule{always(add(-5002, "B"))}, 0, []money.Cents{10000, 0, 0}},
		{"interest of the first day alone", []rules.Component{part("A", 36500000)}, []rules.Rule{from(10, interest("1", "A"))}, 10, []money.Cents{36500000, 1000}},
		{"no interest the day before", []rules.Component{part("A", 36500000)}, []rules.Rule{from(10, interest("1", "A"))}, 9, []money.Cents{36500000}},
		{"interest of a year is the rate", []rules.Component{part("A", 36500000)}, []rules.Rule{from(1, interest("2.5", "A"))}, 365, []money.Cents{36500000, 912500}},
		{"interest that is not yet half a cent is none", []rules.Component{part("A", 100)}, []rules.Rule{from(0, interest("1", "A"))}, 100, []money.Cents{100, 0}},
		{"interest goes to its own component where there is one", []rules.Component{part("INTEREST", 7), part("A", 36500000)}, []rules.Rule{from(10, interest("1", "A"))}, 11, []money.Cents{2007, 36500000}},
		{"legal interest is that of the year", []rules.Component{part("A", 36500000)}, []rules.Rule{from(10, legal("A"))}, 10, []money.Cents{36500000, 1600}},
		{"interest is a base for rules after it", []rules.Component{part("A", 36500000)}, []rules.Rule{from(10, interest("1", "A")), from(10, percent("-50", "INTEREST"))}, 10, []money.Cents{36500000, 500}},
		{"half a year less a day is no semester", ab, []rules.Rule{from(0, perSemester("10", "A"))}, 183, []money.Cents{10000, 5001, 0}},
		{"a semester is complete on the same-numbered day", ab, []rules.Rule{from(0, perSemester("10", "A"))}, 184, []money.Cents{11000, 5001, 0}}, // 2 September
		{"two semesters", ab, []rules.Rule{from(0, perSemester("10", "A"))}, 365, []money.Cents{12000, 5001, 0}},
		{"semesters are rounded once, together", []rules.Component{part("A", 5)}, []rules.Rule{from(0, perSemester("10", "A"))}, 365, []money.Cents{6}},
		{"semesters of several components into one, up to a bound", ab, []rules.Rule{from(0, bounded(into(perSemester("10", "A", "B"), "C"), 2000))}, 365, []money.Cents{10000, 5001, 2000}},
	} {
		s := setOf(c.parts, c.list...)
		if wrong := problems(s, transfersOf(s)); len(wrong) > 0 && !strings.Contains(wrong[0], "could bring") {
			t.Errorf("%s: %q", c.name, wrong)
			continue
		}
		a := at(t, s, rules.Moment{Today: notified + calendar.Day(c.after), Notified: notified})
		var got []money.Cents
		for _, p := range a.Parts {
			got = append(got, p.Amount)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

func TestRulesHoldFromTheirFirstToTheirLastDay(t *testing.T) {
	notified := day("2026-12-20")
	for _, c := range []struct {
		name        string
		rule        rules.Rule
		first, last string // "" none
	}{
		{"no term", rules.Rule{}, "", ""},
		{"until", rules.Rule{Until: days(5)}, "", "2026-12-25"},
		{"until, rolled", rules.Rule{Until: rolled(days(5))}, "", "2026-12-28"},
		{"after", rules.Rule{After: days(5)}, "2026-12-26", ""},
		{"after, rolled", rules.Rule{After: rolled(days(5))}, "2026-12-29", ""},
		{"from is that day", rules.Rule{From: days(5)}, "2026-12-25", ""},
		{"from none is the anchor itself", rules.Rule{From: days(0)}, "2026-12-20", ""},
		{"after none is the day after", rules.Rule{After: days(0)}, "2026-12-21", ""},
		{"from and until on one day", rules.Rule{From: days(5), Until: days(5)}, "2026-12-25", "2026-12-25"},
		{"after and until", rules.Rule{After: rolled(days(5)), Until: months(2)}, "2026-12-29", "2027-02-20"},
		{"a given date", rules.Rule{Anchor: rules.Date, Date: day("2026-06-30"), After: months(1), Until: months(2)}, "2026-07-31", "2026-08-30"},
		{"postponed", rules.Rule{Until: &rules.Term{Span: days(5).Span, PostponedTo: day("2027-01-31")}}, "", "2027-01-31"},
		{"postponed to an earlier day than its own", rules.Rule{Until: &rules.Term{Span: days(5).Span, PostponedTo: day("2026-12-22")}}, "", "2026-12-25"},
		{"after a postponed term", rules.Rule{After: &rules.Term{Span: days(5).Span, PostponedTo: day("2027-01-31")}}, "2027-02-01", ""},
		{"from the day after a postponed term", rules.Rule{From: &rules.Term{Span: days(6).Span, PostponedTo: day("2027-01-31")}}, "2027-02-01", ""},
		{"from a day that is later than the postponement", rules.Rule{From: &rules.Term{Span: days(6).Span, PostponedTo: day("2026-12-22")}}, "2026-12-26", ""},
	} {
		r := c.rule
		if r.Anchor == "" {
			r.Anchor = rules.Notification
		}
		r.Effect = add(1, "A")
		for d := notified - 400; d < notified+400; d++ {
			want := (c.first == "" || d >= day(c.first)) && (c.last == "" || d <= day(c.last))
			if got := r.HoldsOn(&rules.Moment{Today: d, Notified: notified}); got != want {
				t.Errorf("%s: on %s %t", c.name, d, got)
			}
			for _, l := range at(t, setOf([]rules.Component{part("A", 1)}, r), rules.Moment{Today: d, Notified: notified}).Lines {
				if l.First.String() != c.first || l.Last.String() != c.last {
					t.Fatalf("%s: the line tells %q to %q", c.name, l.First, l.Last)
				}
			}
		}
	}
}

func TestBeforeTheNotificationOnlyRulesWithoutAFirstDayHold(t *testing.T) {
	m := rules.Moment{Today: day("2026-03-02"), Notified: calendar.Unknown}
	for name, c := range map[string]struct {
		rule rules.Rule
		want bool
	}{
		"none":           {rules.Rule{}, true},
		"until":          {rules.Rule{Until: days(5)}, true},
		"until nothing":  {rules.Rule{Until: days(0)}, true},
		"after":          {rules.Rule{After: days(0)}, false},
		"from":           {rules.Rule{From: days(0)}, false},
		"from and until": {rules.Rule{From: days(0), Until: days(9)}, false},
		"postponed":      {rules.Rule{From: &rules.Term{Span: days(1).Span, PostponedTo: day("2020-01-01")}}, false},
	} {
		c.rule.Anchor = rules.Notification
		if got := c.rule.HoldsOn(&m); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
		c.rule.Anchor, c.rule.Date = rules.Date, m.Today
		if c.rule.HoldsOn(&m) != (c.rule.After == nil && (c.rule.From == nil || c.rule.From.Count == 0)) {
			t.Errorf("%s: a given date waits for the notification", name)
		}
	}
}

func TestTheFirstRuleThatForbidsIsTold(t *testing.T) {
	no := rules.Effect{Type: rules.NotPayable}
	s := setOf([]rules.Component{part("A", 100)},
		always(percent("-10", "A")),
		rules.Rule{Anchor: rules.Notification, After: days(60), Effect: no},
		rules.Rule{Anchor: rules.Notification, After: days(30), Until: days(90), Effect: no})
	notified := day("2026-03-02")
	for n, want := range map[calendar.Day]int{0: -1, 30: -1, 31: 2, 60: 2, 61: 1, 90: 1, 91: 1} {
		m := rules.Moment{Today: notified, Notified: notified}
		then := m
		then.Today += n
		a := at(t, s, then)
		if a.Forbidding != want || a.Payable() != (want < 0) || s.PayableOn(&m, then.Today) != a.Payable() {
			t.Errorf("day %d: %d", n, a.Forbidding)
		}
		if a.Total != 90 {
			t.Errorf("day %d: %d", n, a.Total)
		}
	}
}

func TestWhatIsTooLargeIsSaidSoAndNeverWrapsAround(t *testing.T) {
	m := rules.Moment{Today: day("9998-12-31"), Notified: day("2000-01-03")}
	whole := []rules.Component{part("A", money.Max)}
	much := percent("1000", "A")
	for name, s := range map[string]*rules.RuleSet{
		"one cent added":          setOf(whole, always(add(1, "A"))),
		"a part added":            setOf(whole, always(percent("0.0001", "A"))),
		"two parts":               setOf([]rules.Component{part("A", money.Max), part("B", 1)}),
		"a base of parts":         setOf([]rules.Component{part("A", money.Max), part("B", 1)}, always(rules.Effect{Type: rules.Proportion, Value: rate("-1"), Components: []string{"A", "B"}, To: "A"})),
		"eleven times, again":     setOf(whole, always(much), always(much), always(much)),
		"eight thousand years":    setOf(whole, rules.Rule{Anchor: rules.Notification, From: days(0), Effect: interest("1000", "A")}),
		"legal, and much more":    setOf(whole, rules.Rule{Anchor: rules.Notification, From: days(0), Effect: rules.Effect{Type: rules.Accrue, Legal: true, Plus: rate("1000"), Components: []string{"A"}}}),
		"sixteen thousand halves": setOf(whole, rules.Rule{Anchor: rules.Notification, From: days(0), Effect: perSemester("1000", "A")}),
		"interest of a sum":       setOf([]rules.Component{part("A", money.Max), part("B", money.Max)}, rules.Rule{Anchor: rules.Notification, From: days(0), Effect: interest("1", "A", "B")}),
	} {
		if _, err := s.At(&m); !errors.Is(err, rules.ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if a := at(t, setOf(whole, always(percent("-0.0001", "A")), always(add(99999, "A"))), m); a.Total != money.Max-1 {
		t.Errorf("%d cents do not fit below the largest amount", a.Total)
	}
}

func TestACloneSharesNothing(t *testing.T) {
	list := assessment().Rules
	copied := rules.Clone(list)
	copied[0].Until.Count, copied[1].After.Count, copied[2].From.Count, copied[3].Effect.Components[0] = 1, 2, 3, "X"
	copied[0].Label = "changed"
	if same := assessment().Rules; !slices.EqualFunc(list, same, func(a, b rules.Rule) bool {
		return written(t, a) == written(t, b)
	}) {
		t.Error("the original changed")
	}
	if rules.Clone(nil) != nil {
		t.Error("no rules became some")
	}
}
