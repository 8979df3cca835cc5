package sandbox

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/attualizza/attualizza/internal/money"
)

// Phase of one recipient's workflow.
type Phase string

// The phases, in words.
const (
	PhaseWaiting          Phase = "WAITING"           // accepted or not yet: nothing was sent
	PhaseDigitalSent      Phase = "DIGITAL_SENT"      // sent to the digital domicile
	PhaseDigitalDelivered Phase = "DIGITAL_DELIVERED" // refinement scheduled
	PhaseDigitalFailed    Phase = "DIGITAL_FAILED"    // refinement scheduled, the simple letter is due
	PhaseLetterSent       Phase = "LETTER_SENT"       // the simple registered letter left
	PhaseAnalogSent       Phase = "ANALOG_SENT"       // a paper attempt is travelling
	PhaseAnalogRetry      Phase = "ANALOG_RETRY"      // the first attempt failed
	PhaseAnalogDelivered  Phase = "ANALOG_DELIVERED"  // refinement scheduled
	PhaseUnreachable      Phase = "UNREACHABLE"       // refinement scheduled
	PhaseDeceased         Phase = "DECEASED"          // the workflow has ended
)

// Event is what a [Step] makes happen.
type Event string

// The events. Those of the first group concern the whole notification, the
// others one recipient or every one.
const (
	Accept              Event = "accept"
	Refuse              Event = "refuse"
	RequestCancellation Event = "request-cancellation"
	Cancel              Event = "cancel" // the cancellation is carried out, the notices are free again
	ElapseTime          Event = "elapse"

	DigitalSend       Event = "digital-send"
	DigitalDeliver    Event = "digital-deliver"
	DigitalFail       Event = "digital-fail"
	Letter            Event = "letter" // simple registered letter after a digital failure
	AnalogSend        Event = "analog-send"
	AnalogFail        Event = "analog-fail" // the first attempt did not find the recipient
	AnalogDeliver     Event = "analog-deliver"
	AnalogUnreachable Event = "analog-unreachable"
	Decease           Event = "decease"
	View              Event = "view"
	Refine            Event = "refine" // lets pass the time that is missing to the scheduled date
	Pay               Event = "pay"
	Rework            Event = "rework" // invalidates the paper phase, which starts again
)

// Product is a paper product of SEND.
type Product string

// The paper products: the first three for [AnalogSend], the last two for
// [Letter].
const (
	Product890 Product = "890"
	ProductAR  Product = "AR"
	ProductRIR Product = "RIR"
	ProductRS  Product = "RS"
	ProductRIS Product = "RIS"
)

// tariff is what a sending costs, in cents without VAT, when the step does
// not say. Real tariffs depend on weight, place and tender.
var tariff = map[Product]money.Cents{Product890: 969, ProductAR: 857, ProductRIR: 987, ProductRS: 302, ProductRIS: 450}

// Step is one move of a notification.
type Step struct {
	Event Event `json:"event"`
	// Recipient is the index of the recipient concerned; absent, the event
	// happens to every recipient.
	Recipient *int `json:"recipient,omitempty"`
	// Product and Cost of a paper sending; by default 890 (or RS) and the
	// sandbox's tariff. Cost is in cents, without VAT, at most 100,000.
	Product Product     `json:"product,omitempty"`
	Cost    money.Cents `json:"cost,omitempty"`
	// Ago dates the event before now: SEND learns some events late. It may
	// not precede the recipient's previous sending event.
	Ago Duration `json:"ago,omitempty"`
	// For is the time that [ElapseTime] lets pass, up to ten years.
	For Duration `json:"for,omitempty"`
	// NoticeCode and Amount of [Pay]; by default the recipient's first unpaid
	// notice and its total price.
	NoticeCode string      `json:"noticeCode,omitempty"`
	Amount     money.Cents `json:"amount,omitempty"`
}

// Duration is a time.Duration that JSON writes as text, such as "240h".
type Duration time.Duration

// MarshalText writes the duration as time.Duration does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what time.ParseDuration reads.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = Duration(parsed)
	return err
}

