package config

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestRatesAreReadAndWritten(t *testing.T) {
	for text, want := range map[string]float64{"100/s": 100, "90/m": 1.5, "3600/h": 1} {
		var r Rate
		if err := r.UnmarshalText([]byte(text)); err != nil || r.PerSecond() != want || r.String() != text {
			t.Errorf("%s is %v (%v per second), %v", text, r, r.PerSecond(), err)
		}
	}
	for _, text := range []string{"", "/", "100", "/s", "0/s", "-1/s", "+1/s", "1/d", "1 /s", "1/s/s", "1e3/s", "99999999999999999999/s"} {
		r := Rate{1, time.Hour}
		if err := r.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is accepted as %v", text, r)
		}
	}
}

func TestSizesAreReadAndWritten(t *testing.T) {
	for text, want := range map[string]Size{"4MiB": 4 << 20, "512KiB": 512 << 10, "1GiB": 1 << 30, "17B": 17, "0B": 0} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want || s.String() != text {
			t.Errorf("%s is %d, %v", text, int64(s), err)
		}
	}
	for _, text := range []string{"", "4", "MiB", "4MB", "-4MiB", "4.5MiB", "4 MiB", "4mib", "9007199254740992GiB"} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is accepted as %d", text, int64(s))
		}
	}
}

func TestAnySizeSurvivesItsOwnText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Size(rapid.Int64Min(0).Draw(t, "bytes"))
		var got Size
		if err := got.UnmarshalText([]byte(want.String())); err != nil || got != want {
			t.Fatalf("%d became %q became %d: %v", int64(want), want.String(), int64(got), err)
		}
	})
}

func TestPeriodsAreReadAndWritten(t *testing.T) {
	for text, want := range map[string]time.Duration{"0": 0, "1d": 24 * time.Hour, "3653d": 87_672 * time.Hour, "36500d": 876_000 * time.Hour} {
		var p Period
		if err := p.UnmarshalText([]byte(text)); err != nil || time.Duration(p) != want || p.String() != text {
			t.Errorf("%s is %v, %v", text, p, err)
		}
	}
	// "0d" could mean for ever, or not at all.
	for _, text := range []string{"", "d", "90", "-1d", "+1d", "1.5d", "1 d", "24h", "1d12h", "10y", "0d", "00", "36501d", "99999999999999999999d"} {
		p := Period(time.Hour)
		if err := p.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is accepted as %v", text, p)
		}
	}
}
