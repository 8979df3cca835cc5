package rest

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/attualizza/attualizza/internal/money"
)

// storedSecret is what a read shows of a secret, and what a write may send back
// to keep it.
const storedSecret = "set"

// SecretField is a write-only member: absent, null or text in a request; the
// word "set" in an answer, when something is stored.
type SecretField struct {
	present bool
	text    *string // nil: null
}

// IsZero reports absence.
func (f SecretField) IsZero() bool { return !f.present }

// MarshalJSON never shows the text.
func (f SecretField) MarshalJSON() ([]byte, error) { return json.Marshal(storedSecret) }

// deletes reports whether the request wants the stored secret gone.
func (f SecretField) deletes() bool { return f.present && f.text == nil }

// replacement returns the new secret, if the request brings one.
func (f SecretField) replacement() (string, bool) {
	if f.text == nil || *f.text == storedSecret {
		return "", false
	}
	return *f.text, true
}

// FeeField is an amount in cents that GPD writes as text; a number is taken too.
type FeeField struct{ cents money.Cents }

// IsZero reports absence, which is no fee.
func (f FeeField) IsZero() bool { return f.cents == 0 }

// parseInstant reads RFC 3339; without a zone it is UTC, as GPD's dates are.
// Stores keep microseconds.
func parseInstant(text string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC().Truncate(time.Microsecond), true
		}
	}
	return time.Time{}, false
}

// instantParameter reads an optional instant of the query, in which an
// unescaped "+" of a zone has become a space.
func instantParameter(name string, text *string) (time.Time, error) {
	if text == nil {
		return time.Time{}, nil
	}
	t, ok := parseInstant(strings.Replace(*text, " ", "+", 1))
	if !ok || t.Year() < 1900 || t.Year() > 9998 {
		return time.Time{}, invalidParameter(name, `must be an instant such as "2027-01-31T22:59:59Z"`)
	}
	return t, nil
}

// isTrue reads an optional flag that is false by default.
func isTrue(flag *bool) bool { return flag != nil && *flag }

// present returns a pointer to v, or nil for the zero value, which answers
// leave out.
func present[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// presentInstant is [present] for instants, in UTC.
func presentInstant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
