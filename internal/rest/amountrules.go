package rest

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/calendar"
	"github.com/attualizza/attualizza/positions/rules"
)

// nextWorkingDay is the one way in which a term rolls.
const nextWorkingDay = "NEXT_WORKING_DAY"

// AnnualRateField is a yearly rate: a percentage, or the word LEGAL.
type AnnualRateField struct {
	rate  rules.Rate
	legal bool
}

const legalRate = "LEGAL"

// MarshalText writes what a request may hold.
func (f AnnualRateField) MarshalText() ([]byte, error) {
	if f.legal {
		return []byte(legalRate), nil
	}
	return f.rate.MarshalText()
}

func parseAnnualRate(text string) (f AnnualRateField, err error) {
	if text == legalRate {
		return AnnualRateField{legal: true}, nil
	}
	f.rate, err = rules.ParseRate(text)
	return f, err
}

// rule puts the parts and the rules of a body into an option. It returns what the
// option could not tell any more: members that contradict one another, and zeros
// where nothing and none are not the same.
func (b *PaymentOptionInput) rule(o *positions.PaymentOption) (problems []positions.Problem) {
	tell := func(pointer, detail string) {
		problems = append(problems, positions.Problem{Pointer: pointer, Detail: detail})
	}
	for i := range b.Components {
		in := &b.Components[i]
		c := rules.Component{Code: in.Code, Amount: in.Amount}
		if in.IDTransfer != nil {
			if c.TransferID = transferID(*in.IDTransfer); c.TransferID == 0 {
				tell(fmt.Sprintf("/components/%d/idTransfer", i), "must be 1, 2, 3, 4 or 5")
			}
		}
		o.Components = append(o.Components, c)
	}
	var single []string // what a rule is about that names no component
	switch len(o.Components) {
	case 0:
		single = []string{rules.Whole}
	case 1:
		single = []string{o.Components[0].Code}
	}
	for i := range b.AmountRules {
		r := b.AmountRules[i].rule(fmt.Sprintf("/amountRules/%d", i), tell)
		if len(r.Effect.Components) == 0 && r.Effect.Type != rules.NotPayable {
			r.Effect.Components = single
		}
		o.AmountRules = append(o.AmountRules, r)
	}
	return problems
}

func (b *AmountRule) rule(at string, tell rules.Report) rules.Rule {
	if b.Anchor != rules.Notification && b.Anchor != rules.Date {
		tell(at+"/anchor", "must be one of NOTIFICATION, DATE")
	}
	return rules.Rule{
		Label: b.Label, Anchor: b.Anchor, Date: b.Date,
		From: b.From.term(at+"/from", tell), After: b.After.term(at+"/after", tell), Until: b.Until.term(at+"/until", tell),
		Effect: b.Effect.effect(at+"/effect", tell),
	}
}

func (b *Term) term(at string, tell rules.Report) *rules.Term {
	if b == nil {
		return nil
	}
	span, ok := spanOf(b.Days, b.Months, b.Semesters)
	if !ok {
		tell(at, oneUnit)
	}
	span.WithoutAugust = b.SuspendAugust
	if b.Roll != nil && *b.Roll != nextWorkingDay {
		tell(at+"/roll", "must be "+nextWorkingDay)
	}
	return &rules.Term{Span: span, Roll: b.Roll != nil, PostponedTo: b.PostponedTo}
}

const oneUnit = "needs exactly one of days, months, semesters"

// spanOf reads a length of time; it is not ok unless exactly one unit is given.
func spanOf(days, months, semesters *int) (span calendar.Span, ok bool) {
	given := 0
	for _, u := range []struct {
		unit  calendar.Unit
		count *int
	}{{calendar.Days, days}, {calendar.Months, months}, {calendar.Semesters, semesters}} {
		if u.count != nil {
			span = calendar.Span{Unit: u.unit, Count: *u.count}
			given++
		}
	}
	if given != 1 {
		return calendar.Span{}, false
	}
	return span, true
}

func (b *AmountEffect) effect(at string, tell rules.Report) rules.Effect {
	e := rules.Effect{Type: b.Type, Components: b.Components}
	if b.Value != nil {
		e.Value = *b.Value
	}
	if b.Plus != nil {
		e.Plus = *b.Plus
	}
	if b.AnnualRate != nil {
		e.Annual, e.Legal = b.AnnualRate.rate, b.AnnualRate.legal
	}
	if b.To != nil {
		if e.To = *b.To; strings.TrimSpace(e.To) == "" {
			tell(at+"/to", "must not be empty or blank")
		}
	}
	if b.Max != nil {
		if e.Max = *b.Max; e.Max == 0 {
			tell(at+"/max", fmt.Sprintf("must be between 1 and %d cents", money.Max))
		}
	}
	fixed := false
	switch b.Type {
	case rules.Set, rules.Add:
		fixed = true
	case rules.Proportion, rules.Accrue, rules.PerSemester, rules.NotPayable:
	default:
		tell(at+"/type", "must be one of PERCENT, SET, ADD, INTEREST, PER_SEMESTER, NOT_PAYABLE")
		return e
	}
	switch {
	case b.Amount != nil && !fixed:
		tell(at+"/amount", fmt.Sprintf("is not for %s", b.Type))
	case b.Amount != nil:
		e.Amount = *b.Amount
	case fixed:
		tell(at+"/amount", "is needed: a number of cents")
	}
	return e
}

// componentBodies is how the parts of an option read: as they were given.
func componentBodies(parts []rules.Component) []Component {
	var list []Component
	for _, c := range parts {
		body := Component{Code: c.Code, Amount: c.Amount}
		if c.TransferID != 0 {
			id := strconv.Itoa(c.TransferID)
			body.IDTransfer = &id
		}
		list = append(list, body)
	}
	return list
}

// ruleBodies is how the rules of an option read: a request with the same rules
// changes nothing.
func ruleBodies(all []rules.Rule) []AmountRule {
	var list []AmountRule
	for i := range all {
		r := &all[i]
		list = append(list, AmountRule{
			Label: r.Label, Anchor: r.Anchor, Date: r.Date,
			From: termBody(r.From), After: termBody(r.After), Until: termBody(r.Until), Effect: effectBody(&r.Effect),
		})
	}
	return list
}

func termBody(t *rules.Term) *Term {
	if t == nil {
		return nil
	}
	body, count := &Term{SuspendAugust: t.WithoutAugust, PostponedTo: t.PostponedTo}, t.Count
	switch t.Unit {
	case calendar.Days:
		body.Days = &count
	case calendar.Months:
		body.Months = &count
	case calendar.Semesters:
		body.Semesters = &count
	}
	if t.Roll {
		body.Roll = present(nextWorkingDay)
	}
	return body
}

func effectBody(e *rules.Effect) AmountEffect {
	body := AmountEffect{
		Type: e.Type, Components: e.Components, Value: present(e.Value), To: present(e.To), Max: present(e.Max), Plus: present(e.Plus),
		AnnualRate: present(AnnualRateField{rate: e.Annual, legal: e.Legal}),
	}
	if e.Type == rules.Set || e.Type == rules.Add { // SET to 0 is one
		amount := e.Amount
		body.Amount = &amount
	}
	return body
}
