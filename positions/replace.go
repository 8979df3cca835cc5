package positions

import (
	"fmt"
	"time"

	"github.com/attualizza/attualizza/positions/rules"
)

// Replace puts the content of another position in the place of this one's, when
// [EventUpdate] is allowed. As in GPD the position is a DRAFT afterwards,
// whatever it was, and [Position.Publish] makes it payable. What it is stays: its
// id, its version, a block, and when it and the options that keep their notice
// number were inserted. A term of amount rules that was postponed for such an
// option stays so, unless by postpones it itself or has no such term: the system
// that sends the position again need not know what an operator granted. by is valid
// and is not changed; the two together may be Invalid.
func (p *Position) Replace(by *Position, now time.Time) error {
	if err := p.Permit(EventUpdate, now); err != nil {
		return err
	}
	q := by.Clone()
	q.OrganizationFiscalCode, q.IUPD, q.Version = p.OrganizationFiscalCode, p.IUPD, p.Version
	q.InsertedAt, q.UpdatedAt = p.InsertedAt, p.UpdatedAt
	q.Lifecycle, q.BlockedUntil, q.TransferTo = p.Lifecycle, p.BlockedUntil, p.TransferTo
	q.Status, q.PublishDate, q.PaymentDate = Draft, time.Time{}, time.Time{}
	var ps problems
	for i := range q.Options {
		o := &q.Options[i]
		o.Status, o.Payment = OptionUnpaid, nil
		if old := p.Option(o.NAV); old != nil {
			o.InsertedAt, o.UpdatedAt = old.InsertedAt, old.UpdatedAt
			rules.CarryOver(old.AmountRules, o.AmountRules)
			o.validateRules(&ps, fmt.Sprintf("/paymentOption/%d", i), q.OrganizationFiscalCode)
		}
	}
	if len(ps) > 0 {
		return &Error{Code: Invalid, Message: "the position is not valid together with the terms that were postponed", Problems: ps}
	}
	*p = *q
	return nil
}

// CarriesFees returns an [Unprocessable] error when a fee that was pushed for one
// of the options has no transfer to be added to (GPD,
// DEBT_POSITION_UPDATE_FAILED_NO_TRANSFER_FOR_NOTIFICATION_FEE). prices are the
// last ones known. [Position.Validate] sees to options that are SEND-bound.
func (p *Position) CarriesFees(prices map[NoticeNumber]*Price) error {
	var ps problems
	for i := range p.Options {
		o := &p.Options[i]
		price := prices[o.NAV]
		_, ok := o.FeeTransfer(p.OrganizationFiscalCode)
		ps.check(ok || o.KnownSource(price) != SourcePushed || price.TotalPrice == 0,
			fmt.Sprintf("/paymentOption/%d/transfer", i), "no transfer can carry the notification fee that the notice has")
	}
	if len(ps) > 0 {
		return &Error{
			Code: Unprocessable, Message: "a notification fee was set for a notice, and no transfer of the organization, other than a stamp, can carry it",
			Problems: ps, Err: ErrNoFeeTransfer,
		}
	}
	return nil
}
