package calendar_test

import (
	"encoding/json"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/attualizza/attualizza/positions/calendar"
)

// day reads a date of a test.
func day(t testing.TB, text string) calendar.Day {
	t.Helper()
	d, err := calendar.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestTheDayOfAnInstantIsThatOfRome(t *testing.T) {
	tokyo, newYork := time.FixedZone("Tokyo", 9*3600), time.FixedZone("New York", -5*3600)
	for _, c := range []struct {
		name string
		at   time.Time
		want string
	}{
		{"the last nanosecond of a winter day", time.Date(2026, 1, 15, 22, 59, 59, 999999999, time.UTC), "2026-01-15"},
		{"the first instant of a winter day", time.Date(2026, 1, 15, 23, 0, 0, 0, time.UTC), "2026-01-16"},
		{"the last nanosecond of a summer day", time.Date(2026, 7, 15, 21, 59, 59, 999999999, time.UTC), "2026-07-15"},
		{"the first instant of a summer day", time.Date(2026, 7, 15, 22, 0, 0, 0, time.UTC), "2026-07-16"},
		{"the evening before summer time begins", time.Date(2026, 3, 28, 22, 59, 59, 0, time.UTC), "2026-03-28"},
		{"the day on which summer time begins", time.Date(2026, 3, 28, 23, 0, 0, 0, time.UTC), "2026-03-29"},
		{"its last instant, an hour early", time.Date(2026, 3, 29, 21, 59, 59, 0, time.UTC), "2026-03-29"},
		{"the day after it", time.Date(2026, 3, 29, 22, 0, 0, 0, time.UTC), "2026-03-30"},
		{"the day on which summer time ends", time.Date(2026, 10, 24, 22, 0, 0, 0, time.UTC), "2026-10-25"},
		{"its last instant, an hour late", time.Date(2026, 10, 25, 22, 59, 59, 0, time.UTC), "2026-10-25"},
		{"the day after that", time.Date(2026, 10, 25, 23, 0, 0, 0, time.UTC), "2026-10-26"},
		{"a morning in Tokyo", time.Date(2026, 1, 16, 7, 59, 0, 0, tokyo), "2026-01-15"},
		{"the same morning a minute later", time.Date(2026, 1, 16, 8, 0, 0, 0, tokyo), "2026-01-16"},
		{"an evening in New York", time.Date(2026, 1, 15, 18, 0, 0, 0, newYork), "2026-01-16"},
		{"an instant before 1970", time.Date(1969, 12, 31, 22, 59, 59, 1, time.UTC), "1969-12-31"},
		{"the zero instant, which is none", time.Time{}, ""},
	} {
		if got := calendar.DayOf(c.at).String(); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestADayIsADateWrittenAndRead(t *testing.T) {
	first, last := day(t, "1900-01-01"), day(t, "2200-12-31")
	at := time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)
	for d := first; d <= last; d, at = d+1, at.AddDate(0, 0, 1) {
		year, month, of := d.Date()
		if y, m, o := at.Date(); year != y || month != m || of != o || d.Year() != y {
			t.Fatalf("%d is %d-%d-%d, want %v", d, year, month, of, at)
		}
		if d.Weekday() != at.Weekday() || calendar.Of(year, month, of) != d || d.String() != at.Format(time.DateOnly) || d.Italian() != at.Format("02/01/2006") {
			t.Fatalf("%v is written %s and %s, a %s", at, d, d.Italian(), d.Weekday())
		}
		if read, err := calendar.Parse(d.String()); err != nil || read != d {
			t.Fatalf("%s is read as %s, %v", d, read, err)
		}
	}
	for _, text := range []string{"0001-01-01", "1582-10-15", "9999-12-31"} {
		if got := day(t, text).String(); got != text {
			t.Errorf("%s is written %s", text, got)
		}
	}
}

func TestADayBeginsAtItsFirstInstant(t *testing.T) {
	for d := day(t, "1980-01-01"); d <= day(t, "2200-12-31"); d++ {
		start := d.Start()
		if calendar.DayOf(start) != d || calendar.DayOf(start.Add(-time.Nanosecond)) != d-1 {
			t.Fatalf("%s begins at %v", d, start)
		}
	}
}

func TestDatesCarryOver(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		year, month, of := rapid.IntRange(1900, 2200).Draw(t, "year"), rapid.IntRange(-30, 50).Draw(t, "month"), rapid.IntRange(-500, 500).Draw(t, "day")
		got, want := calendar.Of(year, time.Month(month), of), time.Date(year, time.Month(month), of, 0, 0, 0, 0, time.UTC)
		if got.String() != want.Format(time.DateOnly) {
			t.Fatalf("%d-%d-%d is %s, want %v", year, month, of, got, want)
		}
	})
}

