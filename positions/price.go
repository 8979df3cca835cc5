package positions

import (
	"errors"
	"fmt"
	"time"

	"github.com/attualizza/attualizza/internal/money"
)

// Price is the last answer that SEND (or the relay) ever gave for a notice, or
// the fee that was pushed for it. "No cost" is an answer too.
type Price struct {
	// NoCost tells why SEND said that there is no cost: NOT_ACCEPTED, CANCELLED
	// or NOT_FOUND; or, only a relay, that the notice must not be paid:
	// [NotPayable]. Empty: there is a price.
	NoCost string `json:"noCost,omitempty"`
	// TotalPrice is the fee to add, in cents: sendFee + paFee + paper costs with
	// VAT. It is never recomputed from its parts (SEND, "Pagamenti pagoPA").
	TotalPrice   money.Cents  `json:"totalPrice"`
	PartialPrice *money.Cents `json:"partialPrice,omitempty"`
	VAT          *int         `json:"vat,omitempty"` // per cent, on AnalogCost only
	PAFee        *money.Cents `json:"paFee,omitempty"`
	SendFee      *money.Cents `json:"sendFee,omitempty"`
	AnalogCost   *money.Cents `json:"analogCost,omitempty"` // VAT excluded
	IUN          string       `json:"iun,omitempty"`
	// RefinementDate may lie in the future: the notification is scheduled to
	// take effect then by lapse of time.
	RefinementDate       time.Time `json:"refinementDate,omitzero"`
	NotificationViewDate time.Time `json:"notificationViewDate,omitzero"`
	// FetchedAt is when SEND answered, or when the fee was pushed.
	FetchedAt time.Time `json:"fetchedAt"`
	// AskedAt is when the question left that was answered at FetchedAt; zero: not
	// known, or nobody was asked.
	AskedAt time.Time `json:"askedAt,omitzero"`
	// FreshUntil is until when a relay wants its answer to be used again, at most
	// [MaxFresh] after FetchedAt. Zero: it left that to the organization's policy.
	FreshUntil time.Time `json:"freshUntil,omitzero"`
	// Relayed marks an answer of the organization's act-management system. It
	// settles nothing once the organization asks SEND, and the reverse.
	Relayed bool `json:"relayed,omitempty"`
	// Pushed marks a fee set through …/notificationfee.
	Pushed bool `json:"pushed,omitempty"`
	// Final marks a frozen price: SEND is not asked again. It is set by
	// [Price.Freeze] and taken back by [Price.Reopen].
	Final bool `json:"final,omitempty"`
	// StaleSince is since when something is known to have happened that may have
	// changed the price; zero: nothing is. It is never kept with the price: the
	// stores fill it at each reading, because it outlives a price that was asked for
	// before.
	StaleSince time.Time `json:"-"`
	// PaidElsewhere is how much of TotalPrice was paid with other notices of the
	// same notification, in cents; see [Price.Fee]. It is never kept: the stores
	// fill it at each reading, because any payment, or its revocation, changes it.
	PaidElsewhere money.Cents `json:"-"`
}

// NotPayable is the NoCost of a notice that the act-management system says was
// paid or withdrawn. It is never frozen: the act-management system may take it
// back.
const NotPayable = "NOT_PAYABLE"

// Refusal tells whether an answer forbids to pay the notice. p may be nil. It
// binds only who asks the act-management system, see [Organization.Relays].
func (p *Price) Refusal() Refusal {
	if p != nil && p.NoCost == NotPayable {
		return RefusedCancelled
	}
	return Payable
}

// EffectiveAt returns when the notification took effect, as known at an instant:
// when it was viewed or when its terms ran out, whichever came first (DL 76/2020,
// art. 26). Terms that are still running at now give no date; the zero time: it
// has not taken effect.
func (p *Price) EffectiveAt(now time.Time) time.Time {
	at := p.NotificationViewDate
	if r := p.RefinementDate; !r.IsZero() && !r.After(now) && (at.IsZero() || r.Before(at)) {
		at = r
	}
	return at
}

// Freeze sets Final when the cost can no longer grow: the notification had been
// viewed, or refined at a moment not after the answer. A refinement date that
// was still ahead when SEND answered never freezes, because a letter can leave
// before it. Source: SEND, "Focus sull'attualizzazione"; pn-delivery-push
// schedules refinement dates in advance.
func (p *Price) Freeze() {
	p.Final = p.NoCost == "" && !p.Pushed && !p.EffectiveAt(p.FetchedAt).IsZero()
}

