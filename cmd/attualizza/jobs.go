package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/riverqueue/river"

	"github.com/attualizza/attualizza/internal/jobs"
	"github.com/attualizza/attualizza/internal/retention"
	"github.com/attualizza/attualizza/internal/streams"
	"github.com/attualizza/attualizza/internal/telemetry"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/sqlite"
)

// The queues of the jobs that are not deliveries, and how many of each run at
// once in this replica.
const (
	eventQueue, eventsAtOnce = "notification_events", 8
	houseQueue, houseAtOnce  = "house", 2
)

// How often the periodic jobs are put in, by one replica for all.
const (
	reconcileEvery = 15 * time.Second
	retainEvery    = time.Hour
)

// openEngine is where the jobs of a store live: beside it, in the same database.
func openEngine(ctx context.Context, store positions.Store, url string) (jobs.Engine, error) {
	if file, ok := store.(*sqlite.Store); ok {
		return jobs.SQLite(file.Writer()), nil
	}
	return jobs.Postgres(ctx, url)
}

// newRunner puts together all that happens beside the payments.
func (s *service) newRunner() (*jobs.Runner, error) {
	workers := river.NewWorkers()
	s.courier.AddTo(workers)
	river.AddWorker(workers, &eventWorker{follower: s.follower, logger: s.logger})
	river.AddWorker(workers, &reconcileWorker{service: s})
	river.AddWorker(workers, &retentionWorker{job: retention.Job{Store: s.store, Periods: retentionPeriods(s.cfg)}, logger: s.logger})
	queues := s.courier.Queues()
	queues[eventQueue], queues[houseQueue] = eventsAtOnce, houseAtOnce
	return jobs.New(jobs.Config{Engine: s.engine, Workers: workers, Queues: queues, Logger: s.logger, Periodic: []*river.PeriodicJob{
		periodic(reconcileEvery, reconcileArgs{}),
		periodic(retainEvery, retentionArgs{}),
	}})
}

// periodic is a job of which one waits or runs at a time.
func periodic(every time.Duration, args river.JobArgs) *river.PeriodicJob {
	return river.NewPeriodicJob(river.PeriodicInterval(every),
		func() (river.JobArgs, *river.InsertOpts) { return args, jobs.Once(houseQueue) },
		&river.PeriodicJobOpts{RunOnStart: true})
}

