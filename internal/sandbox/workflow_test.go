package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/money"
	"pgregory.net/rapid"
)

func TestScriptsEndAsTheirNamesSay(t *testing.T) {
	for script, want := range map[string]struct {
		total   money.Cents // -1 for no price
		viewed  string
		refined string
		status  Status
	}{
		"digital-viewed":         {total: 200, viewed: "2026-02-10", refined: "2026-02-16", status: StatusViewed},
		"digital-refined":        {total: 200, refined: "2026-02-09", status: StatusEffectiveDate},
		"digital-failure-letter": {total: 568, refined: "2026-02-09", status: StatusEffectiveDate},
		"one-890":                {total: 1424, refined: "2026-02-09", status: StatusEffectiveDate},
		"two-890":                {total: 2557, refined: "2026-02-09", status: StatusEffectiveDate},
		"unreachable":            {total: 2557, refined: "2026-02-09", status: StatusEffectiveDate},
		"deceased":               {total: 1382, status: StatusReturnedToSender},
		"paid":                   {total: 200, viewed: "2026-02-10", refined: "2026-02-16", status: StatusViewed},
		"refused":                {total: -1, status: StatusRefused},
		"cancelled":              {total: -1, status: StatusCancelled},
		"late-postal-report":     {total: 1246, viewed: "2026-02-09", refined: "2026-01-31", status: StatusViewed},
		"late-paper-cost":        {total: 2557, viewed: "2026-02-09", status: StatusViewed},
		"rework":                 {total: 1402, refined: "2026-02-09", status: StatusEffectiveDate},
	} {
		t.Run(script, func(t *testing.T) {
			b := newBench(t, Options{})
			n := b.one(script)
			steps := 0
			for {
				next, err := b.Next(n.IUN)
				if errors.Is(err, ErrScriptOver) {
					break
				}
				b.must(err)
				n = next
				steps++
				b.ask(creditor, notice) // conforms at every step
			}
			if steps != len(Scripts[script]) || n.Status != want.status {
				t.Errorf("%d steps, status %s", steps, n.Status)
			}
			p, code := b.Price(creditor, notice)
			if want.total < 0 {
				if code != codeCostNotFound {
					t.Errorf("price %+v, code %q", p, code)
				}
				return
			}
			if p.TotalPrice != want.total || !strings.HasPrefix(p.NotificationViewDate, want.viewed) || !strings.HasPrefix(p.RefinementDate, want.refined) ||
				(want.viewed == "") != (p.NotificationViewDate == "") || (want.refined == "") != (p.RefinementDate == "") {
				t.Errorf("price %+v, want %+v", p, want)
			}
			checkTimeline(t, n)
			// To the end at once gives the same.
			b.must(b.Forget(n.IUN))
			_, err := b.Finish(b.one(script).IUN)
			b.must(err)
			if q, _ := b.Price(creditor, notice); q.TotalPrice != p.TotalPrice || q.RefinementDate != p.RefinementDate || q.NotificationViewDate != p.NotificationViewDate {
				t.Errorf("step by step %+v, at once %+v", p, q)
			}
		})
	}
	if got := len(Scripts); got != 13 {
		t.Errorf("%d scripts: add the new ones to the table", got)
	}
}

// checkTimeline fails when identifiers repeat, sequences do not grow, or an
// event is dated before the deposit.
func checkTimeline(t interface{ Errorf(string, ...any) }, n Notification) {
	seen := map[string]bool{}
	var last int64
	for _, e := range n.Timeline {
		if seen[e.ElementID] || e.Sequence <= last || e.EventTimestamp.Before(n.SentAt) || e.IngestionTimestamp.Before(e.EventTimestamp) {
			t.Errorf("element %+v after %d", e, last)
		}
		seen[e.ElementID], last = true, e.Sequence
	}
}