// Terms say how long after an outcome a notification is refined by lapse of
// time (DL 76/2020 art. 26 c. 9).
type Terms struct {
	DigitalSuccess time.Duration
	DigitalFailure time.Duration
	Analog         time.Duration
	// Evening is added to DigitalSuccess when the message was delivered at
	// or after 21:00 in Rome.
	Evening time.Duration
}

// RealTerms are the terms of the law.
var RealTerms = Terms{DigitalSuccess: 7 * day, DigitalFailure: 15 * day, Analog: 10 * day, Evening: day}

const (
	day        = 24 * time.Hour
	maxElapse  = 10 * 365 * day
	maxCost    = money.Cents(100_000)
	nightBegin = 21
)

// IllegalStep is the refusal of a step that the notification's state does not
// allow.
type IllegalStep struct {
	Event    Event
	State    string  // the state, in words
	Possible []Event // what could be done instead
}

// Error names the step, the state and what is possible.
func (e *IllegalStep) Error() string {
	if len(e.Possible) == 0 {
		return fmt.Sprintf("%q is not possible: %s; nothing is", e.Event, e.State)
	}
	names := make([]string, len(e.Possible))
	for i, p := range e.Possible {
		names[i] = string(p)
	}
	return fmt.Sprintf("%q is not possible: %s; possible now: %s", e.Event, e.State, strings.Join(names, ", "))
}

// Advance makes one step happen, for all the recipients concerned or for
// none. A step that the state does not allow is an [*IllegalStep].
func (s *Sandbox) Advance(iun string, step Step) (Notification, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.run(iun, []Step{step}, 0)
}

// Elapse lets d pass for one notification, moving its history into the past;
// refinements that thereby fall due happen.
func (s *Sandbox) Elapse(iun string, d time.Duration) (Notification, error) {
	return s.Advance(iun, Step{Event: ElapseTime, For: Duration(d)})
}

// ErrScriptOver is returned when a script has no step left.
var ErrScriptOver = errors.New("the script is over")

// Next makes the next step of the notification's script happen.
func (s *Sandbox) Next(iun string) (Notification, error) { return s.follow(iun, 1) }

// Finish makes every remaining step of the script happen, or none.
func (s *Sandbox) Finish(iun string) (Notification, error) { return s.follow(iun, -1) }

func (s *Sandbox) follow(iun string, count int) (Notification, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.notifications[iun]
	if n == nil {
		return Notification{}, fmt.Errorf("notification %s: %w", iun, ErrUnknown)
	}
	if len(n.Remaining) == 0 {
		return Notification{}, fmt.Errorf("notification %s: %w", iun, ErrScriptOver)
	}
	if count < 0 {
		count = len(n.Remaining)
	}
	return s.run(iun, n.Remaining[:count], count)
}

// run applies the steps to a copy and publishes it when all went well; the
// first done steps of the script are then over. Callers hold s.mu.
func (s *Sandbox) run(iun string, steps []Step, done int) (Notification, error) {
	n, err := s.current(iun)
	if err != nil {
		return Notification{}, err
	}
	c := n.clone()
	w := s.writer(&c, s.clock().UTC())
	for _, step := range steps {
		if err := w.apply(step); err != nil {
			return Notification{}, fmt.Errorf("notification %s: %w", iun, err)
		}
	}
	c.Remaining = slices.Delete(c.Remaining, 0, done)
	s.publish(&c)
	if c.Status == StatusRefused || c.Status == StatusCancelled {
		s.free(&c)
	}
	return c.clone(), nil
}

