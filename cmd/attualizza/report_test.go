package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions"
)

func TestAReportDoesNotLetTextsBecomeFormulas(t *testing.T) {
	var b bytes.Buffer
	r, err := newCSVReport(&b, "a", "b_cents")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 30, 23, 0, 0, 0, time.FixedZone("", 3600))
	for _, cells := range [][]any{
		{"=1+1", money.Cents(-200)},
		{"+39", "-1"},
		{"@SUM(A1)", "\tx"},
		{"a=b, c", at},
		{"", time.Time{}},
		{positions.Kept("@kept"), int64(7)},
	} {
		if err := r.line(cells...); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	const want = "a,b_cents\r\n'=1+1,-200\r\n'+39,'-1\r\n'@SUM(A1),'\tx\r\n\"a=b, c\",2026-11-30T22:00:00Z\r\n,\r\n'@kept,7\r\n"
	if b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}

func TestADayOfAPeriodIsTheWholeDayInItaly(t *testing.T) {
	for text, want := range map[string][2]string{
		"2026-10-25":           {"2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"}, // 25 hours
		"2026-11-30T10:00:00Z": {"2026-11-30T10:00:00Z", "2026-11-30T10:00:00Z"},
	} {
		var m moment
		if err := m.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if got := [2]string{m.first.UTC().Format(time.RFC3339), m.after.UTC().Format(time.RFC3339)}; got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
	for _, text := range []string{"", "30/11/2026", "2026-11-31", "yesterday"} {
		if err := new(moment).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is read", text)
		}
	}
}
