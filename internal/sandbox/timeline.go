package sandbox

import (
	"fmt"
	"slices"
	"time"

	"github.com/attualizza/attualizza/internal/money"
)

// Status of a notification, as SEND's streams tell it (NotificationStatusV26).
type Status string

// The statuses that the sandbox reaches.
const (
	StatusInValidation     Status = "IN_VALIDATION"
	StatusAccepted         Status = "ACCEPTED"
	StatusRefused          Status = "REFUSED"
	StatusDelivering       Status = "DELIVERING"
	StatusDelivered        Status = "DELIVERED"
	StatusViewed           Status = "VIEWED"
	StatusEffectiveDate    Status = "EFFECTIVE_DATE"
	StatusUnreachable      Status = "UNREACHABLE"
	StatusCancelled        Status = "CANCELLED"
	StatusReturnedToSender Status = "RETURNED_TO_SENDER"
)

// Category of a timeline element (TimelineElementCategoryV28).
type Category string

// The categories that the sandbox writes.
const (
	RequestAccepted        Category = "REQUEST_ACCEPTED"
	RequestRefused         Category = "REQUEST_REFUSED"
	SendDigitalDomicile    Category = "SEND_DIGITAL_DOMICILE"
	SendDigitalFeedback    Category = "SEND_DIGITAL_FEEDBACK"
	DigitalSuccessWorkflow Category = "DIGITAL_SUCCESS_WORKFLOW"
	DigitalFailureWorkflow Category = "DIGITAL_FAILURE_WORKFLOW"
	SendSimpleRegistered   Category = "SEND_SIMPLE_REGISTERED_LETTER"
	SendAnalogDomicile     Category = "SEND_ANALOG_DOMICILE"
	SendAnalogFeedback     Category = "SEND_ANALOG_FEEDBACK"
	AnalogSuccessWorkflow  Category = "ANALOG_SUCCESS_WORKFLOW"
	AnalogFailureWorkflow  Category = "ANALOG_FAILURE_WORKFLOW"
	CompletelyUnreachable  Category = "COMPLETELY_UNREACHABLE"
	RecipientDeceased      Category = "ANALOG_WORKFLOW_RECIPIENT_DECEASED"
	ScheduleRefinement     Category = "SCHEDULE_REFINEMENT"
	Refinement             Category = "REFINEMENT"
	ViewedCreationRequest  Category = "NOTIFICATION_VIEWED_CREATION_REQUEST"
	NotificationViewed     Category = "NOTIFICATION_VIEWED"
	PaymentReceived        Category = "PAYMENT"
	CancellationRequest    Category = "NOTIFICATION_CANCELLATION_REQUEST"
	NotificationCancelled  Category = "NOTIFICATION_CANCELLED"
	TimelineReworked       Category = "NOTIFICATION_TIMELINE_REWORKED"
)

const (
	notificationWide = -1 // recipient index of elements that belong to no recipient
	maxElements      = 500
	sendFee          = money.Cents(100) // SEND's base fee (pago-pa-notification-base-cost)
)

// Element is one element of a notification's timeline. Its JSON has the names
// of SEND's TimelineElementV28, plus sequence, newStatus and invalidated.
type Element struct {
	// Sequence grows by one with every element of the sandbox, over all
	// notifications: it is the order in which a stream would tell them.
	Sequence           int64     `json:"sequence"`
	ElementID          string    `json:"elementId"`
	Category           Category  `json:"category"`
	EventTimestamp     time.Time `json:"eventTimestamp"`
	IngestionTimestamp time.Time `json:"ingestionTimestamp"`
	NotificationSentAt time.Time `json:"notificationSentAt"`
	LegalFactsIDs      []string  `json:"legalFactsIds"` // always empty: there are no documents
	Details            Details   `json:"details"`
	// NewStatus is the notification's status when this element changed it.
	NewStatus Status `json:"newStatus,omitempty"`
	// Invalidated by a rework: the element no longer counts.
	Invalidated bool `json:"invalidated,omitempty"`
}

