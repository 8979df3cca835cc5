// Package calendar holds the days that law counts: civil days of Europe/Rome,
// terms of days, months and semesters, and the holidays that move their end.
//
// A day is a number, so that nothing here depends on the zone of the machine or
// on how many hours a day has.
package calendar

import (
	"fmt"
	"math"
	"time"
	_ "time/tzdata" // the answer must not depend on what the host has installed
)

// Rome is the zone of every calendar day that law or the notice speaks of.
var Rome = mustLoad("Europe/Rome")

func mustLoad(name string) *time.Location {
	zone, err := time.LoadLocation(name)
	if err != nil {
		panic(err) // the zone is embedded in the binary
	}
	return zone
}

// Day is a calendar day, as the number of days since 31 December of the year 0:
// 1 January of the year 1 is 1. It is safe for the years 1 to 9999.
type Day int32

// The days that are none: Unknown, the zero Day, where a day is not known, Never
// after every day that is. Unknown is before every day.
const (
	Unknown Day = 0
	Never   Day = math.MaxInt32
)

// epoch is 1 January 1970.
const epoch Day = 719163

// Known reports whether d is a day of the calendar.
func (d Day) Known() bool { return d > Unknown && d < Never }

// DayOf returns the Europe/Rome day of an instant, [Unknown] for the zero instant.
func DayOf(t time.Time) Day {
	if t.IsZero() {
		return Unknown
	}
	return Of(t.In(Rome).Date())
}

// Of returns a day by its date. Months and days beyond their range carry over, as
// in [time.Date].
func Of(year int, month time.Month, day int) Day {
	return epoch + Day(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix()/(24*60*60))
}

// Parse reads a date such as "2026-12-28".
func Parse(text string) (Day, error) {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil || t.Year() < 1 {
		return Unknown, fmt.Errorf(`%q is not a day such as "2026-12-28"`, text)
	}
	return Of(t.Date()), nil
}

// Date returns the year, month and day of the month.
func (d Day) Date() (year int, month time.Month, day int) {
	// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": eras of 400
	// years that begin on 1 March of the year 0, 305 days before Unknown.
	z := int64(d) + 305
	era, ofEra := z/146097, z%146097
	yearOfEra := (ofEra - ofEra/1460 + ofEra/36524 - ofEra/146096) / 365
	ofYear := ofEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	shifted := (5*ofYear + 2) / 153
	day = int(ofYear-(153*shifted+2)/5) + 1
	month = time.Month(shifted + 3)
	year = int(yearOfEra + era*400)
	if month > 12 {
		month -= 12
		year++
	}
	return year, month, day
}

// Year returns the year of the day.
func (d Day) Year() int {
	year, _, _ := d.Date()
	return year
}

// Weekday returns the day of the week.
func (d Day) Weekday() time.Weekday { return time.Weekday(d % 7) } // day 1 was a Monday

// Start returns the first instant of the day in Europe/Rome. Until 1979 clocks went
// back to midnight, which then came twice: there it may be the second one.
func (d Day) Start() time.Time {
	year, month, day := d.Date()
	return time.Date(year, month, day, 0, 0, 0, 0, Rome)
}

// AddMonths returns the same-numbered day n months later, or the last day of that
// month where it has no such day (art. 2963 c.c.).
func (d Day) AddMonths(n int) Day {
	year, month, day := d.Date()
	return min(Of(year, month+time.Month(n), day), Of(year, month+time.Month(n)+1, 0))
}

// String returns the day as "2026-12-28", "" when it is none.
func (d Day) String() string {
	if !d.Known() {
		return ""
	}
	var b [11]byte
	return string(d.append(b[:0]))
}

// append writes the day as "2026-12-28".
func (d Day) append(b []byte) []byte {
	year, month, day := d.Date()
	for _, n := range []struct{ of, digits int }{{year, 1000}, {int(month), 10}, {day, 10}} {
		for unit := n.digits; unit > 0; unit /= 10 {
			b = append(b, byte('0'+n.of/unit%10))
		}
		b = append(b, '-')
	}
	return b[:len(b)-1]
}

// Italian returns the day as an Italian reader expects it: "28/12/2026".
func (d Day) Italian() string {
	if !d.Known() {
		return ""
	}
	year, month, day := d.Date()
	return fmt.Sprintf("%02d/%02d/%04d", day, int(month), year)
}

// With returns the day after an Italian preposition with its article, "il", "al"
// or "dal": "dal 28/12/2026", but "dall'11/12/2026".
func (d Day) With(preposition string) string {
	if _, _, day := d.Date(); day == 8 || day == 11 { // otto, undici
		return elided[preposition] + d.Italian()
	}
	return preposition + " " + d.Italian()
}

var elided = map[string]string{"il": "l'", "al": "all'", "dal": "dall'"}

// MarshalText implements [encoding.TextMarshaler].
func (d Day) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (d *Day) UnmarshalText(text []byte) (err error) {
	if len(text) == 0 {
		*d = Unknown
		return nil
	}
	*d, err = Parse(string(text))
	return err
}
