package rules

import (
	"fmt"
	"strings"

	"github.com/attualizza/attualizza/positions/calendar"
)

// Name is the rule's label, or what it does in Italian when it has none.
func (r *Rule) Name() string {
	if r.Label != "" {
		return r.Label
	}
	e := &r.Effect
	switch e.Type {
	case Proportion:
		if e.Value.Sign() < 0 {
			return "Riduzione " + e.Value.italian()
		}
		return "Maggiorazione " + e.Value.italian()
	case PerSemester:
		return "Maggiorazione semestrale " + e.Value.italian()
	case Set:
		return "Importo dovuto in questo termine"
	case Add:
		if e.Amount < 0 {
			return "Importo detratto"
		}
		return "Importo aggiunto"
	case Accrue:
		name := "Interessi legali"
		if !e.Legal {
			name = "Interessi " + e.Annual.italian() + " annuo"
		}
		if e.Plus.Sign() > 0 {
			name += " più " + strings.TrimSuffix(e.Plus.italian(), "%") + " punti"
		}
		return name
	}
	return "Non pagabile"
}

// italian returns the size of a rate as an Italian reader expects it: "30%",
// "2,5%", "2/3".
func (r Rate) italian() string {
	text := strings.TrimPrefix(r.String(), "-")
	if !r.percentage() {
		return text
	}
	return strings.Replace(text, ".", ",", 1) + "%"
}

// Words tells a payer what a line is, in Italian: "Riduzione 30% entro 5 giorni:
// -51,90 €, fino al 28/12/2026".
func (s *RuleSet) Words(l *Line) string {
	r := &s.Rules[l.Rule]
	text := fmt.Sprintf("%s: %s", r.Name(), l.Change)
	switch {
	case r.Effect.Type == Accrue && l.Count == 1:
		text += fmt.Sprintf(", per un giorno, %s", l.First.With("il"))
	case r.Effect.Type == Accrue:
		text += fmt.Sprintf(", per %d giorni %s", l.Count, l.First.With("dal"))
	case l.Count == 1:
		text += ", per un semestre"
	case l.Count > 1:
		text += fmt.Sprintf(", per %d semestri", l.Count)
	case l.First != calendar.Unknown:
		text += ", " + l.First.With("dal")
	}
	if l.Last != calendar.Never {
		text += ", fino " + l.Last.With("al")
	}
	return text
}
