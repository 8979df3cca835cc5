package rules

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/attualizza/attualizza/positions/calendar"
)

func TestHolidaysMoveAnEndByFiveDaysAtMost(t *testing.T) {
	most := 0
	for year := 1990; year < 2100; year++ {
		for _, saturday := range []bool{false, true} {
			for d := calendar.Of(year, 1, 1); d.Year() == year; d++ {
				plain := calendar.Holidays{SaturdayToo: saturday}
				// A patron's day lengthens a run when it is its first or its last day, or joins two.
				for _, patron := range []calendar.Day{d, plain.Working(d)} {
					_, month, day := patron.Date()
					h := calendar.Holidays{SaturdayToo: saturday, Patron: calendar.MonthDay{Month: month, Day: day}}
					most = max(most, int(h.Working(d)-d))
				}
			}
		}
	}
	if most != longestRoll {
		t.Errorf("by %d days", most)
	}
}

func drawTerm(t *rapid.T, name string) *Term {
	unit := rapid.SampledFrom([]calendar.Unit{calendar.Days, calendar.Days, calendar.Months, calendar.Semesters}).Draw(t, name+" unit")
	most := map[calendar.Unit]int{calendar.Days: 70, calendar.Months: 26, calendar.Semesters: 5}[unit]
	return &Term{Span: calendar.Span{Unit: unit, Count: rapid.IntRange(0, most).Draw(t, name), WithoutAugust: rapid.IntRange(0, 3).Draw(t, name+" without August") == 0}, Roll: rapid.Bool().Draw(t, name+" rolls")}
}

func drawHolidays(t *rapid.T) calendar.Holidays {
	return calendar.Holidays{SaturdayToo: rapid.Bool().Draw(t, "Saturday"), Patron: calendar.MonthDay{Month: time.Month(rapid.IntRange(1, 12).Draw(t, "month")), Day: rapid.IntRange(1, 28).Draw(t, "day")}}
}

func TestTheLengthOfATermIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		term := drawTerm(t, "term")
		least, most := term.length()
		anchor := calendar.Of(1999, 1, 1) + calendar.Day(rapid.IntRange(0, 38000).Draw(t, "anchor"))
		if n := int(term.end(anchor, drawHolidays(t)) - anchor); n < least || n > most {
			t.Fatalf("%+v after %s takes %d days, not %d to %d", term, anchor, n, least, most)
		}
	})
}

// A Saturday 31 July may be a holiday, and then the term ends on 1 September; the
// set is judged once, the calendar of an organization may change later.
func TestATermThatAnotherCalendarMovesPastAugustIsNotApartFromWhatBeginsInIt(t *testing.T) {
	until := &Rule{Anchor: Date, Date: calendar.Of(2027, 7, 1), Until: &Term{Span: calendar.Span{Unit: calendar.Days, Count: 30, WithoutAugust: true}, Roll: true}}
	from := &Rule{Anchor: Date, Date: calendar.Of(2027, 8, 10), From: &Term{Span: calendar.Span{Unit: calendar.Days}}}
	if apart(until, from) {
		t.Error("they meet where Saturday is a holiday")
	}
	if from.Date = calendar.Of(2027, 9, 10); !apart(until, from) {
		t.Error("they never meet")
	}
}

// What is thought apart is never found together, on whatever day the notification
// takes effect and by whatever calendar.
func TestRulesThatAreApartNeverMeet(t *testing.T) {
	days := rapid.SampledFrom([]calendar.Day{calendar.Of(2026, 7, 1), calendar.Of(2026, 3, 2), calendar.Of(2026, 7, 31), calendar.Of(2026, 8, 10), calendar.Of(2027, 1, 31)})
	found := 0
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) *Rule {
			r := &Rule{Anchor: rapid.SampledFrom([]Anchor{Notification, Notification, Date}).Draw(t, name)}
			if r.Anchor == Date {
				r.Date = days.Draw(t, name+" date")
			}
			switch rapid.IntRange(0, 2).Draw(t, name+" begins") {
			case 1:
				r.From = drawTerm(t, name+" from")
				r.From.Roll = false
			case 2:
				r.After = drawTerm(t, name+" after")
			}
			if rapid.Bool().Draw(t, name+" ends") {
				r.Until = drawTerm(t, name+" until")
			}
			for _, term := range []*Term{r.From, r.After, r.Until} {
				if term != nil && rapid.IntRange(0, 9).Draw(t, name+" postponed") == 0 {
					term.PostponedTo = days.Draw(t, name+" postponed to")
				}
			}
			return r
		}
		a := draw("a")
		b := draw("b")
		if rapid.IntRange(0, 3).Draw(t, "alike") == 0 { // near misses
			copied := Clone([]Rule{*a})
			b = &copied[0]
			if b.Until != nil && b.After == nil {
				b.From, b.After, b.Until = nil, b.Until, nil
				b.After.Count += rapid.IntRange(0, 2).Draw(t, "more")
			}
		}
		if !apart(a, b) {
			return
		}
		found++
		for range 40 {
			notified := calendar.Of(2024, 1, 1) + calendar.Day(rapid.IntRange(0, 4000).Draw(t, "notified"))
			if rapid.IntRange(0, 9).Draw(t, "unknown") == 0 {
				notified = calendar.Unknown
			}
			h := drawHolidays(t)
			first, last := a.window(notified, h)
			from, to := b.window(notified, h)
			if max(first, from) <= min(last, to) {
				t.Fatalf("notified on %s, %+v holds %s to %s and %+v %s to %s", notified, *a, first, last, *b, from, to)
			}
		}
	})
	if found == 0 {
		t.Error("none were apart")
	}
}