// runJobs carries out what happens beside the payments until stopJobs. A database
// that does not answer is waited for.
func (s *service) runJobs(ctx context.Context) {
	for pause := 250 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		runner, err := s.newRunner()
		if err == nil {
			err = runner.Start(context.WithoutCancel(ctx)) // ended by stopJobs, which lets them finish
		}
		if err == nil {
			s.jobs.Store(runner)
			break
		}
		if ctx.Err() != nil {
			return
		}
		s.logger.WarnContext(ctx, "jobs not started yet, trying again", "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
	runner := s.jobs.Load()
	if runner == nil { // stopped already
		return
	}
	telemetry.TuneMemory() // the start is over
	s.work.Go(func() { s.courier.Watch(ctx) })
	s.work.Go(func() { s.follower.Run(ctx) })
	s.courier.Run(ctx, runner)
}

// stopJobs takes no more jobs, lets those under way end, and cancels what has not
// by the end of ctx.
func (s *service) stopJobs(ctx context.Context) {
	if runner := s.jobs.Swap(nil); runner != nil {
		s.logIf("jobs", runner.Stop(ctx))
	}
}

// eventArgs are an event of a stream as a job. The same event is carried out once
// at a time, however often SEND tells it.
type eventArgs struct {
	Organization string        `json:"organization" river:"unique"`
	ID           string        `json:"id" river:"unique"`
	Event        streams.Event `json:"event"`
}

// Kind implements [river.JobArgs].
func (eventArgs) Kind() string { return "notification_event" }

// Enqueue implements [streams.Queue].
func (s *service) Enqueue(ctx context.Context, events []streams.Event) error {
	runner := s.jobs.Load()
	if runner == nil {
		return errors.New("the jobs are not running")
	}
	params := make([]river.InsertManyParams, len(events))
	for i, e := range events {
		params[i] = river.InsertManyParams{Args: eventArgs{e.Organization, e.ID, e}, InsertOpts: jobs.Once(eventQueue)}
	}
	_, err := runner.Insert(ctx, params)
	return err
}

// eventsLast is how long an event is tried to be carried out: by then its price is
// out of date for every reason, and asked again by the next who pays.
const eventsLast = 24 * time.Hour

// eventWorker carries out the events of the streams.
type eventWorker struct {
	river.WorkerDefaults[eventArgs]
	follower *streams.Follower
	logger   *slog.Logger
}

// Work carries out one event; what fails is tried again for a day.
func (w *eventWorker) Work(ctx context.Context, job *river.Job[eventArgs]) error {
	err := w.follower.Handle(ctx, job.Args.Event)
	switch {
	case err == nil:
		return nil
	case time.Since(job.CreatedAt) > eventsLast:
		w.logger.ErrorContext(ctx, "an event of a stream could not be carried out for a day, given up",
			"organization", job.Args.Organization, "iun", job.Args.Event.IUN, "category", job.Args.Event.Category, "error", err)
		return nil
	}
	w.logger.InfoContext(ctx, "an event of a stream is not carried out yet, trying again",
		"organization", job.Args.Organization, "iun", job.Args.Event.IUN, "category", job.Args.Event.Category, "error", err)
	return jobs.Again(job.JobRow)
}

type reconcileArgs struct{}

// Kind implements [river.JobArgs].
func (reconcileArgs) Kind() string { return "reconcile" }

// reconcileWorker makes the rounds of the reconciliation.
type reconcileWorker struct {
	river.WorkerDefaults[reconcileArgs]
	service *service
}

// Work makes one round. What fails is the next round's.
func (w *reconcileWorker) Work(ctx context.Context, _ *river.Job[reconcileArgs]) error {
	summary, err := w.service.reconciler.Round(ctx)
	if summary.Judged() > 0 {
		w.service.logger.InfoContext(ctx, "answers without SEND's price reconciled", "repriced", summary.Repriced, "lapsed", summary.Lapsed,
			"even", summary.Even, "under", summary.Under, "over", summary.Over,
			"underCollectedCents", int64(summary.UnderCollected), "overCollectedCents", int64(summary.OverCollected))
	}
	if err != nil && ctx.Err() == nil {
		w.service.logger.WarnContext(ctx, "a round of the reconciliation failed, the next one goes on", "error", err)
	}
	return nil
}

type retentionArgs struct{}

// Kind implements [river.JobArgs].
func (retentionArgs) Kind() string { return "retention" }

// retentionWorker ends the keeping of records a slice at a time, because no job
// may take long.
type retentionWorker struct {
	river.WorkerDefaults[retentionArgs]
	job    retention.Job
	logger *slog.Logger
}

const retentionSlice = 10 * time.Second

// Work does one slice and goes on a moment later when there is more.
func (w *retentionWorker) Work(ctx context.Context, _ *river.Job[retentionArgs]) error {
	slice, cancel := context.WithTimeout(ctx, retentionSlice)
	defer cancel()
	summary, err := w.job.Run(slice)
	if rows := summary.Rows(); rows > 0 {
		w.logger.InfoContext(ctx, "records kept long enough were deleted or anonymised", "rows", rows)
	}
	switch {
	case err == nil:
	case slice.Err() != nil && ctx.Err() == nil:
		return river.JobSnooze(time.Second)
	case ctx.Err() == nil:
		w.logger.WarnContext(ctx, "records kept long enough are still there, trying again within the hour", "error", err)
	}
	return nil
}
