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
