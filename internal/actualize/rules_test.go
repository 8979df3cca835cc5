package actualize

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/calendar"
	"github.com/attualizza/attualizza/positions/rules"
)

// days is a term that rolls.
func days(n int) *rules.Term {
	return &rules.Term{Span: calendar.Span{Unit: calendar.Days, Count: n}, Roll: true}
}

// alone leaves the option one transfer, of 173 euro.
func alone(p *positions.Position) *positions.PaymentOption {
	o := &p.Options[0]
	o.Transfers = o.Transfers[1:]
	o.Amount, o.Transfers[0].Amount = 17300, 17300
	return o
}

// fine gives the notice the rules of a fine of 173 euro: less 30% for five days,
// 347.50 after sixty.
func fine(p *positions.Position) {
	o := alone(p)
	o.Components = []rules.Component{{Code: "FINE", Amount: 17300}}
	o.AmountRules = []rules.Rule{
		{
			Label: "Riduzione 30% entro 5 giorni", Anchor: rules.Notification, Until: days(5),
			Effect: rules.Effect{Type: rules.Proportion, Value: rules.Percent(-300_000), Components: []string{"FINE"}},
		},
		{
			Label: "Metà del massimo dopo 60 giorni", Anchor: rules.Notification, After: days(60),
			Effect: rules.Effect{Type: rules.Set, Amount: 34750, Components: []string{"FINE"}},
		},
	}
}

// endOf is the end of a day in Rome, as SEND gives it, so many days from now.
func endOf(now time.Time, from int) time.Time {
	return (calendar.DayOf(now) + calendar.Day(from) + 1).Start().Add(-1)
}

// notified is SEND's answer with a view or refinement so many days from now.
func notified(now time.Time, viewed, refined *int) http.HandlerFunc {
	body := map[string]any{"iun": "ABCD-EFGH-ILMN-123456-A-1", "totalPrice": 200, "partialPrice": 100}
	for member, from := range map[string]*int{"notificationViewDate": viewed, "refinementDate": refined} {
		if from != nil {
			body[member] = endOf(now, *from).Format(time.RFC3339Nano)
		}
	}
	text, _ := json.Marshal(body)
	return priced(string(text))
}

func ago(n int) *int { n = -n; return &n }

func TestADateThatSENDMovesBackChangesThePhaseAtTheNextQuestion(t *testing.T) {
	d := newDesk(t, func(p *positions.Policy) { p.PriceFreshFor = 0 })
	nav := d.position(t, 17300, fine)
	now := time.Now()
	for _, step := range []struct {
		name            string
		viewed, refined *int
		amount          money.Cents
		source          positions.FeeSource
		term            *int // the last day of the term in force, days ago; nil: the due date
	}{
		{"nothing is known: as when it was issued", nil, nil, 12110, positions.SourceLive, nil},
		{"a refinement that lies ahead does not count", nil, ago(-3), 12110, positions.SourceLive, nil},
		{"viewed twenty days ago: the reduction is over", ago(20), nil, 17300, positions.SourceLive, ago(-40)},
		{"the post reports late that it had taken effect seventy days ago", ago(20), ago(80), 34750, positions.SourceLive, nil},
		{"and then it is settled: nobody is asked", ago(1), ago(1), 34750, positions.SourceFinal, nil},
	} {
		calls := d.calls.Load()
		d.answer(notified(now, step.viewed, step.refined))
		q, err := d.Quote(t.Context(), d.org, nav)
		if err != nil {
			t.Fatal(err)
		}
		due := calendar.DayOf(q.Notice.Option.DueDate).String()
		if step.term != nil {
			due = (&calendar.Span{Unit: calendar.Days}).Ends(calendar.DayOf(now)+calendar.Day(*step.term), true, calendar.Holidays{}).String()
		}
		if q.AmountByRules != step.amount || q.Amount != step.amount+200 || q.Transfers[0].Amount != q.Amount || q.Source != step.source || q.DueDate != due {
			t.Errorf("%s: %d and the fee, %d in all, %d on the transfer, due %s, from %s; want %d due %s from %s", step.name,
				q.AmountByRules, q.Amount, q.Transfers[0].Amount, q.DueDate, q.Source, step.amount, due, step.source)
		}
		if asked := d.calls.Load() > calls; asked != (step.source == positions.SourceLive) {
			t.Errorf("%s: SEND was asked: %v", step.name, asked)
		}
	}
}

