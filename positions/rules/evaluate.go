package rules

import (
	"errors"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions/calendar"
)

// ErrTooLarge means that what the rules make of a debt exceeds [money.Max].
var ErrTooLarge = errors.New("the amount by rules exceeds 999999999.99 euro")

// Amount is what a set comes to.
type Amount struct {
	// Parts are the components as they are now; interest that no part was declared
	// for is the last one.
	Parts []Component
	// Total is their sum.
	Total money.Cents
	// Forbidding is the index of the rule that forbids to pay, -1 when none does.
	Forbidding int
	// Lines are what the rules changed, in their order.
	Lines []Line
}

// Payable reports whether no rule forbids to pay.
func (a *Amount) Payable() bool { return a.Forbidding < 0 }

// Line is what one rule changed of one component.
type Line struct {
	Rule      int // its index
	Component string
	Change    money.Cents // new value less old, never 0
	// First and Last are the rule's window; see [calendar.Unknown] and
	// [calendar.Never].
	First, Last calendar.Day
	// Count is how many days or semesters the change is for, 0 for effects that do
	// not grow.
	Count int
}

// At returns what the set comes to. The set must be valid ([RuleSet.Check]);
// [ErrTooLarge] when a value or the total is more than can be paid: then only
// Forbidding is to be read.
func (s *RuleSet) At(m *Moment) (Amount, error) {
	a := Amount{Parts: make([]Component, len(s.Parts), len(s.Parts)+1), Forbidding: s.forbidding(m)}
	copy(a.Parts, s.Parts)
	for i := range s.Rules {
		r := &s.Rules[i]
		if r.Effect.Type == NotPayable {
			continue
		}
		first, last := r.window(m.Notified, m.Holidays)
		if m.Today < first || m.Today > last {
			continue
		}
		e := evaluation{set: s, amount: &a, effect: &r.Effect, line: Line{Rule: i, First: first, Last: last}}
		if err := e.apply(m); err != nil {
			return a, err
		}
	}
	for i := range a.Parts {
		if a.Total += a.Parts[i].Amount; a.Total > money.Max { // each is at most money.Max
			return a, ErrTooLarge
		}
	}
	return a, nil
}

// forbidding returns the index of the first rule that forbids to pay, -1 when none
// does.
func (s *RuleSet) forbidding(m *Moment) int {
	for i := range s.Rules {
		if s.Rules[i].Effect.Type == NotPayable && s.Rules[i].HoldsOn(m) {
			return i
		}
	}
	return -1
}

// evaluation is the effect of one rule that holds.
type evaluation struct {
	set    *RuleSet
	amount *Amount
	effect *Effect
	line   Line // all but component and change
}

func (e *evaluation) apply(m *Moment) error {
	switch e.effect.Type {
	case Proportion:
		return e.proportion(1)
	case PerSemester:
		e.line.Count = semesters(e.line.First, m.Today)
		return e.proportion(int64(e.line.Count))
	case Set:
		return e.put(e.part(e.effect.Components[0]), e.effect.Amount)
	case Add:
		return e.add(e.part(e.effect.Components[0]), e.effect.Amount)
	case Accrue:
		return e.accrue(m)
	}
	return nil
}

// proportion adds a part of the components to each, or that of their sum to one.
// A bound is shared by all, in their order.
func (e *evaluation) proportion(times int64) error {
	left := e.effect.Max
	take := func(base money.Cents) (money.Cents, error) {
		change, err := e.effect.Value.of(base, times)
		if err != nil {
			return 0, ErrTooLarge
		}
		if e.effect.Max > 0 {
			change = max(-left, min(left, change))
			left -= max(change, -change)
		}
		return change, nil
	}
	if e.effect.To != "" {
		base, err := e.sum()
		if err != nil {
			return err
		}
		change, err := take(base)
		if err != nil {
			return err
		}
		return e.add(e.part(e.effect.To), change)
	}
	for _, code := range e.effect.Components {
		part := e.part(code)
		change, err := take(part.Amount)
		if err != nil {
			return err
		}
		if err := e.add(part, change); err != nil {
			return err
		}
	}
	return nil
}

// accrue adds simple interest for every day from the first to today.
func (e *evaluation) accrue(m *Moment) error {
	base, err := e.sum()
	if err != nil {
		return err
	}
	e.line.Count = int(m.Today-e.line.First) + 1
	rate := int64(e.line.Count) * (e.effect.Annual.num + e.effect.Plus.num)
	if e.effect.Legal {
		legal := m.Legal
		if legal == nil {
			legal = LegalInterest()
		}
		rate += legal.sum(e.line.First, m.Today)
	}
	interest, err := base.MulDiv(rate, daysOfYear*million)
	if err != nil {
		return ErrTooLarge
	}
	return e.add(e.part(Interest), interest)
}

// daysOfYear is what a yearly rate is divided by, in leap years too.
const daysOfYear = 365

// sum returns the sum of the components that the effect reads.
func (e *evaluation) sum() (total money.Cents, err error) {
	for _, code := range e.effect.Components {
		if total += e.part(code).Amount; total > money.Max {
			return 0, ErrTooLarge
		}
	}
	return total, nil
}

// part finds a component. The one of interest is made when it is needed.
func (e *evaluation) part(code string) *Component {
	parts := e.amount.Parts
	for i := range parts {
		if parts[i].Code == code {
			return &parts[i]
		}
	}
	e.amount.Parts = append(parts, Component{Code: code, TransferID: e.set.Carrier})
	return &e.amount.Parts[len(parts)]
}

func (e *evaluation) add(part *Component, change money.Cents) error {
	return e.put(part, max(0, part.Amount+change)) // both at most money.Max in magnitude, or the next check says so
}

// put gives a component its new value and writes the line.
func (e *evaluation) put(part *Component, value money.Cents) error {
	if value > money.Max {
		return ErrTooLarge
	}
	change := value - part.Amount
	if change == 0 {
		return nil
	}
	part.Amount = value
	line := e.line
	line.Component, line.Change = part.Code, change
	e.amount.Lines = append(e.amount.Lines, line)
	return nil
}

// semesters counts the whole semesters from a day to another: one is complete on
// the same-numbered day six months later.
func semesters(first, today calendar.Day) int {
	y1, m1, _ := first.Date()
	y2, m2, _ := today.Date()
	n := max(0, ((y2-y1)*12+int(m2)-int(m1))/6)
	if first.AddMonths(6*n) > today {
		n--
	}
	return max(0, n)
}
