package deliveries

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode"

	"github.com/riverqueue/river"

	"github.com/attualizza/attualizza/internal/jobs"
	"github.com/attualizza/attualizza/positions"
)

// Limits of one attempt.
const (
	attemptTimeout = 10 * time.Second
	settleTimeout  = 4 * time.Second // also beyond the job's own time: what an attempt came to is worth a wait
)

// worker holds one place in a lane.
type worker struct {
	river.WorkerDefaults[args]
	courier *Courier
}

// Work makes one attempt after the other in the job's lane until nothing is due, the
// lane is to be left alone, or the job's time is up: then others have a turn first.
// When the next attempt may be made is written in each delivery: the dispatch puts
// in another job then.
func (w *worker) Work(ctx context.Context, job *river.Job[args]) error {
	c, l := w.courier, job.Args.lane()
	deadline, bounded := ctx.Deadline()
	for job.Args.Slot < c.lanes.open(l, c.Now()) && ctx.Err() == nil && !c.resting.Load() {
		if bounded && time.Until(deadline) < storeTimeout+attemptTimeout {
			c.lanes.hurry(l)
			c.Wake()
			return nil
		}
		d, err := c.claim(ctx, l)
		switch {
		case positions.CodeOf(err) == positions.NotFound:
			return nil
		case err != nil:
			return jobs.Again(job.JobRow) // the dispatch tells of a store that does not answer
		}
		c.attempt(ctx, d)
		if err := c.settle(ctx, d); err != nil {
			// The attempt stays counted; it is made again once the claim is over.
			c.Logger.WarnContext(ctx, "what a delivery came to is not written; it will be made again",
				"delivery", d.ID, "organization", d.OrganizationFiscalCode, "nav", d.NAV, "state", d.State, "error", err)
			return jobs.Again(job.JobRow)
		}
		c.breathe(ctx, l)
	}
	return nil
}

// breathe waits for a lane that is open again in a moment.
func (c *Courier) breathe(ctx context.Context, l positions.DeliveryLane) {
	if wait := c.lanes.closed(l, c.Now()); wait > 0 && wait <= breath {
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

func (c *Courier) claim(ctx context.Context, l positions.DeliveryLane) (*positions.Delivery, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if !c.enter(ctx) {
		return nil, ctx.Err()
	}
	defer c.leave()
	now := c.Now()
	return c.Outbox.ClaimDelivery(ctx, l, now, now.Add(jobs.Visibility))
}

// settle writes what an attempt came to, also when the service is stopping. A
// store that does not answer is asked a few times.
func (c *Courier) settle(ctx context.Context, d *positions.Delivery) (err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	if !c.enter(ctx) {
		return ctx.Err()
	}
	defer c.leave()
	for pause := 50 * time.Millisecond; ; pause *= 2 {
		err = c.Outbox.SettleDelivery(ctx, d)
		if positions.CodeOf(err) != positions.Unavailable {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// outcome is what one attempt came to.
type outcome struct {
	status  int           // HTTP status, 0: there was no answer
	ended   bool          // there is nobody to tell
	parked  bool          // trying again cannot help
	err     error         // nil: delivered
	general bool          // whatever goes to this receiver would fail now, and not this delivery alone
	ours    bool          // it is our own failure and tells nothing of the receiver
	wait    time.Duration // what the receiver asks for, at least
}

// attempt makes one attempt and notes in d what it came to.
func (c *Courier) attempt(ctx context.Context, d *positions.Delivery) {
	ctx, span := c.span(ctx, d)
	try, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	var o outcome
	switch d.Kind {
	case positions.DeliverReceipt:
		o = c.pushReceipt(try, d)
	case positions.DeliverToSEND:
		o = c.tellSEND(try, d)
	default: // a newer release's, which carries it out itself
		o = outcome{err: errors.New("a kind of delivery that this release does not know"), ours: true}
	}
	now := c.Now()
	d.LastStatus, d.LastError = o.status, ""
	if o.err != nil {
		d.LastError = plain(o.err.Error())
	}
	switch {
	case o.ended:
		d.State, d.EndedAt = positions.DeliveryEnded, now
	case o.err == nil:
		d.State, d.EndedAt = positions.DeliveryDelivered, now
	case errors.Is(ctx.Err(), context.Canceled): // the service is stopping: not the receiver's fault
		d.Attempts, d.DueAt, d.LastError = d.Attempts-1, now, "interrupted, the service was stopping"
	case o.parked, now.Sub(d.PendingSince) >= GiveUpAfter:
		d.State, d.EndedAt = positions.DeliveryParked, now
	default:
		d.DueAt = now.Add(max(jobs.Pause(d.Attempts), min(o.wait, time.Hour)))
	}
	c.learn(ctx, d, o, now)
	c.tell(ctx, d, o)
	end(span, d, o)
}

// slow is how long a receiver may take to refuse a delivery and still be held to work.
const slow = 3 * time.Second

// learn takes in what an attempt tells of its receiver. One that parks its delivery
// leaves the lane open: what has waited for a week is parked as fast as it fails.
func (c *Courier) learn(ctx context.Context, d *positions.Delivery, o outcome, now time.Time) {
	if o.ours || ctx.Err() != nil || d.State == positions.DeliveryParked || d.State == positions.DeliveryEnded && o.status == 0 {
		return
	}
	l := positions.DeliveryLane{Kind: d.Kind, OrganizationFiscalCode: d.OrganizationFiscalCode}
	general := o.general || now.Sub(d.LastAttemptAt) > slow
	if c.lanes.note(l, now, o.err != nil && !o.ended, general, o.wait) {
		c.Wake()
	}
}

// plain makes the text of an error fit to be kept and shown, whatever the other side
// put into it.
func plain(text string) string {
	text = strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	if runes := []rune(text); len(runes) > maxError {
		return string(runes[:maxError])
	}
	return text
}

const maxError = 200 // characters

// tell counts what became of an attempt and tells the log what somebody should
// look at: a failing receiver once in a while, a parked delivery always.
func (c *Courier) tell(ctx context.Context, d *positions.Delivery, o outcome) {
	result := resultFailed
	switch d.State {
	case positions.DeliveryDelivered:
		result = resultDelivered
	case positions.DeliveryEnded:
		result = resultEnded
	case positions.DeliveryParked:
		result = resultParked
		c.Logger.ErrorContext(ctx, "delivery parked, it is not tried any more; mend what fails and replay it (attualizza deliveries replay)",
			"delivery", d.ID, "kind", d.Kind, "organization", d.OrganizationFiscalCode, "nav", d.NAV, "status", o.status, "error", d.LastError)
	default:
		if ctx.Err() == nil && c.told.Due(string(d.Kind)+d.OrganizationFiscalCode, c.Now()) {
			c.Logger.WarnContext(ctx, "delivery failed, it will be tried again", "delivery", d.ID, "kind", d.Kind,
				"organization", d.OrganizationFiscalCode, "nav", d.NAV, "attempt", d.Attempts, "status", o.status, "error", d.LastError)
		}
	}
	c.meters.count(ctx, d.Kind, result)
}