func TestAViewedPriceIsStillFinalWhenSENDFailsToSayItsDateAgain(t *testing.T) {
	d := newDesk(t, func(p *positions.Policy) { p.PriceFreshFor, p.OnSendUnavailable = 0, positions.OnUnavailableBase })
	nav := d.position(t, 17300, fine)
	d.answer(notified(time.Now(), ago(2), nil))
	for _, want := range []positions.FeeSource{positions.SourceLive, positions.SourceFinal} {
		q, err := d.Quote(t.Context(), d.org, nav)
		if err != nil || q.Source != want || q.Amount != 12110+200 {
			t.Fatalf("%s, %d, %v; want %s", q.Source, q.Amount, err, want)
		}
		d.answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	}
}

func TestAViewedNoticeWithoutRulesIsNotAskedAgain(t *testing.T) {
	d := newDesk(t, func(p *positions.Policy) { p.PriceFreshFor = 0 })
	nav := d.position(t, 17300, nil)
	d.answer(notified(time.Now(), ago(2), nil))
	for _, want := range []positions.FeeSource{positions.SourceLive, positions.SourceFinal} {
		if q, err := d.Quote(t.Context(), d.org, nav); err != nil || q.Source != want {
			t.Fatalf("%v, %v; want %s", q.Source, err, want)
		}
	}
}

func TestADateThatForbidsToPayAsksNobody(t *testing.T) {
	d := newDesk(t, nil)
	nav := d.position(t, 17300, func(p *positions.Position) {
		alone(p).AmountRules = []rules.Rule{{
			Label: "Non pagabile dopo la scadenza", Anchor: rules.Date, Date: calendar.DayOf(time.Now()) - 10, After: days(0),
			Effect: rules.Effect{Type: rules.NotPayable},
		}}
	})
	d.answer(func(http.ResponseWriter, *http.Request) { t.Error("SEND was asked") })
	q, err := d.Quote(t.Context(), d.org, nav)
	if err != nil || q.Refusal != positions.RefusedExpired || q.Amount != 0 || len(q.Transfers) != 0 || q.Reason() != "Non pagabile dopo la scadenza" || len(q.Lines()) != 0 {
		t.Errorf("%+v, %v", q, err)
	}
}

func TestTheOutlookTellsWhenTheAmountChangesAndWhenItIsTooLate(t *testing.T) {
	d := newDesk(t, nil)
	nav := d.position(t, 17300, func(p *positions.Position) {
		fine(p)
		o := &p.Options[0]
		o.AmountRules = append(o.AmountRules, rules.Rule{Anchor: rules.Notification, After: days(90), Effect: rules.Effect{Type: rules.NotPayable}})
	})
	now := time.Now()
	d.answer(notified(now, ago(1), nil))
	q, err := d.Quote(t.Context(), d.org, nav)
	if err != nil {
		t.Fatal(err)
	}
	changes, until := q.Outlook()
	if len(changes) != 3 || !until.Equal(changes[2]) {
		t.Fatalf("changes at %v, payable until %v", changes, until)
	}
	for i, n := range []int{5, 60, 90} {
		end := days(n).Ends(calendar.DayOf(now)-1, true, calendar.Holidays{})
		if !changes[i].Equal((end + 1).Start()) {
			t.Errorf("change %d is at %v, want the day after %v", i, changes[i], end)
		}
	}
}

func TestAnAmountThatItsRulesMakeTooLargeIsRefused(t *testing.T) {
	d := newDesk(t, nil)
	nav := d.position(t, 17300, func(p *positions.Position) {
		alone(p).AmountRules = []rules.Rule{{Anchor: rules.Notification, Effect: rules.Effect{Type: rules.Add, Amount: money.Max, Components: []string{rules.Whole}}}}
	})
	d.answer(problem(http.StatusNotFound, "PN_DELIVERY_NOTIFICATIONCOSTNOTFOUND"))
	if _, err := d.Quote(t.Context(), d.org, nav); !errors.Is(err, ErrAmountTooLarge) {
		t.Errorf("%v", err)
	}
}

