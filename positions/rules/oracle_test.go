package rules_test

import (
	"encoding/csv"
	"math/big"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions/calendar"
	"github.com/attualizza/attualizza/positions/rules"
)

// The oracle says again what a set comes to, by the text of docs/amount-rules.md,
// with time.Time, big.Rat and no haste: it counts days one by one.

type oracle struct {
	parts     []rules.Component
	forbidden int
	tooLarge  bool
}

func (o *oracle) total() (sum money.Cents) {
	for _, c := range o.parts {
		sum += c.Amount
	}
	return sum
}

func consult(s *rules.RuleSet, m *rules.Moment) *oracle {
	o := &oracle{parts: append([]rules.Component(nil), s.Parts...), forbidden: -1}
	today := civil(m.Today)
	for i, r := range s.Rules {
		first, holds := holding(&r, m, today)
		if !holds {
			continue
		}
		e := r.Effect
		switch e.Type {
		case rules.NotPayable:
			if o.forbidden < 0 {
				o.forbidden = i
			}
		case rules.Set:
			o.become(s, e.Components[0], big.NewRat(int64(e.Amount), 1))
		case rules.Add:
			o.become(s, e.Components[0], new(big.Rat).Add(o.value(e.Components[0]), big.NewRat(int64(e.Amount), 1)))
		case rules.Accrue:
			years := new(big.Rat)
			for d := first; !d.After(today); d = d.AddDate(0, 0, 1) {
				daily := new(big.Rat)
				if e.Legal {
					daily.Add(daily, legalRate(d.Year()))
				} else {
					daily.Add(daily, ratOf(e.Annual))
				}
				if !e.Plus.IsZero() {
					daily.Add(daily, ratOf(e.Plus))
				}
				years.Add(years, daily)
			}
			years.Mul(years, o.sum(e.Components))
			years.Quo(years, big.NewRat(365, 1))
			o.become(s, rules.Interest, years.Add(years, o.value(rules.Interest)))
		case rules.Proportion, rules.PerSemester:
			times := int64(1)
			if e.Type == rules.PerSemester {
				for times = 0; !monthsLater(first, 6*int(times+1)).After(today); times++ {
				}
			}
			left := new(big.Rat).SetInt64(int64(e.Max))
			share := func(base *big.Rat) *big.Rat {
				change := new(big.Rat).Mul(base, ratOf(e.Value))
				change.Mul(change, big.NewRat(times, 1))
				change.SetInt(halfUp(change))
				if e.Max == 0 {
					return change
				}
				if size := new(big.Rat).Abs(change); size.Cmp(left) > 0 {
					change.Mul(change.Quo(change, size), left)
				}
				left.Sub(left, new(big.Rat).Abs(change))
				return change
			}
			if e.To != "" {
				o.become(s, e.To, new(big.Rat).Add(o.value(e.To), share(o.sum(e.Components))))
				break
			}
			for _, code := range e.Components {
				o.become(s, code, new(big.Rat).Add(o.value(code), share(o.value(code))))
			}
		}
		if o.tooLarge {
			return o
		}
	}
	o.tooLarge = o.total() > money.Max
	return o
}

func (o *oracle) value(code string) *big.Rat {
	for _, c := range o.parts {
		if c.Code == code {
			return big.NewRat(int64(c.Amount), 1)
		}
	}
	return new(big.Rat)
}

// sum is that of a base, which is too large where a total would be.
func (o *oracle) sum(codes []string) *big.Rat {
	sum := new(big.Rat)
	for _, code := range codes {
		sum.Add(sum, o.value(code))
	}
	o.tooLarge = o.tooLarge || sum.Cmp(big.NewRat(int64(money.Max), 1)) > 0
	return sum
}

func (o *oracle) become(s *rules.RuleSet, code string, value *big.Rat) {
	cents := halfUp(value)
	if cents.Sign() < 0 {
		cents.SetInt64(0)
	}
	if cents.Cmp(big.NewInt(int64(money.Max))) > 0 {
		o.tooLarge = true
		return
	}
	for i := range o.parts {
		if o.parts[i].Code == code {
			o.parts[i].Amount = money.Cents(cents.Int64())
			return
		}
	}
	if cents.Sign() > 0 {
		o.parts = append(o.parts, rules.Component{Code: code, Amount: money.Cents(cents.Int64()), TransferID: s.Carrier})
	}
}

// halfUp rounds, a half towards more.
func halfUp(r *big.Rat) *big.Int {
	r = new(big.Rat).Add(r, big.NewRat(1, 2))
	return new(big.Int).Div(r.Num(), r.Denom()) // floors, for a positive divisor
}

// ratOf is a rate as a number.
func ratOf(r rules.Rate) *big.Rat {
	number, ok := new(big.Rat).SetString(r.String())
	if !ok {
		panic(r.String())
	}
	if !strings.Contains(r.String(), "/") {
		number.Quo(number, big.NewRat(100, 1))
	}
	return number
}

