package positions_test

import (
	"testing"
	"time"

	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/calendar"
)

func TestThePeriodOfMissingReceiptsEndsWhereActivationsAreOldEnough(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	day := func(month time.Month, day int) time.Time {
		return time.Date(2026, month, day, 0, 0, 0, 0, calendar.Rome)
	}
	const hours = time.Hour
	for name, c := range map[string]struct {
		from, to  time.Time
		age       time.Duration
		begin     time.Time
		end       time.Time
		refusedAt string
	}{
		"nothing is asked, of summer time":       {age: 2 * hours, begin: now.Add(-3*hours).AddDate(0, 0, -30), end: now.Add(-2 * hours)},
		"an old period":                          {from: day(10, 1), to: day(10, 3), age: 2 * hours, begin: day(10, 1), end: day(10, 3)},
		"one that reaches into the last hours":   {from: day(11, 20), to: now.Add(-hours), age: 2 * hours, begin: day(11, 20), end: now.Add(-2 * hours)},
		"one that reaches ahead":                 {from: day(11, 20), to: now.AddDate(1, 0, 0), age: 3 * hours, begin: day(11, 20), end: now.Add(-3 * hours)},
		"one in which nothing is old enough":     {from: now.Add(-hours), age: 2 * hours, begin: now.Add(-hours), end: now.Add(-2 * hours)},
		"92 days with the end of summer time":    {from: day(8, 1), to: day(11, 1), age: hours, begin: day(8, 1), end: day(11, 1)},
		"93 days":                                {from: day(7, 31), to: day(11, 1), age: hours, refusedAt: "from"},
		"from without to, too long ago":          {from: day(8, 1), age: hours, refusedAt: "from"},
		"to without from":                        {to: day(10, 31), age: hours, begin: day(10, 1), end: day(10, 31)},
		"an end before the begin":                {from: day(10, 3), to: day(10, 1), age: hours, refusedAt: "from"},
		"a begin ahead":                          {from: now.Add(hours), age: hours, refusedAt: "from"},
		"an age within which a payment may take": {age: hours - 1, refusedAt: "olderThan"},
	} {
		begin, end, err := positions.MissingReceiptPeriod(c.from, c.to, now, c.age)
		if c.refusedAt != "" {
			refusal, ok := err.(*positions.Error)
			if !ok || refusal.Code != positions.Invalid || len(refusal.Problems) != 1 || refusal.Problems[0].Pointer != c.refusedAt {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || !begin.Equal(c.begin) || !end.Equal(c.end) {
			t.Errorf("%s: from %v to %v, %v, want %v to %v", name, begin, end, err, c.begin, c.end)
		}
	}
}
