package document

import (
	"errors"
	"slices"
	"time"

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
	// Deliveries are what has to leave because of the receipt.
	Deliveries []positions.Delivery
}

// Asked puts together what is on record of what a payer was asked for. amount, fee
// and answeredPrice are of the last activation, amount nil when none is on record;
// price is the last one known, with what goes with it.
func Asked(amount, fee *money.Cents, answeredPrice, price []byte, paidElsewhere money.Cents) (positions.Asked, error) {
	var asked positions.Asked
	if amount != nil {
		asked.Answer = &positions.Answer{Amount: *amount, NotificationFee: *fee}
		if err := ReadEvidence(asked.Answer, nil, answeredPrice); err != nil {
			return asked, err
		}
	}
	if len(price) > 0 {
		asked.Price = &positions.Price{PaidElsewhere: paidElsewhere}
		if err := Read(price, asked.Price); err != nil {
			return asked, err
		}
	}
	return asked, nil
}

// Judge tells what a receipt means for the position of its notice, nil when the
// notice is unknown here. p is changed as [positions.Position.Settle] says.
// asked is what is on record of what the payer was asked for.
//
// A receipt whose primary creditor is another organization is a broadcast copy:
// it never settles a position of the receiver, even if one has the same number.
func Judge(r *positions.Receipt, p *positions.Position, asked positions.Asked) Judged {
	j := verdict(r, p, asked)
	var paid *positions.Position
	if j.Change != nil {
		paid = p
	}
	j.Deliveries = Pending(r.Deliveries(paid), j.ReceivedAt)
	return j
}

// ErrDuplicate rolls back the transaction of a receipt that is there already.
var ErrDuplicate = errors.New("receipt is there already")

// Keep stores a receipt by save, whose errors are those of a store: first with its
// verdict (nil), and where that fails in a way that would not pass, unjudged as it
// is told to: a receipt tells of money, and the Nodo would send it in vain for
// ever. Then it changes nothing and only itself leaves, or not even that, where the
// delivery cannot be written.
func Keep(r *positions.Receipt, save func(unjudged *Judged) (Judged, error)) (Judged, error) {
	kept, err := save(nil)
	if !lasting(err) {
		return kept, err
	}
	unjudged := Judged{Receipt: *r}
	unjudged.Flags = append(slices.Clone(r.Flags), positions.FlagNotJudged)
	unjudged.LastAnswered, unjudged.Receipt.Unjudged = nil, err
	unjudged.Deliveries = Pending(r.Deliveries(nil), r.ReceivedAt)
	if kept, err = save(&unjudged); lasting(err) && len(unjudged.Deliveries) > 0 {
		unjudged.Deliveries = nil
		kept, err = save(&unjudged)
	}
	return kept, err
}

// lasting tells errors that the same again would meet again.
func lasting(err error) bool {
	return err != nil && !errors.Is(err, ErrDuplicate) && positions.CodeOf(err) != positions.Unavailable
}

func verdict(r *positions.Receipt, p *positions.Position, asked positions.Asked) Judged {
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
	j.LastAnswered = nil
	if a := asked.Answer; a != nil {
		j.LastAnswered = &a.Amount
	}
	if p.Settle(&j.Receipt, asked, j.ReceivedAt) {
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

// Anonymous is a receipt as it is kept once it is anonymised, of what was kept
// before.
func Anonymous(body []byte, now time.Time) ([]byte, error) {
	var r positions.Receipt
	if err := Read(body, &r); err != nil {
		return nil, err
	}
	r.Anonymize(now)
	return Write(&r)
}