// Details are the fields of SEND's details that a system interested in costs,
// dates and payments reads. Amounts are cents, VAT excluded.
type Details struct {
	RecIndex             *int             `json:"recIndex,omitempty"`
	AnalogCost           *money.Cents     `json:"analogCost,omitempty"`
	ProductType          Product          `json:"productType,omitempty"`
	ServiceLevel         string           `json:"serviceLevel,omitempty"`
	SentAttemptMade      *int             `json:"sentAttemptMade,omitempty"`
	PhysicalAddress      *PhysicalAddress `json:"physicalAddress,omitempty"`
	ResponseStatus       string           `json:"responseStatus,omitempty"` // OK or KO
	SchedulingDate       *time.Time       `json:"schedulingDate,omitempty"`
	EventTimestamp       *time.Time       `json:"eventTimestamp,omitempty"`
	NotificationCost     *money.Cents     `json:"notificationCost,omitempty"`
	CancellationID       string           `json:"cancellationRequestId,omitempty"`
	NotRefined           *[]int           `json:"notRefinedRecipientIndexes,omitempty"`
	RecipientType        string           `json:"recipientType,omitempty"`
	CreditorTaxID        string           `json:"creditorTaxId,omitempty"`
	NoticeCode           string           `json:"noticeCode,omitempty"`
	Amount               *money.Cents     `json:"amount,omitempty"`
	PaymentSourceChannel string           `json:"paymentSourceChannel,omitempty"`
	UncertainPaymentDate *bool            `json:"uncertainPaymentDate,omitempty"`
	RequestID            string           `json:"notificationRequestId,omitempty"`
}

// PhysicalAddress is the invented address of every paper sending.
type PhysicalAddress struct {
	Address      string `json:"address"`
	Municipality string `json:"municipality"`
}

// find returns the last element of a category for a recipient that a rework
// has not invalidated, or nil.
func (n *Notification) find(c Category, recipient int) *Element {
	for i := len(n.Timeline) - 1; i >= 0; i-- {
		e := &n.Timeline[i]
		if e.Category == c && !e.Invalidated && e.recipient() == recipient {
			return e
		}
	}
	return nil
}

func (e *Element) recipient() int {
	if e.Details.RecIndex == nil {
		return notificationWide
	}
	return *e.Details.RecIndex
}

// analogCost adds the paper costs of a recipient, VAT excluded.
func (n *Notification) analogCost(recipient int) money.Cents {
	var sum money.Cents
	for i := range n.Timeline {
		e := &n.Timeline[i]
		if e.recipient() == recipient && !e.Invalidated && e.Details.AnalogCost != nil {
			sum += *e.Details.AnalogCost
		}
	}
	return sum
}

// viewedAt is the instant of the first access of a recipient. SEND takes it
// from the creation request, which may precede NOTIFICATION_VIEWED.
func (n *Notification) viewedAt(recipient int) (time.Time, bool) {
	if e := n.find(ViewedCreationRequest, recipient); e != nil {
		return e.EventTimestamp, true
	}
	return time.Time{}, false
}

// refinement is the instant of refinement by lapse of time: the scheduled one,
// perhaps in the future, until REFINEMENT is in the timeline.
func (n *Notification) refinement(recipient int) (at time.Time, reached, known bool) {
	if e := n.find(Refinement, recipient); e != nil {
		return e.EventTimestamp, true, true
	}
	if e := n.find(ScheduleRefinement, recipient); e != nil {
		return *e.Details.SchedulingDate, false, true
	}
	return time.Time{}, false, false
}

// willRefine tells when a REFINEMENT is still to come for a recipient. A view
// before the scheduled date has already perfected the notification.
func (n *Notification) willRefine(recipient int) (time.Time, bool) {
	at, reached, known := n.refinement(recipient)
	if !known || reached || n.Status == StatusCancelled || n.cancelling() {
		return time.Time{}, false
	}
	if viewed, ok := n.viewedAt(recipient); ok && viewed.Before(at) {
		return time.Time{}, false
	}
	return at, true
}

func (n *Notification) refinementDue(now time.Time) bool {
	for i := range n.Recipients {
		if at, ok := n.willRefine(i); ok && !at.After(now) {
			return true
		}
	}
	return false
}

func (n *Notification) accepted() bool   { return n.find(RequestAccepted, notificationWide) != nil }
func (n *Notification) cancelling() bool { return n.find(CancellationRequest, notificationWide) != nil }

// paidAt returns the instant of the first payment of a recipient.
func (n *Notification) paidAt(recipient int) (time.Time, bool) {
	for i := range n.Timeline {
		if e := &n.Timeline[i]; e.Category == PaymentReceived && e.recipient() == recipient {
			return e.EventTimestamp, true
		}
	}
	return time.Time{}, false
}

