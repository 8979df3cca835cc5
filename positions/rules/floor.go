package rules

import (
	"fmt"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions/calendar"
)

// checkFloor reports rules that could bring a transfer to zero or below, which the
// paForNode schema cannot carry (stAmountNonZero).
//
// It reckons with intervals instead of days: each rule that takes something away
// is thought to hold, every other that could hold at the same time may hold or
// not, and the lowest that the parts of a transfer can come to must be above
// zero. So what is accepted is safe on every day; what is refused may, in rare
// sets, be safe too.
func pointerTo(rule int) string { return fmt.Sprintf("/amountRules/%d", rule) }

func (s *RuleSet) checkFloor(tell tell) {
	told := map[int]bool{}
	for pivot := len(s.Rules) - 1; pivot >= 0; pivot-- {
		if !s.Rules[pivot].Effect.lowers() {
			continue
		}
		for id, floor := range s.floors(pivot) {
			if floor <= 0 && !told[id] {
				told[id] = true
				tell(pointerTo(pivot)+"/effect", "could bring transfer %d to %d cents: a transfer must stay above zero", id, floor)
			}
		}
	}
}

// lowers reports whether an effect can take something away.
func (e *Effect) lowers() bool {
	switch e.Type {
	case Set:
		return true
	case Add:
		return e.Amount < 0
	case Proportion:
		return e.Value.Sign() < 0
	}
	return false
}

// span is what a component can come to.
type span struct{ low, high money.Cents }

// beyond stands for more than anything can be.
const beyond = 4 * money.Max

// floors returns the lowest that each transfer can come to while a rule holds.
func (s *RuleSet) floors(pivot int) map[int]money.Cents {
	spans := map[string]span{Interest: {}}
	for _, c := range s.Parts {
		spans[c.Code] = span{c.Amount, c.Amount}
	}
	for i := range s.Rules {
		if i == pivot || !apart(&s.Rules[pivot], &s.Rules[i]) {
			s.Rules[i].Effect.reckon(spans, i == pivot)
		}
	}
	floors := map[int]money.Cents{}
	for _, c := range s.Parts {
		floors[c.TransferID] += spans[c.Code].low
	}
	return floors
}

// reckon lets an effect change what components can come to; certain: it happens,
// otherwise it may.
func (e *Effect) reckon(spans map[string]span, certain bool) {
	become := func(code string, to span) {
		to.low, to.high = max(0, to.low), max(0, min(to.high, beyond))
		if old := spans[code]; !certain {
			to.low, to.high = min(to.low, old.low), max(to.high, old.high)
		}
		spans[code] = to
	}
	switch e.Type {
	case Set:
		become(e.Components[0], span{e.Amount, e.Amount})
	case Add:
		old := spans[e.Components[0]]
		become(e.Components[0], span{old.low + e.Amount, old.high + e.Amount})
	case Accrue:
		become(Interest, span{spans[Interest].low, beyond})
	case PerSemester:
		for _, code := range e.changes() {
			become(code, span{spans[code].low, beyond})
		}
	case Proportion:
		e.reckonProportion(spans, become)
	}
}

func (e *Effect) reckonProportion(spans map[string]span, become func(string, span)) {
	share := func(base money.Cents) money.Cents {
		change, err := e.Value.of(base, 1)
		if err != nil { // not with bases below beyond and rates below ten
			change = beyond
		}
		if e.Max > 0 {
			change = max(-e.Max, min(e.Max, change))
		}
		return change
	}
	if e.To == "" {
		for _, code := range e.Components {
			old := spans[code]
			become(code, span{old.low + share(old.low), old.high + share(old.high)})
		}
		return
	}
	var base span
	for _, code := range e.Components {
		base.low += spans[code].low
		base.high = min(beyond, base.high+spans[code].high)
	}
	a, b, old := share(base.low), share(base.high), spans[e.To]
	become(e.To, span{old.low + min(a, b), old.high + max(a, b)})
}

// longestRoll is more days than the longest run of holidays moves an end by.
const longestRoll = 8

// apart reports whether two rules can never hold on the same day, whenever the
// notification takes effect and whatever the calendar. It may miss some.
func apart(a, b *Rule) bool { return before(a, b) || before(b, a) }

// before reports whether a has always ended when b begins.
func before(a, b *Rule) bool {
	if a.Until == nil || !b.starts() || a.Anchor != b.Anchor {
		return false
	}
	u := a.Until
	if a.Anchor == Date && a.Date != b.Date {
		_, end := a.window(calendar.Unknown, calendar.Holidays{})
		first, _ := b.window(calendar.Unknown, calendar.Holidays{})
		return first > end+longestRoll
	}
	if t := b.After; t != nil {
		return t.Unit == u.Unit && t.WithoutAugust == u.WithoutAugust && t.Roll == u.Roll && t.Count >= u.Count && t.postponed() >= u.postponed()
	}
	t := b.From
	gap := 1
	if u.Roll {
		gap = longestRoll
		if u.Unit != calendar.Days {
			return false
		}
	}
	return t.Unit == u.Unit && t.WithoutAugust == u.WithoutAugust && t.Count >= u.Count+gap && t.postponed() >= u.postponed()
}
