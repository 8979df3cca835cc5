package rules_test

import (
	"slices"
	"testing"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions/calendar"
	"github.com/attualizza/attualizza/positions/rules"
)

func TestTheTermInForceEndsTheDayBeforeTheNextChangeThatHangsOnTheNotification(t *testing.T) {
	s := fine()
	for _, c := range []struct{ today, notified, want string }{
		{"2026-03-02", "2026-03-02", "2026-03-07"},
		{"2026-03-07", "2026-03-02", "2026-03-07"},
		{"2026-03-08", "2026-03-02", "2026-05-02"}, // day 60 is 1 May
		{"2026-05-02", "2026-03-02", "2026-05-02"},
		{"2026-05-03", "2026-03-02", ""}, // semesters end no term
		{"2026-03-02", "", ""},
		{"2026-12-21", "2026-12-20", "2026-12-28"}, // Christmas, Saint Stephen, Sunday
	} {
		m := rules.Moment{Today: day(c.today), Notified: calendar.Unknown}
		if c.notified != "" {
			m.Notified = day(c.notified)
		}
		if got := s.TermEnds(&m).String(); got != c.want {
			t.Errorf("on %s, notified on %q: %q, want %q", c.today, c.notified, got, c.want)
		}
	}
	for i := range s.Rules {
		s.Rules[i].Anchor, s.Rules[i].Date = rules.Date, day("2026-03-02")
	}
	if got := s.TermEnds(&rules.Moment{Today: day("2026-03-02"), Notified: day("2026-03-02")}); got != calendar.Unknown {
		t.Errorf("terms of a given date end the term of the notification: %s", got)
	}
}

func changes(t *testing.T, s *rules.RuleSet, m rules.Moment) (list []string) {
	t.Helper()
	found, err := s.Changes(&m)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range found {
		list = append(list, d.String())
	}
	return list
}

func TestTheDaysOnWhichTheAmountChanges(t *testing.T) {
	notified := day("2026-03-02")
	m := rules.Moment{Today: notified, Notified: notified}
	a := []rules.Component{part("A", 10000)}
	no := rules.Effect{Type: rules.NotPayable}
	for _, c := range []struct {
		name string
		set  *rules.RuleSet
		m    rules.Moment
		want []string
	}{
		{"a fine", fine(), m, []string{"2026-03-08", "2026-05-03", "2026-11-03", "2027-05-03", "2027-11-03", "2028-05-03"}},
		{"a fine, in its first semester", fine(), rules.Moment{Today: day("2026-11-02"), Notified: notified}, []string{"2026-11-03", "2027-05-03", "2027-11-03", "2028-05-03"}},
		{"a fine, on the day on which a semester is complete", fine(), rules.Moment{Today: day("2026-11-03"), Notified: notified}, []string{"2027-05-03", "2027-11-03", "2028-05-03", "2028-11-03"}},
		{"a fine that was not notified yet", fine(), rules.Moment{Today: notified}, nil},
		{"nothing", setOf(a), m, nil},
		{"no more payable", setOf(a, rules.Rule{Anchor: rules.Notification, After: days(10), Effect: no}), m, []string{"2026-03-13"}},
		{"a rule that changes nothing", setOf(a, rules.Rule{Anchor: rules.Notification, After: days(10), Effect: set(10000, "A")}), m, nil},
		{"two that cancel out", setOf(a, rules.Rule{Anchor: rules.Notification, After: days(10), Effect: add(5, "A")}, rules.Rule{Anchor: rules.Notification, After: days(10), Effect: add(-5, "A")}), m, nil},
		{"interest, on the day of its next cent", setOf(a, rules.Rule{Anchor: rules.Notification, From: days(10), Effect: interest("1", "A")}), m, []string{"2026-03-13"}}, // half a cent after two days
		{"interest, the cent after", setOf(a, rules.Rule{Anchor: rules.Notification, From: days(10), Effect: interest("1", "A")}), rules.Moment{Today: day("2026-03-13"), Notified: notified}, []string{"2026-03-17"}},
		{"interest on nothing", setOf([]rules.Component{part("A", 10000), part("B", 0)}, rules.Rule{Anchor: rules.Notification, From: days(10), Effect: interest("1", "B")}), m, nil},
		{"too large after a while", setOf([]rules.Component{part("A", money.Max)}, rules.Rule{Anchor: rules.Notification, After: days(10), Until: days(20), Effect: add(1, "A")}), m, []string{"2026-03-13", "2026-03-23"}},
		{"the end of all days", setOf(a, rules.Rule{Anchor: rules.Date, Date: day("9998-12-31"), After: days(364), Until: days(3660), Effect: add(1, "A")}), m, []string{"9999-12-31"}},
	} {
		if got := changes(t, c.set, c.m); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	large := setOf([]rules.Component{part("A", money.Max)}, always(add(1, "A")))
	if _, err := large.Changes(&m); err == nil {
		t.Error("what is too large today has changes")
	}
}
