// Package retention ends the keeping of what was kept long enough: answers, what
// they left to reconcile without a payment, ended deliveries and the notices of
// notifications are deleted, receipts lose what could name people (GDPR, art.
// 5(1)(e)). It works in small batches with a pause after each, so that nobody who
// pays waits for it, and may be stopped at any moment: the next run goes on.
package retention

import (
	"context"
	"fmt"
	"time"

	"github.com/attualizza/attualizza/positions"
)

// Defaults of a [Job].
const (
	DefaultBatch = 500
	DefaultPause = 50 * time.Millisecond
)

// notifiedFor is how long the notices of a notification are kept: longer than its
// events come, and SEND tells them again.
const notifiedFor = 2 * 365 * 24 * time.Hour

// Periods say how long each kind of record is kept; 0: for ever.
type Periods struct {
	Answers, Receipts, Deliveries time.Duration
}

// Job ends the keeping of records in one store. It holds nothing between runs.
type Job struct {
	Store   positions.Retention
	Periods Periods
	// Batch is how many records one transaction handles, Pause how long nothing is
	// done after it; 0: the default.
	Batch int
	Pause time.Duration
	// Now is the clock; nil: the machine's.
	Now func() time.Time
	// Progress, if set, is told of every batch: what became of a kind so far.
	Progress func(Outcome)
}

// Outcome tells what a run did with one kind of record, or a dry run would do.
type Outcome struct {
	What   positions.Kept
	Period time.Duration
	Before time.Time // whose time began before that is handled; zero: everything is kept
	Rows   int
}

// Summary has an Outcome of every kind, in a fixed order.
type Summary []Outcome

// Rows is the sum of all kinds.
func (s Summary) Rows() (rows int) {
	for _, o := range s {
		rows += o.Rows
	}
	return rows
}

// Run deletes and anonymises until nothing is left to do, ctx ends or the store
// fails. The summary says what was done also beside an error; the next run goes
// on. Several processes may run at once.
func (j *Job) Run(ctx context.Context) (Summary, error) {
	summary := j.plan()
	for i := range summary {
		o := &summary[i]
		if o.Before.IsZero() {
			continue
		}
		if err := j.expire(ctx, o); err != nil {
			return summary, fmt.Errorf("retention of %s, after %d: %w", o.What, o.Rows, err)
		}
	}
	return summary, nil
}

// DryRun counts what Run would handle now, and changes nothing.
func (j *Job) DryRun(ctx context.Context) (Summary, error) {
	summary := j.plan()
	for i := range summary {
		o := &summary[i]
		if o.Before.IsZero() {
			continue
		}
		rows, err := j.Store.CountExpired(ctx, o.What, o.Before)
		if err != nil {
			return summary, fmt.Errorf("retention of %s: %w", o.What, err)
		}
		o.Rows = rows
	}
	return summary, nil
}

// plan says of each kind until when it is handled.
func (j *Job) plan() Summary {
	now := time.Now
	if j.Now != nil {
		now = j.Now
	}
	at := now().UTC()
	summary := Summary{
		{What: positions.KeptAnswers, Period: j.Periods.Answers},
		{What: positions.KeptReceipts, Period: j.Periods.Receipts},
		{What: positions.KeptDeliveries, Period: j.Periods.Deliveries},
		{What: positions.KeptNotified, Period: notifiedFor},
		{What: positions.KeptReconciliations, Period: j.Periods.Answers}, // they tell what answers left
	}
	for i := range summary {
		if period := summary[i].Period; period > 0 {
			summary[i].Before = at.Add(-period)
		}
	}
	return summary
}

// expire handles one kind, batch by batch.
func (j *Job) expire(ctx context.Context, o *Outcome) error {
	batch, pause := j.Batch, j.Pause
	if batch <= 0 {
		batch = DefaultBatch
	}
	if pause <= 0 {
		pause = DefaultPause
	}
	for {
		n, err := j.Store.Expire(ctx, o.What, o.Before, batch)
		if err != nil {
			return err
		}
		o.Rows += n
		if j.Progress != nil {
			j.Progress(*o)
		}
		if n < batch {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}
