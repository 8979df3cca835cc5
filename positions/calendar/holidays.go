package calendar

import "time"

// Holidays are the days on which a term that is to be moved does not end:
// Sundays, the national holidays, and what an organization adds. The zero value
// adds nothing: Saturday is a working day for terms to pay, as guidance for fines
// has it (art. 155 c. 5 c.p.c. is about acts of a trial).
type Holidays struct {
	// SaturdayToo makes Saturday a holiday.
	SaturdayToo bool
	// Patron is the local patron saint's day, of any year; zero: none. By law it
	// moves no term, save 29 June in Rome (DPR 792/1985; Cass. 17079/2007): it is
	// the organization's choice to let it.
	Patron MonthDay
}

// MonthDay is a day of the year.
type MonthDay struct {
	Month time.Month
	Day   int
}

// ParseMonthDay reads a day of the year such as "06-24"; 29 February is one.
func ParseMonthDay(text string) (MonthDay, error) {
	d, err := Parse("2024-" + text) // a leap year
	if err != nil {
		return MonthDay{}, err
	}
	_, month, day := d.Date()
	return MonthDay{month, day}, nil
}

// Holiday reports whether a term does not end on the day.
func (h Holidays) Holiday(d Day) bool {
	switch d.Weekday() {
	case time.Sunday:
		return true
	case time.Saturday:
		if h.SaturdayToo {
			return true
		}
	}
	year, month, day := d.Date()
	return h.Patron == (MonthDay{month, day}) || national(year, month, day) ||
		(month == time.March || month == time.April) && d == EasterMonday(year)
}

// national reports whether a date is a national holiday, Sundays and Easter Monday
// apart. Sources: L. 260/1949 art. 2, as amended by L. 54/1977, DPR 792/1985 (6
// January) and L. 336/2000 (2 June); L. 151/2025 (4 October, Saint Francis, from
// 2026). Rome's own 29 June is a patron saint's day.
func national(year int, month time.Month, day int) bool {
	switch month {
	case time.January:
		return day == 1 || day == 6 && year >= 1986
	case time.April:
		return day == 25
	case time.May:
		return day == 1
	case time.June:
		return day == 2 && year >= 2001
	case time.August:
		return day == 15
	case time.October:
		return day == 4 && year >= 2026
	case time.November:
		return day == 1
	case time.December:
		return day == 8 || day == 25 || day == 26
	}
	return false
}

// Working returns d, or the first day after it that is no holiday.
func (h Holidays) Working(d Day) Day {
	for h.Holiday(d) {
		d++
	}
	return d
}

// EasterMonday returns the day after Easter, which is a national holiday, in a
// year of the Gregorian calendar (Meeus, "Astronomical Algorithms", chapter 8).
func EasterMonday(year int) Day {
	a, b, c := year%19, year/100, year%100
	d, e := b/4, b%4
	f := (b + 8) / 25
	g := (b - f + 1) / 3
	h := (19*a + b - d - g + 15) % 30
	i, k := c/4, c%4
	l := (32 + 2*e + 2*i - h - k) % 7
	m := (a + 11*h + 22*l) / 451
	month, day := (h+l-7*m+114)/31, (h+l-7*m+114)%31+1
	return Of(year, time.Month(month), day+1)
}
