package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/attualizza/attualizza/internal/config"
	"github.com/attualizza/attualizza/internal/retention"
	"github.com/attualizza/attualizza/positions"
)

type retentionCommand struct {
	config.Config `embed:""`
	DryRun        bool `help:"Count what would be handled, change nothing."`
}

// retentionPeriods are those of the configuration.
func retentionPeriods(c *config.Config) retention.Periods {
	return retention.Periods{
		Answers: time.Duration(c.RetentionAnswers), Receipts: time.Duration(c.RetentionReceipts), Deliveries: time.Duration(c.RetentionDeliveries),
	}
}

// Run does at once what the service does every hour.
func (c *retentionCommand) Run(ctx context.Context, std stdio) error {
	store, err := openPrepared(ctx, string(c.DatabaseURL))
	if err != nil {
		return err
	}
	defer store.Close()
	shown := newProgress(std)
	said := time.Now()
	job := retention.Job{Store: store, Periods: retentionPeriods(&c.Config), Progress: func(o retention.Outcome) {
		if std.terminal || time.Since(said) >= sayEvery {
			said = time.Now()
			shown.step(fmt.Sprintf("%s: %d", o.What, o.Rows))
		}
	}}
	do := job.Run
	if c.DryRun {
		do = job.DryRun
	}
	summary, err := do(ctx)
	shown.end()
	if !c.DryRun {
		onRecord(ctx, std, "retention", err, slog.Int("rows", summary.Rows()))
	}
	c.table(std, summary)
	switch {
	case errors.Is(err, context.Canceled):
		return errors.New("interrupted; run the same command again to go on")
	case err != nil:
		return fmt.Errorf("%w; nothing is half done: run the same command again to go on", err)
	}
	return nil
}

// becomes tells what is done to records, by their kind.
var becomes = map[positions.Kept]string{
	positions.KeptAnswers: "deleted", positions.KeptReceipts: "anonymised", positions.KeptDeliveries: "deleted",
	positions.KeptNotified:        "deleted",
	positions.KeptReconciliations: "deleted",
}

func (c *retentionCommand) table(std stdio, summary retention.Summary) {
	t := table.NewWriter()
	t.SetOutputMirror(std.out)
	title := "retention"
	if c.DryRun {
		title += ", dry run: nothing is changed"
	}
	t.SetTitle(title)
	t.AppendHeader(table.Row{"what", "kept for", "older than", "becomes", "rows"})
	for _, o := range summary {
		if o.Before.IsZero() {
			t.AppendRow(table.Row{o.What, "ever", "", "", ""})
			continue
		}
		t.AppendRow(table.Row{o.What, config.Period(o.Period), o.Before.Format(time.RFC3339), becomes[o.What], o.Rows})
	}
	t.SetStyle(table.StyleLight)
	t.Render()
}
