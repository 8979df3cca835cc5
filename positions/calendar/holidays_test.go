package calendar_test

import (
	"encoding/csv"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/attualizza/attualizza/positions/calendar"
)

func TestEasterMondayIsThatOfTheTable(t *testing.T) {
	f, err := os.Open("testdata/easter.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil || len(rows) != 101 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for _, row := range rows[1:] {
		year, err := strconv.Atoi(row[0])
		if err != nil {
			t.Fatal(err)
		}
		if got := calendar.EasterMonday(year).String(); got != row[1] {
			t.Errorf("%s: %s, want %s", row[0], got, row[1])
		}
		if !(calendar.Holidays{}).Holiday(day(t, row[1])) {
			t.Errorf("%s is no holiday", row[1])
		}
	}
}

func TestHolidaysAreThoseOfTheLawOfTheirYear(t *testing.T) {
	plain := calendar.Holidays{}
	for _, c := range []struct {
		day  string
		h    calendar.Holidays
		want bool
	}{
		{"2027-10-04", plain, true},  // a Monday, since L. 151/2025
		{"2026-10-04", plain, true},  // a Sunday in any case
		{"2025-10-04", plain, false}, // a Saturday
		{"2024-10-04", plain, false},
		{"2000-06-02", plain, false}, // restored by L. 336/2000
		{"2001-06-02", plain, true},
		{"2026-06-02", plain, true},
		{"1984-01-06", plain, false}, // restored by DPR 792/1985
		{"1986-01-06", plain, true},
		{"2026-01-06", plain, true},
		{"2026-01-01", plain, true},
		{"2025-04-25", plain, true},
		{"2026-05-01", plain, true},
		{"2025-08-15", plain, true},
		{"2024-11-01", plain, true},
		{"2026-12-08", plain, true},
		{"2025-12-25", plain, true},
		{"2025-12-26", plain, true},
		{"2025-12-24", plain, false},
		{"2026-04-06", plain, true},  // Easter Monday
		{"2026-04-07", plain, false}, // the day after
		{"2026-04-13", plain, false}, // an ordinary Monday
		{"2026-06-29", plain, false}, // Saint Peter and Paul: of Rome alone
		{"2026-06-29", calendar.Holidays{Patron: calendar.MonthDay{Month: time.June, Day: 29}}, true},
		{"2026-06-24", calendar.Holidays{Patron: calendar.MonthDay{Month: time.June, Day: 29}}, false},
		{"2026-03-07", plain, false}, // a Saturday
		{"2026-03-07", calendar.Holidays{SaturdayToo: true}, true},
		{"2026-03-08", plain, true}, // a Sunday
		{"2026-03-09", calendar.Holidays{SaturdayToo: true}, false},
	} {
		if got := c.h.Holiday(day(t, c.day)); got != c.want {
			t.Errorf("%s with %+v: %t", c.day, c.h, got)
		}
	}
}

// A year has eleven or twelve holidays, apart from Sundays.
func TestNoYearHasOtherHolidays(t *testing.T) {
	want := []string{"01-01", "01-06", "04-25", "05-01", "06-02", "08-15", "10-04", "11-01", "12-08", "12-25", "12-26"}
	for year := 2026; year < 2100; year++ {
		fixed := map[calendar.Day]bool{calendar.EasterMonday(year): true}
		for _, text := range want {
			fixed[day(t, strconv.Itoa(year)+"-"+text)] = true
		}
		for d := calendar.Of(year, 1, 1); d.Year() == year; d++ {
			if got := (calendar.Holidays{}).Holiday(d); got != (fixed[d] || d.Weekday() == time.Sunday) {
				t.Errorf("%s: %t", d, got)
			}
		}
	}
}

func TestTheNextWorkingDay(t *testing.T) {
	for _, c := range []struct{ from, want string }{
		{"2026-12-28", "2026-12-28"},
		{"2025-12-25", "2025-12-27"}, // a Saturday, which is a working day
		{"2026-12-25", "2026-12-28"}, // Christmas, Saint Stephen, Sunday
		{"2026-04-05", "2026-04-07"}, // Easter
		{"2011-04-24", "2011-04-26"}, // Easter Monday and 25 April together
		{"2027-10-03", "2027-10-05"}, // Sunday and Saint Francis
	} {
		if got := (calendar.Holidays{}).Working(day(t, c.from)).String(); got != c.want {
			t.Errorf("%s moves to %s, want %s", c.from, got, c.want)
		}
	}
}

func TestADayOfTheYearIsRead(t *testing.T) {
	for text, want := range map[string]calendar.MonthDay{"06-24": {Month: time.June, Day: 24}, "02-29": {Month: time.February, Day: 29}, "12-07": {Month: time.December, Day: 7}} {
		if got, err := calendar.ParseMonthDay(text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "02-30", "13-01", "6-24", "06/24", "2026-06-24", "00-00"} {
		if got, err := calendar.ParseMonthDay(text); err == nil {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}
