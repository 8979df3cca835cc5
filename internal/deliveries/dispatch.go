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
	lookEvery    = 5 * time.Second       // for what another replica left behind
	lookAgain    = time.Second           // for what came while its queue was being worked
	gather       = 30 * time.Millisecond // between two looks: what comes meanwhile shares the next one
	putOff       = 2 * time.Minute       // until a queue whose job is put in is looked after again
	batch        = 500                   // queues of one look
	maxAgain     = 4096                  // queues remembered for another look; the rest falls due again
	storeTimeout = 2 * time.Second
)

// args name the queue that a job works.
type args struct {
	Of           positions.DeliveryKind `json:"of"`
	Organization string                 `json:"organization"`
	NAV          positions.NoticeNumber `json:"nav"`
}

// Kind implements [river.JobArgs].
func (args) Kind() string { return "delivery" }

func (a args) queue() positions.DeliveryQueue {
	return positions.DeliveryQueue{Kind: a.Of, OrganizationFiscalCode: a.Organization, NAV: a.NAV}
}

// Run puts in jobs for what is due, at once when woken and otherwise every few
// seconds, until ctx ends.
func (c *Courier) Run(ctx context.Context, runner Jobs) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var again map[positions.DeliveryQueue]bool
	for {
		var soon <-chan time.Time
		if len(again) > 0 {
			soon = time.After(lookAgain)
		}
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		case <-soon:
		case <-tick.C:
		}
		select { // River tells of new jobs only so often
		case <-ctx.Done():
			return
		case <-time.After(gather):
		}
		var err error
		if again, err = c.dispatch(ctx, runner, again); err != nil && ctx.Err() == nil && c.told.due("", c.Now()) {
			c.Logger.WarnContext(ctx, "deliveries not looked after, trying again in seconds", "error", err)
		}
	}
}

// dispatch puts in the jobs of all queues that are due and of those to be looked
// at again. It returns the queues that are to be looked at once more: those that
// were being worked just then, because what is due of them may have come too late
// for that job, and those whose jobs it failed to put in.
func (c *Courier) dispatch(ctx context.Context, runner Jobs, again map[positions.DeliveryQueue]bool) (next map[positions.DeliveryQueue]bool, err error) {
	for _, org := range c.Directory.Organizations() { // other replicas may put jobs in for them
		if org.Delivery != nil {
			if err := runner.Work(queueOf(positions.DeliverReceipt, org.FiscalCode)); err != nil {
				return again, err
			}
		}
	}
	next = map[positions.DeliveryQueue]bool{}
	remember := func(queues ...positions.DeliveryQueue) {
		for _, q := range queues {
			if len(next) < maxAgain {
				next[q] = true
			}
		}
	}
	put := func(queues []positions.DeliveryQueue) (err error) {
		defer func() {
			if err != nil {
				remember(queues...)
			}
		}()
		params := make([]river.InsertManyParams, 0, len(queues))
		for _, q := range queues {
			name, workers := queueOf(q.Kind, q.OrganizationFiscalCode)
			if err := runner.Work(name, workers); err != nil {
				return err
			}
			params = append(params, river.InsertManyParams{Args: args{q.Kind, q.OrganizationFiscalCode, q.NAV}, InsertOpts: jobs.Once(name)})
		}
		ctx, cancel := context.WithTimeout(ctx, 5*storeTimeout)
		defer cancel()
		running, err := runner.Insert(ctx, params)
		for _, i := range running {
			remember(queues[i])
		}
		return err
	}
	once := make([]positions.DeliveryQueue, 0, len(again))
	for q := range again {
		once = append(once, q)
	}
	for len(once) > 0 {
		n := min(batch, len(once))
		if err := put(once[:n]); err != nil {
			remember(once[n:]...)
			return next, err
		}
		once = once[n:]
	}
	for ctx.Err() == nil {
		due, err := c.due(ctx)
		if err != nil {
			return next, err
		}
		if len(due) == 0 {
			break
		}
		if err := put(due); err != nil {
			return next, err
		}
	}
	return next, nil
}

func (c *Courier) due(ctx context.Context) ([]positions.DeliveryQueue, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	now := c.Now()
	return c.Outbox.DueDeliveries(ctx, now, now.Add(putOff), batch)
}

// queueOf names the queue of jobs that deliveries wait in, and how many leave at
// once.
func queueOf(kind positions.DeliveryKind, organization string) (name string, workers int) {
	if kind == positions.DeliverToSEND {
		return sendQueue, sendAtOnce
	}
	return "receipts_" + organization, receiversAtOnce
}
