// Package money holds amounts of euro as integer cents.
//
// Nothing in Attualizza represents money as a floating-point number. Amounts
// travel as int64 cents in memory, in the stores and in JSON; on the SOAP wire
// they are euro with exactly two decimals (stAmount of the paForNode schema).
package money

import (
	"errors"
	"fmt"
	"math/bits"
	"strconv"
)

// Cents is an amount in euro cents. Stored and answered amounts lie between 0
// and [Max]; differences may be negative.
type Cents int64

// Max is the largest amount that the paForNode schema can carry:
// 999999999.99 euro (stAmount, maxInclusive).
const Max Cents = 99_999_999_999

// ErrNotAnAmount is returned by [ParseEuro] for text that is not one or more
// digits, a point and two digits, or that exceeds [Max].
var ErrNotAnAmount = errors.New("is not an amount in euro with two decimals, at most 999999999.99")

// ErrOverflow is returned by the checked operations when the result does not
// fit in 64 bits.
var ErrOverflow = errors.New("amount out of range")

// ParseEuro reads the lexical form of stAmount, `\d+\.\d{2}`, without
// surrounding white space. Leading zeros are allowed, as in the schema.
func ParseEuro(s string) (Cents, error) {
	if len(s) < 4 || s[len(s)-3] != '.' {
		return 0, ErrNotAnAmount
	}
	var c Cents
	for i := 0; i < len(s); i++ {
		if i == len(s)-3 {
			continue
		}
		d := s[i] - '0'
		if d > 9 {
			return 0, ErrNotAnAmount
		}
		c = c*10 + Cents(d)
		if c > Max {
			return 0, ErrNotAnAmount
		}
	}
	return c, nil
}

// AppendEuro appends the SOAP form of c (for example "12.30") to dst.
func (c Cents) AppendEuro(dst []byte) []byte {
	u := uint64(c)
	if c < 0 {
		dst = append(dst, '-')
		u = -u
	}
	dst = strconv.AppendUint(dst, u/100, 10)
	return append(dst, '.', byte('0'+u%100/10), byte('0'+u%10))
}

// Euro returns the SOAP form of c, for example "12.30".
func (c Cents) Euro() string { return string(c.AppendEuro(make([]byte, 0, 16))) }

// String returns c as an Italian reader expects it, for example "1.234,50 €".
func (c Cents) String() string {
	u := uint64(c)
	sign := ""
	if c < 0 {
		sign, u = "-", -u
	}
	whole := strconv.FormatUint(u/100, 10)
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "." + whole[i:]
	}
	return fmt.Sprintf("%s%s,%02d €", sign, whole, u%100)
}

// Add returns c+d, or [ErrOverflow].
func (c Cents) Add(d Cents) (Cents, error) {
	s := c + d
	if (d > 0 && s < c) || (d < 0 && s > c) {
		return 0, ErrOverflow
	}
	return s, nil
}

// MulDiv returns c×num/den rounded half up (towards +∞ for an exact half),
// computed with a 128-bit intermediate. den must be positive; num may have any
// sign. It returns [ErrOverflow] when the result does not fit.
func (c Cents) MulDiv(num, den int64) (Cents, error) {
	if den <= 0 {
		return 0, fmt.Errorf("divide by %d: %w", den, ErrOverflow)
	}
	negative := (c < 0) != (num < 0)
	hi, lo := bits.Mul64(magnitude(int64(c)), magnitude(num))
	half := uint64(den) / 2
	if negative && den%2 == 0 && half > 0 {
		half-- // an exact half of a negative value rounds towards +∞
	}
	lo, carry := bits.Add64(lo, half, 0)
	hi += carry
	if hi >= uint64(den) {
		return 0, ErrOverflow
	}
	q, _ := bits.Div64(hi, lo, uint64(den))
	if q > 1<<63-1 {
		return 0, ErrOverflow
	}
	if negative {
		return -Cents(q), nil
	}
	return Cents(q), nil
}

func magnitude(v int64) uint64 {
	if v < 0 {
		return -uint64(v)
	}
	return uint64(v)
}