func TestARefinementIsInTheFutureUntilItsTimeComes(t *testing.T) {
	b := newBench(t, Options{})
	n := b.one("")
	b.do(n.IUN, Step{Event: Accept}, Step{Event: DigitalSend}, Step{Event: DigitalDeliver})
	if p, _ := b.Price(creditor, notice); !strings.HasPrefix(p.RefinementDate, "2026-02-17") {
		t.Errorf("scheduled: %+v", p)
	}
	b.clock.now = b.clock.now.Add(7*24*time.Hour - time.Second)
	if n, _ := b.Notification(n.IUN); n.find(Refinement, 0) != nil {
		t.Error("refined a second too early")
	}
	b.clock.now = b.clock.now.Add(time.Second)
	n, err := b.Notification(n.IUN)
	b.must(err)
	if e := n.find(Refinement, 0); e == nil || !e.EventTimestamp.Equal(b.clock.now) || *e.Details.NotificationCost != 100 || n.Status != StatusEffectiveDate {
		t.Errorf("on the scheduled instant: %+v, %s", e, n.Status)
	}
}

func TestShortTermsRefineByTheRealClock(t *testing.T) {
	b := newBench(t, Options{Terms: Terms{DigitalSuccess: time.Second}})
	n := b.one("")
	b.do(n.IUN, Step{Event: Accept}, Step{Event: DigitalSend}, Step{Event: DigitalDeliver})
	b.clock.now = b.clock.now.Add(time.Second)
	if n, _ := b.Notification(n.IUN); n.Status != StatusEffectiveDate {
		t.Errorf("status %s", n.Status)
	}
}

func TestAViewBeforeTheTermLeavesTheScheduledDate(t *testing.T) {
	b := newBench(t, Options{})
	n := b.one("digital-viewed")
	_, err := b.Finish(n.IUN)
	b.must(err)
	n, err = b.Elapse(n.IUN, 30*24*time.Hour)
	b.must(err)
	if n.find(Refinement, 0) != nil || n.Status != StatusViewed {
		t.Errorf("refined after the view: %s", n.Status)
	}
	if p, _ := b.Price(creditor, notice); p.NotificationViewDate >= p.RefinementDate || p.RefinementDate == "" {
		t.Errorf("%+v", p)
	}
}

func TestAReworkOpensAFinalPrice(t *testing.T) {
	b := newBench(t, Options{})
	n := b.one("one-890")
	_, err := b.Finish(n.IUN)
	b.must(err)
	b.do(n.IUN, Step{Event: Rework})
	if p, _ := b.Price(creditor, notice); p.TotalPrice != 200 || p.RefinementDate != "" {
		t.Errorf("after the rework: %+v", p)
	}
	n = b.do(n.IUN, Step{Event: AnalogSend, Cost: 1100})
	if p, _ := b.Price(creditor, notice); p.TotalPrice != 100+1342+100 {
		t.Errorf("after the replay: %+v", p)
	}
	checkTimeline(t, n)
}

