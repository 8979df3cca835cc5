package positions

import (
	"regexp"

	"github.com/attualizza/attualizza/internal/money"
)

// A notification can bring several notices to one recipient, and SEND gives the
// whole cost of the notification for each of them (pn-delivery-push, e2e
// PAY_MULTI: two, three, four notices, each the full amount). It was spent once:
// what was paid of it with one notice is left out of the others.
//
// Notices belong together when they are of one organization, of one notification
// (IUN) and of one recipient, who is the debtor of their positions:
//
//   - Each recipient causes costs of their own, so the IUN alone says too little. A
//     debtor without a tax code (ANONIMO) is nobody in particular.
//   - The IUN is what SEND said, but also what an organization's relay said, and a
//     relay can claim any. It must not make a notice of another organization
//     cheaper.

// Fee is what a price adds to its notice, in cents: SEND's total less what was
// paid of it with other notices of the notification, and never below zero. A fee
// that was pushed is added as it is: whoever set it set it for that notice.
func (p *Price) Fee() money.Cents {
	if p.Pushed {
		return p.TotalPrice
	}
	return max(0, p.TotalPrice-p.PaidElsewhere)
}

// iunPattern is that of SEND's API. What a relay writes in the place of an IUN
// that it does not have would make strangers of two notifications one.
var iunPattern = regexp.MustCompile(`^[A-Z]{4}-[A-Z]{4}-[A-Z]{4}-[0-9]{6}-[A-Z]-[0-9]$`)

// SetFee notes which part of a payment was SEND's fee, in cents, and of which
// notification. Without a fee, or with something that is no IUN, it counts for
// no other notice.
func (p *OptionPayment) SetFee(fee money.Cents, iun string) {
	p.NotificationFee, p.IUN = fee, ""
	if fee > 0 && iunPattern.MatchString(iun) {
		p.IUN = iun
	}
}

// Asked is what is on record of what a payer was asked for.
type Asked struct {
	// Answer is the last activation of the notice that was answered OK, nil when
	// there is none (a stand-in payment). Its amounts and its price are looked at.
	Answer *Answer
	// Price is the last known price of the notice, nil when there is none.
	Price *Price
}

// feePaid tells which part of a receipt's amount was SEND's fee, and of which
// notification: what the receipt's own metadata says, or else what was asked, as
// far as the payment covers it. The debt comes first, so that what was paid too
// little is missing from the fee; the metadata only repeat what an activation
// said, whatever was paid then. Of a stand-in payment of a notice with amount
// rules nobody knows what was asked: it is taken to have covered the fee, so that
// no payer is asked for it twice.
func (o *PaymentOption) feePaid(organization string, r *Receipt, asked Asked) (fee money.Cents, iun string) {
	base := o.Amount
	if o.HasRules() {
		base = 0
	}
	owed, _ := o.KnownFee(organization, asked.Price)
	if asked.Price != nil {
		iun = asked.Price.IUN
	}
	if a := asked.Answer; a != nil {
		base, owed = a.Amount-a.NotificationFee, a.NotificationFee
		if a.Price != nil && a.Price.IUN != "" {
			iun = a.Price.IUN
		}
	}
	if said := r.NotificationFee; said != nil && *said >= 0 && *said <= r.PaymentAmount {
		owed = *said
		if asked.Answer == nil {
			base = 0 // somebody else asked, who may have reckoned the debt otherwise
		}
	}
	return max(0, min(owed, r.PaymentAmount-base)), iun
}
