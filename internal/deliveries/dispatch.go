package deliveries

import (
	"context"
	"sync"
	"time"

	"github.com/riverqueue/river"

	"github.com/attualizza/attualizza/internal/jobs"
	"github.com/attualizza/attualizza/positions"
)

// Bounds of the dispatch.
const (
	lookEvery    = time.Second                     // for what falls due, what another replica left behind, and queues that were being worked
	gather       = 30 * time.Millisecond           // between two looks: what comes meanwhile shares the next one
	putOff       = jobs.Visibility + 5*time.Second // until a queue whose job is put in is looked after again
	batch        = 50                              // deliveries of one look: nobody who pays waits long for its transactions
	maxAgain     = 4096                            // queues remembered for another look; the rest falls due again
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

// lookedAtAgain are queues to be looked at again in a moment: they were being
// worked when something in them fell due, or their job ran out of time.
type lookedAtAgain struct {
	mu     sync.Mutex
	queues map[positions.DeliveryQueue]bool
}

func (l *lookedAtAgain) add(q positions.DeliveryQueue) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.queues == nil {
		l.queues = map[positions.DeliveryQueue]bool{}
	}
	if len(l.queues) < maxAgain {
		l.queues[q] = true
	}
}

// take returns some of them, at most batch, and forgets these.
func (l *lookedAtAgain) take() (some []positions.DeliveryQueue) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for q := range l.queues {
		if len(some) == batch {
			break
		}
		some = append(some, q)
		delete(l.queues, q)
	}
	return some
}

// Run puts in jobs for what is due, at once when woken and otherwise every second,
// until ctx ends.
func (c *Courier) Run(ctx context.Context, runner Jobs) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		var again []positions.DeliveryQueue
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		case <-tick.C:
			again = c.again.take()
		}
		if err := c.dispatch(ctx, runner, again); err != nil && ctx.Err() == nil && c.told.Due("", c.Now()) {
			c.Logger.WarnContext(ctx, "deliveries not looked after, trying again in seconds", "error", err)
		}
		select { // River tells of new jobs only so often
		case <-ctx.Done():
			return
		case <-time.After(gather):
		}
	}
}

// dispatch puts in the jobs of some queues that are to be looked at again and of all
// that are due.
func (c *Courier) dispatch(ctx context.Context, runner Jobs, again []positions.DeliveryQueue) error {
	for _, org := range c.Directory.Organizations() { // other replicas may put jobs in for them
		if org.Delivery != nil {
			if err := runner.Work(queueOf(positions.DeliverReceipt, org.FiscalCode)); err != nil {
				return err
			}
		}
	}
	if err := c.put(ctx, runner, again); err != nil {
		return err
	}
	for ctx.Err() == nil {
		due, err := c.due(ctx)
		if err != nil || len(due) == 0 {
			return err
		}
		if err := c.put(ctx, runner, due); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(gather):
		}
	}
	return nil
}

// put puts in the jobs of queues. Those that are being worked just then are
// remembered, because what is due of them may have come too late for that job; and
// those whose jobs could not be put in, because they are hidden from the next look.
func (c *Courier) put(ctx context.Context, runner Jobs, queues []positions.DeliveryQueue) (err error) {
	defer func() {
		if err != nil {
			for _, q := range queues {
				c.again.add(q)
			}
		}
	}()
	if len(queues) == 0 {
		return nil
	}
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
	busy, err := runner.Insert(ctx, params)
	for _, i := range busy {
		c.again.add(queues[i])
	}
	return err
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
