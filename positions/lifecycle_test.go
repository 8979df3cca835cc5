package positions

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attualizza/attualizza/positions/calendar"
	"github.com/attualizza/attualizza/positions/rules"

	"pgregory.net/rapid"
)

// The states that can exist, and where every event leads from each of them.
// "=" is the status that was there; what is not in a row is refused. BLOCKED~ is
// a block whose end has passed: it reads as OPEN and is judged so. This is
// docs/states.md as data; a payment is one instalment of two, or the last one.
var transitions = []struct{ statuses, lifecycles, moves string }{
	{"DRAFT", "OPEN", "PUBLISH VALID/OPEN, REPLACE =/OPEN, AMOUNT =/OPEN, POSTPONE =/OPEN, DELETE =/OPEN, PAY PARTIALLY_PAID/OPEN"},

	{"PUBLISHED VALID EXPIRED", "OPEN BLOCKED~", "INVALIDATE INVALID/OPEN, REPLACE =/OPEN, AMOUNT =/OPEN, POSTPONE =/OPEN, BLOCK =/BLOCKED, TRANSFER =/TRANSFERRED, CLOSE =/CLOSED, DELETE =/OPEN, PAY PARTIALLY_PAID/OPEN"},
	{"PUBLISHED VALID EXPIRED", "BLOCKED BLOCKED+", "INVALIDATE INVALID/OPEN, REPLACE =/BLOCKED, AMOUNT =/BLOCKED, POSTPONE =/BLOCKED, BLOCK =/BLOCKED, UNBLOCK =/OPEN, TRANSFER =/TRANSFERRED, CLOSE =/CLOSED, PAY PARTIALLY_PAID/BLOCKED"},
	{"PUBLISHED VALID EXPIRED", "TRANSFERRED", "REOPEN =/OPEN, PAY PARTIALLY_PAID/TRANSFERRED"},
	{"PUBLISHED VALID EXPIRED", "CLOSED", "REOPEN =/OPEN, PAY PARTIALLY_PAID/CLOSED"},

	{"PARTIALLY_PAID", "OPEN BLOCKED~", "AMOUNT =/OPEN, POSTPONE =/OPEN, BLOCK =/BLOCKED, TRANSFER =/TRANSFERRED, CLOSE =/CLOSED, REOPEN VALID/OPEN, PAY PAID/CLOSED"},
	{"PARTIALLY_PAID", "BLOCKED BLOCKED+", "AMOUNT =/BLOCKED, POSTPONE =/BLOCKED, BLOCK =/BLOCKED, UNBLOCK =/OPEN, TRANSFER =/TRANSFERRED, CLOSE =/CLOSED, PAY PAID/CLOSED"},
	{"PARTIALLY_PAID", "TRANSFERRED CLOSED", "REOPEN =/OPEN, PAY PAID/CLOSED"},

	{"INVALID", "OPEN", "REOPEN VALID/OPEN, DELETE =/OPEN, PAY PARTIALLY_PAID/OPEN"},
	{"PAID", "CLOSED", "REOPEN VALID/OPEN, PAY =/CLOSED"},
	{"REPORTED", "CLOSED", "PAY PAID/CLOSED"}, // not all of it is reconciled any more
}

// every is the events, each done with what it needs.
var every = map[Event]func(p *Position) error{
	EventPublish:    func(p *Position) error { return p.Publish(noon) },
	EventInvalidate: func(p *Position) error { return p.Invalidate(noon) },
	EventUpdate:     func(p *Position) error { return p.Permit(EventUpdate, noon) },
	EventAmount: func(p *Position) error {
		_, err := p.SetAmount(p.Options[2].NAV, 500, []Share{{1, 200}, {2, 300}}, []Part{{"FINE", 200}, {"EXPENSES", 300}}, noon)
		return err
	},
	EventPostpone: func(p *Position) error {
		_, err := p.Postpone(p.Options[2].NAV, &sixtyDays, calendar.DayOf(noon)+7, noon)
		return err
	},
	EventBlock:    func(p *Position) error { return p.Block(noon.Add(time.Hour), noon) },
	EventUnblock:  func(p *Position) error { return p.Unblock(noon) },
	EventTransfer: func(p *Position) error { return p.Transfer("88888888888", noon) },
	EventClose:    func(p *Position) error { return p.Close(noon) },
	EventReopen:   func(p *Position) error { return p.Reopen(noon) },
	EventPay: func(p *Position) error {
		if err := p.Permit(EventPay, noon); err != nil {
			return err
		}
		nav := p.Options[1].NAV
		if p.Options[1].Paid() {
			nav = p.Options[2].NAV
		}
		p.Settle(&Receipt{NAV: nav, ReceiptID: "r", Outcome: "OK", PaymentAmount: 100}, Asked{}, noon)
		return nil
	},
	EventDelete: func(p *Position) error { return p.Permit(EventDelete, noon) },
}

