package calendar_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/attualizza/attualizza/positions/calendar"
)

func days(n int) calendar.Span   { return calendar.Span{Unit: calendar.Days, Count: n} }
func months(n int) calendar.Span { return calendar.Span{Unit: calendar.Months, Count: n} }

func withoutAugust(s calendar.Span) calendar.Span {
	s.WithoutAugust = true
	return s
}

// The ends that lawyers' guides and rulings give for terms to appeal, with and
// without the suspension of L. 742/1969.
func TestTermsEndWhereTheSourcesSay(t *testing.T) {
	for _, c := range []struct {
		why   string
		span  calendar.Span
		from  string
		moved bool
		want  string
	}{
		{"five days, none of them moved", days(5), "2026-03-02", true, "2026-03-07"},
		{"five days up to Christmas", days(5), "2026-12-20", true, "2026-12-28"},
		{"five days up to Christmas, not to be moved", days(5), "2026-12-20", false, "2026-12-25"},
		{"no days at all", days(0), "2026-12-25", false, "2026-12-25"},
		{"60 days across August", withoutAugust(days(60)), "2022-07-07", true, "2022-10-06"},
		{"60 days across August", withoutAugust(days(60)), "2023-07-20", true, "2023-10-19"},
		{"60 days across August", withoutAugust(days(60)), "2016-07-21", true, "2016-10-20"},
		{"60 days across August, to a Saturday", withoutAugust(days(60)), "2023-07-08", false, "2023-10-07"},
		{"60 days from the day before the suspension", withoutAugust(days(60)), "2023-07-31", true, "2023-10-30"},
		{"60 days from the first of August", withoutAugust(days(60)), "2023-08-01", true, "2023-10-30"},
		{"60 days from the middle of August", withoutAugust(days(60)), "2023-08-16", true, "2023-10-30"},
		{"60 days from the last of August", withoutAugust(days(60)), "2023-08-31", true, "2023-10-30"},
		{"60 days from the day after it", withoutAugust(days(60)), "2023-09-01", true, "2023-10-31"},
		{"60 days far from August", withoutAugust(days(60)), "2026-01-12", true, "2026-03-13"},
		{"30 days up to 31 July", withoutAugust(days(30)), "2025-07-01", true, "2025-07-31"}, // a Thursday
		{"30 days up to a Sunday 31 July", withoutAugust(days(30)), "2022-07-01", true, "2022-09-01"},
		{"30 days up to a Sunday 31 July, not to be moved", withoutAugust(days(30)), "2022-07-01", false, "2022-07-31"},
		{"30 days up to a Sunday 31 July, August counting", days(30), "2022-07-01", true, "2022-08-01"},
		{"two Augusts", withoutAugust(days(400)), "2022-07-01", false, "2023-10-06"},

		{"6 months across August", withoutAugust(months(6)), "2017-03-24", true, "2017-10-25"},
		{"6 months from 31 July", withoutAugust(months(6)), "2017-07-31", true, "2018-03-03"},
		{"6 months from August (Cass. 14147/2020)", withoutAugust(months(6)), "2020-08-10", true, "2021-03-01"},
		{"6 months from August, not to be moved", withoutAugust(months(6)), "2020-08-10", false, "2021-03-01"}, // 28 February 2021 is a Sunday, which hides from when it is counted
		{"no days at all, in August", withoutAugust(days(0)), "2026-08-05", true, "2026-08-05"},
		{"6 months that end in August", withoutAugust(months(6)), "2026-02-10", true, "2026-09-10"},
		{"a year that meets a second August", withoutAugust(months(12)), "2025-07-15", false, "2026-09-15"},
		{"one semester", calendar.Span{Unit: calendar.Semesters, Count: 1}, "2025-08-31", false, "2026-02-28"},
		{"one semester without August", withoutAugust(calendar.Span{Unit: calendar.Semesters, Count: 1}), "2017-03-24", false, "2017-10-25"},
		{"two months", months(2), "2025-12-31", true, "2026-02-28"},
	} {
		if got := c.span.Ends(day(t, c.from), c.moved, calendar.Holidays{}).String(); got != c.want {
			t.Errorf("%s: from %s it ends on %s, want %s", c.why, c.from, got, c.want)
		}
	}
}

