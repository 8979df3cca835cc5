package positions

import "time"

// Pay records a payment that the organization tells, where a receipt of the
// Nodo's would go through [Position.Settle]. A payment without a date was made
// now.
//
// It is Conflict when the option is paid, or out because of what was paid beside
// it, and Unprocessable when nothing is owed on it here: a draft, a position
// that is not yet valid, withdrawn, transferred or closed. A late payment is one
// all the same, as GPD has it, and a block is no obstacle: it may well have been
// set while somebody was paying.
func (p *Position) Pay(nav NoticeNumber, payment OptionPayment, now time.Time) error {
	n, ok := NewNotice(p, nav, nil)
	if !ok {
		return Errorf(NotFound, "there is no notice %s", nav)
	}
	switch n.RefusalAt(now) {
	case Payable, RefusedExpired, RefusedInProgress:
	case RefusedDuplicate:
		return Errorf(Conflict, "notice %s is paid, or another option of its position was paid in its place", nav)
	default:
		return Errorf(Unprocessable, "a position in status %s and lifecycle %s cannot be paid", p.StatusAt(now), p.LifecycleAt(now))
	}
	if payment.Date.IsZero() {
		payment.Date = now
	}
	p.settle(p.Option(nav), payment)
	return nil
}
