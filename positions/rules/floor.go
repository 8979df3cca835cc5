package rules

import (
	"cmp"
	"maps"
	"slices"

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
func (s *RuleSet) checkFloor(tell tell) {
	told := map[int]bool{}
	for pivot := len(s.Rules) - 1; pivot >= 0; pivot-- {
		if !s.Rules[pivot].Effect.lowers() {
			continue
		}
		floors := s.floors(pivot)
		for _, id := range slices.Sorted(maps.Keys(floors)) {
			if floors[id] == 0 && !told[id] {
				told[id] = true
				tell(pointerTo(pivot)+"/effect", "could bring transfer %d to 0 cents: a transfer must stay above zero", id)
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
		to.low, to.high = max(0, min(to.low, beyond)), max(0, min(to.high, beyond))
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
		if err != nil { // not with bases up to beyond and rates up to ten
			panic(err)
		}
		if e.Max > 0 {
			change = max(-e.Max, min(e.Max, change))
		}
		return change
	}
	if e.To == "" {
		for _, code := range e.Components { // that they share a bound makes the change of one smaller, never larger
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

// longestRoll is the most days that holidays, a patron saint's among them, move an
// end by; one that leaves August out is moved by all of August more.
const longestRoll = 5

// apart reports whether two rules can never hold on the same day, whenever the
// notification takes effect and whatever the calendar. It may miss some.
func apart(a, b *Rule) bool { return before(a, b) || before(b, a) }

// before reports whether a has always ended when b begins.
func before(a, b *Rule) bool {
	u, t := a.Until, cmp.Or(b.After, b.From)
	if u == nil || t == nil || a.Anchor != b.Anchor {
		return false
	}
	if a.Anchor == Date {
		_, last := a.window(calendar.Unknown, calendar.Holidays{})
		first, _ := b.window(calendar.Unknown, calendar.Holidays{})
		if first > last+calendar.Day(u.slack()) {
			return true
		}
		if a.Date != b.Date {
			return false
		}
	}
	if t.PostponedTo < u.PostponedTo {
		return false
	}
	// The first day comes after the day that t is counted to, save with From.
	gap := 0
	if t == b.From {
		gap = 1
	}
	if u.Roll && !t.Roll {
		gap += longestRoll
	}
	if s, v := t.InMonths(), u.InMonths(); s.Unit == v.Unit && s.WithoutAugust == v.WithoutAugust && s.Count >= v.Count+gap {
		return true
	}
	least, _ := t.length()
	_, most := u.length()
	if t == b.From {
		least--
	}
	return least >= most
}

// length returns how many days after its anchor the term ends, at least and at
// most.
func (t *Term) length() (least, most int) {
	least, most = t.Count, t.Count
	if months := t.InMonths().Count; t.Unit != calendar.Days {
		least, most = months*1461/48-4, months*1461/48+4 // months of 30.4375 days
	}
	if t.WithoutAugust {
		most += 31 * (most/334 + 2)
	}
	return least, most + t.slack()
}

// slack returns by how many days holidays can move the end of the term.
func (t *Term) slack() int {
	switch {
	case !t.Roll:
		return 0
	case t.WithoutAugust:
		return longestRoll + 31
	}
	return longestRoll
}
