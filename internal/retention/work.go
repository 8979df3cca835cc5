package retention

import (
	"context"
	"log/slog"
	"time"

	"github.com/riverqueue/river"
)

// slice is how long a job of River's works at a time, because none may take long.
const slice = 10 * time.Second

// Args are the retention as a job.
type Args struct{}

// Kind implements [river.JobArgs].
func (Args) Kind() string { return "retention" }

// Worker runs a [Job] a slice at a time.
type Worker struct {
	river.WorkerDefaults[Args]
	Job    Job
	Logger *slog.Logger
}

// Work does one slice and goes on a moment later when there is more.
func (w *Worker) Work(ctx context.Context, _ *river.Job[Args]) error {
	part, cancel := context.WithTimeout(ctx, slice)
	defer cancel()
	summary, err := w.Job.Run(part)
	if rows := summary.Rows(); rows > 0 {
		w.Logger.InfoContext(ctx, "records kept long enough were deleted or anonymised", "rows", rows)
	}
	switch {
	case err == nil:
	case part.Err() != nil && ctx.Err() == nil:
		return river.JobSnooze(time.Second)
	case ctx.Err() == nil:
		w.Logger.WarnContext(ctx, "records kept long enough are still there, trying again within the hour", "error", err)
	}
	return nil
}
