package money

import (
	"errors"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

func TestParseEuro(t *testing.T) {
	accepted := map[string]Cents{
		"0.00": 0, "0.01": 1, "10.00": 1000, "007.05": 705,
		"999999999.99": Max,
	}
	for in, want := range accepted {
		if got, err := ParseEuro(in); err != nil || got != want {
			t.Errorf("ParseEuro(%q) = %d, %v; want %d", in, got, err, want)
		}
	}
	for _, in := range []string{
		"", ".00", "1", "1.0", "1.000", "1,00", "-1.00", "+1.00", " 1.00", "1.00 ",
		"1 .00", "1e2.00", "1000000000.00", "99999999999999999999.00", "１.00", "1.0a",
	} {
		if got, err := ParseEuro(in); !errors.Is(err, ErrNotAnAmount) {
			t.Errorf("ParseEuro(%q) = %d, %v; want ErrNotAnAmount", in, got, err)
		}
	}
}

func TestEuroAndParseEuroAreInverse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Cents(rapid.Int64Range(0, int64(Max)).Draw(t, "cents"))
		if got, err := ParseEuro(c.Euro()); err != nil || got != c {
			t.Fatalf("%d became %q and then %d, %v", c, c.Euro(), got, err)
		}
	})
}

func TestStringIsWrittenAsInItaly(t *testing.T) {
	for c, want := range map[Cents]string{
		0: "0,00 €", 5: "0,05 €", 123450: "1.234,50 €", -100: "-1,00 €", Max: "999.999.999,99 €",
	} {
		if got := c.String(); got != want {
			t.Errorf("%d is written %q, want %q", int64(c), got, want)
		}
	}
}

func TestMulDivRoundsHalfUpLikeExactArithmetic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.Int64Range(-int64(Max), int64(Max)).Draw(t, "cents")
		num := rapid.Int64Range(-1_000_000_000, 1_000_000_000).Draw(t, "num")
		den := rapid.Int64Range(1, 1_000_000_000).Draw(t, "den")
		got, err := Cents(c).MulDiv(num, den)
		// floor((2·c·num + den) / (2·den)) is half up towards +∞.
		n := new(big.Int).Mul(big.NewInt(c), big.NewInt(num))
		n.Lsh(n, 1).Add(n, big.NewInt(den))
		want := n.Div(n, new(big.Int).Lsh(big.NewInt(den), 1)) // Euclidean: floor for a positive divisor
		if !want.IsInt64() {
			if !errors.Is(err, ErrOverflow) {
				t.Fatalf("want overflow, got %d, %v", got, err)
			}
			return
		}
		if err != nil || int64(got) != want.Int64() {
			t.Fatalf("%d×%d/%d = %d, %v; want %s", c, num, den, got, err, want)
		}
	})
}

func TestAddRefusesToOverflow(t *testing.T) {
	if _, err := Cents(1<<63 - 1).Add(1); !errors.Is(err, ErrOverflow) {
		t.Fatalf("got %v", err)
	}
	if _, err := Cents(-1 << 63).Add(-1); !errors.Is(err, ErrOverflow) {
		t.Fatalf("got %v", err)
	}
}