func (w *writer) apply(step Step) error {
	if err := step.check(len(w.n.Recipients)); err != nil {
		return err
	}
	if len(w.n.Timeline) >= maxElements {
		return fmt.Errorf("%w: the timeline holds %d elements", ErrFull, len(w.n.Timeline))
	}
	w.at = w.now.Add(-time.Duration(step.Ago))
	if step.Ago > 0 && w.at.Before(w.n.SentAt) {
		return invalid("ago: the notification was not yet deposited")
	}
	if step.Event == ElapseTime {
		w.n.shift(time.Duration(step.For))
		w.settle()
		return nil
	}
	if !slices.Contains(recipientEvents, step.Event) {
		if possible := w.n.possible(); !slices.Contains(possible, step.Event) {
			return &IllegalStep{step.Event, w.n.inWords(), append(possible, w.possibleToAnyone()...)}
		}
		w.happen(step)
		return nil
	}
	for i := range w.n.Recipients {
		if step.Recipient != nil && *step.Recipient != i {
			continue
		}
		if err := w.happenTo(i, step); err != nil {
			return err
		}
	}
	w.settle()
	return nil
}

var (
	notificationEvents = []Event{Accept, Refuse, RequestCancellation, Cancel, ElapseTime}
	recipientEvents    = []Event{DigitalSend, DigitalDeliver, DigitalFail, Letter, AnalogSend, AnalogFail, AnalogDeliver, AnalogUnreachable, Decease, View, Refine, Pay, Rework}
)

func (step Step) check(recipients int) error {
	paper := []Product{"", Product890, ProductAR, ProductRIR}
	if step.Event == Letter {
		paper = []Product{"", ProductRS, ProductRIS}
	}
	switch {
	case !slices.Contains(notificationEvents, step.Event) && !slices.Contains(recipientEvents, step.Event):
		return invalid("event %q is none of %v, %v", step.Event, notificationEvents, recipientEvents)
	case step.Recipient != nil && (*step.Recipient < 0 || *step.Recipient >= recipients):
		return invalid("recipient must be between 0 and %d", recipients-1)
	case step.Cost < 0 || step.Cost > maxCost:
		return invalid("cost must be between 0 and %d cents", maxCost)
	case step.Amount < 0 || step.Amount > money.Max:
		return invalid("amount must be between 0 and %d cents", money.Max)
	case !slices.Contains(paper, step.Product):
		return invalid("product %q is not one that %q sends", step.Product, step.Event)
	case step.Ago < 0 || step.Ago > Duration(maxElapse):
		return invalid("ago must be between 0 and ten years")
	case step.Ago > 0 && step.Event == Refine:
		return invalid("ago: a refinement happens on its scheduled date")
	case step.Event == ElapseTime && (step.For <= 0 || step.For > Duration(maxElapse)):
		return invalid("for must be more than 0 and at most ten years")
	}
	return nil
}

// possible lists the events that may happen now to the whole notification.
func (n *Notification) possible() []Event {
	switch {
	case n.Status == StatusCancelled, n.Status == StatusRefused:
		return []Event{ElapseTime}
	case n.cancelling():
		return []Event{Cancel, ElapseTime}
	case !n.accepted():
		return []Event{Accept, Refuse, ElapseTime}
	}
	return []Event{RequestCancellation, ElapseTime}
}

// inWords tells the notification's state.
func (n *Notification) inWords() string {
	switch {
	case n.Status == StatusCancelled:
		return "the notification is cancelled"
	case n.Status == StatusRefused:
		return "the notification was refused"
	case n.cancelling():
		return "the notification is being cancelled"
	case !n.accepted():
		return "the notification is in validation"
	}
	return "the notification is " + string(n.Status)
}

// happen makes an event of the whole notification happen.
func (w *writer) happen(step Step) {
	switch step.Event {
	case Accept:
		w.add(RequestAccepted, "", Details{RequestID: w.n.RequestID})
	case Refuse:
		w.add(RequestRefused, "", Details{RequestID: w.n.RequestID})
	case RequestCancellation:
		w.add(CancellationRequest, "", Details{CancellationID: w.n.RequestID})
	case Cancel:
		open := []int{}
		for i := range w.n.Recipients {
			_, viewed := w.n.viewedAt(i)
			if _, refined, _ := w.n.refinement(i); !viewed && !refined {
				open = append(open, i)
			}
		}
		w.add(NotificationCancelled, "", Details{NotificationCost: new(sendFee * money.Cents(len(open))), NotRefined: &open})
	}
}
