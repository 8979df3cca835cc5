package reconciliation

import (
	"context"

	"github.com/riverqueue/river"
)

// Args are a round as a job.
type Args struct{}

// Kind implements [river.JobArgs].
func (Args) Kind() string { return "reconcile" }

// Worker makes the rounds of a [Reconciler].
type Worker struct {
	river.WorkerDefaults[Args]
	Reconciler *Reconciler
}

// Work makes one round. What fails is the next round's.
func (w *Worker) Work(ctx context.Context, _ *river.Job[Args]) error {
	logger := w.Reconciler.Logger
	summary, err := w.Reconciler.Round(ctx)
	if summary.Judged() > 0 {
		logger.InfoContext(ctx, "answers without SEND's price reconciled", "repriced", summary.Repriced, "lapsed", summary.Lapsed,
			"even", summary.Even, "under", summary.Under, "over", summary.Over,
			"underCollectedCents", int64(summary.UnderCollected), "overCollectedCents", int64(summary.OverCollected))
	}
	if err != nil && ctx.Err() == nil {
		logger.WarnContext(ctx, "a round of the reconciliation failed, the next one goes on", "error", err)
	}
	return nil
}
