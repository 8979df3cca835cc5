package rules

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/attualizza/attualizza/internal/money"
)

// Rate is a part of an amount, exactly: a percentage to four decimals, in parts
// per million, or a fraction such as -2/3. The zero Rate is none.
type Rate struct {
	num, den int64 // den 0: none; million: a percentage
}

const (
	million     = 1_000_000
	maxPercent  = 1000          // a rate beyond is a slip
	maxFraction = 1_000_000     // numerator and denominator
	decimals    = 4             // of a percentage
	perPercent  = million / 100 // parts per million
	mostPPM     = maxPercent * perPercent
)

// ParseRate reads a percentage such as "-30" or "2.5", or a fraction of the amount
// such as "-2/3" or "1/10". Percentages lie between -1000 and 1000 and have at most
// four decimals.
func ParseRate(text string) (Rate, error) {
	if num, den, ok := strings.Cut(text, "/"); ok {
		n, ok1 := integer(num, maxFraction)
		d, ok2 := integer(den, maxFraction)
		if !ok1 || !ok2 || d < 1 {
			return Rate{}, fmt.Errorf("must be a fraction such as -2/3, of whole numbers up to %d", maxFraction)
		}
		if n < -10*d || n > 10*d {
			return Rate{}, fmt.Errorf("must lie between -10/1 and 10/1")
		}
		return Rate{n, d}, nil
	}
	whole, fraction, point := strings.Cut(text, ".")
	if point && (fraction == "" || len(fraction) > decimals) {
		return Rate{}, fmt.Errorf(`must be a percentage such as "-30" or "2.5", with at most four decimals`)
	}
	ppm, ok := integer(whole+(fraction + "0000")[:decimals], mostPPM)
	if !ok || strings.TrimLeft(whole, "+-") == "" {
		return Rate{}, fmt.Errorf(`must be a percentage such as "-30" or "2.5" between -1000 and 1000, or a fraction such as "-2/3"`)
	}
	return Rate{ppm, million}, nil
}

// integer reads a whole number up to limit in magnitude.
func integer(text string, limit int64) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && n >= -limit && n <= limit
}

// Percent returns a percentage of so many parts per million.
func Percent(ppm int64) Rate { return Rate{ppm, million} }

// IsZero reports whether there is no rate.
func (r Rate) IsZero() bool { return r.den == 0 }

// Sign is -1, 0 or 1.
func (r Rate) Sign() int {
	switch {
	case r.num < 0:
		return -1
	case r.num > 0:
		return 1
	}
	return 0
}

// percentage reports whether the rate was given per cent.
func (r Rate) percentage() bool { return r.den == million }

// of returns times × the rate × an amount, rounded half up (towards +∞).
func (r Rate) of(c money.Cents, times int64) (money.Cents, error) {
	return c.MulDiv(r.num*times, r.den)
}

// String returns the rate as [ParseRate] reads it: "-30", "2.5", "-2/3".
func (r Rate) String() string {
	switch r.den {
	case 0:
		return ""
	case million:
		n, sign := r.num, ""
		if n < 0 {
			n, sign = -n, "-"
		}
		text := fmt.Sprintf("%s%d.%04d", sign, n/perPercent, n%perPercent)
		return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
	}
	return fmt.Sprintf("%d/%d", r.num, r.den)
}

// MarshalText implements [encoding.TextMarshaler].
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (r *Rate) UnmarshalText(text []byte) (err error) {
	if len(text) == 0 {
		*r = Rate{}
		return nil
	}
	*r, err = ParseRate(string(text))
	return err
}
