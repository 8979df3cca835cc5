package sendclient

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	_ "time/tzdata" // Rome must be known wherever the binary runs

	"github.com/attualizza/attualizza/internal/money"
)

// relayCodes are the codes of the legacy contract. The native one has an error
// {code, message} without a list of codes; a system that serves both uses these.
var relayCodes = map[string]NoCostReason{
	"002": NotFound,    // the act-management system knows no such notice
	"003": NotAccepted, // not yet notified: neither date is known
	"004": NotPayable,  // paid or withdrawn
}

// relayCode tells what a code means in an answer with a status. A denial, a
// throttling and a failure are not about the notice, whatever their body says.
func relayCode(status int, code string) (NoCostReason, bool) {
	if status != http.StatusOK && kindOf(status) != KindBadRequest {
		return "", false
	}
	reason, ok := relayCodes[code]
	return reason, ok
}

// relayFee reads the fee, in cents. It must be there: a fee that was left out is
// not a fee of nothing. The amount includes the fee (both contracts), and is not
// taken; but a fee above it is a mistake that must not reach a citizen.
func relayFee(nav string, notice, fee, amount json.RawMessage) (Price, error) {
	named, _ := text(notice)
	cents, total := relayCents(fee), relayCents(amount)
	said, isText := text(fee)
	switch {
	case !isNotice(named, nav):
		return Price{}, errors.New("an answer about another notice, or about none")
	case cents == nil && isText && said == "":
		return Price{}, errors.New("a price without the notification fee")
	case cents == nil:
		return Price{}, errors.New("the notification fee is not a whole number of cents")
	case *cents < 0 || *cents > MaxPrice:
		return Price{}, fmt.Errorf("a notification fee of %d cents is not believed", *cents)
	case total != nil && *total < *cents:
		return Price{}, errors.New("a notification fee above the amount that includes it")
	}
	return Price{TotalPrice: *cents}, nil
}

// isNotice tells whether an answer names the notice that was asked for: by its
// 18 digits, or by the IUV within them, which MyPay is content with.
func isNotice(named, nav string) bool {
	return len(named) >= 15 && strings.HasSuffix(nav, named)
}

// relayCents reads a whole number, be it in quotes; nil for anything else.
func relayCents(raw json.RawMessage) *money.Cents {
	if quoted, ok := text(raw); ok && quoted != "" {
		raw = json.RawMessage(quoted)
	}
	return cents(raw)
}

// text reads a JSON text; "" where there is none, and false for another type.
func text(raw json.RawMessage) (string, bool) {
	if absent(raw) {
		return "", true
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return strings.TrimSpace(s), err == nil
}

// rome is the zone of dates that come without one.
var rome = func() *time.Location {
	zone, err := time.LoadLocation("Europe/Rome")
	if err != nil {
		panic(err) // tzdata is linked in
	}
	return zone
}()

// The forms of ISO 8601 in which dates come: as the contracts want them, with
// the offset as Java writes it, and local.
var (
	datesWithZone = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700", "2006-01-02T15:04:05.999999999Z07", "2006-01-02T15:04Z07:00"}
	localDates    = []string{"2006-01-02T15:04:05.999999999", "2006-01-02T15:04"}
)

// relayDate reads a date and time; zero if absent or empty. Without a zone it is
// Rome's; a day alone is meant to its end, as SEND means the days it gives.
func relayDate(raw json.RawMessage) (time.Time, error) {
	said, ok := text(raw)
	if !ok {
		return time.Time{}, errDate
	}
	if said == "" {
		return time.Time{}, nil
	}
	if len(said) > 10 && said[10] == ' ' {
		said = said[:10] + "T" + said[11:]
	}
	for _, layout := range datesWithZone {
		if t, err := time.Parse(layout, said); err == nil {
			if err := offsetOf(t); err != nil {
				return time.Time{}, err
			}
			return t, nil
		}
	}
	for _, layout := range localDates {
		if t, err := time.ParseInLocation(layout, said, rome); err == nil {
			return t, nil
		}
	}
	if t, err := time.Parse(time.DateOnly, said); err == nil {
		y, m, d := t.Date()
		return time.Date(y, m, d, 23, 59, 59, 999_999_999, rome), nil
	}
	return time.Time{}, errDate
}

var errDate = errors.New("a date that is not written as ISO 8601 has it")
