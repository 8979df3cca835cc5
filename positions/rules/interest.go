package rules

import (
	_ "embed"
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/attualizza/attualizza/positions/calendar"
)

// legalInterest is the table as published, with the act behind every rate.
//
//go:embed legal_interest.csv
var legalInterest string

// LegalRates are the legal interest rates by year (art. 1284 c.c.). A year after
// the last has the rate of the last: so the law has it until another is decreed,
// by 15 December of the year before.
type LegalRates struct {
	first int     // year
	ppm   []int64 // of each year since
	// before is, for each of those years, the sum of the rates of
	// all days from the first year's first to the eve of the year.
	before []int64
}

// LegalInterest returns the rates that were published when this program was made.
var LegalInterest = sync.OnceValue(func() *LegalRates {
	rows, err := csv.NewReader(strings.NewReader(legalInterest)).ReadAll()
	if err != nil {
		panic(err) // the file is part of the program
	}
	l := new(LegalRates)
	for _, row := range rows[1:] {
		if err := l.add(row[0], row[1]); err != nil {
			panic(err)
		}
	}
	return l.reckon()
})

// With returns the rates with others added or replaced, from a list such as
// "2027=1.8,2028=2": what was decreed since the program was made. Years must
// follow one another.
func (l *LegalRates) With(list string) (*LegalRates, error) {
	more := &LegalRates{first: l.first, ppm: slices.Clone(l.ppm)}
	for entry := range strings.SplitSeq(list, ",") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		year, percent, ok := strings.Cut(entry, "=")
		if !ok {
			return nil, fmt.Errorf(`%q is not YEAR=PERCENT, such as "2027=1.8"`, entry)
		}
		if err := more.add(strings.TrimSpace(year), strings.TrimSpace(percent)); err != nil {
			return nil, err
		}
	}
	return more.reckon(), nil
}

// add puts in the rate of a year that is there or the next one.
func (l *LegalRates) add(year, percent string) error {
	y, ok := integer(year, 9999)
	if !ok || y < 1900 {
		return fmt.Errorf("%q is not a year", year)
	}
	if len(l.ppm) == 0 {
		l.first = int(y)
	}
	rate, err := ParseRate(percent)
	if err != nil || !rate.percentage() || rate.Sign() < 0 || rate.num > 100*perPercent {
		return fmt.Errorf("the legal rate of %d: %q is not a percentage between 0 and 100 with at most four decimals", y, percent)
	}
	switch i := int(y) - l.first; {
	case i < 0:
		return fmt.Errorf("the legal rate of %d: the table begins in %d", y, l.first)
	case i < len(l.ppm):
		l.ppm[i] = rate.num
	case i == len(l.ppm):
		l.ppm = append(l.ppm, rate.num)
	default:
		return fmt.Errorf("the legal rate of %d: that of %d is missing", y, l.last()+1)
	}
	return nil
}

// last returns the last year whose rate is known.
func (l *LegalRates) last() int { return l.first + len(l.ppm) - 1 }

// Of returns the rate of a year, and whether it is that year's own and not the
// last one known.
func (l *LegalRates) Of(year int) (rate Rate, own bool) {
	i := min(max(0, year-l.first), len(l.ppm)-1)
	return Percent(l.ppm[i]), i == year-l.first
}

// sum returns the sum of the yearly rates of every day from a first to a last, in
// parts per million.
func (l *LegalRates) sum(first, last calendar.Day) int64 { return l.until(last) - l.until(first-1) }

// until is the sum of the rates of the days from the first year's first to a day,
// less than 0 for a day before.
func (l *LegalRates) until(day calendar.Day) int64 {
	i := min(max(0, day.Year()-l.first), len(l.ppm)-1)
	days := day - calendar.Of(l.first+i, 1, 1) + 1
	return l.before[i] + int64(days)*l.ppm[i]
}

// reckon works out before.
func (l *LegalRates) reckon() *LegalRates {
	l.before = make([]int64, len(l.ppm))
	for i := range l.ppm[1:] {
		year := calendar.Of(l.first+i, 1, 1)
		l.before[i+1] = l.before[i] + int64(calendar.Of(l.first+i+1, 1, 1)-year)*l.ppm[i]
	}
	return l
}
