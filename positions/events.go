package positions

import (
	"slices"
	"strings"
	"time"
)

// Event is something that can happen to a position that exists. Its text is the
// action that the version history keeps.
type Event string

// The events.
const (
	EventPublish    Event = "PUBLISH"    // a draft becomes payable
	EventInvalidate Event = "INVALIDATE" // the organization withdraws the debt
	EventUpdate     Event = "REPLACE"    // the content is replaced
	EventAmount     Event = "AMOUNT"     // the amount of one notice is set
	EventPostpone   Event = "POSTPONE"   // a term of one notice ends later
	EventBlock      Event = "BLOCK"      // suspended, perhaps until an instant
	EventUnblock    Event = "UNBLOCK"
	EventTransfer   Event = "TRANSFER" // another organization collects it
	EventClose      Event = "CLOSE"    // ended without a payment of ours
	EventReopen     Event = "REOPEN"   // taken back: a payment that was revoked, a withdrawal, a transfer, an end
	EventPay        Event = "PAY"      // somebody paid, by a receipt or elsewhere
	EventDelete     Event = "DELETE"
)

// eventsIn is the state machine: all that can happen in a state, as
// docs/states.md draws it. Permissions and messages come from here alone.
//
// GPD decides about publish, invalidate, update and delete; it has no
// life-cycle. A payment counts everywhere, because a receipt tells what
// happened (SANP, "Best practice").
func eventsIn(status Status, lifecycle Lifecycle) []Event {
	switch {
	case status == Draft: // nobody was asked for anything yet: there is nothing to suspend, hand over or end
		return []Event{EventPublish, EventUpdate, EventAmount, EventPostpone, EventDelete, EventPay}
	case status == Reported:
		// The money is on the organization's account and in its books. It is given
		// back by a bank transfer; asking for it again would be a new debt.
		return []Event{EventPay}
	case status == Paid, lifecycle == Transferred, lifecycle == Closed:
		return []Event{EventReopen, EventPay}
	case status == Invalidated:
		return []Event{EventReopen, EventDelete, EventPay}
	case lifecycle == Blocked && status == PartiallyPaid:
		return []Event{EventAmount, EventPostpone, EventBlock, EventUnblock, EventTransfer, EventClose, EventPay}
	case lifecycle == Blocked:
		// Nobody is told an amount meanwhile, so it is the time to correct one. What
		// was suspended is not deleted: who suspended it wants it to stay.
		return []Event{EventInvalidate, EventUpdate, EventAmount, EventPostpone, EventBlock, EventUnblock, EventTransfer, EventClose, EventPay}
	case status == PartiallyPaid:
		// GPD replaces nothing of it; instalments that are still open can be set anew.
		return []Event{EventAmount, EventPostpone, EventBlock, EventTransfer, EventClose, EventReopen, EventPay}
	default: // PUBLISHED, VALID and EXPIRED, OPEN
		return []Event{EventInvalidate, EventUpdate, EventAmount, EventPostpone, EventBlock, EventTransfer, EventClose, EventDelete, EventPay}
	}
}

// Allowed returns what can happen to the position at an instant. [EventPay] is
// always among it.
func (p *Position) Allowed(now time.Time) []Event {
	return eventsIn(p.StatusAt(now), p.LifecycleAt(now))
}

// Permit returns nil when an event is allowed at an instant, and otherwise a
// [Conflict] that names the state and what is allowed in it. It changes nothing.
func (p *Position) Permit(e Event, now time.Time) error {
	allowed := p.Allowed(now)
	if slices.Contains(allowed, e) {
		return nil
	}
	var names []string
	for _, a := range allowed {
		if a != EventPay { // it happens, nobody asks for leave
			names = append(names, participles[a])
		}
	}
	instead := "nothing can be done with it any more"
	if len(names) > 0 {
		instead = "it can be " + strings.Join(names, ", ")
	}
	return Errorf(Conflict, "a position in status %s and lifecycle %s cannot be %s; %s",
		p.StatusAt(now), p.LifecycleAt(now), participles[e], instead)
}

// participles are what messages say that a position can or cannot be.
var participles = map[Event]string{
	EventPublish:    "published",
	EventInvalidate: "invalidated",
	EventUpdate:     "replaced",
	EventAmount:     "given another amount",
	EventPostpone:   "given more time",
	EventBlock:      "blocked",
	EventUnblock:    "unblocked",
	EventTransfer:   "transferred",
	EventClose:      "closed",
	EventReopen:     "reopened",
	EventPay:        "paid",
	EventDelete:     "deleted",
}
