package main

import (
	"context"
	"sync"
	"time"

	"github.com/riverqueue/river"

	"github.com/attualizza/attualizza/internal/jobs"
	"github.com/attualizza/attualizza/internal/reconciliation"
	"github.com/attualizza/attualizza/internal/retention"
	"github.com/attualizza/attualizza/internal/streams"
	"github.com/attualizza/attualizza/internal/telemetry"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/sqlite"
)

// The queue of the periodic jobs, and how many of them run at once in this replica.
const houseQueue, houseAtOnce = "house", 2

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
	river.AddWorker(workers, &reconciliation.Worker{Reconciler: s.reconciler})
	river.AddWorker(workers, &retention.Worker{Job: retention.Job{Store: s.store, Periods: retentionPeriods(s.cfg)}, Logger: s.logger})
	queues := s.courier.Queues()
	s.follower.AddTo(workers, queues)
	queues[houseQueue] = houseAtOnce
	return jobs.New(jobs.Config{Engine: s.engine, Workers: workers, Queues: queues, Logger: s.logger, Periodic: []*river.PeriodicJob{
		periodic(reconcileEvery, reconciliation.Args{}),
		periodic(retainEvery, retention.Args{}),
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
			s.besides(ctx, runner)
			return
		}
		if ctx.Err() != nil {
			return
		}
		s.logger.WarnContext(ctx, "jobs not running, trying again", "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// running is a runner at work, and what puts jobs in for it.
type running struct {
	runner *jobs.Runner
	follow context.CancelFunc // ends the following of the streams
	done   chan struct{}      // closed when they are followed no more
}

// besides puts in what the runner has to do, until ctx ends.
func (s *service) besides(ctx context.Context, runner *jobs.Runner) {
	following, cancel := context.WithCancel(ctx)
	defer cancel()
	at := &running{runner: runner, follow: cancel, done: make(chan struct{})}
	s.jobs.Store(at)
	telemetry.TuneMemory() // the start is over
	var work sync.WaitGroup
	work.Go(func() { s.courier.Watch(ctx) })
	work.Go(func() { s.courier.Run(ctx, runner) })
	s.follower.Run(following, streams.Jobs{Inserter: runner})
	close(at.done)
	work.Wait()
}

// stopJobs lets another replica follow the streams, takes no more jobs, lets those
// under way end, and cancels what has not by the end of ctx.
func (s *service) stopJobs(ctx context.Context) {
	at := s.jobs.Swap(nil)
	if at == nil {
		return
	}
	at.follow()
	s.courier.Rest()
	select {
	case <-at.done:
	case <-ctx.Done():
	}
	s.logIf("jobs", at.runner.Stop(ctx))
}
