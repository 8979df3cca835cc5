package actualize

import (
	"fmt"
	"time"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/calendar"
	"github.com/attualizza/attualizza/positions/rules"
)

// Line is one term of a quote's sum, in words that an Italian payer or operator
// reads.
type Line struct {
	Label     string // what it is
	Text      string // the whole sentence, amount and days included
	Amount    money.Cents
	Component string
	Rule      string // the label of the amount rule behind it; "": none
}

// names are the components of the public contract in Italian; the caller's own go
// by their code.
var names = map[string]string{
	rules.Whole: "Importo", "FINE": "Sanzione pecuniaria", "TAX": "Tributo", "SANCTION": "Sanzione tributaria",
	rules.Interest: "Interessi", "EXPENSES": "Spese", "COLLECTION": "Oneri di riscossione", "TARIFF": "Tariffa",
}

// Lines tells why the amount is what it is: the stored parts, what each rule made
// of them, and the fee. They add up to Amount. A refused quote has none.
func (q *Quote) Lines() []Line {
	if q.Refusal != positions.Payable {
		return nil
	}
	parts := []rules.Component{{Code: rules.Whole, Amount: q.BaseAmount}}
	if len(q.Notice.Option.Components) > 0 {
		parts = q.Notice.Option.Components
	}
	var lines []Line
	for _, part := range parts {
		if part.Amount == 0 { // declared for a rule to fill
			continue
		}
		name, ok := names[part.Code]
		if !ok {
			name = part.Code
		}
		lines = append(lines, Line{Label: name, Text: fmt.Sprintf("%s: %s", name, part.Amount), Amount: part.Amount, Component: part.Code})
	}
	for i := range q.rules.Lines {
		l := &q.rules.Lines[i]
		name := q.set.Rules[l.Rule].Name()
		lines = append(lines, Line{Label: name, Text: q.set.Words(l), Amount: l.Change, Component: l.Component, Rule: name})
	}
	return append(lines, q.feeLines()...)
}

// Reason tells in Italian which amount rule keeps the notice from being paid, ""
// when none does.
func (q *Quote) Reason() string {
	if q.set == nil || q.rules.Payable() {
		return ""
	}
	return q.set.Rules[q.rules.Forbidding].Name()
}

const (
	feeName           = "Spese di notifica SEND"
	paidElsewhereName = "Spese di notifica già pagate con un altro avviso della stessa notifica"
)

// feeLines is the fee as SEND tells it, where that comes from, and what was paid
// of it with another notice; nothing for a notice that is not SEND-bound.
func (q *Quote) feeLines() []Line {
	source := q.sourceInWords()
	if source == "" {
		return nil
	}
	whole := q.NotificationFee + q.FeePaidElsewhere
	lines := []Line{{Label: feeName, Text: fmt.Sprintf("%s: %s, %s", feeName, whole, source), Amount: whole, Component: positions.NotificationFeeKey}}
	if less := -q.FeePaidElsewhere; less != 0 {
		lines = append(lines, Line{
			Label: paidElsewhereName, Text: fmt.Sprintf("%s: %s", paidElsewhereName, less), Amount: less, Component: positions.NotificationFeeKey,
		})
	}
	return lines
}

func (q *Quote) sourceInWords() string {
	switch q.Source {
	case positions.SourceLive:
		return "chieste ora a " + q.asked()
	case positions.SourceCache:
		return "chieste a " + q.asked() + " " + moment(q.Price.FetchedAt)
	case positions.SourceFinal:
		return "definitive"
	case positions.SourceNoCost:
		return "nessun costo secondo " + q.asked()
	case positions.SourcePushed:
		return "comunicate dall'ente " + moment(q.Price.FetchedAt)
	case positions.SourceLastKnown:
		if q.unasked {
			return "ultime note " + moment(q.Price.FetchedAt)
		}
		return q.asked() + " non risponde, ultime note " + moment(q.Price.FetchedAt)
	case positions.SourceBase:
		return q.asked() + " non risponde e l'ente ha scelto di non usare le ultime note"
	case positions.SourceNone:
		if q.unasked {
			return "non ancora note"
		}
		return "SEND non risponde e non le ha mai comunicate"
	}
	return ""
}

// asked is who told the price.
func (q *Quote) asked() string {
	if q.Price != nil && q.Price.Relayed {
		return "gestionale atti"
	}
	return "SEND"
}

func moment(t time.Time) string {
	return calendar.DayOf(t).With("il") + t.In(calendar.Rome).Format(" alle 15:04")
}

// Outlook tells the next instants at which the amount changes or stops or begins
// to be payable, by its rules and its due date, as far as they are known now; and
// the first instant at which it can no longer be paid, zero when none is known or
// it cannot be paid now. Of an amount that is too large to be asked nothing is told.
func (q *Quote) Outlook() (changes []time.Time, payableUntil time.Time) {
	if q.set != nil {
		days, err := q.set.Changes(&q.moment)
		if err != nil {
			return nil, time.Time{}
		}
		for _, day := range days {
			at := day.Start()
			changes = append(changes, at)
			if payableUntil.IsZero() && !q.set.PayableOn(&q.moment, day) {
				payableUntil = at
			}
		}
	}
	if due := q.Notice.Option.DueDate; q.Notice.Position.SwitchToExpired && due.After(q.At) && (payableUntil.IsZero() || due.Before(payableUntil)) {
		payableUntil = due
	}
	if q.Refusal != positions.Payable {
		payableUntil = time.Time{}
	}
	return changes, payableUntil
}
