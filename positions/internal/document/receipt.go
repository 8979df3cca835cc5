package document

import (
	"slices"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions"
)

// Judged is a receipt with its verdict. The caller's receipt stays as it was
// until everything is written, because the transaction may have to run again.
type Judged struct {
	positions.Receipt
	// Change is set when the receipt changes the position: then the position
	// has to be written as its next version.
	Change *positions.Change
}

// Judge tells what a receipt means for the position of its notice, nil when the
// notice is unknown here. p is changed as [positions.Position.Settle] says.
// answered is what the last activation of the notice asked, nil when none did.
//
// A receipt whose primary creditor is another organization is a broadcast copy:
// it never settles a position of the receiver, even if one has the same number.
func Judge(r *positions.Receipt, p *positions.Position, answered *money.Cents) Judged {
	j := Judged{Receipt: *r}
	j.Flags = slices.Clone(r.Flags)
	switch {
	case Broadcast(r):
		j.Flags = append(j.Flags, positions.FlagBroadcast)
		return j
	case p == nil:
		j.Flags = append(j.Flags, positions.FlagUnknownNotice)
		return j
	}
	j.LastAnswered = answered
	if p.Settle(&j.Receipt, j.ReceivedAt) {
		j.Change = &positions.Change{
			Actor:  positions.Actor{Kind: "NODO", ID: r.StationCode},
			Action: "PAY",
			At:     r.ReceivedAt,
		}
	}
	return j
}

// Broadcast reports whether a receipt was sent to somebody who is not its
// primary creditor.
func Broadcast(r *positions.Receipt) bool {
	return r.CreditorFiscalCode != r.OrganizationFiscalCode
}