var sixtyDays = rules.Postponed{Anchor: rules.Notification, Span: calendar.Span{Unit: calendar.Days, Count: 60}}

// in is a position of a full option and two instalments in a state.
func in(status, lifecycle string) *Position {
	p := instalments()
	p.Options = p.Options[:3]
	o := &p.Options[2]
	o.Components = []rules.Component{{Code: "FINE", Amount: o.Transfers[0].Amount, TransferID: 1}, {Code: "EXPENSES", Amount: o.Transfers[1].Amount, TransferID: 2}}
	o.AmountRules = []rules.Rule{{Anchor: rules.Notification, After: &rules.Term{Span: sixtyDays.Span}, Effect: rules.Effect{Type: rules.NotPayable}}}
	p.PublishDate, p.ValidityDate = noon.AddDate(0, -1, 0), noon.AddDate(0, -1, 0)
	p.Status = Status(status)
	switch p.Status {
	case Draft:
		p.PublishDate, p.ValidityDate = time.Time{}, time.Time{}
	case Published:
		p.ValidityDate = noon.Add(time.Minute)
	case Expired:
		p.Status, p.SwitchToExpired = Valid, true
		for i := range p.Options {
			p.Options[i].DueDate = noon.Add(-time.Minute)
		}
	case PartiallyPaid:
		p.Options[1].Status, p.Options[1].Payment = OptionPaid, &OptionPayment{Date: noon, ReceiptID: "r-1", Amount: 1}
	case Paid:
		p.Options[0].Status, p.Options[0].Payment = OptionPaid, &OptionPayment{Date: noon, ReceiptID: "r-0", Amount: 1}
	case Reported:
		p.Options[0].Status, p.Options[0].Payment = OptionReported, &OptionPayment{Date: noon, ReceiptID: "r-0", Amount: 1}
	}
	switch lifecycle {
	case "BLOCKED+":
		lifecycle, p.BlockedUntil = "BLOCKED", noon.Add(1)
	case "BLOCKED~":
		lifecycle, p.BlockedUntil = "BLOCKED", noon
	case "TRANSFERRED":
		p.TransferTo = "99999999999"
	}
	p.Lifecycle = Lifecycle(lifecycle)
	return p
}

func TestEveryEventInEveryState(t *testing.T) {
	judged := 0
	for _, row := range transitions {
		moves := map[Event]string{}
		for _, move := range strings.Split(row.moves, ", ") {
			event, to, _ := strings.Cut(move, " ")
			moves[Event(event)] = to
		}
		for _, status := range strings.Fields(row.statuses) {
			for _, lifecycle := range strings.Fields(row.lifecycles) {
				reads := strings.Trim(lifecycle, "+")
				if reads == "BLOCKED~" {
					reads = "OPEN"
				}
				allowed := in(status, lifecycle).Allowed(noon)
				if len(allowed) != len(moves) {
					t.Errorf("%s %s: allowed is %v, the table has %d", status, lifecycle, allowed, len(moves))
				}
				for event, do := range every {
					judged++
					name := fmt.Sprintf("%s in %s %s", event, status, lifecycle)
					p := in(status, lifecycle)
					err := do(p)
					to, ok := moves[event]
					if slices.Contains(allowed, event) != ok {
						t.Errorf("%s: allowed says %v", name, !ok)
					}
					if !ok {
						refusedIn(t, name, event, err, status, reads, moves)
						if !reflect.DeepEqual(p, in(status, lifecycle)) {
							t.Errorf("%s: was refused and changed the position", name)
						}
						continue
					}
					if err != nil {
						t.Errorf("%s: %v", name, err)
						continue
					}
					if got := state(p); got != strings.Replace(to, "=", status, 1) {
						t.Errorf("%s leads to %s, want %s", name, got, to)
					}
				}
			}
		}
	}
	if want := 28 * len(every); judged != want {
		t.Errorf("%d pairs were judged, want %d", judged, want)
	}
}

