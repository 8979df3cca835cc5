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

// MostPassedOver bounds how many deliveries one claim passes over because others
// about their notices come first; the rest is for the next claim.
const MostPassedOver = 32

// NothingDue is for a claim in a lane in which nothing can be taken.
func NothingDue(l positions.DeliveryLane) error {
	return positions.Errorf(positions.NotFound, "nothing of organization %s is due to leave (%s)", l.OrganizationFiscalCode, l.Kind)
}

// Behind is when a delivery is looked at again that comes after another one about
// its notice: when that one can be attempted, and not in the same moment.
func Behind(now, due, claimedUntil time.Time) time.Time {
	at := now.Add(time.Second)
	for _, t := range []time.Time{due, claimedUntil} {
		if t.After(at) {
			at = t
		}
	}
	return at
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
