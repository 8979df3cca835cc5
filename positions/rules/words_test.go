package rules_test

import (
	"testing"

	"github.com/attualizza/attualizza/positions/calendar"
	"github.com/attualizza/attualizza/positions/rules"
)

func TestARuleWithoutALabelIsNamedByWhatItDoes(t *testing.T) {
	plus := func(e rules.Effect, points string) rules.Effect {
		e.Plus = rate(points)
		return e
	}
	for want, e := range map[string]rules.Effect{
		"Riduzione 30%":                      percent("-30", "A"),
		"Riduzione 2/3":                      percent("-2/3", "A"),
		"Maggiorazione 2,5%":                 percent("2.5", "A"),
		"Maggiorazione 1/10":                 percent("1/10", "A"),
		"Maggiorazione semestrale 10%":       perSemester("10", "A"),
		"Importo dovuto in questo termine":   set(1, "A"),
		"Importo aggiunto":                   add(1, "A"),
		"Importo detratto":                   add(-1, "A"),
		"Interessi legali":                   legal("A"),
		"Interessi legali più 3 punti":       plus(legal("A"), "3"),
		"Interessi 2,5% annuo":               interest("2.5", "A"),
		"Interessi 2,5% annuo più 0,5 punti": plus(interest("2.5", "A"), "0.5"),
		"Interessi 4% annuo":                 plus(interest("4", "A"), "0"),
		"Non pagabile":                       {Type: rules.NotPayable},
	} {
		r := always(e)
		if got := r.Name(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		if r.Label = "Come da regolamento"; r.Name() != "Come da regolamento" {
			t.Errorf("%q hides the label", r.Name())
		}
	}
}

func TestALineIsToldInItalian(t *testing.T) {
	notified := day("2026-12-20")
	rule := func(after, until *rules.Term, e rules.Effect) rules.Rule {
		return rules.Rule{Anchor: rules.Notification, After: after, Until: until, Effect: e}
	}
	labelled := rule(nil, rolled(days(5)), percent("-30", "FINE"))
	labelled.Label = "Riduzione 30% entro 5 giorni"
	for _, c := range []struct {
		rule  rules.Rule
		today string
		want  string
	}{
		{labelled, "2026-12-21", "Riduzione 30% entro 5 giorni: -51,90 €, fino al 28/12/2026"},
		{rule(nil, nil, percent("-30", "FINE")), "2026-12-21", "Riduzione 30%: -51,90 €"},
		{rule(days(60), nil, set(34600, "FINE")), "2027-03-01", "Importo dovuto in questo termine: 173,00 €, dal 19/02/2027"},
		{rule(days(60), days(90), add(1000, "FINE")), "2027-03-01", "Importo aggiunto: 10,00 €, dal 19/02/2027, fino al 20/03/2027"},
		{rule(days(60), nil, perSemester("10", "FINE")), "2027-08-19", "Maggiorazione semestrale 10%: 17,30 €, per un semestre"},
		{rule(days(60), nil, perSemester("10", "FINE")), "2028-08-19", "Maggiorazione semestrale 10%: 51,90 €, per 3 semestri"},
		{rule(days(60), nil, interest("1000", "FINE")), "2027-02-19", "Interessi 1000% annuo: 4,74 €, per un giorno, il 19/02/2027"},
		{rule(days(60), nil, interest("1000", "FINE")), "2027-02-20", "Interessi 1000% annuo: 9,48 €, per 2 giorni dal 19/02/2027"},
		{rule(days(60), days(90), legal("FINE")), "2027-03-20", "Interessi legali: 0,23 €, per 30 giorni dal 19/02/2027, fino al 20/03/2027"},
	} {
		s := setOf([]rules.Component{part("FINE", 17300)}, c.rule)
		a := at(t, s, rules.Moment{Today: day(c.today), Notified: notified})
		if len(a.Lines) != 1 {
			t.Errorf("%s: %d lines", c.want, len(a.Lines))
			continue
		}
		if got := s.Words(&a.Lines[0]); got != c.want {
			t.Errorf("%q\nwant %q", got, c.want)
		}
	}
	s := setOf([]rules.Component{part("FINE", 17300)}, labelled)
	a := at(t, s, rules.Moment{Today: notified, Notified: calendar.Unknown})
	if got := s.Words(&a.Lines[0]); got != "Riduzione 30% entro 5 giorni: -51,90 €" {
		t.Errorf("before the notification: %q", got)
	}
}