// The first of September may be a holiday itself: a Sunday, or a patron's day.
func TestATermThatIsMovedPastAugustEndsOnAWorkingDay(t *testing.T) {
	patron := calendar.Holidays{Patron: calendar.MonthDay{Month: time.September, Day: 1}}
	if got := withoutAugust(days(30)).Ends(day(t, "2022-07-01"), true, patron).String(); got != "2022-09-02" {
		t.Error(got)
	}
	saturdays := calendar.Holidays{SaturdayToo: true}
	if got := withoutAugust(days(30)).Ends(day(t, "2027-07-01"), true, saturdays).String(); got != "2027-09-01" { // 31 July 2027 is a Saturday
		t.Error(got)
	}
	if got := withoutAugust(days(30)).Ends(day(t, "2027-07-01"), true, calendar.Holidays{}).String(); got != "2027-07-31" {
		t.Error(got)
	}
}

func TestDaysWithoutAugustAreThoseCountedOneByOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := calendar.Of(2000, 1, 1) + calendar.Day(rapid.IntRange(0, 40000).Draw(t, "from"))
		n := rapid.IntRange(0, 1200).Draw(t, "n")
		want := from
		for left := n; left > 0; {
			want++
			if _, month, _ := want.Date(); month != time.August {
				left--
			}
		}
		if got := withoutAugust(days(n)).After(from); got != want {
			t.Fatalf("%d days after %s: %s, want %s", n, from, got, want)
		}
	})
}

var anyHolidays = rapid.Custom(func(t *rapid.T) calendar.Holidays {
	h := calendar.Holidays{SaturdayToo: rapid.Bool().Draw(t, "Saturday")}
	if rapid.Bool().Draw(t, "patron") {
		h.Patron = calendar.MonthDay{Month: time.Month(rapid.IntRange(1, 12).Draw(t, "month")), Day: rapid.IntRange(1, 28).Draw(t, "day")}
	}
	return h
})

// By its sources, a term of months that begins on one of the last days of July
// may end after one that begins in August: the first is lengthened by 31 days, the
// second begins on 1 September. Everything else keeps its order.
func TestALaterAnchorOrALongerTermNeverEndsEarlier(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := calendar.Span{
			Unit:          rapid.SampledFrom([]calendar.Unit{calendar.Days, calendar.Months, calendar.Semesters}).Draw(t, "unit"),
			Count:         rapid.IntRange(0, 60).Draw(t, "count"),
			WithoutAugust: rapid.Bool().Draw(t, "without August"),
		}
		h, moved := anyHolidays.Draw(t, "holidays"), rapid.Bool().Draw(t, "moved")
		from := calendar.Of(2015, 1, 1) + calendar.Day(rapid.IntRange(0, 10000).Draw(t, "from"))
		end := s.Ends(from, moved, h)
		if moved && h.Holiday(end) {
			t.Fatalf("%+v from %s ends on a holiday, %s", s, from, end)
		}
		if _, month, _ := end.Date(); s.WithoutAugust && s.Count > 0 && month == time.August {
			t.Fatalf("%+v from %s ends in August, on %s", s, from, end)
		}
		if end < s.After(from) {
			t.Fatalf("%+v from %s is moved back, to %s", s, from, end)
		}
		longer := s
		longer.Count++
		if later := longer.Ends(from, moved, h); later < end || !moved && later == end {
			t.Fatalf("from %s, %+v ends on %s, one more on %s", from, s, end, later)
		}
		_, month, of := from.Date()
		if s.WithoutAugust && s.Unit != calendar.Days && month == time.July && of >= 29 {
			return
		}
		if later := s.Ends(from+1, moved, h); later < end {
			t.Fatalf("%+v from %s ends on %s, from the day after on %s", s, from, end, later)
		}
	})
}
