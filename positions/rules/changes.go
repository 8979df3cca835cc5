package rules

import (
	"slices"

	"github.com/attualizza/attualizza/internal/money"
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
	daysAhead      = 400 // of all rules together, until interest has grown by a cent
)

// Changes returns the days after today on which what is owed changes, as far as
// it is known: every beginning and end of a rule, the next semesters, and, while
// interest accrues, the next day on which it is more. A day on which it becomes too
// large is one of them; [ErrTooLarge] when it is so today.
func (s *RuleSet) Changes(m *Moment) ([]calendar.Day, error) {
	if s.owed(m, m.Today).tooLarge {
		return nil, ErrTooLarge
	}
	var days []calendar.Day
	left := daysAhead
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
			days = append(days, s.grows(m, max(first, m.Today+1), last, &left))
		}
	}
	slices.Sort(days)
	return slices.DeleteFunc(slices.Compact(days), func(day calendar.Day) bool {
		return day <= m.Today || day.Year() > 9999 || s.owed(m, day) == s.owed(m, day-1)
	}), nil
}

// grows returns the next day, from one on, on which the amount is another than on
// the day before, [calendar.Unknown] when there is none among so many as are left.
func (s *RuleSet) grows(m *Moment, from, last calendar.Day, left *int) calendar.Day {
	before := s.owed(m, from-1)
	for day := from; day <= last && *left > 0; day++ {
		*left--
		if s.owed(m, day) != before {
			return day
		}
	}
	return calendar.Unknown
}

// owed is what a day comes to.
type owed struct {
	total             money.Cents
	payable, tooLarge bool
}

// owed evaluates the set on a day, by what is known at a moment.
func (s *RuleSet) owed(m *Moment, day calendar.Day) owed {
	then := *m
	then.Today = day
	a, err := s.At(&then)
	switch {
	case !a.Payable(): // nobody is asked for it, however much it is
		return owed{}
	case err != nil:
		return owed{tooLarge: true}
	}
	return owed{total: a.Total, payable: true}
}

// PayableOn reports whether no rule forbids to pay on a day, by what is known at a
// moment.
func (s *RuleSet) PayableOn(m *Moment, day calendar.Day) bool {
	then := *m
	then.Today = day
	return s.forbidding(&then) < 0
}
