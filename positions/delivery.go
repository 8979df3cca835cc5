package positions

import (
	"context"
	"time"

	"github.com/attualizza/attualizza/internal/money"
)

// Delivery is something that has to leave because a notice was paid. It is
// written in the transaction of what it tells about, so that neither can be
// there without the other, and stays until it is pruned.
//
// Deliveries of one kind about one notice leave in the order of their IDs, each
// at least once: in the order in which they came, save those that came at the same
// time. One that is parked does not hold the later ones.
type Delivery struct {
	ID                     int64
	Kind                   DeliveryKind
	OrganizationFiscalCode string
	NAV                    NoticeNumber
	// ReceiptID names the receipt that it tells about; empty for a payment that
	// was reported without one.
	ReceiptID string
	// Amount and PaidAt are what SEND is told: what was paid, in cents, and when.
	// Of a receipt's own delivery they are zero: the receipt says it.
	Amount money.Cents
	PaidAt time.Time

	State     DeliveryState
	CreatedAt time.Time
	// PendingSince is when it began to wait, at its creation or at its last
	// replay: a delivery is parked a while after that.
	PendingSince time.Time
	// DueAt is when its next attempt may be made, if it is PENDING.
	DueAt time.Time
	// Attempts counts those since PendingSince, the one that is being made included.
	Attempts      int
	LastAttemptAt time.Time // zero: none was made yet
	LastStatus    int       // HTTP status of the last attempt, 0: there was no answer
	LastError     string    // why the last attempt failed, without personal data; empty after a success
	EndedAt       time.Time // when it left PENDING; zero while it is
	// Claim grows with every claim and every replay, so that whoever settles a
	// claim that is not the last any more is noticed. It is the store's.
	Claim int64
}

// DeliveryKind tells what leaves, and where to.
type DeliveryKind string

// The kinds of deliveries.
const (
	DeliverReceipt DeliveryKind = "RECEIPT"      // a receipt to the organization's delivery.url
	DeliverToSEND  DeliveryKind = "SEND_PAYMENT" // the payment event to SEND, which then sends no more paper
)

// DeliveryState is what became of a delivery.
type DeliveryState string

// The states of a delivery.
const (
	DeliveryPending   DeliveryState = "PENDING"
	DeliveryDelivered DeliveryState = "DELIVERED" // the receiver said so
	DeliveryEnded     DeliveryState = "ENDED"     // nobody to tell: SEND does not know the notice, or the organization has no address any more
	DeliveryParked    DeliveryState = "PARKED"    // given up after days of trying; a replay takes it up again
)

// Outgoing tells what is wanted to leave after a payment, as the organization
// is registered. The zero value wants nothing.
type Outgoing struct {
	Receipt bool // push the receipt to the organization's delivery.url
	SEND    bool // tell SEND, if it notifies the notice and the organization is its sender
}

// Deliveries keeps what has to leave. Errors are as in [Store].
type Deliveries interface {
	// DueDeliveries tells in which lanes something may be attempted now, and how many
	// deliveries at least, most at most. It changes nothing.
	DueDeliveries(ctx context.Context, now time.Time, most int) ([]DueLane, error)
	// ClaimDelivery takes for one attempt what is due the longest in a lane, of those
	// that were not tried yet if there are any, so that a hundred that are refused do
	// not keep the others; and only the first PENDING one about its notice. It counts the attempt and keeps
	// the delivery for the caller until until. NotFound: nothing can be taken now.
	ClaimDelivery(ctx context.Context, l DeliveryLane, now, until time.Time) (*Delivery, error)
	// SettleDelivery writes what an attempt came to: State, DueAt, Attempts,
	// LastStatus, LastError and EndedAt of d, and gives the claim back; the next one
	// about the notice follows once this one is not PENDING any more. Stale when
	// the claim was somebody else's by then, or the delivery has been replayed
	// since: nothing is written.
	SettleDelivery(ctx context.Context, d *Delivery) error
	// ReplayDeliveries makes deliveries PENDING again, due now with no attempts:
	// PARKED, ENDED or DELIVERED ones start anew, and one that is PENDING already
	// is tried at once. It tells how many there were, at most limit, the oldest
	// first. One that waits since now already and is due is left alone, so that
	// who asks again with the same now goes on with the rest.
	ReplayDeliveries(ctx context.Context, f DeliveryFilter, now time.Time, limit int) (int, error)
	// Deliveries lists deliveries, newest first, and how many there are.
	Deliveries(ctx context.Context, f DeliveryFilter) ([]Delivery, int, error)
	// DeliveryBacklog tells of each kind how many deliveries are PENDING, since when
	// the oldest of them is, and how many are PARKED.
	DeliveryBacklog(ctx context.Context) ([]DeliveryBacklog, error)
}

// DeliveryLane names the deliveries that have one receiver: those of one kind of
// one organization.
type DeliveryLane struct {
	Kind                   DeliveryKind
	OrganizationFiscalCode string
}

// DueLane is a lane in which something may be attempted.
type DueLane struct {
	DeliveryLane
	Due int // deliveries that are due, as far as they were counted; some may follow others about their notice
}

// DeliveryFilter narrows deliveries. Zero fields do not filter.
type DeliveryFilter struct {
	OrganizationFiscalCode string
	IDs                    []int64
	Kind                   DeliveryKind
	State                  DeliveryState
	NAV                    NoticeNumber
	ReceiptID              string
	From, To               time.Time // by CreatedAt, To excluded
	SegregationCodes       []string  // only notice numbers of aux digit 3 with one of them
	Page                   Page      // of a list; a replay has no pages
}

// DeliveryBacklog is what waits of one kind.
type DeliveryBacklog struct {
	Kind    DeliveryKind
	Pending int
	Oldest  time.Time // PendingSince of the oldest PENDING one; zero: none is
	Parked  int
}
