package positions

import (
	"strings"
	"time"
)

// MaxReason is how many characters the reason of a move may have.
const MaxReason = 200

// Publish makes a draft payable: at once, or from its validity date when that
// lies ahead.
func (p *Position) Publish(now time.Time) error {
	if err := p.Permit(EventPublish, now); err != nil {
		return err
	}
	p.collect(now)
	return nil
}

// collect makes the position payable from its validity date on, or from now.
func (p *Position) collect(now time.Time) {
	if p.PublishDate.IsZero() {
		p.PublishDate = now
	}
	switch {
	case p.ValidityDate.After(now):
		p.Status = Published
	case p.Status == Draft, p.ValidityDate.IsZero():
		p.ValidityDate = now
		p.Status = Valid
	default:
		p.Status = Valid
	}
}

// Invalidate withdraws a position that nobody has paid. A block ends with it.
func (p *Position) Invalidate(now time.Time) error {
	if err := p.Permit(EventInvalidate, now); err != nil {
		return err
	}
	p.Status = Invalidated
	p.enter(Open)
	return nil
}

// Block suspends the position: until an instant ahead, or until somebody
// unblocks it when until is zero. Blocking again sets the end anew.
func (p *Position) Block(until, now time.Time) error {
	if err := p.Permit(EventBlock, now); err != nil {
		return err
	}
	if problems := CheckBlock(until, now); len(problems) > 0 {
		return &Error{Code: Invalid, Message: "the block is not valid", Problems: problems}
	}
	p.enter(Blocked)
	p.BlockedUntil = until
	return nil
}

// Unblock ends a block before its end.
func (p *Position) Unblock(now time.Time) error {
	if err := p.Permit(EventUnblock, now); err != nil {
		return err
	}
	p.enter(Open)
	return nil
}

// Transfer hands the position over to another organization, which need not be
// registered here: nothing is created for it.
func (p *Position) Transfer(to string, now time.Time) error {
	if err := p.Permit(EventTransfer, now); err != nil {
		return err
	}
	if problems := CheckTransfer(p.OrganizationFiscalCode, to); len(problems) > 0 {
		return &Error{Code: Invalid, Message: "the transfer is not valid", Problems: problems}
	}
	p.enter(Transferred)
	p.TransferTo = to
	return nil
}

// Close ends the position without a payment of ours.
func (p *Position) Close(now time.Time) error {
	if err := p.Permit(EventClose, now); err != nil {
		return err
	}
	p.enter(Closed)
	return nil
}

// Reopen lets the organization collect again. What was transferred, or closed
// before it was paid in full, comes back as it was, its paid instalments
// included. What was withdrawn is payable again. Otherwise the payments were
// revoked: options that were paid are open again and the history alone knows how
// they were paid, save those that were reconciled with the bank's flow.
func (p *Position) Reopen(now time.Time) error {
	if err := p.Permit(EventReopen, now); err != nil {
		return err
	}
	status, lifecycle := p.StatusAt(now), p.LifecycleAt(now)
	if paid := status == Paid || status == PartiallyPaid && lifecycle == Open; paid && !p.revoke() {
		return Errorf(Conflict, "a position in status %s and lifecycle %s cannot be reopened: its payments were reconciled with the bank's flow", status, lifecycle)
	}
	p.enter(Open)
	p.reckon(now)
	return nil
}

// revoke takes back the payments that were not reconciled yet, and reports
// whether there was one.
func (p *Position) revoke() (any bool) {
	p.PaymentDate = time.Time{}
	for i := range p.Options {
		o := &p.Options[i]
		if o.Status == OptionPaid {
			o.Status, o.Payment = OptionUnpaid, nil
			any = true
		}
		if o.Payment != nil && o.Payment.Date.After(p.PaymentDate) {
			p.PaymentDate = o.Payment.Date
		}
	}
	return any
}

// enter changes the life-cycle, and drops what belonged to the state before.
func (p *Position) enter(l Lifecycle) {
	p.Lifecycle, p.BlockedUntil, p.TransferTo = l, time.Time{}, ""
}

// settle marks an option paid and lets the position's status follow.
func (p *Position) settle(o *PaymentOption, payment OptionPayment) {
	o.Status = OptionPaid
	o.Payment = &payment
	p.PaymentDate = payment.Date
	p.reckon(payment.Date)
}

// reckon lets status and life-cycle follow the options: an instalment leaves the
// position PARTIALLY_PAID until no instalment is open, the full option pays it at
// once, and without a payment it is to be collected.
func (p *Position) reckon(now time.Time) {
	fullPaid, instalmentPaid, instalmentOpen := false, false, false
	for i := range p.Options {
		switch partial, paid := p.Options[i].IsPartialPayment, p.Options[i].Paid(); {
		case partial && paid:
			instalmentPaid = true
		case partial:
			instalmentOpen = true
		case paid:
			fullPaid = true
		}
	}
	switch {
	case fullPaid, instalmentPaid && !instalmentOpen:
		p.Status = Paid
		p.enter(Closed)
	case instalmentPaid:
		p.Status = PartiallyPaid
	default:
		p.collect(now)
	}
}

// CheckReason returns what is wrong with the reason of a move, at the pointers
// of its body.
func CheckReason(reason string) []Problem {
	var ps problems
	ps.text("/reason", strings.TrimSpace(reason), 1, MaxReason)
	return ps
}

// CheckBlock returns what is wrong with the end of a block, at the pointers of
// its body.
func CheckBlock(until, now time.Time) []Problem {
	var ps problems
	instant(&ps, "/until", until, false)
	ps.check(until.IsZero() || until.After(now), "/until", "must lie in the future; left out, the block lasts until it is lifted")
	return ps
}

// CheckTransfer returns what is wrong with the organization that a position of
// another is handed over to, at the pointers of its body.
func CheckTransfer(from, to string) []Problem {
	var ps problems
	ps.check(FiscalCodePA(to), "/toOrganizationFiscalCode", "must be 11 digits")
	ps.check(to != from, "/toOrganizationFiscalCode", "is the organization that has the position already")
	return ps
}
