package rules

import "github.com/attualizza/attualizza/positions/calendar"

// Postponed is a term that an operator moves for one notice: all that ends with
// it, and all that begins after it, moves.
type Postponed struct {
	Anchor Anchor
	Date   calendar.Day // of anchor [Date]
	calendar.Span
	// To is the new end, included; the zero Day takes the postponement back.
	To calendar.Day
}

// Apply changes the rules and reports how many of their terms are the one
// meant. A first day that is given as the day after the term (from 61 days, for a
// term of 60) belongs to it.
func (p *Postponed) Apply(list []Rule) (terms int) {
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
			t.term.PostponedTo = p.To
			terms++
		}
	}
	return terms
}

// Terms lists the terms of rules that can be postponed, each once.
func Terms(list []Rule) (terms []Postponed) {
	seen := map[Postponed]bool{}
	for i := range list {
		for _, t := range []*Term{list[i].After, list[i].Until} {
			if t == nil {
				continue
			}
			p := Postponed{Anchor: list[i].Anchor, Date: list[i].Date, Span: t.Span}
			if !seen[p] {
				seen[p] = true
				terms = append(terms, p)
			}
		}
	}
	return terms
}