// legalRate is that of the last year of the table that is not after a year.
func legalRate(year int) *big.Rat {
	table := legalTable()
	for ; table[year] == nil; year-- {
	}
	return table[year]
}

var legalTable = sync.OnceValue(func() map[int]*big.Rat {
	table := map[int]*big.Rat{}
	for _, row := range readCSV("legal_interest.csv") {
		year, err := time.Parse("2006", row[0])
		if err != nil {
			panic(err)
		}
		table[year.Year()] = ratOf(rate(row[1]))
	}
	return table
})

var easterMondays = sync.OnceValue(func() map[string]bool {
	table := map[string]bool{}
	for _, row := range readCSV("../calendar/testdata/easter.csv") {
		table[row[1]] = true
	}
	return table
})

func readCSV(path string) [][]string {
	f, err := os.Open(path)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		panic(err)
	}
	return rows[1:]
}

func civil(d calendar.Day) time.Time {
	t, err := time.Parse(time.DateOnly, d.String())
	if err != nil {
		panic(err)
	}
	return t
}

// holding tells a rule's first day, where it has one, and whether it holds today.
func holding(r *rules.Rule, m *rules.Moment, today time.Time) (first time.Time, holds bool) {
	if r.Anchor == rules.Notification && m.Notified == calendar.Unknown {
		return first, r.From == nil && r.After == nil
	}
	anchor := m.Notified
	if r.Anchor == rules.Date {
		anchor = r.Date
	}
	later := func(end time.Time, t *rules.Term) time.Time {
		if t.PostponedTo.Known() && civil(t.PostponedTo).After(end) {
			return civil(t.PostponedTo)
		}
		return end
	}
	begins := true
	switch {
	case r.From != nil: // the day after the term that is one day shorter
		first = later(termEnd(r.From, civil(anchor), m.Holidays).AddDate(0, 0, -1), r.From).AddDate(0, 0, 1)
	case r.After != nil:
		first = later(termEnd(r.After, civil(anchor), m.Holidays), r.After).AddDate(0, 0, 1)
	default:
		begins = false
	}
	if begins && today.Before(first) {
		return first, false
	}
	return first, r.Until == nil || !today.After(later(termEnd(r.Until, civil(anchor), m.Holidays), r.Until))
}

func monthsLater(d time.Time, n int) time.Time {
	later := d.AddDate(0, n, 0)
	for later.Day() != d.Day() && later.Day() < 4 { // it ran over into the month after
		later = later.AddDate(0, 0, -1)
	}
	return later
}

func termEnd(t *rules.Term, anchor time.Time, h calendar.Holidays) time.Time {
	end := anchor
	switch t.Unit {
	case calendar.Days:
		for left := t.Count; left > 0; {
			end = end.AddDate(0, 0, 1)
			if !t.WithoutAugust || end.Month() != time.August {
				left--
			}
		}
	default:
		n := t.Count
		if t.Unit == calendar.Semesters {
			n *= 6
		}
		if t.WithoutAugust && n > 0 {
			for anchor.Month() == time.August {
				anchor = anchor.AddDate(0, 0, 1)
			}
		}
		end = monthsLater(anchor, n)
		if t.WithoutAugust && n > 0 { // each day of August makes it a day longer
			for d := anchor.AddDate(0, 0, 1); !d.After(end); d = d.AddDate(0, 0, 1) {
				if d.Month() == time.August {
					end = end.AddDate(0, 0, 1)
				}
			}
		}
	}
	if t.Roll {
		for resting(end, h) || t.WithoutAugust && t.Count > 0 && end.Month() == time.August {
			end = end.AddDate(0, 0, 1)
		}
	}
	return end
}

func resting(d time.Time, h calendar.Holidays) bool {
	if d.Weekday() == time.Sunday || d.Weekday() == time.Saturday && h.SaturdayToo || d.Month() == h.Patron.Month && d.Day() == h.Patron.Day {
		return true
	}
	date := d.Format("01-02")
	return strings.Contains("01-01 01-06 04-25 05-01 08-15 11-01 12-08 12-25 12-26", date) || date == "06-02" && d.Year() > 2000 || date == "10-04" && d.Year() > 2025 ||
		easterMondays()[d.Format(time.DateOnly)]
}

func TestTheOracleKnowsWhatTheLawSays(t *testing.T) {
	term := withoutAugust(rolled(days(60)))
	if got := termEnd(term, civil(day("2022-07-07")), calendar.Holidays{}).Format(time.DateOnly); got != "2022-10-06" {
		t.Error(got)
	}
	if got := termEnd(withoutAugust(months(6)), civil(day("2017-07-31")), calendar.Holidays{}).Format(time.DateOnly); got != "2018-03-03" {
		t.Error(got)
	}
}