func (n *Notification) noticePaid(key noticeKey) bool {
	return slices.ContainsFunc(n.Timeline, func(e Element) bool {
		return e.Category == PaymentReceived && e.Details.CreditorTaxID == key.creditor && e.Details.NoticeCode == key.notice
	})
}

// status derives the notification's status from its timeline and phases.
func (n *Notification) status() Status {
	switch {
	case n.find(NotificationCancelled, notificationWide) != nil:
		return StatusCancelled
	case n.find(RequestRefused, notificationWide) != nil:
		return StatusRefused
	case !n.accepted():
		return StatusInValidation
	}
	var viewed, refined, started bool
	count := map[Phase]int{}
	for i, r := range n.Recipients {
		_, v := n.viewedAt(i)
		viewed = viewed || v
		_, reached, _ := n.refinement(i)
		refined = refined || reached
		started = started || r.Phase != PhaseWaiting
		count[r.Phase]++
	}
	all := len(n.Recipients)
	switch {
	case viewed:
		return StatusViewed
	case refined:
		return StatusEffectiveDate
	case count[PhaseDeceased] == all:
		return StatusReturnedToSender
	case count[PhaseUnreachable] == all:
		return StatusUnreachable
	case count[PhaseDigitalDelivered]+count[PhaseAnalogDelivered]+count[PhaseLetterSent]+count[PhaseUnreachable]+count[PhaseDeceased] == all:
		return StatusDelivered
	case started:
		return StatusDelivering
	}
	return StatusAccepted
}

// shift moves the whole history d into the past.
func (n *Notification) shift(d time.Duration) {
	back := func(t *time.Time) *time.Time {
		if t == nil {
			return nil
		}
		return new(t.Add(-d))
	}
	n.SentAt = n.SentAt.Add(-d)
	for i := range n.Timeline {
		e := &n.Timeline[i]
		e.EventTimestamp = e.EventTimestamp.Add(-d)
		e.IngestionTimestamp = e.IngestionTimestamp.Add(-d)
		e.NotificationSentAt = e.NotificationSentAt.Add(-d)
		e.Details.SchedulingDate = back(e.Details.SchedulingDate)
		e.Details.EventTimestamp = back(e.Details.EventTimestamp)
	}
}

// writer appends to the timeline of one unpublished notification.
type writer struct {
	n        *Notification
	terms    Terms
	now      time.Time // of the sandbox
	at       time.Time // of the event; before now when it is reported late
	sequence *int64
}

// writer returns a writer for n. Callers hold s.mu.
func (s *Sandbox) writer(n *Notification, now time.Time) *writer {
	return &writer{n: n, terms: s.options.Terms, now: now, at: now, sequence: &s.sequence}
}

// add appends an element that happened at w.at; id is what follows the IUN in
// its identifier.
func (w *writer) add(c Category, id string, d Details) {
	*w.sequence++
	w.n.Timeline = append(w.n.Timeline, Element{
		Sequence:           *w.sequence,
		ElementID:          fmt.Sprintf("%s.IUN_%s%s", c, w.n.IUN, id),
		Category:           c,
		EventTimestamp:     w.at,
		IngestionTimestamp: w.now,
		NotificationSentAt: w.n.SentAt,
		LegalFactsIDs:      []string{},
		Details:            d,
	})
	if status := w.n.status(); status != w.n.Status {
		w.n.Status = status
		w.n.Timeline[len(w.n.Timeline)-1].NewStatus = status
	}
}

// addFor appends an element of one recipient; after a rework the identifier
// says which round it belongs to.
func (w *writer) addFor(c Category, recipient int, id string, d Details) {
	d.RecIndex = &recipient
	suffix := fmt.Sprintf(".RECINDEX_%d%s", recipient, id)
	if round := w.n.Recipients[recipient].Reworks; round > 0 {
		suffix += fmt.Sprintf(".REWORK_%d", round)
	}
	w.add(c, suffix, d)
}

// settle writes the refinements that fell due.
func (w *writer) settle() {
	for i := range w.n.Recipients {
		due, ok := w.n.willRefine(i)
		if !ok || due.After(w.now) {
			continue
		}
		d := Details{EventTimestamp: &due}
		// The fee billed to the sender goes with whichever perfected first.
		if _, viewed := w.n.viewedAt(i); !viewed {
			d.NotificationCost = new(sendFee)
		}
		late := *w
		late.at = due
		late.addFor(Refinement, i, "", d)
	}
}