func TestIllegalStepsNameWhatIsPossible(t *testing.T) {
	for _, c := range []struct {
		name  string
		given []Step
		step  Event
		says  []string
	}{
		{"nothing is sent before acceptance", nil, DigitalSend, []string{"in validation", "possible now: accept, refuse"}},
		{"a view before acceptance", nil, View, []string{"in validation", "accept"}},
		{"no letter without a digital failure", []Step{{Event: Accept}}, Letter, []string{"phase WAITING", "digital-send", "analog-send"}},
		{"no paper after the view", []Step{{Event: Accept}, {Event: AnalogSend}, {Event: AnalogFail}, {Event: View}}, AnalogSend, []string{"has viewed"}},
		{"no paper after the payment", []Step{{Event: Accept}, {Event: AnalogSend}, {Event: AnalogFail}, {Event: Pay}}, AnalogSend, []string{"has paid", "view"}},
		{"no third attempt", []Step{{Event: Accept}, {Event: AnalogSend}, {Event: AnalogFail}, {Event: AnalogSend}}, AnalogFail, []string{"analog-unreachable"}},
		{"no second acceptance", []Step{{Event: Accept}}, Accept, []string{"ACCEPTED", "request-cancellation", "digital-send"}},
		{"no refinement without a term", []Step{{Event: Accept}}, Refine, []string{"phase WAITING"}},
		{"no second view", []Step{{Event: Accept}, {Event: View}}, View, []string{"has viewed"}},
		{"no rework of a digital delivery", []Step{{Event: Accept}, {Event: DigitalSend}}, Rework, []string{"DIGITAL_SENT", "digital-deliver, digital-fail"}},
		{"nothing but the end after a cancellation request", []Step{{Event: Accept}, {Event: RequestCancellation}}, View, []string{"being cancelled", "possible now: cancel, elapse"}},
		{"nothing after a refusal", []Step{{Event: Refuse}}, Accept, []string{"refused", "possible now: elapse"}},
		{"nothing after a cancellation", []Step{{Event: Accept}, {Event: RequestCancellation}, {Event: Cancel}}, Cancel, []string{"is cancelled"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, Options{})
			n := b.one("")
			before := b.do(n.IUN, append(c.given, Step{Event: ElapseTime, For: Duration(time.Hour)})...)
			_, err := b.Advance(n.IUN, Step{Event: c.step})
			var illegal *IllegalStep
			if !errors.As(err, &illegal) {
				t.Fatalf("got %v", err)
			}
			for _, part := range c.says {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
			after, err := b.Notification(n.IUN)
			b.must(err)
			if len(after.Timeline) != len(before.Timeline) {
				t.Error("a refused step left something behind")
			}
		})
	}
}

func TestAStepForEveryRecipientHappensToAllOrToNone(t *testing.T) {
	b := newBench(t, Options{})
	n, err := b.Notify(Request{SenderTaxID: sender, Recipients: []RecipientRequest{{}, {}}})
	b.must(err)
	b.do(n.IUN, Step{Event: Accept}, Step{Event: View, Recipient: new(1)})
	if _, err := b.Advance(n.IUN, Step{Event: View}); err == nil {
		t.Fatal("recipient 1 viewed twice")
	}
	if n, _ := b.Notification(n.IUN); n.find(NotificationViewed, 0) != nil {
		t.Error("recipient 0 viewed although the step was refused")
	}
}

