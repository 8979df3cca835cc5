package sandbox

import (
	"fmt"
	"slices"
	"time"

	"github.com/attualizza/attualizza/internal/money"
)

// sendings says which sending events each phase allows and where they lead.
var sendings = map[Phase]map[Event]Phase{
	PhaseWaiting:       {DigitalSend: PhaseDigitalSent, AnalogSend: PhaseAnalogSent},
	PhaseDigitalSent:   {DigitalDeliver: PhaseDigitalDelivered, DigitalFail: PhaseDigitalFailed},
	PhaseDigitalFailed: {Letter: PhaseLetterSent},
	PhaseAnalogSent:    {AnalogDeliver: PhaseAnalogDelivered, AnalogFail: PhaseAnalogRetry, AnalogUnreachable: PhaseUnreachable, Decease: PhaseDeceased},
	PhaseAnalogRetry:   {AnalogSend: PhaseAnalogSent, AnalogUnreachable: PhaseUnreachable, Decease: PhaseDeceased},
}

// possibleTo lists the events that may happen to a recipient at an instant.
// Paper does not leave after the recipient has viewed or paid; a sending dated
// before that, a race SEND can lose, is allowed.
func (n *Notification) possibleTo(i int, at time.Time) []Event {
	if !n.accepted() || n.cancelling() {
		return nil
	}
	r := n.Recipients[i]
	viewed, isViewed := n.viewedAt(i)
	paid, isPaid := n.paidAt(i)
	stopped := isViewed && !at.Before(viewed) || isPaid && !at.Before(paid)
	var events []Event
	for _, e := range recipientEvents {
		if _, ok := sendings[r.Phase][e]; !ok {
			continue
		}
		if stopped && (e == AnalogSend || e == Letter || e == DigitalSend && isViewed) {
			continue
		}
		if e == AnalogFail && r.Attempts > 1 {
			continue
		}
		events = append(events, e)
	}
	if !isViewed && r.Phase != PhaseDeceased {
		events = append(events, View)
	}
	if _, ok := n.willRefine(i); ok {
		events = append(events, Refine)
	}
	if n.unpaid(i) != nil {
		events = append(events, Pay)
	}
	if r.Attempts > 0 {
		events = append(events, Rework)
	}
	return events
}

// unpaid returns the recipient's first notice without a payment, or nil.
func (n *Notification) unpaid(i int) *Payment {
	for j := range n.Recipients[i].Payments {
		p := &n.Recipients[i].Payments[j]
		if !n.noticePaid(noticeKey{p.CreditorTaxID, p.NoticeCode}) {
			return p
		}
	}
	return nil
}

func (w *writer) possibleToAnyone() []Event {
	var events []Event
	for i := range w.n.Recipients {
		for _, e := range w.n.possibleTo(i, w.at) {
			if !slices.Contains(events, e) {
				events = append(events, e)
			}
		}
	}
	return events
}

// happenTo makes an event happen to one recipient.
func (w *writer) happenTo(i int, step Step) error {
	r := &w.n.Recipients[i]
	possible := w.n.possibleTo(i, w.at)
	if !slices.Contains(possible, step.Event) {
		state := w.n.inWords()
		if w.n.accepted() && !w.n.cancelling() {
			state = fmt.Sprintf("recipient %d is in phase %s", i, r.Phase)
			if _, ok := w.n.viewedAt(i); ok {
				state += " and has viewed"
			}
			if _, ok := w.n.paidAt(i); ok {
				state += " and has paid"
			}
		}
		return &IllegalStep{step.Event, state, append(possible, w.n.possible()...)}
	}
	if last := w.lastSending(i); step.Ago > 0 && w.at.Before(last) {
		return invalid("ago: recipient %d's previous event is of %s", i, last.Format(time.RFC3339))
	}
	if next, ok := sendings[r.Phase][step.Event]; ok {
		r.Phase = next
	}
	switch step.Event {
	case DigitalSend:
		w.addFor(SendDigitalDomicile, i, ".ATTEMPT_0", Details{})
	case DigitalDeliver:
		w.addFor(SendDigitalFeedback, i, ".ATTEMPT_0", Details{ResponseStatus: "OK"})
		w.addFor(DigitalSuccessWorkflow, i, "", Details{})
		w.schedule(i, w.terms.afterDigitalSuccess(w.at))
	case DigitalFail:
		w.addFor(SendDigitalFeedback, i, ".ATTEMPT_0", Details{ResponseStatus: "KO"})
		w.addFor(DigitalFailureWorkflow, i, "", Details{})
		w.schedule(i, w.at.Add(w.terms.DigitalFailure))
	case Letter:
		w.addFor(SendSimpleRegistered, i, "", step.paper(ProductRS))
	case AnalogSend:
		d := step.paper(Product890)
		d.SentAttemptMade = new(r.Attempts)
		d.ServiceLevel = "AR_REGISTERED_LETTER"
		if d.ProductType == Product890 {
			d.ServiceLevel = "REGISTERED_LETTER_890"
		}
		r.Attempts++
		w.addFor(SendAnalogDomicile, i, fmt.Sprintf(".ATTEMPT_%d", *d.SentAttemptMade), d)
	case AnalogFail:
		w.feedback(i, "KO")
	case AnalogDeliver:
		w.feedback(i, "OK")
		w.addFor(AnalogSuccessWorkflow, i, "", Details{PhysicalAddress: address()})
		w.schedule(i, w.at.Add(w.terms.Analog))
	case AnalogUnreachable:
		if last := w.n.find(SendAnalogDomicile, i); w.n.find(SendAnalogFeedback, i) == nil || *last.Details.SentAttemptMade > 0 {
			w.feedback(i, "KO")
		}
		w.addFor(AnalogFailureWorkflow, i, "", Details{})
		if w.n.status() == StatusUnreachable {
			w.addFor(CompletelyUnreachable, i, "", Details{})
		}
		w.schedule(i, w.at.Add(w.terms.Analog))
	case Decease:
		w.addFor(RecipientDeceased, i, "", Details{PhysicalAddress: address(), NotificationCost: new(sendFee)})
	case View:
		w.view(i)
	case Refine:
		due, _ := w.n.willRefine(i)
		if missing := due.Sub(w.now); missing > 0 {
			w.n.shift(missing)
		}
		w.settle()
	case Pay:
		return w.pay(i, step)
	case Rework:
		w.rework(i)
	}
	return nil
}

