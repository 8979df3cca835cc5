package rules

import "github.com/attualizza/attualizza/positions/calendar"

// window returns the first and the last day of a rule; first is
// [calendar.Unknown] when it has no first day, last [calendar.Never] when it has
// no last one. A rule that cannot be placed yet, because the notification has not
// taken effect, holds always when it has no first day and otherwise never (first
// after last).
func (r *Rule) window(notified calendar.Day, h calendar.Holidays) (first, last calendar.Day) {
	first, last = calendar.Unknown, calendar.Never
	anchor := notified
	if r.Anchor == Date {
		anchor = r.Date
	}
	if anchor == calendar.Unknown {
		if r.starts() {
			return calendar.Never, calendar.Unknown
		}
		return first, last
	}
	switch {
	case r.From != nil:
		first = max(r.From.After(anchor), r.From.PostponedTo+1)
	case r.After != nil:
		first = r.After.end(anchor, h) + 1
	}
	if r.Until != nil {
		last = r.Until.end(anchor, h)
	}
	return first, last
}

// starts reports whether the rule has a first day.
func (r *Rule) starts() bool { return r.From != nil || r.After != nil }

// end returns the last day of the term.
func (t *Term) end(anchor calendar.Day, h calendar.Holidays) calendar.Day {
	return max(t.Ends(anchor, t.Roll, h), t.PostponedTo)
}

// HoldsOn reports whether the rule holds on the day of a moment.
func (r *Rule) HoldsOn(m *Moment) bool {
	first, last := r.window(m.Notified, m.Holidays)
	return first <= m.Today && m.Today <= last
}
