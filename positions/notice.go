package positions

import "time"

// Notice is all that an answer about one payment option needs, as the store
// reads it in one round trip.
type Notice struct {
	// Position is the option's position without its Options.
	Position Position
	Option   PaymentOption
	// FullPaid tells that the position's full option (isPartialPayment false)
	// is paid; InstalmentPaid that one of its instalments is. Both leave the
	// option at hand out.
	FullPaid, InstalmentPaid bool
	// Price is the last known price, nil when SEND never answered.
	Price *Price
}

// Refusal is why a notice cannot be paid now, as the fault code that the Nodo
// expects from a creditor (SANP, "Gestione degli errori", faults of the EC).
type Refusal string

// The refusals that a notice's own state can cause.
const (
	Payable           Refusal = ""
	RefusedUnknown    Refusal = "PAA_PAGAMENTO_SCONOSCIUTO"
	RefusedExpired    Refusal = "PAA_PAGAMENTO_SCADUTO"
	RefusedCancelled  Refusal = "PAA_PAGAMENTO_ANNULLATO"
	RefusedInProgress Refusal = "PAA_PAGAMENTO_IN_CORSO"
	RefusedDuplicate  Refusal = "PAA_PAGAMENTO_DUPLICATO"
)

// RefusalAt tells whether the notice can be paid at an instant, and if not why.
// Being paid is told before anything that happened to the position later.
func (n *Notice) RefusalAt(now time.Time) Refusal {
	status, lifecycle := n.Position.Status, n.Position.LifecycleAt(now)
	switch {
	case status == Draft:
		return RefusedUnknown
	case n.settled(), status == Paid, status == Reported:
		return RefusedDuplicate
	case status == Invalidated, lifecycle == Transferred, lifecycle == Closed:
		return RefusedCancelled
	case lifecycle == Blocked:
		return RefusedInProgress
	case status == Published && now.Before(n.Position.ValidityDate):
		return RefusedUnknown
	case n.Position.SwitchToExpired && now.After(n.Option.DueDate):
		return RefusedExpired
	default:
		return Payable
	}
}

// settled tells that the option is paid, or out because of what was paid beside
// it: every option once the full one is, and the full one once an instalment is.
func (n *Notice) settled() bool {
	return n.Option.Paid() || n.FullPaid || !n.Option.IsPartialPayment && n.InstalmentPaid
}

// NewNotice builds the read model of one option from its whole position. The
// stores read the same from their tables; tests hold them to it.
func NewNotice(p *Position, nav NoticeNumber, price *Price) (*Notice, bool) {
	o := p.Option(nav)
	if o == nil {
		return nil, false
	}
	n := &Notice{Position: *p, Option: *o, Price: price}
	n.Position.Options = nil
	for i := range p.Options {
		other := &p.Options[i]
		if other.NAV == nav || !other.Paid() {
			continue
		}
		if other.IsPartialPayment {
			n.InstalmentPaid = true
		} else {
			n.FullPaid = true
		}
	}
	return n, true
}
