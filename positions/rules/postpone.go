package rules

import (
	"fmt"
	"slices"

	"github.com/attualizza/attualizza/positions/calendar"
)

// Postponed is a term that an operator moves for one notice: all that ends with
// it, and all that begins after it, moves.
type Postponed struct {
	Anchor Anchor
	Date   calendar.Day // of anchor [Date]
	calendar.Span
	// To is the new end, included; the zero Day takes the postponement back.
	To calendar.Day
}

// Check reports everything that is wrong with how the term is named, at JSON
// pointers into it: "", "/anchor", "/date", "/days".
func (p *Postponed) Check(report Report) {
	tell := func(pointer, format string, args ...any) { report(pointer, fmt.Sprintf(format, args...)) }
	r, t := Rule{Anchor: p.Anchor, Date: p.Date}, Term{Span: p.Span}
	r.checkAnchor("", tell)
	t.check("", tell)
}

// Apply changes the rules and reports how many of their terms are the one
// meant. A first day that is given as the day after the term (from 61 days, for a
// term of 60) belongs to it.
func (p *Postponed) Apply(list []Rule) (terms int) {
	p.each(list, func(t *Term) {
		t.PostponedTo = p.To
		terms++
	})
	return terms
}

// each calls do with every term of the rules that is the one meant.
func (p *Postponed) each(list []Rule, do func(*Term)) {
	for i := range list {
		r := &list[i]
		if r.Anchor != p.Anchor || r.Anchor == Date && r.Date != p.Date {
			continue
		}
		next := p.Span
		next.Count++
		for _, t := range []struct {
			term *Term
			span calendar.Span
		}{{r.From, next}, {r.After, p.Span}, {r.Until, p.Span}} {
			if t.term == nil || t.term.Span != t.span || t.term == r.From && p.Unit != calendar.Days {
				continue
			}
			do(t.term)
		}
	}
}

// CarryOver gives the terms of new rules the ends that the same terms of old ones
// were postponed to: same anchor, date and length. A new term that is postponed
// itself stays as it is.
func CarryOver(old, list []Rule) {
	for i := range old {
		r := &old[i]
		for _, t := range []*Term{r.From, r.After, r.Until} {
			if t == nil || t.PostponedTo == calendar.Unknown {
				continue
			}
			p := Postponed{Anchor: r.Anchor, Date: r.Date, Span: t.Span, To: t.PostponedTo}
			if t == r.From { // the day after the term
				p.Count--
			}
			p.each(list, func(t *Term) {
				if t.PostponedTo == calendar.Unknown {
					t.PostponedTo = p.To
				}
			})
		}
	}
}

// Terms lists the terms of rules that can be postponed, each once.
func Terms(list []Rule) (terms []Postponed) {
	for i := range list {
		r := &list[i]
		var spans []calendar.Span
		if r.From != nil && r.From.Unit == calendar.Days && r.From.Count > 0 {
			span := r.From.Span
			span.Count--
			spans = append(spans, span)
		}
		for _, t := range []*Term{r.After, r.Until} {
			if t != nil {
				spans = append(spans, t.Span)
			}
		}
		for _, span := range spans {
			if p := (Postponed{Anchor: r.Anchor, Date: r.Date, Span: span}); !slices.Contains(terms, p) {
				terms = append(terms, p)
			}
		}
	}
	return terms
}
