package rules_test

import (
	"slices"
	"testing"

	"github.com/attualizza/attualizza/positions/calendar"
	"github.com/attualizza/attualizza/positions/rules"
)

func sixty(to calendar.Day) *rules.Postponed {
	return &rules.Postponed{Anchor: rules.Notification, Span: days(60).Span, To: to}
}

func TestAPostponedTermMovesAllThatHangsOnIt(t *testing.T) {
	s := fine()
	notified, to := day("2026-03-02"), day("2026-07-31")
	if n := sixty(to).Apply(s.Rules); n != 2 {
		t.Fatalf("%d terms", n)
	}
	for today, want := range map[string]int64{"2026-03-07": 12110 + 1520, "2026-05-03": 17300 + 1520, "2026-07-31": 17300 + 1520, "2026-08-01": 34600 + 1520, "2027-01-31": 34600 + 1520, "2027-02-01": 38060 + 1520} {
		if a := at(t, s, rules.Moment{Today: day(today), Notified: notified}); int64(a.Total) != want {
			t.Errorf("on %s %d, want %d", today, a.Total, want)
		}
	}
	if got := s.TermEnds(&rules.Moment{Today: day("2026-04-01"), Notified: notified}); got != to {
		t.Errorf("the term ends on %s", got)
	}
	if n := sixty(calendar.Unknown).Apply(s.Rules); n != 2 {
		t.Fatalf("taking it back concerns %d terms", n)
	}
	for i, r := range fine().Rules {
		if written(t, r) != written(t, s.Rules[i]) {
			t.Errorf("rule %d is not what it was", i)
		}
	}
}

func TestOnlyTheTermThatIsMeantIsPostponed(t *testing.T) {
	list := []rules.Rule{
		{Anchor: rules.Notification, Until: days(60)},
		{Anchor: rules.Notification, Until: rolled(days(60))},
		{Anchor: rules.Notification, Until: withoutAugust(days(60))},
		{Anchor: rules.Notification, Until: days(61)},
		{Anchor: rules.Notification, Until: months(60)},
		{Anchor: rules.Notification, After: days(60), Until: days(90)},
		{Anchor: rules.Notification, From: days(61)},
		{Anchor: rules.Notification, From: days(60)},
		{Anchor: rules.Notification, From: months(61)},
		{Anchor: rules.Date, Date: day("2026-03-02"), Until: days(60)},
		{Anchor: rules.Date, Date: day("2026-03-03"), Until: days(60)},
	}
	to := day("2030-01-01")
	moved := func(p rules.Postponed) (which []int) {
		copied := rules.Clone(list)
		p.To = to
		n := p.Apply(copied)
		for i, r := range copied {
			for _, term := range []*rules.Term{r.From, r.After, r.Until} {
				if term != nil && term.PostponedTo == to {
					which = append(which, i)
					n--
				}
			}
		}
		if n != 0 {
			t.Errorf("%+v: %d terms were told too many", p, n)
		}
		return which
	}
	for _, c := range []struct {
		p    rules.Postponed
		want []int
	}{
		{rules.Postponed{Anchor: rules.Notification, Span: days(60).Span}, []int{0, 1, 5, 6}},
		{rules.Postponed{Anchor: rules.Notification, Span: withoutAugust(days(60)).Span}, []int{2}},
		{rules.Postponed{Anchor: rules.Notification, Span: months(60).Span}, []int{4}},
		{rules.Postponed{Anchor: rules.Notification, Span: days(59).Span}, []int{7}},
		{rules.Postponed{Anchor: rules.Notification, Span: days(90).Span}, []int{5}},
		{rules.Postponed{Anchor: rules.Notification, Span: days(30).Span}, nil},
		{rules.Postponed{Anchor: rules.Date, Date: day("2026-03-02"), Span: days(60).Span}, []int{9}},
		{rules.Postponed{Anchor: rules.Date, Span: days(60).Span}, nil},
	} {
		if got := moved(c.p); !slices.Equal(got, c.want) {
			t.Errorf("%+v moves %v, want %v", c.p, got, c.want)
		}
	}
	terms := rules.Terms(list)
	for _, p := range terms {
		if len(moved(p)) == 0 {
			t.Errorf("%+v is a term that cannot be postponed", p)
		}
	}
	if len(terms) != 8 { // 60, 60 without August, 61, 60 months, 90, 59 days; 60 days of two dates
		t.Errorf("%d terms: %+v", len(terms), terms)
	}
}
