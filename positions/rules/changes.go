package rules

import (
	"slices"

	"github.com/attualizza/attualizza/positions/calendar"
)

// TermEnds returns the last day of the term in force: the day before something
// that hangs on the notification begins or ends, growth from day to day and from
// semester to semester apart. It is [calendar.Unknown] when there is none, or the
// notification has not taken effect.
func (s *RuleSet) TermEnds(m *Moment) calendar.Day {
	ends := calendar.Never
	for i := range s.Rules {
		r := &s.Rules[i]
		if r.Anchor != Notification || m.Notified == calendar.Unknown {
			continue
		}
		first, last := r.window(m.Notified, m.Holidays)
		switch {
		case first > last:
		case m.Today < first:
			ends = min(ends, first-1)
		case m.Today <= last:
			ends = min(ends, last)
		}
	}
	if ends == calendar.Never {
		return calendar.Unknown
	}
	return ends
}

// Bounds of the look ahead.
const (
	semestersAhead = 4
	daysAhead      = 400 // until interest has grown by a cent, or never
)

// Changes returns the days after today on which what is owed changes, as far as
// it is known: every beginning and end of a rule, the next semesters, and, while
// interest accrues, the next day on which it is more.
func (s *RuleSet) Changes(m *Moment) ([]calendar.Day, error) {
	var days []calendar.Day
	for i := range s.Rules {
		r := &s.Rules[i]
		first, last := r.window(m.Notified, m.Holidays)
		if first > last {
			continue
		}
		days = append(days, first)
		if last != calendar.Never {
			days = append(days, last+1)
		}
		if r.Effect.Type == PerSemester {
			next := semesters(first, m.Today) + 1
			for n := next; n < next+semestersAhead; n++ {
				days = append(days, first.AddMonths(6*n))
			}
		}
		if r.Effect.Type == Accrue {
			day, err := s.grows(m, max(first, m.Today+1), last)
			if err != nil {
				return nil, err
			}
			days = append(days, day)
		}
	}
	slices.Sort(days)
	var changes []calendar.Day
	for _, day := range slices.Compact(days) {
		if !day.Known() || day <= m.Today {
			continue
		}
		different, err := s.differs(m, day)
		if err != nil {
			return changes, err
		}
		if different {
			changes = append(changes, day)
		}
	}
	return changes, nil
}

// grows returns the next day, from one on, on which the amount is another than on
// the day before.
func (s *RuleSet) grows(m *Moment, from, last calendar.Day) (calendar.Day, error) {
	for day := from; day <= last && day < from+daysAhead; day++ {
		if different, err := s.differs(m, day); different || err != nil {
			return day, err
		}
	}
	return calendar.Unknown, nil
}

// differs reports whether a day has another amount than the day before, or one of
// them cannot be paid.
func (s *RuleSet) differs(m *Moment, day calendar.Day) (bool, error) {
	eve, then := *m, *m
	eve.Today, then.Today = day-1, day
	a, err := s.At(&eve)
	if err != nil {
		return false, err
	}
	b, err := s.At(&then)
	return a.Total != b.Total || a.Payable() != b.Payable(), err
}

// PayableOn reports whether no rule forbids to pay on a day, by what is known at a
// moment.
func (s *RuleSet) PayableOn(m *Moment, day calendar.Day) bool {
	then := *m
	then.Today = day
	for i := range s.Rules {
		if s.Rules[i].Effect.Type == NotPayable && s.Rules[i].HoldsOn(&then) {
			return false
		}
	}
	return true
}
