package deliveries

import (
	"context"

	"github.com/attualizza/attualizza/positions"
)

// Receipts keeps receipts and wakes the courier for what has to leave because of
// them.
type Receipts struct {
	Store interface {
		SaveReceipt(ctx context.Context, r *positions.Receipt) (duplicate bool, err error)
	}
	Courier *Courier
}

// SaveReceipt is that of [positions.Store].
func (r Receipts) SaveReceipt(ctx context.Context, receipt *positions.Receipt) (duplicate bool, err error) {
	duplicate, err = r.Store.SaveReceipt(ctx, receipt)
	if err == nil && !duplicate && receipt.Outgoing != (positions.Outgoing{}) {
		r.Courier.Wake()
	}
	return duplicate, err
}
