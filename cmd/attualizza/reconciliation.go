package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/attualizza/attualizza/internal/telemetry"
	"github.com/attualizza/attualizza/positions"
)

// totalsEvery is how often the totals are looked at, however often the metrics are.
// It is no constant because the tests do not wait for it.
var totalsEvery = time.Minute

// totalsLimit is how long a scrape waits for them.
const totalsLimit = 500 * time.Millisecond

// observedTotals are what is known of the reconciliations of all organizations.
// The store is asked when somebody wants to know, and not too often.
type observedTotals struct {
	store interface {
		ReconciliationSums(ctx context.Context) (positions.ReconciliationTotals, error)
	}
	logger *slog.Logger
	told   telemetry.Complaints
	mu     sync.Mutex
	at     time.Time // of the last attempt
	known  bool
	last   positions.ReconciliationTotals
}

// read returns the totals, which may be a minute old, or those from before the
// store stopped answering, of which the log is told. known is false as long as it
// never did.
func (o *observedTotals) read(ctx context.Context) (totals positions.ReconciliationTotals, known bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if time.Since(o.at) >= totalsEvery {
		ctx, cancel := context.WithTimeout(ctx, totalsLimit)
		defer cancel()
		o.at = time.Now()
		switch fresh, err := o.store.ReconciliationSums(ctx); {
		case err == nil:
			o.last, o.known = fresh, true
		case o.told.Due("sums", o.at):
			o.logger.WarnContext(ctx, "the metrics of the reconciliation are not up to date: the store did not tell the sums in time", "error", err)
		}
	}
	return o.last, o.known
}

// observeReconciliations exposes what answers without SEND's price cost. Every
// replica tells the same, that of the store: of several, the largest is right.
func (s *service) observeReconciliations(meter metric.Meter) error {
	open, err := meter.Int64ObservableGauge("attualizza_reconciliation_open",
		metric.WithDescription("Answers without SEND's price that SEND has not been asked about again, of all organizations."))
	if err != nil {
		return err
	}
	under, err := meter.Int64ObservableCounter("attualizza_under_collected_cents",
		metric.WithDescription("Notification fees that were found to be collected too small, in cents, of all organizations."))
	if err != nil {
		return err
	}
	over, err := meter.Int64ObservableCounter("attualizza_over_collected_cents",
		metric.WithDescription("Notification fees that were found to be collected too large, in cents, of all organizations."))
	if err != nil {
		return err
	}
	observed := &observedTotals{store: s.store, logger: s.logger}
	_, err = meter.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
		if totals, known := observed.read(ctx); known {
			o.ObserveInt64(open, int64(totals.Open))
			o.ObserveInt64(under, int64(totals.UnderCollected))
			o.ObserveInt64(over, int64(totals.OverCollected))
		}
		return nil
	}, open, under, over)
	return err
}
