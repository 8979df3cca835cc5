package rest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/money"
)

// viewedIn2026 is what SEND says of a notification that was viewed on Sunday 20
// December 2026, late in the evening of Rome.
const viewedIn2026 = `{"iun":"ABCD-EFGH-ILMN-202612-A-1","totalPrice":710,"notificationViewDate":"2026-12-20T22:30:00Z","refinementDate":"2026-12-27T22:59:59Z"}`

// speeding is a fine as the highway code has it: reduced within five days, at its
// minimum within sixty, doubled afterwards, with a tenth more every semester, and
// at an end one day.
const speeding = `[` + reduced + `,
	{"label":"Importo oltre 60 giorni","anchor":"NOTIFICATION","after":{"days":60,"roll":"NEXT_WORKING_DAY"},"effect":{"type":"PERCENT","value":"100","components":["FINE"]}},
	{"anchor":"NOTIFICATION","after":{"days":60,"roll":"NEXT_WORKING_DAY"},"effect":{"type":"PER_SEMESTER","value":"10","components":["FINE"],"to":"SANCTION"}},
	{"label":"Iscritto a ruolo","anchor":"NOTIFICATION","after":{"days":400},"effect":{"type":"NOT_PAYABLE"}}
]`

const speedingParts = `[{"code":"FINE","amount":17300},{"code":"EXPENSES","amount":1500},{"code":"SANCTION","amount":0}]`

// at moves the house's clock to an instant.
func (h *house) at(t *testing.T, instant string) {
	t.Helper()
	now, err := time.Parse(time.RFC3339, instant)
	must(t, err)
	h.clock.Store(int64(time.Until(now)))
}

func (h *house) quote(t *testing.T, nav, at string) Quote {
	t.Helper()
	path := base + "/notices/" + nav + "/quote"
	if at != "" {
		path += "?at=" + at
	}
	var q Quote
	must(t, json.Unmarshal(h.want(t, 200, call{method: "GET", path: path, key: "reader"}).body, &q))
	var sum money.Cents
	for _, l := range q.Lines {
		sum += l.Amount
	}
	if sum != q.Amount || q.Amount != q.AmountByRules+q.NotificationFee {
		t.Errorf("at %s: the lines add up to %d, by rules %d, fee %d, asked are %d", at, sum, q.AmountByRules, q.NotificationFee, q.Amount)
	}
	return q
}

