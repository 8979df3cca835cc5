package deliveries

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"github.com/attualizza/attualizza/internal/jobs"
	"github.com/attualizza/attualizza/positions"
)

// Bounds of the dispatch.
const (
	lookEvery    = time.Second           // for what falls due, and what another replica left behind
	gather       = 30 * time.Millisecond // between two looks: what comes meanwhile shares the next one
	storeTimeout = 2 * time.Second
)

// args name one of the places in a lane, of the replica that put the job in. Any
// may work it; but where each had not places of its own, the job of one that died
// would hold its place until River gives it up, a minute later.
type args struct {
	Of           positions.DeliveryKind `json:"of"`
	Organization string                 `json:"organization"`
	Replica      string                 `json:"replica"`
	Slot         int                    `json:"slot"` // 0 to slots-1
}

// Kind implements [river.JobArgs].
func (args) Kind() string { return "deliveries" }

func (a args) lane() positions.DeliveryLane {
	return positions.DeliveryLane{Kind: a.Of, OrganizationFiscalCode: a.Organization}
}

// Run puts in jobs for what is due, at once when woken and otherwise every second,
// until ctx ends.
func (c *Courier) Run(ctx context.Context, runner Jobs) {
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		case <-next.C:
		}
		pause, err := c.dispatch(ctx, runner)
		if err != nil && ctx.Err() == nil && c.told.Due("", c.Now()) {
			c.Logger.WarnContext(ctx, "deliveries not looked after, trying again in a second", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(gather):
		}
		next.Reset(pause)
	}
}

// dispatch puts in the jobs of all lanes in which something is due, and tells how
// long to wait before the next look. A job that is there already is not put in
// twice; what it comes too late for is seen by the next look, because nothing here
// hides what is due.
func (c *Courier) dispatch(ctx context.Context, runner Jobs) (pause time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*storeTimeout)
	defer cancel()
	now := c.Now()
	found, err := c.due(ctx, now)
	if err != nil {
		return lookEvery, err
	}
	due := map[positions.DeliveryLane]bool{}
	var params []river.InsertManyParams
	pause = lookEvery
	for _, l := range found {
		due[l.DeliveryLane] = true
		places, again := c.lanes.due(l.DeliveryLane, l.Due, now)
		for slot := range places {
			params = append(params, river.InsertManyParams{Args: args{l.Kind, l.OrganizationFiscalCode, c.replica, slot}, InsertOpts: jobs.Once(queueOf(l.Kind))})
		}
		pause = min(pause, max(gather, again.Sub(now)))
	}
	c.lanes.nothing(due, func(fiscalCode string) bool {
		_, ok := c.Directory.Organization(fiscalCode)
		return ok
	})
	return pause, runner.Insert(ctx, params)
}

func (c *Courier) due(ctx context.Context, now time.Time) ([]positions.DueLane, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return c.Outbox.DueDeliveries(ctx, now, slots)
}

// queueOf names the queue of jobs that deliveries wait in.
func queueOf(kind positions.DeliveryKind) string {
	if kind == positions.DeliverToSEND {
		return sendQueue
	}
	return receiptQueue
}
