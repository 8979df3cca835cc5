package tccosto

import (
	"strings"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/internal/rest"
	"github.com/attualizza/attualizza/positions"
)

const ente, other = "80012345678", "01199250158"

var validated = time.Date(2026, 11, 20, 11, 0, 0, 0, time.UTC)

func ptr[T any](v T) *T { return &v }

// answered is a record that passes, asked of SEND for it.
func answered() *rest.Answer {
	return &rest.Answer{
		At: validated, Operation: "paVerifyPaymentNotice", Outcome: "OK", Amount: 11424, BaseAmount: 10000, NotificationFee: 1424,
		Source: ptr(positions.SourceLive),
		Send:   &rest.SendExchange{RequestedAt: validated.Add(time.Millisecond), AnsweredAt: ptr(validated.Add(90 * time.Millisecond)), Status: ptr(200)},
		Price: &rest.Price{
			TotalPrice: 1424, FetchedAt: validated.Add(90 * time.Millisecond), Iun: ptr("ABCD-EFGH-ILMN-202611-A-1"),
			NotificationViewDate: ptr(validated.AddDate(0, 0, -1)),
		},
	}
}

func TestWhatPassesAndWhyNot(t *testing.T) {
	source := func(s positions.FeeSource) func(*rest.Answer) {
		return func(a *rest.Answer) { a.Source, a.Send = &s, nil }
	}
	for name, c := range map[string]struct {
		change   func(*rest.Answer)
		told     money.Cents
		sender   string
		scenario Scenario
		reason   string // "": it passes
		note     string
	}{
		"asked of SEND for this answer":      {},
		"asked a moment before":              {change: source(positions.SourceCache), note: "il costo era già noto"},
		"final":                              {change: source(positions.SourceFinal), note: "il costo era già noto"},
		"a price of zero":                    {change: func(a *rest.Answer) { a.Amount, a.NotificationFee, a.Price.TotalPrice = 10000, 0, 0 }, told: 10000, note: "è zero"},
		"not perfected yet":                  {change: func(a *rest.Answer) { a.Price.NotificationViewDate = nil }, note: "non è ancora perfezionata"},
		"refined in the future":              {change: refined(time.Hour), note: "non è ancora perfezionata"},
		"the sender is named, and the same":  {sender: ente},
		"the second scenario":                {sender: other, scenario: SenderIsAnother},
		"the second without its sender":      {scenario: SenderIsAnother, reason: "scenario 2: la posizione non indica"},
		"the second with the creditor":       {sender: ente, scenario: SenderIsAnother, reason: "scenario 2: l'ente mittente"},
		"the first with another sender":      {sender: other, reason: "scenario 1:"},
		"refused":                            {change: func(a *rest.Answer) { a.Outcome, a.Fault = "KO", ptr("PAA_PAGAMENTO_SCADUTO") }, reason: "PAA_PAGAMENTO_SCADUTO"},
		"asked, but the exchange is missing": {change: func(a *rest.Answer) { a.Send = nil }, reason: "non risulta registrata con esito 200"},
		"asked, and SEND said 500":           {change: func(a *rest.Answer) { a.Send.Status = ptr(500) }, reason: "non risulta registrata con esito 200"},
		"a part was paid elsewhere":          {change: func(a *rest.Answer) { a.Amount, a.NotificationFee = 10200, 200 }, told: 10200, note: "già pagata con un altro avviso"},
		"more than the cost was added":       {change: func(a *rest.Answer) { a.Amount, a.NotificationFee = 13000, 3000 }, told: 13000, reason: "superano il costo"},
		"the sum is another":                 {change: func(a *rest.Answer) { a.Amount = 12000 }, told: 12000, reason: "non è importo base"},
		"another amount was told":            {told: 11425, reason: "non è quello registrato"},
		"a price without its instant":        {change: func(a *rest.Answer) { a.Price.FetchedAt = time.Time{} }, reason: "non risulta registrato"},
		"no price":                           {change: func(a *rest.Answer) { a.Price = nil }, reason: "non risulta registrato"},
		"not bound to SEND":                  {change: source(positions.SourceNotBound), reason: "non è legata a SEND"},
		"no cost":                            {change: source(positions.SourceNoCost), reason: "non c'è un costo"},
		"pushed":                             {change: source(positions.SourcePushed), reason: "impostato da un altro sistema"},
		"the last known":                     {change: source(positions.SourceLastKnown), reason: "l'ultimo noto"},
		"the base alone":                     {change: source(positions.SourceBase), reason: "senza costo di notifica"},
		"none":                               {change: source(positions.SourceNone), reason: "senza costo di notifica"},
		"a source of the future":             {change: source("ORACLE"), reason: "origine del costo sconosciuta: ORACLE"},
		"no amount was computed":             {change: func(a *rest.Answer) { a.Source = nil }, reason: "non è stato calcolato alcun importo"},
	} {
		t.Run(name, func(t *testing.T) {
			a := answered()
			if c.change != nil {
				c.change(a)
			}
			if c.told == 0 {
				c.told = 11424
			}
			if c.scenario == 0 {
				c.scenario = SenderIsCreditor
			}
			e := &Evidence{Notice: "302000000000000178", Sender: c.sender, Told: c.told}
			e.record(a)
			e.judge(c.scenario, ente)
			if e.Passed != (c.reason == "") || e.Passed != (len(e.Reasons) == 0) || !strings.Contains(strings.Join(e.Reasons, "\n"), c.reason) {
				t.Errorf("passed %v, reasons %q", e.Passed, e.Reasons)
			}
			if (c.note == "") != (len(e.Notes) == 0) || !strings.Contains(strings.Join(e.Notes, "\n"), c.note) {
				t.Errorf("notes %q", e.Notes)
			}
		})
	}
	unrecorded := &Evidence{Outcome: "OK", Told: 11424}
	unrecorded.judge(SenderIsCreditor, ente)
	if unrecorded.Passed || len(unrecorded.Reasons) != 1 || unrecorded.Reasons[0] != "la risposta non risulta registrata" {
		t.Errorf("without a record: %q", unrecorded.Reasons)
	}
}

