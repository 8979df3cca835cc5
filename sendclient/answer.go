package sendclient

import (
	"time"

	"github.com/attualizza/attualizza/internal/money"
)

// Answer is what SEND, or a relay, said about a notice: either a price or, with
// NoCost set, that there is none. The zero value is not an answer.
type Answer struct {
	// NoCost says why there is no cost; empty when Price holds one.
	NoCost NoCostReason
	// Price is meaningful only when NoCost is empty.
	Price Price
	// Exchange is the evidence of the conversation.
	Exchange Exchange
}

// NoCostReason tells why there is no price: SEND answered 404, a relay gave one
// of its codes. It is an answer, not a failure.
type NoCostReason string

const (
	// NotAccepted: SEND holds the notification but has not accepted it yet
	// (PN_DELIVERY_PUSH_NOTIFICATION_NOT_ACCEPTED). A price may come soon.
	NotAccepted NoCostReason = "NOT_ACCEPTED"
	// Cancelled: the sender cancelled the notification
	// (PN_DELIVERY_NOTIFICATION_CANCELLED). A fee charged so far must go.
	Cancelled NoCostReason = "CANCELLED"
	// NotFound: SEND knows no cost for this notice
	// (PN_DELIVERY_NOTIFICATIONCOSTNOTFOUND): never notified, refused, or
	// cancelled and already cleaned up.
	NotFound NoCostReason = "NOT_FOUND"
	// NotPayable: only from a relay (code 004). The act-management system says
	// that the notice was paid or withdrawn: it must not be paid at all.
	NotPayable NoCostReason = "NOT_PAYABLE"
)

// Price is SEND's answer for one notice. Amounts are euro cents.
//
// Only TotalPrice is to be charged. The components are there for evidence:
// SEND fills them even when the total is zero (flat rate, or a notice that does
// not carry the cost), so their sum is not the price.
type Price struct {
	// IUN identifies the notification; empty only if SEND left it out.
	IUN string
	// TotalPrice is the amount to add to the debt, VAT and the sender's fee
	// included: 0 to [MaxPrice].
	TotalPrice money.Cents
	// PartialPrice is SEND's fee plus paper, without VAT and without the
	// sender's fee; never to be charged. Nil if absent.
	PartialPrice *money.Cents
	// VAT is the percentage on AnalogCost, 0 to 100; nil if absent.
	VAT *int
	// PAFee is the sender's own fee, SendFee is SEND's, AnalogCost is the paper
	// without VAT; each nil if absent.
	PAFee, SendFee, AnalogCost *money.Cents
	// RefinementDate is when the notification is perfected by lapse of time. It
	// may be in the future: then it has not happened, and may yet change.
	// NotificationViewDate is when the recipient opened it. SEND gives both as
	// 23:59:59.999999999 in Europe/Rome: the calendar day in the offset of the
	// value is the day that counts. Zero if absent.
	RefinementDate, NotificationViewDate time.Time
	// FreshUntil is until when a native relay wants its answer to be used again,
	// its own moment where it says nothing. Zero for SEND and for legacy relays,
	// which leave that to the asker.
	FreshUntil time.Time
}

// MaxPrice is the largest price that is believed, 1000 euro: a notification
// costs a few euro, so that anything above is a fault that must not reach a
// citizen.
const MaxPrice money.Cents = 100_000

// Exchange is the evidence of one conversation with SEND or a relay, as PagoPA's
// test TC-COSTO-01 and later disputes want it. The zero value means that nobody
// was asked.
type Exchange struct {
	// RequestedAt is when the request left, AnsweredAt when the answer was
	// complete or was given up.
	RequestedAt, AnsweredAt time.Time
	// Status is the HTTP status, 0 when there was no answer.
	Status int
	// Code is errors[0].code of SEND's problem document, or the relay's code;
	// empty if none.
	Code string
	// RequestID is the X-Request-Id that was sent.
	RequestID string
}

// Asked reports whether a request was sent at all.
func (e Exchange) Asked() bool { return !e.RequestedAt.IsZero() }
