package config

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/attualizza/attualizza/positions/rules"
)

// Secret is a text that is never shown: printed, logged or marshalled it is
// "set", or nothing when empty. Convert it to string to use it.
type Secret string

// String tells only whether there is a secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "set"
}

// GoString is String, for %#v.
func (s Secret) GoString() string { return strconv.Quote(s.String()) }

// MarshalText is String, for JSON and its like.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// SecretURL is a URL that may hold a password. It is shown without the password
// and without its query, which may hold one too. Convert it to string to use it.
type SecretURL string

// String returns what may be shown of the URL.
func (s SecretURL) String() string {
	if strings.HasPrefix(string(s), "sqlite:") || s == "" {
		return string(s)
	}
	u, err := url.Parse(string(s))
	if err != nil || u.Opaque != "" {
		return "set"
	}
	if u.RawQuery != "" {
		u.RawQuery = "..."
	}
	u.Fragment = ""
	return u.Redacted()
}

// GoString is String, for %#v.
func (s SecretURL) GoString() string { return strconv.Quote(s.String()) }

// MarshalText is String, for JSON and its like.
func (s SecretURL) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Rate is a number of requests in a second, a minute or an hour.
type Rate struct {
	Requests int           // at least 1
	Per      time.Duration // time.Second, time.Minute or time.Hour
}

var perUnit = map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}

// UnmarshalText reads "100/s", "100/m" or "100/h".
func (r *Rate) UnmarshalText(text []byte) error {
	number, unit, _ := strings.Cut(string(text), "/")
	n, err := strconv.Atoi(number)
	per, ok := perUnit[unit]
	if err != nil || !ok || n < 1 || number[0] == '+' {
		return fmt.Errorf("%q is not a rate like 100/s, 100/m or 100/h", text)
	}
	*r = Rate{Requests: n, Per: per}
	return nil
}

// String writes what UnmarshalText reads.
func (r Rate) String() string {
	for unit, per := range perUnit {
		if per == r.Per {
			return strconv.Itoa(r.Requests) + "/" + unit
		}
	}
	return fmt.Sprintf("%d/%v", r.Requests, r.Per)
}

// PerSecond is the rate in requests per second, as golang.org/x/time/rate wants it.
func (r Rate) PerSecond() float64 { return float64(r.Requests) / r.Per.Seconds() }

// Size is a number of bytes.
type Size int64

var sizeUnits = []struct {
	name  string
	bytes int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

var errSize = errors.New("is not a size like 512KiB or 4MiB")

// UnmarshalText reads a whole number with B, KiB, MiB or GiB behind it.
func (s *Size) UnmarshalText(text []byte) error {
	for _, u := range sizeUnits {
		number, ok := strings.CutSuffix(string(text), u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(number, 10, 63)
		if err != nil || n > uint64(math.MaxInt64/u.bytes) {
			break
		}
		*s = Size(int64(n) * u.bytes)
		return nil
	}
	return fmt.Errorf("%q %w", text, errSize)
}

// String writes what UnmarshalText reads, in the largest unit that fits.
func (s Size) String() string {
	for _, u := range sizeUnits {
		if int64(s) >= u.bytes && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}

// Period is how long something is kept: days of 24 hours, 0 for ever.
type Period time.Duration

const (
	day         = 24 * time.Hour
	longestKept = 36_500 // days: nobody means more than a century
)

// UnmarshalText reads a whole number of days, such as "90d", or "0".
func (p *Period) UnmarshalText(text []byte) error {
	if string(text) == "0" {
		*p = 0
		return nil
	}
	number, ok := strings.CutSuffix(string(text), "d")
	days, err := strconv.ParseUint(number, 10, 32)
	if err != nil || !ok || days == 0 || days > longestKept {
		return fmt.Errorf("%q is not a number of days like 90d, at most %dd, or 0 for ever", text, longestKept)
	}
	*p = Period(time.Duration(days) * day)
	return nil
}

// String writes what UnmarshalText reads.
func (p Period) String() string {
	if p == 0 {
		return "0"
	}
	return strconv.FormatInt(int64(time.Duration(p)/day), 10) + "d"
}

// LegalInterest is a list of legal interest rates by year that are added to the
// published ones, or replace them: "2027=1.8,2028=2".
type LegalInterest string

// UnmarshalText reads what [rules.LegalRates.With] reads.
func (l *LegalInterest) UnmarshalText(text []byte) error {
	*l = LegalInterest(text)
	_, err := l.Rates()
	return err
}

// Rates are the published rates with those of the list.
func (l LegalInterest) Rates() (*rules.LegalRates, error) {
	return rules.LegalInterest().With(string(l))
}