func state(p *Position) string { return fmt.Sprintf("%s/%s", p.StatusAt(noon), p.LifecycleAt(noon)) }

// said is what a refusal calls the events.
var said = map[Event]string{
	EventPublish: "published", EventInvalidate: "invalidated", EventUpdate: "replaced", EventAmount: "given another amount", EventPostpone: "given more time",
	EventBlock: "blocked", EventUnblock: "unblocked", EventTransfer: "transferred", EventClose: "closed", EventReopen: "reopened",
	EventDelete: "deleted",
}

// refusedIn holds a refusal to the contract: it names the state and exactly what
// is allowed in it.
func refusedIn(t *testing.T, name string, event Event, err error, status, lifecycle string, moves map[Event]string) {
	t.Helper()
	if CodeOf(err) != Conflict {
		t.Errorf("%s: %v", name, err)
		return
	}
	before, after, _ := strings.Cut(err.Error(), "; ")
	refused := "a position in status " + status + " and lifecycle " + lifecycle + " cannot be " + said[event]
	if before != refused {
		t.Errorf("%s: %v, want %s", name, err, refused)
	}
	var want []string
	for other := range moves {
		if other != EventPay {
			want = append(want, said[other])
		}
	}
	_, list, _ := strings.Cut(after, "it can be ")
	got := strings.Split(list, ", ")
	if list == "" {
		got = nil
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%s: says %v is allowed, want %v", name, got, want)
	}
}

func TestNoSequenceOfEventsLeavesTheStatesThatExist(t *testing.T) {
	known := map[string]bool{}
	for _, row := range transitions {
		for _, status := range strings.Fields(row.statuses) {
			for _, lifecycle := range strings.Fields(row.lifecycles) {
				known[status+"/"+strings.Trim(lifecycle, "+~")] = true
			}
		}
	}
	events := make([]Event, 0, len(every))
	for e := range every {
		events = append(events, e)
	}
	slices.Sort(events)
	reached := map[string]bool{}
	rapid.Check(t, func(t *rapid.T) {
		p := in("DRAFT", "OPEN")
		for range rapid.IntRange(1, 25).Draw(t, "events") {
			before := p.Clone()
			e := rapid.SampledFrom(events).Draw(t, "event")
			if err := every[e](p); (err == nil) != slices.Contains(before.Allowed(noon), e) {
				t.Fatalf("%s in %s: %v", e, state(before), err)
			}
			reached[state(p)] = true
			switch {
			case !known[state(p)]:
				t.Fatalf("%s in %s led to %s, which should not exist", e, state(before), state(p))
			case (p.TransferTo != "") != (p.Lifecycle == Transferred), !p.BlockedUntil.IsZero() && p.Lifecycle != Blocked:
				t.Fatalf("%s left traces of the state before: %+v", e, p)
			}
			for i := range p.Options {
				if o := &p.Options[i]; o.Paid() != (o.Payment != nil) {
					t.Fatalf("%s left a payment without its option, or the other way round", e)
				}
			}
		}
	})
	for _, want := range []string{"VALID/BLOCKED", "VALID/TRANSFERRED", "PARTIALLY_PAID/CLOSED", "PARTIALLY_PAID/TRANSFERRED", "INVALID/OPEN", "PAID/CLOSED"} {
		if !reached[want] {
			t.Errorf("the walk never came to %s", want)
		}
	}
}