// refined takes the view away and dates the refinement from the validation.
func refined(after time.Duration) func(*rest.Answer) {
	return func(a *rest.Answer) {
		a.Price.NotificationViewDate, a.Price.RefinementDate = nil, ptr(validated.Add(after))
	}
}

// SEND's rule (API 2.3): the earlier of the two, a refinement only when it is not
// in the future.
func TestThePerfectionIsTheEarlierDateThatHasCome(t *testing.T) {
	day := 24 * time.Hour
	for name, c := range map[string]struct{ view, refinement, want time.Duration }{
		"viewed":                             {view: -day, want: -day},
		"refined":                            {refinement: -day, want: -day},
		"viewed, then refined":               {view: -2 * day, refinement: -day, want: -2 * day},
		"refined, then viewed":               {view: -day, refinement: -2 * day, want: -2 * day},
		"viewed, the refinement is to come":  {view: -day, refinement: day, want: -day},
		"neither yet, a refinement is known": {refinement: day},
		"neither":                            {},
	} {
		a := answered()
		a.Price.NotificationViewDate, a.Price.RefinementDate = nil, nil
		var want time.Time
		if c.view != 0 {
			a.Price.NotificationViewDate = ptr(validated.Add(c.view))
		}
		if c.refinement != 0 {
			a.Price.RefinementDate = ptr(validated.Add(c.refinement))
		}
		if c.want != 0 {
			want = validated.Add(c.want)
		}
		var e Evidence
		if e.record(a); !e.PerfectedAt.Equal(want) {
			t.Errorf("%s: perfected at %s, want %s", name, e.PerfectedAt, want)
		}
	}
}

// What others wrote stays text in the report.
func TestTheReportHoldsNoMarkupOfOthers(t *testing.T) {
	a := answered()
	a.Price.Iun = ptr("A | B\n<script>`x`")
	e := Evidence{Notice: "302000000000000178", Told: 11424}
	e.record(a)
	e.judge(SenderIsCreditor, ente)
	d := Document{Passed: true, At: validated, Reports: []Report{{Scenario: 1, Organization: ente, Broker: "*b*", Notices: []Evidence{e}}}}
	var b strings.Builder
	if err := d.WriteMarkdown(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| IUN | A \\| B &lt;script>'x' |\n", "Intermediario: \\*b\\*",
		"| Richiesta di validazione (paVerifyPaymentNotice) | 2026-11-20T12:00:00.000+01:00 |\n",
		"| Perfezionamento della notifica | 2026-11-19T12:00:00.000+01:00 |\n",
		"| Costo restituito da SEND | 14,24 € |\n", "| Stato HTTP di SEND | 200 |\n", "| Importo nella risposta al Nodo | 114,24 € |\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the report does not hold %q:\n%s", want, b.String())
		}
	}
}

func TestAScenarioPassesWithTheInstantOfAPerfectionOnly(t *testing.T) {
	perfected, not, failed := Evidence{Passed: true, PerfectedAt: time.Now()}, Evidence{Passed: true}, Evidence{}
	for name, c := range map[string]struct {
		notices []Evidence
		passed  bool
		reasons int
	}{
		"one that is":      {[]Evidence{perfected}, true, 0},
		"one of two":       {[]Evidence{not, perfected}, true, 0},
		"none":             {[]Evidence{not}, false, 1},
		"another failed":   {[]Evidence{perfected, failed}, false, 0},
		"no notice at all": {nil, false, 0},
	} {
		r := Report{Notices: c.notices}
		if r.judge(); r.Passed != c.passed || len(r.Reasons) != c.reasons {
			t.Errorf("%s: %+v", name, r)
		}
	}
}
