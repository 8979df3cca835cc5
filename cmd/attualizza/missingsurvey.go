package main

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/attualizza/attualizza/internal/registry"
	"github.com/attualizza/attualizza/positions"
)

// How often activations without a receipt are counted, and how long one organization
// may take. Between two organizations the survey rests four times as long as the last
// one took: it never has more than a fifth of one of the store's connections, which
// payments use too.
const (
	surveyEvery = time.Hour
	surveyLimit = 30 * time.Second
	surveyRest  = 4
)

// survey counts the notices that were activated and of which no receipt came, as
// GET …/missing-receipts finds them when nothing is said: at least two hours and at
// most thirty days ago. That takes the store microseconds for each activation of the
// month, so it is done now and then and never by a scrape, and what is told may be
// as old as [surveyEvery] and the time that a round takes. Every replica makes its own.
type survey struct {
	store  positions.MissingReceipts
	all    func() []*registry.Organization
	logger *slog.Logger
	// known is the last count of each organization, kept when the store does not tell
	// a new one. Only the round uses it.
	known   map[string]int
	missing atomic.Int64 // -1: no round has ended yet
}

func newSurvey(store positions.MissingReceipts, all func() []*registry.Organization, logger *slog.Logger) *survey {
	v := &survey{store: store, all: all, logger: logger, known: map[string]int{}}
	v.missing.Store(-1)
	return v
}

// run makes a round now and then one every hour until ctx ends.
func (v *survey) run(ctx context.Context) {
	again := time.NewTicker(surveyEvery)
	defer again.Stop()
	for {
		v.round(ctx)
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
	}
}

// round asks for one organization after the other. What fails is the next round's, and
// told once.
func (v *survey) round(ctx context.Context) {
	var failed error
	found := map[string]int{}
	for _, o := range v.all() {
		began := time.Now()
		n, err := v.count(ctx, o.FiscalCode)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			failed = err
			n = v.known[o.FiscalCode]
		}
		found[o.FiscalCode] = n
		select {
		case <-ctx.Done():
			return
		case <-time.After(surveyRest * time.Since(began)):
		}
	}
	if failed != nil {
		v.logger.WarnContext(ctx, "activations without a receipt were not counted for every organization, trying again within the hour", "error", failed)
	}
	sum := 0
	for _, n := range found {
		sum += n
	}
	v.known = found
	v.missing.Store(int64(sum))
}

func (v *survey) count(ctx context.Context, fiscalCode string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, surveyLimit)
	defer cancel()
	now := time.Now()
	from, to, err := positions.MissingReceiptPeriod(time.Time{}, time.Time{}, now, positions.DefaultMissingAge)
	if err != nil {
		return 0, err
	}
	_, total, err := v.store.MissingReceipts(ctx, positions.MissingReceiptFilter{OrganizationFiscalCode: fiscalCode, From: from, To: to, Now: now})
	return total, err
}

// observe exposes the last count, once there is one.
func (v *survey) observe(meter metric.Meter) error {
	_, err := meter.Int64ObservableGauge("attualizza_receipts_missing",
		metric.WithDescription("Notices activated two hours to thirty days ago of which no receipt came, of all organizations: a suspicion, no loss. Counted once an hour."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			if n := v.missing.Load(); n >= 0 {
				o.Observe(n)
			}
			return nil
		}))
	return err
}
