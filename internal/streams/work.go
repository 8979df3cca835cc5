package streams

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/riverqueue/river"

	"github.com/attualizza/attualizza/internal/jobs"
	"github.com/attualizza/attualizza/internal/telemetry"
)

const (
	eventQueue   = "notification_events"
	eventsAtOnce = 8 // of one replica
	// eventsLast is how long an event is tried to be carried out, a refinement that is
	// waited for included: by then its price is out of date for every reason, and asked
	// again by the next who pays.
	eventsLast = lookAhead + 24*time.Hour
	// spread keeps the refinements of a day from being asked for all at midnight; what
	// waits for less is spread over as long again.
	spread = 5 * time.Minute
)

// args are an event as a job. The same event is carried out once at a time, however
// often SEND tells it.
type args struct {
	Organization string `json:"organization" river:"unique"`
	ID           string `json:"id" river:"unique"`
	Event        Event  `json:"event"`
}

// Kind implements [river.JobArgs].
func (args) Kind() string { return "notification_event" }

// Inserter is where jobs are put in; see [jobs.Runner].
type Inserter interface {
	Insert(ctx context.Context, jobs []river.InsertManyParams) error
}

// Jobs is a [Queue] of jobs, carried out by the workers of [Follower.AddTo].
type Jobs struct{ Inserter }

// Enqueue implements [Queue].
func (j Jobs) Enqueue(ctx context.Context, events []Event) error {
	params := make([]river.InsertManyParams, len(events))
	for i, e := range events {
		params[i] = river.InsertManyParams{Args: args{e.Organization, e.ID, e}, InsertOpts: jobs.Once(eventQueue)}
	}
	return j.Insert(ctx, params)
}

// AddTo adds what carries the events out, and the queue that they wait in.
func (f *Follower) AddTo(workers *river.Workers, queues map[string]int) {
	river.AddWorker(workers, &worker{follower: f})
	queues[eventQueue] = eventsAtOnce
}

// worker carries out the events.
type worker struct {
	river.WorkerDefaults[args]
	follower *Follower
	told     telemetry.Complaints
}

// Work carries out one event; what fails is tried again for [eventsLast].
func (w *worker) Work(ctx context.Context, job *river.Job[args]) error {
	f, e := w.follower, job.Args.Event
	err := f.Handle(ctx, e)
	var later Later
	switch {
	case err == nil:
		return nil
	case errors.As(err, &later):
		wait := max(0, later.At.Sub(f.Now()))
		return river.JobSnooze(wait + rand.N(min(f.terms.spread, wait)+1))
	case ctx.Err() == nil && time.Since(job.CreatedAt) > eventsLast:
		f.meters.count(ctx, e.Category, resultGivenUp, 1)
		f.Logger.ErrorContext(ctx, "an event of a stream could not be carried out for days, given up",
			"organization", e.Organization, "iun", e.IUN, "category", e.Category, "error", err)
		return nil
	case ctx.Err() == nil && w.told.Due(e.Organization, time.Now()):
		f.Logger.WarnContext(ctx, "events of an organization's stream are not carried out yet, trying again",
			"organization", e.Organization, "iun", e.IUN, "category", e.Category, "error", err)
	}
	return jobs.Again(job.JobRow)
}