func TestAQuoteFollowsTheRulesFromDayToDay(t *testing.T) {
	for kind, open := range stores {
		t.Run(kind, func(t *testing.T) {
			h := openHouseOn(t, open).furnish(t)
			h.at(t, "2026-12-01T09:00:00Z")
			const nav = "301000000000000177"
			h.want(t, 201, call{method: "POST", path: base + "/debtpositions?toPublish=true", key: "writer", body: ruledJSON("P-1", nav[1:], speedingParts, speeding)})
			h.send.Store(sendAnswers(200, pendingPrice))
			q := h.quote(t, nav, "")
			if q.Amount != 18800-5190+710 || q.NotifiedOn != 0 || len(q.ChangesAt) != 0 || q.PayableUntil != nil || *q.DueDate != "2031-01-31" {
				t.Errorf("before the notification took effect: %+v", q)
			}

			h.at(t, "2026-12-21T09:00:00Z")
			h.send.Store(sendAnswers(200, viewedIn2026))
			q = h.quote(t, nav, "")
			if q.Amount != 14320 || q.AmountByRules != 13610 || q.BaseAmount != 18800 || q.NotifiedOn.String() != "2026-12-20" || *q.DueDate != "2026-12-28" {
				t.Errorf("on the day after it was viewed: %+v", q)
			}
			var lines []string
			for _, l := range q.Lines {
				lines = append(lines, fmt.Sprintf("%s %d %s", l.Component, l.Amount, l.Label))
			}
			want := []string{"FINE 17300 Sanzione pecuniaria", "EXPENSES 1500 Spese", "FINE -5190 Riduzione 30% entro 5 giorni", "NOTIFICATION_FEE 710 Spese di notifica SEND"}
			if !slices.Equal(lines, want) {
				t.Errorf("lines\n%q, want\n%q", lines, want)
			}
			if l := q.Lines[2]; l.Text != "Riduzione 30% entro 5 giorni: -51,90 €, fino al 28/12/2026" || l.Rule == nil || *l.Rule != l.Label || q.Lines[0].Rule != nil {
				t.Errorf("the reduction reads %+v", l)
			}
			instants := fmt.Sprint(q.ChangesAt[:3])
			if instants != "[2026-12-28 23:00:00 +0000 UTC 2027-02-18 23:00:00 +0000 UTC 2027-08-18 22:00:00 +0000 UTC]" {
				t.Errorf("it changes at %s", instants)
			}
			end := time.Date(2028, 1, 24, 23, 0, 0, 0, time.UTC)
			if !slices.ContainsFunc(q.ChangesAt, end.Equal) || q.PayableUntil == nil || !q.PayableUntil.Equal(end) {
				t.Errorf("it can be paid until %v, and changes at %v", q.PayableUntil, q.ChangesAt)
			}

			asked := h.sendCalls.Load()
			for _, c := range []struct {
				at     string
				amount money.Cents
				due    string
			}{
				{"2026-12-19T12:00:00Z", 14320, "2026-12-28"}, // the reduction has no first day
				{"2026-12-26T12:00:00Z", 14320, "2026-12-28"}, // the fifth day is Christmas, then Saint Stephen's, then a Sunday
				{"2026-12-28T22:59:59Z", 14320, "2026-12-28"},
				{"2026-12-28T23:00:00Z", 19510, "2027-02-18"},
				{"2027-02-18T22:59:59Z", 19510, "2027-02-18"},
				{"2027-02-18T23:00:00Z", 36810, "2028-01-24"},
				{"2027-08-18T21:59:59Z", 36810, "2028-01-24"},
				{"2027-08-18T22:00:00Z", 40270, "2028-01-24"},
				{"2028-01-24T22:59:59Z", 40270, "2028-01-24"},
			} {
				q := h.quote(t, nav, c.at)
				if q.Amount != c.amount || !q.Payable || q.Reason != nil {
					t.Errorf("at %s: %d, want %d", c.at, q.Amount, c.amount)
				}
				if *q.DueDate != c.due {
					t.Errorf("at %s: due on %s, want %s", c.at, *q.DueDate, c.due)
				}
			}
			over := h.quote(t, nav, "2028-01-24T23:00:00Z")
			if over.Payable || *over.Fault != "PAA_PAGAMENTO_SCADUTO" || *over.Reason != "Iscritto a ruolo" || over.Amount != 0 || len(over.Lines) != 0 || over.PayableUntil != nil || over.NotifiedOn.String() != "2026-12-20" {
				t.Errorf("after its end: %+v", over)
			}
			if n := h.sendCalls.Load(); n != asked {
				t.Errorf("SEND was asked %d times for quotes at an instant", n-asked)
			}
			h.play(t, []scenario{
				{"an option reads with the amount by rules, and its transfer too", call{method: "GET", path: base + "/paymentoptions/" + nav, key: "reader"}, 200, []string{`"amount":14320`, `"notificationFee":710`, `"components":[{"amount":17300`, `"amountRules":[{`}, []string{`"amount":18800`}},
				{"so does a notice", call{method: "GET", path: base + "/notices/" + nav, key: "reader"}, 200, []string{`"amount":14320`}, nil},
				{"a position tells what is stored, with the fee", call{method: "GET", path: base + "/debtpositions/P-1", key: "reader"}, 200, []string{`"amount":19510`}, []string{`"amount":14320`}},
			})
		})
	}
}

func TestANoticeThatARuleForbidsSaysWhenItCanBePaidAgain(t *testing.T) {
	h := openHouse(t).furnish(t)
	h.at(t, "2026-12-01T09:00:00Z")
	const nav = "301000000000000177"
	rules := `[{"label":"Sospeso per calamità","anchor":"DATE","date":"2026-11-30","until":{"days":31},"effect":{"type":"NOT_PAYABLE"}}]`
	h.want(t, 201, call{method: "POST", path: base + "/debtpositions?toPublish=true", key: "writer", body: ruledJSON("P-1", nav[1:], `null`, rules)})
	q := h.quote(t, nav, "")
	if q.Payable || *q.Fault != "PAA_PAGAMENTO_SCADUTO" || *q.Reason != "Sospeso per calamità" || q.Amount != 0 || len(q.Lines) != 0 {
		t.Errorf("forbidden: %+v", q)
	}
	if want := time.Date(2026, 12, 31, 23, 0, 0, 0, time.UTC); len(q.ChangesAt) != 1 || !q.ChangesAt[0].Equal(want) {
		t.Errorf("it can be paid again at %v, want %v", q.ChangesAt, want)
	}
	if n := h.sendCalls.Load(); n != 0 {
		t.Errorf("SEND was asked %d times", n)
	}
	if q = h.quote(t, nav, "2026-12-31T23:00:00Z"); !q.Payable || q.Amount != 18800 || q.Reason != nil {
		t.Errorf("after that: %+v", q)
	}
	h.play(t, []scenario{{"and the debt is still that much", call{method: "GET", path: base + "/notices/" + nav, key: "reader"}, 200, []string{`"payable":false`, `"amount":18800`, `"PAA_PAGAMENTO_SCADUTO"`}, nil}})
}

