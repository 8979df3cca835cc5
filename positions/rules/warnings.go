package rules

import (
	"fmt"
	"slices"

	"github.com/attualizza/attualizza/positions/calendar"
)

// Warn reports what is accepted of a valid set and probably a slip. dated tells
// whether the notification can take effect at all, because SEND is asked.
func (s *RuleSet) Warn(dated bool, report Report) {
	for i := range s.Rules {
		r := &s.Rules[i]
		at := pointerTo(i)
		if r.Until != nil && (r.Effect.Type == Accrue || r.Effect.Type == PerSemester) {
			report(at+"/until", "what has accrued until then is no longer asked afterwards")
		}
		if r.Effect.Type == NotPayable && !r.starts() && r.Until == nil {
			report(at, "the notice can never be paid: the rule has neither a first nor a last day")
		}
		if r.Anchor == Notification && !dated && (r.starts() || r.Until != nil) {
			what := "the rule holds for ever"
			if r.starts() {
				what = "the rule never holds"
			}
			report(at+"/anchor", "the notice is not SEND-bound, so the day of its notification is never known and "+what+": set sendBound, or use anchor DATE with that day")
		}
		if j := s.accruedAfter(i); j >= 0 {
			report(at, fmt.Sprintf("reads %s before rule %d accrues it: move that rule before this one if its interest is meant", Interest, j))
		}
		for j := range i {
			if code := s.clash(j, i); code != "" {
				report(at, fmt.Sprintf("on some days it changes %s after rule %d has: both count, in this order", code, j))
				break // one says it
			}
		}
	}
}

// accruedAfter returns the first rule after one that accrues the interest that it
// reads, -1 when there is none or another accrued some before.
func (s *RuleSet) accruedAfter(i int) int {
	accrues := func(r Rule) bool { return r.Effect.Type == Accrue }
	if !slices.Contains(s.Rules[i].Effect.Components, Interest) || slices.ContainsFunc(s.Rules[:i+1], accrues) {
		return -1
	}
	if j := slices.IndexFunc(s.Rules[i:], accrues); j >= 0 {
		return i + j
	}
	return -1
}

// clash returns a component that two rules both set, or both change by a part of
// itself, on days that they have in common; "" when there is none.
func (s *RuleSet) clash(i, j int) string {
	a, b := &s.Rules[i], &s.Rules[j]
	if a.Anchor != b.Anchor || !a.Effect.scales() || !b.Effect.scales() {
		return ""
	}
	notified := calendar.Of(2025, 3, 3) // an ordinary Monday
	first, last := a.window(notified, calendar.Holidays{})
	from, to := b.window(notified, calendar.Holidays{})
	if max(first, from) > min(last, to) {
		return ""
	}
	for _, code := range b.Effect.Components {
		if slices.Contains(a.Effect.Components, code) {
			return code
		}
	}
	return ""
}

// scales reports whether the effect replaces a component, or changes it by a part
// of itself.
func (e *Effect) scales() bool { return e.Type == Set || e.Type == Proportion && e.To == "" }