func TestAnUnsoundRequestIsRefused(t *testing.T) {
	good := func() Request {
		return Request{SenderTaxID: sender, Recipients: []RecipientRequest{{Payments: []Payment{{creditor, notice, nil}}}}}
	}
	for name, spoil := range map[string]func(*Request){
		"sender":                     func(r *Request) { r.SenderTaxID = "8000000000" },
		"policy":                     func(r *Request) { r.FeePolicy = "FREE" },
		"fee above one euro":         func(r *Request) { r.PaFee = new(money.Cents(101)) },
		"negative VAT":               func(r *Request) { r.VAT = new(-1) },
		"no recipient":               func(r *Request) { r.Recipients = nil },
		"notice":                     func(r *Request) { r.Recipients[0].Payments[0].NoticeCode = "30200" },
		"creditor":                   func(r *Request) { r.Recipients[0].Payments[0].CreditorTaxID = "x" },
		"cost under flat rate":       func(r *Request) { r.FeePolicy, r.Recipients[0].Payments[0].ApplyCost = FlatRate, new(true) },
		"no cost under delivery":     func(r *Request) { r.Recipients[0].Payments[0].ApplyCost = new(false) },
		"unknown script":             func(r *Request) { r.Script = "nonsense" },
		"script and steps":           func(r *Request) { r.Script, r.Steps = "paid", []Step{{Event: Accept}} },
		"unknown integration":        func(r *Request) { r.IntMode = "BOTH" },
		"unknown kind of recipient":  func(r *Request) { r.Recipients[0].Type = "PX" },
		"too many recipients":        func(r *Request) { r.Recipients = make([]RecipientRequest, 51) },
		"too many payments for one":  func(r *Request) { r.Recipients[0].Payments = make([]Payment, 21) },
		"too many steps of a script": func(r *Request) { r.Steps = make([]Step, 101) },
	} {
		r := good()
		spoil(&r)
		if _, err := New(Options{}).Notify(r); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := New(Options{})
	if n, err := s.Notify(good()); err != nil || n.IntMode != IntSync {
		t.Fatalf("%+v, %v", n, err)
	}
	if _, err := s.Notify(good()); !errors.Is(err, ErrDuplicate) {
		t.Errorf("the same notice twice: %v", err)
	}
	twice := good()
	twice.Recipients = append(twice.Recipients, twice.Recipients[0])
	if _, err := New(Options{}).Notify(twice); !errors.Is(err, ErrDuplicate) {
		t.Errorf("the same notice twice in a request: %v", err)
	}
}

func TestNotificationsAreBounded(t *testing.T) {
	s := New(Options{MaxNotifications: 2})
	for i := range 3 {
		code := fmt.Sprintf("3020001000000%05d", i)
		_, err := s.Notify(Request{SenderTaxID: sender, Recipients: []RecipientRequest{{Payments: []Payment{{creditor, code, nil}}}}})
		if (err == nil) != (i < 2) || i == 2 && !errors.Is(err, ErrFull) {
			t.Errorf("deposit %d: %v", i, err)
		}
	}
}

// Whatever happens, a timeline stays in order and the price is the formula
// over what the timeline holds.
func TestAnyWalkKeepsPriceAndTimelineConsistent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := New(Options{Seed: 1})
		n, err := s.Notify(Request{SenderTaxID: sender, Recipients: []RecipientRequest{
			{Payments: []Payment{{creditor, notice, nil}}}, {Payments: []Payment{{creditor, "302000100000019422", nil}}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		events := slices.Concat([]Event{Accept, Accept}, recipientEvents, []Event{ElapseTime, ElapseTime, RequestCancellation, Cancel})
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			step := Step{
				Event: rapid.SampledFrom(events).Draw(t, "event"), Recipient: new(rapid.IntRange(0, 1).Draw(t, "recipient")),
				Cost: money.Cents(rapid.IntRange(0, 3000).Draw(t, "cost")), For: Duration(time.Hour * time.Duration(rapid.IntRange(1, 300).Draw(t, "hours"))),
			}
			got, err := s.Advance(n.IUN, step)
			var illegal *IllegalStep
			if errors.As(err, &illegal) {
				if slices.Contains(illegal.Possible, step.Event) {
					t.Fatalf("refused, and said to be possible: %v", err)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			checkTimeline(t, got)
			var sum money.Cents
			for _, e := range got.Timeline {
				if c := e.Details.AnalogCost; c != nil && !e.Invalidated && *e.Details.RecIndex == 0 {
					sum += *c
				}
			}
			if p, code := s.Price(creditor, notice); code == "" && (p.AnalogCost != sum || p.TotalPrice != 200+(sum*122+50)/100) {
				t.Fatalf("%+v with letters of %d", p, sum)
			}
		}
	})
}

func TestATimelineHasTheNamesOfSENDsStreams(t *testing.T) {
	b := newBench(t, Options{})
	n := b.one("two-890")
	n, err := b.Finish(n.IUN)
	b.must(err)
	text, err := json.Marshal(n.Timeline)
	b.must(err)
	for _, part := range []string{
		`"elementId":"SEND_ANALOG_DOMICILE.IUN_` + n.IUN + `.RECINDEX_0.ATTEMPT_1"`, `"category":"REFINEMENT"`,
		`"analogCost":963`, `"productType":"890"`, `"serviceLevel":"REGISTERED_LETTER_890"`, `"sentAttemptMade":1`, `"newStatus":"EFFECTIVE_DATE"`,
	} {
		if !strings.Contains(string(text), part) {
			t.Errorf("no %s in %s", part, text)
		}
	}
	categories := map[Category]bool{}
	for _, e := range n.Timeline {
		categories[e.Category] = true
	}
	want := []Category{AnalogSuccessWorkflow, Refinement, RequestAccepted, ScheduleRefinement, SendAnalogDomicile, SendAnalogFeedback}
	if got := slices.Sorted(maps.Keys(categories)); !slices.Equal(got, want) {
		t.Errorf("categories %v", got)
	}
}
