package document

import (
	"slices"
	"time"

	"github.com/attualizza/attualizza/positions"
)

// Pending returns deliveries as they are stored first: waiting since an instant,
// and due at it.
func Pending(deliveries []positions.Delivery, at time.Time) []positions.Delivery {
	pending := slices.Clone(deliveries)
	for i := range pending {
		d := &pending[i]
		d.State, d.CreatedAt, d.PendingSince, d.DueAt = positions.DeliveryPending, at, at, at
	}
	return pending
}

// NothingPending is for the claim of a queue in which nothing waits.
func NothingPending(q positions.DeliveryQueue) error {
	return positions.Errorf(positions.NotFound, "nothing waits to leave about notice %s (%s)", q.NAV, q.Kind)
}

// Claimed is for the claim of a queue whose first delivery somebody else has.
func Claimed(q positions.DeliveryQueue) error {
	return positions.Errorf(positions.Conflict, "somebody else is attempting the first delivery about notice %s (%s)", q.NAV, q.Kind)
}

// Overtaken is for a settlement whose claim is not the last one any more.
func Overtaken(d *positions.Delivery) error {
	return positions.Errorf(positions.Stale, "delivery %d was claimed by somebody else, settled or replayed in the meantime", d.ID)
}

// Backlog returns what waits of every kind, also of those of which nothing does.
func Backlog(found []positions.DeliveryBacklog) []positions.DeliveryBacklog {
	backlog := []positions.DeliveryBacklog{{Kind: positions.DeliverReceipt}, {Kind: positions.DeliverToSEND}}
	for _, f := range found {
		i := slices.IndexFunc(backlog, func(b positions.DeliveryBacklog) bool { return b.Kind == f.Kind })
		if i < 0 {
			backlog = append(backlog, f)
			continue
		}
		backlog[i] = f
	}
	return backlog
}
