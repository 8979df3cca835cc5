package rules_test

import (
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/attualizza/attualizza/positions/rules"
)

func TestARateIsAPercentageOrAFraction(t *testing.T) {
	for text, want := range map[string]string{
		"-30": "-30", "2.5": "2.5", "0.0001": "0.0001", "-0.5": "-0.5", "100": "100", "1000": "1000", "-1000.0000": "-1000",
		"+5": "5", "007": "7", "2.5000": "2.5", "0": "0", "-0": "0", "-0.0000": "0", "10.0100": "10.01",
		"-2/3": "-2/3", "1/10": "1/10", "+1/3": "1/3", "0/7": "0/7", "10/1": "10/1", "1/999999": "1/999999", "-2/4": "-2/4",
		strings.Repeat("0", 500) + "5": "5",
	} {
		r, err := rules.ParseRate(text)
		if err != nil || r.String() != want {
			t.Errorf("%q is %q, %v; want %q", text, r, err, want)
		}
		if r.IsZero() {
			t.Errorf("%q is no rate at all", text)
		}
	}
	for _, text := range []string{
		"", " ", "-", "+", ".", ".5", "-.5", "5.", "5.+3", "5.-3", "--5", "+-5", "1e3", "1E3", "0x10", "1_000", "½", "５", "5%", "2,5", " 5", "5 ", "NaN", "Inf",
		"0.00001", "1000.0001", "-1001", "1001", "99999999999999999999999", strings.Repeat("9", 500), "0." + strings.Repeat("0", 500),
		"/", "1/", "/3", "1/0", "0/0", "-2/-3", "1/2/3", "1.5/2", "1/1000001", "1000001/2", "11/1", "-101/10", "1 / 3", "1/½",
		"1/" + strings.Repeat("9", 500), "5\n", "5\x00", "\xff",
	} {
		if r, err := rules.ParseRate(text); err == nil || !r.IsZero() {
			t.Errorf("%q was read as %q", text, r)
		} else if !strings.HasPrefix(err.Error(), "must ") {
			t.Errorf("%q: %q does not tell what must be", text, err)
		}
	}
}

func TestTheSignOfARate(t *testing.T) {
	for text, want := range map[string]int{"-30": -1, "-1/3": -1, "0": 0, "-0": 0, "0/3": 0, "0.0001": 1, "2/3": 1} {
		if got := rate(text).Sign(); got != want {
			t.Errorf("%s: %d", text, got)
		}
	}
	if (rules.Rate{}).Sign() != 0 || !(rules.Rate{}).IsZero() || (rules.Rate{}).String() != "" {
		t.Error("the zero rate is one")
	}
}

func TestARateIsReadAsItIsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rate(anyRate.Draw(t, "rate"))
		again, err := rules.ParseRate(r.String())
		if err != nil || again != r {
			t.Fatalf("%q became %q, %v", r, again, err)
		}
		text, err := r.MarshalText()
		var third rules.Rate
		if err != nil || third.UnmarshalText(text) != nil || third != r {
			t.Fatalf("%q is written %q, %v, and read %q", r, text, err, third)
		}
	})
	var r rules.Rate
	if r = rate("5"); r.UnmarshalText(nil) != nil || !r.IsZero() {
		t.Error("no text is not no rate")
	}
}

func FuzzParseRate(f *testing.F) {
	for _, text := range []string{"-30", "2.5", "-2/3", "+5", "-0", "1e3", "½", "0.0001", "10/1", "1/0", ".5", "5."} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := rules.ParseRate(text)
		if err != nil {
			return
		}
		num, den, fraction := strings.Cut(text, "/")
		exact, ok := new(big.Rat).SetString(num) // the same number, read by others
		below := big.NewInt(100)
		if fraction && ok {
			below, ok = new(big.Int).SetString(den, 10)
		}
		if !ok {
			t.Fatalf("%q was read as %q", text, r)
		}
		exact.Quo(exact, new(big.Rat).SetInt(below))
		if exact.Cmp(ratOf(r)) != 0 {
			t.Fatalf("%q was read as %q", text, r)
		}
		if again, err := rules.ParseRate(r.String()); err != nil || again != r {
			t.Fatalf("%q became %q, %v", r, again, err)
		}
	})
}
