package calendar

import "time"

// Unit is what a term is counted in.
type Unit string

// The units. A semester is six months.
const (
	Days      Unit = "DAYS"
	Months    Unit = "MONTHS"
	Semesters Unit = "SEMESTERS"
)

// Span is a length of time that law gives: so many days, months or semesters.
type Span struct {
	Unit  Unit `json:"unit"`
	Count int  `json:"count"` // 0 or more
	// WithoutAugust leaves the days from 1 to 31 August out (L. 742/1969 art. 1):
	// none of them is counted, and what would begin among them begins on 1
	// September.
	WithoutAugust bool `json:"withoutAugust,omitempty"`
}

// After returns the last day of the span that begins the day after d: the day
// itself is not counted, the last one is (art. 2963 c.c., art. 155 c.p.c.). Of a
// month that has no such day it is the last.
func (s Span) After(d Day) Day {
	switch {
	case s.Unit == Days && s.WithoutAugust:
		return daysWithoutAugust(d, s.Count)
	case s.Unit == Days:
		return d + Day(s.Count)
	}
	months := s.InMonths().Count
	if s.WithoutAugust {
		return monthsWithoutAugust(d, months)
	}
	return d.AddMonths(months)
}

// InMonths returns the span with its semesters as months. One of days stays.
func (s Span) InMonths() Span {
	if s.Unit == Semesters {
		s.Unit, s.Count = Months, 6*s.Count
	}
	return s
}

// daysWithoutAugust counts n days after d, leaving August out.
func daysWithoutAugust(d Day, n int) Day {
	for n > 0 {
		first, last := nextAugust(d + 1)
		step := min(Day(n), first-1-d) // at most up to 31 July
		if step <= 0 {                 // the next day is in August
			d = last
			continue
		}
		d += step
		n -= int(step)
	}
	return d
}

// monthsWithoutAugust counts n months after d by the calendar and adds the 31
// days of every August that the term meets (Cass. 2186/2021, 4166/2024, and
// 16549/2012 for a second August). A term that would begin in August is counted
// from 1 September (Cass. 14147/2020).
func monthsWithoutAugust(d Day, n int) Day {
	if n == 0 {
		return d
	}
	first, last := nextAugust(d)
	if d >= first {
		d = last + 1
	}
	end := d.AddMonths(n)
	for {
		first, last = nextAugust(d + 1)
		if end < first {
			return end
		}
		end += last - first + 1
		d = last
	}
}

// nextAugust returns the first and last day of the August that d is in, or of the
// next one.
func nextAugust(d Day) (first, last Day) {
	year, month, _ := d.Date()
	if month > time.August {
		year++
	}
	return Of(year, time.August, 1), Of(year, time.August, 31)
}

// Ends returns the last day of a term that begins after d, moved to the next
// working day when it is to be: h says which those are. A term that leaves August
// out does not end there either: one that would be moved from a holiday on 31 July
// to 1 August has met the suspension (Cass. 16549/2012; 2258/1985 denies it to a 31
// July that is no holiday).
func (s Span) Ends(d Day, moved bool, h Holidays) Day {
	end := s.After(d)
	if !moved {
		return end
	}
	end = h.Working(end)
	if s.WithoutAugust {
		if first, last := nextAugust(end); end >= first && s.Count > 0 {
			end = h.Working(last + 1)
		}
	}
	return end
}
