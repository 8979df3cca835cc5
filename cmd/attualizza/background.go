package main

import (
	"context"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/attualizza/attualizza/internal/jobs"
	"github.com/attualizza/attualizza/positions"
)

// prepare applies the migrations, or waits until somebody has, trying again while
// the database does not answer, and then loads the organizations. Nothing happens
// beside the payments before: the release before may be at work on its own schema,
// and whose organization is not known would seem to concern nobody.
func (s *service) prepare(ctx context.Context, migrate bool) {
	for pause := 250 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		var err error
		if migrate {
			err = applyMigrations(ctx, s.store, s.engine, s.logger)
		} else {
			err = s.store.Ping(ctx)
		}
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return
		}
		s.logger.WarnContext(ctx, "migrations not applied yet, trying again", "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
	s.registry.Start(ctx)
	select {
	case <-s.registry.FirstLoaded():
	case <-ctx.Done():
		return
	}
	close(s.migrated)
	s.work.Go(func() { s.forget(ctx) })
	s.work.Go(func() { s.runJobs(ctx) })
	s.work.Go(func() { s.survey.run(ctx) })
	s.maintain(ctx)
}

// applyMigrations brings the tables of the jobs and those of the store up to date. The
// store's come last: whoever waits for the migrations asks the store.
func applyMigrations(ctx context.Context, store positions.Store, engine jobs.Engine, logger *slog.Logger) error {
	if err := engine.Migrate(ctx, logger); err != nil {
		return err
	}
	return store.Migrate(ctx)
}

// maintain looks after a store that needs it, once now and then daily.
func (s *service) maintain(ctx context.Context) {
	store, ok := s.store.(interface{ Maintain(context.Context) error })
	if !ok {
		return
	}
	daily := time.NewTicker(24 * time.Hour)
	defer daily.Stop()
	for {
		if err := store.Maintain(ctx); err != nil && ctx.Err() == nil {
			s.logger.WarnContext(ctx, "the store's daily maintenance failed", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-daily.C:
		}
	}
}

// What is kept for a while and then forgotten: answers to requests with an
// Idempotency-Key, which hold personal data, a day after their request.
const (
	forgetEvery = 5 * time.Minute
	forgetBatch = 500 // rows of one transaction, so that nobody waits for it
)

// forget prunes what is over, now and then every few minutes.
func (s *service) forget(ctx context.Context) {
	again := time.NewTicker(forgetEvery)
	defer again.Stop()
	for {
		for n := forgetBatch; n == forgetBatch && ctx.Err() == nil; {
			var err error
			if n, err = s.store.PruneAttempts(ctx, time.Now(), forgetBatch); err != nil && ctx.Err() == nil {
				s.logger.WarnContext(ctx, "kept answers not pruned, trying again in minutes", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
	}
}

// observeUnlogged exposes how many answers left before their record was
// durable.
func (s *service) observeUnlogged(meter metric.Meter) error {
	_, err := meter.Int64ObservableCounter("attualizza_answers_unlogged",
		metric.WithDescription("Answers that left before their record was durable: the most that a crash can have lost."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(s.recorder.Unlogged())
			return nil
		}))
	return err
}
