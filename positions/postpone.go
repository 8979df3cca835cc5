package positions

import (
	"fmt"
	"strings"
	"time"

	"github.com/attualizza/attualizza/positions/calendar"
	"github.com/attualizza/attualizza/positions/rules"
)

// Postpone gives a term of a notice a later end, for this notice alone, and
// reports whether that changed anything: it is absolute, so doing it twice is
// doing it once. The term is that of amount rules; without one it is the due date
// itself, which then ends with the given day. A term whose own end is later keeps
// it; To zero takes the postponement of a term back.
//
// NotFound when the position has no such notice, Conflict when its state forbids
// it or the notice is paid, [Invalid] with problems at the pointers of {to},
// Unprocessable when no rule has the term.
func (p *Position) Postpone(nav NoticeNumber, term *rules.Postponed, to calendar.Day, now time.Time) (changed bool, err error) {
	o, err := p.open(nav, EventPostpone, now)
	if err != nil {
		return false, err
	}
	if to != 0 && (!to.Known() || to < calendar.DayOf(now) || to.Year() > 9998) {
		return false, invalidPostponement(Problem{"/to", "must lie between today and the year 9998"})
	}
	if term == nil {
		return o.postponeDue(to)
	}
	var wrong problems
	term.Check(func(pointer, detail string) { wrong.add("/term"+pointer, "%s", detail) })
	if len(wrong) > 0 {
		return false, invalidPostponement(wrong...)
	}
	postponed := *term
	postponed.To = to
	list := rules.Clone(o.AmountRules)
	if postponed.Apply(list) == 0 {
		return false, &Error{Code: Unprocessable, Message: "no amount rule of the notice has that term; those it has: " + o.termsInWords(), Problems: []Problem{{"/term", "no rule has it"}}}
	}
	for i := range list {
		changed = changed || !sameTerms(&list[i], &o.AmountRules[i])
	}
	q := *o
	q.AmountRules = list
	var found problems
	q.validateRules(&found, "", p.OrganizationFiscalCode)
	if len(found) > 0 { // rules that never held together do now
		return false, invalidPostponement(against("/to", found[0]))
	}
	o.AmountRules = list
	return changed, nil
}

func invalidPostponement(problems ...Problem) *Error {
	return &Error{Code: Invalid, Message: "the postponement is not valid", Problems: problems}
}

// postponeDue moves the due date to the end of a day.
func (o *PaymentOption) postponeDue(to calendar.Day) (changed bool, err error) {
	if to == 0 {
		return false, invalidPostponement(Problem{"/to", "is needed: only the postponement of a term can be taken back"})
	}
	due := (to + 1).Start().Add(-time.Second).UTC()
	switch {
	case due.Equal(o.DueDate):
		return false, nil
	case due.Before(o.DueDate):
		return false, invalidPostponement(Problem{"/to", "lies before the due date, " + calendar.DayOf(o.DueDate).String()})
	}
	o.DueDate = due
	if !o.RetentionDate.IsZero() && o.RetentionDate.Before(due) {
		o.RetentionDate = due
	}
	return true, nil
}

func sameTerms(a, b *rules.Rule) bool {
	same := func(s, t *rules.Term) bool { return s == nil || *s == *t }
	return same(a.From, b.From) && same(a.After, b.After) && same(a.Until, b.Until)
}

// termsInWords lists the terms of the option's rules.
func (o *PaymentOption) termsInWords() string {
	var list []string
	for _, t := range rules.Terms(o.AmountRules) {
		text := fmt.Sprintf("%d %s after %s", t.Count, strings.ToLower(string(t.Unit)), t.Anchor)
		if t.Anchor == rules.Date {
			text += " " + t.Date.String()
		}
		if t.WithoutAugust {
			text += " without August"
		}
		list = append(list, text)
	}
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}