// Reopen takes note that something happened at an instant that may have changed
// the price: an older one is out of date, and no longer frozen. It stays the last
// known one. The zero instant changes nothing.
func (p *Price) Reopen(since time.Time) {
	if since.After(p.StaleSince) {
		p.StaleSince = since
	}
	p.Final = p.Final && !p.Outdated()
}

// Outdated reports whether the price was asked for before something happened that
// may have changed it.
func (p *Price) Outdated() bool { return !p.StaleSince.IsZero() && !p.AskedAfter(p.StaleSince) }

// AskedAfter reports whether the price tells of an instant: the question left
// after it.
func (p *Price) AskedAfter(at time.Time) bool {
	asked := p.AskedAt
	if asked.IsZero() {
		asked = p.FetchedAt
	}
	return asked.After(at)
}

// DateSettled reports whether the day on which the notification took effect will
// stay what it is: its terms had run out when SEND answered. A notification that
// was only viewed may turn out to have taken effect before, once the post's late
// report is in.
func (p *Price) DateSettled() bool {
	return !p.RefinementDate.IsZero() && !p.RefinementDate.After(p.FetchedAt)
}

// ErrNoFeeTransfer is the cause of a refusal of an option that no transfer of the
// organization itself lets carry a fee.
var ErrNoFeeTransfer = errors.New("no transfer can carry the notification fee")

// Push makes a fee, in cents, that the caller sets for an option the newest
// price of it; last is the one so far, nil when there is none. What SEND said of
// the notification itself stays: a fee says nothing about its dates.
//
// It is Invalid when the fee is negative or makes the amount more than
// [money.Max], Unprocessable when the option is paid or, with
// [ErrNoFeeTransfer], has no transfer that could carry a fee.
func (o *PaymentOption) Push(organization string, fee money.Cents, last *Price, now time.Time) (*Price, error) {
	if total, err := o.Amount.Add(fee); fee < 0 || err != nil || total > money.Max {
		detail := fmt.Sprintf("must be between 0 and %d cents", money.Max-o.Amount)
		return nil, &Error{Code: Invalid, Message: "the notification fee is not valid", Problems: []Problem{{Pointer: "/notificationFee", Detail: detail}}}
	}
	if o.Paid() {
		return nil, Errorf(Unprocessable, "notice %s is paid: its fee cannot change any more", o.NAV)
	}
	if _, ok := o.FeeTransfer(organization); !ok {
		return nil, Errorf(Unprocessable, "notice %s: %w", o.NAV, ErrNoFeeTransfer)
	}
	p := &Price{TotalPrice: fee, Pushed: true, FetchedAt: now}
	if last != nil {
		if last.NoCost == "" {
			p.IUN, p.RefinementDate, p.NotificationViewDate = last.IUN, last.RefinementDate, last.NotificationViewDate
		}
		if !now.After(last.FetchedAt) { // by another machine's clock; the stores keep the newest
			p.FetchedAt = last.FetchedAt.Add(time.Microsecond)
		}
	}
	return p, nil
}

// KnownSource tells where the fee that is known of an option comes from, without
// asking anybody. price is the last one stored for it, nil when there is none.
// A fee that was pushed counts as the last known price of a SEND-bound option; a
// price of SEND's does not count for an option that is not, or no longer, bound.
func (o *PaymentOption) KnownSource(price *Price) FeeSource {
	switch {
	case !o.SendBound && (price == nil || !price.Pushed):
		return SourceNotBound
	case price == nil:
		return SourceNone
	case price.NoCost != "":
		return SourceNoCost
	case !o.SendBound:
		return SourcePushed
	case price.Final:
		return SourceFinal
	}
	return SourceLastKnown
}

// KnownFee is the fee, in cents, that the last price stored for an option adds to
// it, and the index of the transfer that carries it; 0 when there is none, or no
// transfer of the organization that could. A payment settles it: the fee is the
// part of the payment that was one, none included, whatever the price came to
// afterwards and whoever has to bear the difference.
func (o *PaymentOption) KnownFee(organization string, price *Price) (fee money.Cents, carrier int) {
	carrier, ok := o.FeeTransfer(organization)
	if !ok {
		return 0, 0
	}
	if o.Payment != nil {
		return o.Payment.NotificationFee, carrier
	}
	switch o.KnownSource(price) {
	case SourceNotBound, SourceNone, SourceNoCost:
		return 0, 0
	}
	return price.Fee(), carrier
}
