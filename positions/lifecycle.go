package positions

import "time"

// Status is GPD's status of a position.
type Status string

// GPD's statuses.
const (
	Draft         Status = "DRAFT"          // not published: nobody can pay it
	Published     Status = "PUBLISHED"      // published, payable from its validity date
	Valid         Status = "VALID"          // payable
	Invalidated   Status = "INVALID"        // withdrawn by the organization
	Expired       Status = "EXPIRED"        // past its last due date, with switchToExpired
	PartiallyPaid Status = "PARTIALLY_PAID" // an instalment is paid
	Paid          Status = "PAID"           // paid in full
	Reported      Status = "REPORTED"       // paid and reconciled with the bank's flow
)

// OptionStatus is GPD's status of a payment option.
type OptionStatus string

// GPD's statuses of an option.
const (
	OptionUnpaid            OptionStatus = "PO_UNPAID"
	OptionPaid              OptionStatus = "PO_PAID"
	OptionPartiallyReported OptionStatus = "PO_PARTIALLY_REPORTED"
	OptionReported          OptionStatus = "PO_REPORTED"
)

// Lifecycle is the state of a position in the Italian pagoPA model, beside
// GPD's status: who is entitled to collect it now.
type Lifecycle string

// The states of the life-cycle.
const (
	Open        Lifecycle = "OPEN"
	Blocked     Lifecycle = "BLOCKED"     // suspended by the organization
	Transferred Lifecycle = "TRANSFERRED" // another organization collects it
	Closed      Lifecycle = "CLOSED"      // paid, or ended by the organization
)

// StatusAt returns the status as a reader sees it at an instant. PUBLISHED
// becomes VALID on the validity date and VALID becomes EXPIRED after the last
// due date of the unpaid options, by the clock alone, so that no job has to
// run on time for an answer to be right.
func (p *Position) StatusAt(now time.Time) Status {
	status := p.Status
	if status == Published && !now.Before(p.ValidityDate) {
		status = Valid
	}
	if status == Valid && p.SwitchToExpired && len(p.Options) > 0 {
		for i := range p.Options {
			if !p.Options[i].Paid() && !now.After(p.Options[i].DueDate) {
				return status
			}
		}
		status = Expired
	}
	return status
}

// LifecycleAt returns the life-cycle state at an instant: a block with an end
// ends by itself.
func (p *Position) LifecycleAt(now time.Time) Lifecycle {
	if p.Lifecycle == Blocked && !p.BlockedUntil.IsZero() && !now.Before(p.BlockedUntil) {
		return Open
	}
	return p.Lifecycle
}

// Publish makes a draft payable: at once, or from its validity date when that
// lies ahead. Only a DRAFT can be published (GPD: 409 otherwise).
func (p *Position) Publish(now time.Time) error {
	if p.Status != Draft {
		return Errorf(Conflict, "a position in status %s cannot be published: only DRAFT can", p.StatusAt(now))
	}
	p.PublishDate = now
	if p.ValidityDate.After(now) {
		p.Status = Published
		return nil
	}
	p.ValidityDate = now
	p.Status = Valid
	return nil
}

// Invalidate withdraws a position that nobody has paid. PUBLISHED, VALID and
// EXPIRED positions can be invalidated (GPD: 409 otherwise).
func (p *Position) Invalidate(now time.Time) error {
	switch status := p.StatusAt(now); status {
	case Published, Valid, Expired:
		p.Status = Invalidated
		return nil
	default:
		return Errorf(Conflict, "a position in status %s cannot be invalidated: only PUBLISHED, VALID and EXPIRED can", status)
	}
}

// Pay records a payment that the organization tells, where a receipt of the
// Nodo's would go through [Position.Settle]. A payment without a date was made
// now.
//
// It is Conflict when the option is paid, or out because of what was paid beside
// it, and Unprocessable when nothing is owed on it here: a draft, a position
// that is not yet valid, withdrawn, blocked, transferred or closed. An expired
// one can be paid: it is only the Nodo's payers who come too late, and GPD takes
// it too.
func (p *Position) Pay(nav NoticeNumber, payment OptionPayment, now time.Time) error {
	n, ok := NewNotice(p, nav, nil)
	if !ok {
		return Errorf(NotFound, "there is no notice %s", nav)
	}
	switch n.RefusalAt(now) {
	case Payable, RefusedExpired:
	case RefusedDuplicate:
		return Errorf(Conflict, "notice %s is paid, or another option of its position was paid in its place", nav)
	default:
		return Errorf(Unprocessable, "a position in status %s and life-cycle state %s cannot be paid", p.StatusAt(now), p.LifecycleAt(now))
	}
	if payment.Date.IsZero() {
		payment.Date = now
	}
	p.settle(p.Option(nav), payment)
	return nil
}

// settle marks an option paid and lets the position's status follow: an
// instalment leaves it PARTIALLY_PAID until no instalment is open, the full
// option pays it at once.
func (p *Position) settle(o *PaymentOption, payment OptionPayment) {
	o.Status = OptionPaid
	o.Payment = &payment
	p.PaymentDate = payment.Date
	fullPaid, instalmentOpen := false, false
	for i := range p.Options {
		if partial, paid := p.Options[i].IsPartialPayment, p.Options[i].Paid(); partial && !paid {
			instalmentOpen = true
		} else if !partial && paid {
			fullPaid = true
		}
	}
	if instalmentOpen && !fullPaid {
		p.Status = PartiallyPaid
		return
	}
	p.Status, p.Lifecycle = Paid, Closed
}
