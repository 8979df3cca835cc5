package main

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"github.com/attualizza/attualizza/internal/jobs"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/sqlite"
)

// openEngine is where the jobs of a store live: beside it, in the same database.
func openEngine(ctx context.Context, store positions.Store, url string) (jobs.Engine, error) {
	if file, ok := store.(*sqlite.Store); ok {
		return jobs.SQLite(file.Writer()), nil
	}
	return jobs.Postgres(ctx, url)
}

// runJobs carries out what happens beside the payments until stopJobs. A database
// that does not answer is waited for.
func (s *service) runJobs(ctx context.Context) {
	workers := river.NewWorkers()
	s.courier.AddTo(workers)
	for pause := 250 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		runner, err := jobs.New(jobs.Config{Engine: s.engine, Workers: workers, Queues: s.courier.Queues(), Logger: s.logger})
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
	s.work.Go(func() { s.courier.Watch(ctx) })
	s.courier.Run(ctx, runner)
}

// stopJobs takes no more jobs, lets those under way end, and cancels what has not
// by the end of ctx.
func (s *service) stopJobs(ctx context.Context) {
	if runner := s.jobs.Swap(nil); runner != nil {
		s.logIf("jobs", runner.Stop(ctx))
	}
}