func TestTheDueDateEndsWhatCanBePaid(t *testing.T) {
	h := openHouse(t).furnish(t)
	const nav = "301000000000000177"
	h.want(t, 201, call{method: "POST", path: base + "/debtpositions?toPublish=true", key: "writer", body: strings.Replace(ruledJSON("P-1", nav[1:], fined, `[]`), `"switchToExpired": false`, `"switchToExpired": true`, 1)})
	q := h.quote(t, nav, "")
	if want := time.Date(2031, 1, 31, 10, 0, 0, 0, time.UTC); q.PayableUntil == nil || !q.PayableUntil.Equal(want) || len(q.ChangesAt) != 0 {
		t.Errorf("payable until %v, changes at %v", q.PayableUntil, q.ChangesAt)
	}
}

func TestAnUpdatedAmountHoldsNoLongerThanItsRules(t *testing.T) {
	p := openPlatform(t)
	p.at(t, "2026-12-21T09:00:00Z")
	const nav = "301000000000000278"
	p.want(t, 201, call{method: "POST", path: base + "/debtpositions?toPublish=true", key: "writer", body: ruledJSON("P-2", nav[1:], speedingParts, speeding)})
	p.send.Store(sendAnswers(200, viewedIn2026))
	body := strings.Replace(boundBody, boundNav, nav, 1)
	if until := p.want(t, 200, p.ask(body)).instant(t, "retentionDate"); !near(until, p.now().Add(15*time.Minute)) {
		t.Errorf("long before a change it holds until %v", until)
	}
	p.at(t, "2026-12-28T22:50:00Z")
	a := p.want(t, 200, p.ask(body))
	a.wantMembers(t, map[string]any{"amountCents": 14320, "notificationDate": "2026-12-20T23:30:00+01:00"})
	if until := a.instant(t, "retentionDate"); !until.Equal(time.Date(2026, 12, 28, 23, 0, 0, 0, time.UTC)) {
		t.Errorf("before the reduction ends it holds until %v", until)
	}
	p.at(t, "2028-01-24T22:50:00Z")
	if until := p.want(t, 200, p.ask(body)).instant(t, "retentionDate"); !until.Equal(time.Date(2028, 1, 24, 23, 0, 0, 0, time.UTC)) {
		t.Errorf("before its end it holds until %v", until)
	}
	p.at(t, "2028-01-24T23:10:00Z")
	p.play(t, []scenario{{"then there is no amount", p.ask(body), 409, []string{"PAA_PAGAMENTO_SCADUTO"}, nil}})
}

func TestAPaymentThatIsToldWasForWhatTheRulesAskedThen(t *testing.T) {
	h := openHouse(t).furnish(t)
	h.at(t, "2026-12-21T09:00:00Z")
	const nav = "301000000000000177"
	h.want(t, 201, call{method: "POST", path: base + "/debtpositions?toPublish=true", key: "writer", body: ruledJSON("P-1", nav[1:], speedingParts, speeding)})
	h.send.Store(sendAnswers(200, viewedIn2026))
	h.quote(t, nav, "")
	h.at(t, "2027-03-01T09:00:00Z") // the minimum has doubled meanwhile
	h.want(t, 200, call{method: "POST", path: base + "/paymentoptions/paids/" + nav, key: "writer", body: `{"paymentDate":"2026-12-28T22:00:00Z"}`})
	p, err := h.store.Position(t.Context(), ente, "P-1")
	must(t, err)
	if paid := p.Options[0].Payment; paid.Amount != 13610+710 || paid.NotificationFee != 710 {
		t.Errorf("paid as %+v", paid)
	}
}