func TestAQuoteAtAnInstantDoesNotBlameSENDForWhatItWasNotAsked(t *testing.T) {
	d := newDesk(t, func(p *positions.Policy) { p.PriceFreshFor = 0 })
	nav := d.position(t, 17300, fine)
	text := func() string {
		q, err := d.QuoteAt(t.Context(), d.org, nav, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		lines := q.Lines()
		return lines[len(lines)-1].Text
	}
	if got := text(); got != "Spese di notifica SEND: 0,00 €, non ancora note" {
		t.Error(got)
	}
	d.answer(notified(time.Now(), nil, nil))
	d.quote(t, nav)
	if got := text(); !strings.HasPrefix(got, "Spese di notifica SEND: 2,00 €, ultime note ") {
		t.Error(got)
	}
	d.answer(notified(time.Now(), ago(2), nil))
	d.quote(t, nav)
	if got := text(); got != "Spese di notifica SEND: 2,00 €, definitive" { // viewed, if not fresh
		t.Error(got)
	}
}

func TestTheTermInForceIsNotTheLastDayOfWhatExpiresBefore(t *testing.T) {
	d := newDesk(t, nil)
	var due time.Time
	nav := d.position(t, 17300, func(p *positions.Position) {
		fine(p)
		p.SwitchToExpired = true
		p.Options[0].DueDate = time.Now().Add(48 * time.Hour)
		due = p.Options[0].DueDate
	})
	d.answer(notified(time.Now(), ago(20), nil)) // sixty days end later
	q := d.quote(t, nav)
	_, until := q.Outlook()
	if q.DueDate != calendar.DayOf(due).String() || !until.Truncate(time.Millisecond).Equal(due.Truncate(time.Millisecond)) {
		t.Errorf("due on %s, payable until %v; it expires at %v", q.DueDate, until, due)
	}
	past, err := d.QuoteAt(t.Context(), d.org, nav, due.Add(24*time.Hour)) // only the rules' clock moves
	if _, until := past.Outlook(); err != nil || !until.IsZero() {
		t.Errorf("after its due date it can be paid until %v, %v", until, err)
	}
}

func TestWhatCannotBePaidIsNotTooLarge(t *testing.T) {
	d := newDesk(t, nil)
	nav := d.position(t, 17300, func(p *positions.Position) {
		alone(p).AmountRules = []rules.Rule{
			{Anchor: rules.Notification, Effect: rules.Effect{Type: rules.Add, Amount: money.Max, Components: []string{rules.Whole}}},
			{Label: "Iscritto a ruolo", Anchor: rules.Notification, Effect: rules.Effect{Type: rules.NotPayable}},
		}
	})
	d.answer(problem(http.StatusNotFound, "PN_DELIVERY_NOTIFICATIONCOSTNOTFOUND"))
	if q := d.quote(t, nav); q.Refusal != positions.RefusedExpired || q.Reason() != "Iscritto a ruolo" {
		t.Errorf("%s, %s", q.Refusal, q.Reason())
	}
}

func TestWhatWasPaidForNoticesThatAreNotBoundTakesNoDate(t *testing.T) {
	d := newDesk(t, nil)
	n := &positions.Notice{Price: &positions.Price{NotificationViewDate: endOf(time.Now(), -20)}}
	p := &positions.Position{Options: []positions.PaymentOption{{Transfers: make([]positions.Transfer, 2)}}}
	fine(p)
	n.Option = p.Options[0]
	if owed := d.Owed(d.org, n, time.Now()); owed != 12110 {
		t.Errorf("not bound: %s", owed)
	}
	if n.Option.SendBound = true; d.Owed(d.org, n, time.Now()) != 17300 {
		t.Error("bound, twenty days after the view")
	}
}
