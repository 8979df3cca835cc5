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
		if r.Anchor == Notification && r.starts() && !dated {
			report(at+"/anchor", "holds only once the notification took effect, and the notice is not SEND-bound: that is never known")
		}
		for j := range i {
			if code := s.clash(j, i); code != "" {
				report(at, fmt.Sprintf("on some days it changes %s after rule %d has: both count, in this order", code, j))
				break // one says it
			}
		}
	}
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
