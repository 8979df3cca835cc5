package mutualtls

import (
	"context"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/attualizza/attualizza/internal/telemetry"
)

// refusals tell of those who were not let in.
type refusals struct {
	logger *slog.Logger
	now    func() time.Time
	count  metric.Int64Counter
	told   telemetry.Complaints
}

// newRefusals counts those for some reasons, each from 0 on: a counter that is born at
// its first event shows no increase.
func newRefusals(logger *slog.Logger, meter metric.Meter, now func() time.Time, reasons ...string) (*refusals, error) {
	count, err := meter.Int64Counter("attualizza_nodo_tls_refused", metric.WithDescription("Who was refused at the Nodo's door for their certificate, by why."))
	if err != nil {
		return nil, err
	}
	for _, why := range reasons {
		count.Add(context.Background(), 0, because(why))
	}
	return &refusals{logger: logger, now: now, count: count}, nil
}

// tell counts a refusal, named by a word, and tells the log of it once in a while.
// The names in the error are those of machines.
func (r *refusals) tell(ctx context.Context, why string, err error) {
	r.count.Add(ctx, 1, because(why))
	if r.told.Due(why, r.now()) {
		r.logger.WarnContext(ctx, "somebody was not let in at the Nodo's door", "error", err)
	}
}

func because(why string) metric.MeasurementOption {
	return metric.WithAttributes(attribute.String("result", why))
}

// defaults are the clock and the meter of who was given none.
func defaults(now func() time.Time, meter metric.Meter) (func() time.Time, metric.Meter) {
	if now == nil {
		now = time.Now
	}
	if meter == nil {
		meter = noop.Meter{}
	}
	return now, meter
}
