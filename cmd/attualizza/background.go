package main

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/metric"
)

// prepare applies the migrations, trying again while the database does not
// answer, and then loads the organizations.
func (s *service) prepare(ctx context.Context, migrate bool) {
	for pause := 250 * time.Millisecond; migrate; pause = min(2*pause, 5*time.Second) {
		err := s.store.Migrate(ctx)
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
	close(s.migrated)
	s.maintain(ctx)
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