// lastSending is the instant of the recipient's last sending event, or of the
// acceptance.
func (w *writer) lastSending(i int) time.Time {
	last := w.n.find(RequestAccepted, notificationWide).EventTimestamp
	for j := range w.n.Timeline {
		e := &w.n.Timeline[j]
		switch e.Category {
		case ViewedCreationRequest, NotificationViewed, PaymentReceived, ScheduleRefinement, Refinement:
			continue
		}
		if e.recipient() == i && e.EventTimestamp.After(last) {
			last = e.EventTimestamp
		}
	}
	return last
}

func (step Step) paper(product Product) Details {
	if step.Product != "" {
		product = step.Product
	}
	cost := step.Cost
	if cost == 0 {
		cost = tariff[product]
	}
	return Details{AnalogCost: &cost, ProductType: product, PhysicalAddress: address()}
}

func address() *PhysicalAddress {
	return &PhysicalAddress{Address: "VIA DEL SIMULATORE 1", Municipality: "ROMA"}
}

func (w *writer) feedback(i int, response string) {
	sent := w.n.find(SendAnalogDomicile, i).Details
	w.addFor(SendAnalogFeedback, i, fmt.Sprintf(".ATTEMPT_%d", *sent.SentAttemptMade), Details{
		ResponseStatus: response, ServiceLevel: sent.ServiceLevel, SentAttemptMade: sent.SentAttemptMade, PhysicalAddress: address(),
	})
}

func (w *writer) schedule(i int, due time.Time) {
	w.addFor(ScheduleRefinement, i, "", Details{SchedulingDate: &due})
}

// afterDigitalSuccess is the refinement of a message delivered at an instant:
// what arrives from 21:00 in Rome counts from the following day.
func (t Terms) afterDigitalSuccess(delivered time.Time) time.Time {
	if delivered.In(rome).Hour() >= nightBegin {
		delivered = delivered.Add(t.Evening)
	}
	return delivered.Add(t.DigitalSuccess)
}

func (w *writer) view(i int) {
	d := Details{EventTimestamp: new(w.at)}
	w.addFor(ViewedCreationRequest, i, "", d)
	if _, refined, _ := w.n.refinement(i); !refined {
		d.NotificationCost = new(sendFee)
	}
	w.addFor(NotificationViewed, i, "", d)
}

func (w *writer) pay(i int, step Step) error {
	p := w.n.unpaid(i)
	if step.NoticeCode != "" {
		k := slices.IndexFunc(w.n.Recipients[i].Payments, func(p Payment) bool { return p.NoticeCode == step.NoticeCode })
		if k < 0 {
			return invalid("recipient %d has no notice %s", i, step.NoticeCode)
		}
		p = &w.n.Recipients[i].Payments[k]
		if w.n.noticePaid(noticeKey{p.CreditorTaxID, p.NoticeCode}) {
			return invalid("notice %s is already paid", step.NoticeCode)
		}
	}
	amount := step.Amount
	if amount == 0 {
		amount = w.n.priceOf(i, *p.ApplyCost).TotalPrice
	}
	w.paid(i, *p, amount)
	return nil
}

// paid records that a notice was paid at w.at.
func (w *writer) paid(i int, p Payment, amount money.Cents) {
	d := Details{
		RecIndex: &i, RecipientType: w.n.Recipients[i].Type, Amount: &amount, EventTimestamp: new(w.at),
		CreditorTaxID: p.CreditorTaxID, NoticeCode: p.NoticeCode, PaymentSourceChannel: "PA", UncertainPaymentDate: new(false),
	}
	w.add(PaymentReceived, ".CODE_PPA"+p.NoticeCode+p.CreditorTaxID, d)
}

// rework invalidates the paper phase of a recipient and starts it again, as
// SEND does when a postal outcome turns out to be wrong.
func (w *writer) rework(i int) {
	r := &w.n.Recipients[i]
	w.addFor(TimelineReworked, i, "", Details{SentAttemptMade: new(0)})
	for j := range w.n.Timeline {
		e := &w.n.Timeline[j]
		switch e.Category {
		case SendAnalogDomicile, SendAnalogFeedback, AnalogSuccessWorkflow, AnalogFailureWorkflow, CompletelyUnreachable,
			RecipientDeceased, ScheduleRefinement, Refinement:
			if e.recipient() == i {
				e.Invalidated = true
			}
		}
	}
	r.Phase, r.Attempts = PhaseWaiting, 0
	r.Reworks++
	w.n.Status = w.n.status()
}
