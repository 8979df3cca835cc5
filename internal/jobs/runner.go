package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// Limits of a job. A job whose process died is taken up by another one after
// Visibility, so nothing may go on longer than that.
const (
	Timeout    = 15 * time.Second
	Visibility = time.Minute
)

// Config is what a [Runner] runs.
type Config struct {
	Engine  Engine
	Workers *river.Workers
	Queues  map[string]int // jobs at once, of this replica, by the queue's name
	// Periodic jobs are put in by one replica at a time.
	Periodic []*river.PeriodicJob
	Logger   *slog.Logger
	// Clock stubs the time in tests; nil: the real one.
	Clock rivertype.TimeGenerator
}

// Runner carries jobs out. It is safe for concurrent use.
type Runner struct{ client client }

// New prepares a runner. Its engine's migrations must be applied before Start.
func New(cfg Config) (*Runner, error) {
	queues := map[string]river.QueueConfig{}
	for name, workers := range cfg.Queues {
		queues[name] = river.QueueConfig{MaxWorkers: workers, FetchPollInterval: poll}
	}
	client, err := cfg.Engine.client(&river.Config{
		Queues: queues, Workers: cfg.Workers, PeriodicJobs: cfg.Periodic, Logger: quiet(cfg.Logger),
		// River tells of new jobs of a queue once in this while; what it does not tell
		// of waits to be polled.
		FetchCooldown: cooldown,
		JobTimeout:    Timeout, RescueStuckJobsAfter: Visibility, RetryPolicy: retry{}, MaxAttempts: maxAttempts,
		// What became of a job is told by what it was about; River's own rows only fill
		// the table.
		CompletedJobRetentionPeriod: time.Hour, DiscardedJobRetentionPeriod: 24 * time.Hour, CancelledJobRetentionPeriod: time.Hour,
		Test: river.TestConfig{Time: cfg.Clock},
	})
	if err != nil {
		return nil, fmt.Errorf("jobs: %w", err)
	}
	return &Runner{client}, nil
}

// maxAttempts is River's bound of attempts. Who gives a job up is its worker,
// after days.
const maxAttempts = 1000

// Queues are told of new jobs: by LISTEN in PostgreSQL, by the process itself on
// SQLite. Polling only finds what that missed and jobs that woke up by themselves.
const (
	cooldown = 20 * time.Millisecond
	poll     = time.Second
)

// Start begins to work. Jobs stop when ctx ends; call Stop before that.
func (r *Runner) Start(ctx context.Context) error {
	if err := r.client.Start(ctx); err != nil {
		return fmt.Errorf("start the jobs: %w", err)
	}
	return nil
}

// Stop takes no more jobs and waits for those under way; when ctx ends first
// they are cancelled and given a moment to put away what they hold.
func (r *Runner) Stop(ctx context.Context) error {
	err := r.client.Stop(ctx)
	if err == nil || ctx.Err() == nil {
		return err
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastMoment)
	defer cancel()
	return r.client.StopAndCancel(last)
}

const lastMoment = 500 * time.Millisecond

// Insert puts jobs in, all or none. One that is there already (see [Once]) is
// not put in again; if it is asleep until a later attempt it is woken.
func (r *Runner) Insert(ctx context.Context, jobs []river.InsertManyParams) error {
	if len(jobs) == 0 {
		return nil
	}
	results, err := r.client.InsertMany(ctx, jobs)
	if err != nil {
		return fmt.Errorf("insert jobs: %w", err)
	}
	for _, result := range results {
		if result.UniqueSkippedAsDuplicate && asleep(result.Job) {
			if _, err := r.client.JobRetry(ctx, result.Job.ID); err != nil {
				return fmt.Errorf("wake job %d: %w", result.Job.ID, err)
			}
		}
	}
	return nil
}

func asleep(job *rivertype.JobRow) bool {
	return job.State == rivertype.JobStateScheduled || job.State == rivertype.JobStateRetryable
}

// Once are the options of a job of which there is one at a time with the same
// arguments: while it waits, sleeps or runs, another is not put in.
func Once(queue string) *river.InsertOpts {
	return &river.InsertOpts{Queue: queue, UniqueOpts: river.UniqueOpts{
		ByArgs: true,
		ByState: []rivertype.JobState{
			rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable,
			rivertype.JobStateRunning, rivertype.JobStateScheduled,
		},
	}}
}