func TestWhatIsNoDay(t *testing.T) {
	for _, text := range []string{"", "2026-02-29", "2026-13-01", "2026-1-1", "26-01-01", "2026-01-01T00:00:00Z", " 2026-01-01", "0000-12-31", "10000-01-01", "-001-01-01", "２026-01-01"} {
		if d, err := calendar.Parse(text); err == nil || d != calendar.Unknown {
			t.Errorf("%q was read as %s", text, d)
		}
	}
	var zero calendar.Day
	for _, d := range []calendar.Day{zero, calendar.Unknown, calendar.Never} {
		if d.Known() || d.String() != "" || d.Italian() != "" {
			t.Errorf("%d is a day: %s", d, d)
		}
	}
	if first, last := day(t, "0001-01-01"), day(t, "9999-12-31"); !(calendar.Unknown < first && first.Known() && last.Known() && last < calendar.Never) {
		t.Error("Unknown does not come before every day and Never after it")
	}
}

func TestADayInJSONIsItsDateOrNothing(t *testing.T) {
	type form struct {
		Day  calendar.Day `json:"day,omitzero"`
		Kept calendar.Day `json:"kept"`
	}
	for text, want := range map[string]form{
		`{"kept":""}`: {},
		`{"day":"1970-01-01","kept":"2026-12-28"}`: {day(t, "1970-01-01"), day(t, "2026-12-28")},
		`{"day":"9998-12-31","kept":"1900-01-01"}`: {day(t, "9998-12-31"), day(t, "1900-01-01")},
	} {
		var got form
		if err := json.Unmarshal([]byte(text), &got); err != nil || got != want {
			t.Errorf("%s is read as %v, %v", text, got, err)
		}
		if written, err := json.Marshal(want); err != nil || string(written) != text {
			t.Errorf("%v is written %s, %v", want, written, err)
		}
	}
	if err := json.Unmarshal([]byte(`{"day":"tomorrow"}`), new(form)); err == nil {
		t.Error("tomorrow was read as a day")
	}
}

func TestMonthsEndOnTheSameNumberedDayOrTheLastOfTheMonth(t *testing.T) {
	for _, c := range []struct {
		from string
		n    int
		want string
	}{
		{"2026-01-15", 1, "2026-02-15"},
		{"2026-01-31", 1, "2026-02-28"},
		{"2028-01-31", 1, "2028-02-29"},
		{"2028-02-29", 12, "2029-02-28"},
		{"2028-02-29", 48, "2032-02-29"},
		{"2025-08-31", 6, "2026-02-28"},
		{"2026-08-31", 1, "2026-09-30"},
		{"2026-11-30", 3, "2027-02-28"},
		{"2026-12-31", 0, "2026-12-31"},
		{"2026-12-31", 120, "2036-12-31"},
		{"2026-03-31", -1, "2026-02-28"},
		{"2026-01-01", -1, "2025-12-01"},
	} {
		if got := day(t, c.from).AddMonths(c.n).String(); got != c.want {
			t.Errorf("%s + %d months is %s, want %s", c.from, c.n, got, c.want)
		}
	}
}

func TestDaysTakeTheArticleThatTheyAreReadWith(t *testing.T) {
	for day, want := range map[calendar.Day][3]string{
		calendar.Of(2026, 12, 28): {"il 28/12/2026", "al 28/12/2026", "dal 28/12/2026"},
		calendar.Of(2026, 12, 8):  {"l'08/12/2026", "all'08/12/2026", "dall'08/12/2026"},
		calendar.Of(2027, 4, 11):  {"l'11/04/2027", "all'11/04/2027", "dall'11/04/2027"},
		calendar.Of(2027, 4, 18):  {"il 18/04/2027", "al 18/04/2027", "dal 18/04/2027"},
	} {
		if got := [3]string{day.With("il"), day.With("al"), day.With("dal")}; got != want {
			t.Errorf("%s: %q", day, got)
		}
	}
}
