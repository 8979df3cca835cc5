package deliveries

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/attualizza/attualizza/positions"
)

// meters tell how the deliveries fare.
type meters struct {
	attempts     metric.Int64Counter
	backlog      atomic.Pointer[[]positions.DeliveryBacklog]
	registration metric.Registration
}

func newMeters(m metric.Meter) (*meters, error) {
	s := &meters{}
	var errs [4]error
	s.attempts, errs[0] = m.Int64Counter("attualizza_deliveries", metric.WithDescription("Attempts of deliveries, by what they came to."))
	pending, err := m.Int64ObservableGauge("attualizza_deliveries_pending", metric.WithDescription("Deliveries that wait to leave."))
	errs[1] = err
	oldest, err := m.Float64ObservableGauge("attualizza_deliveries_oldest_seconds", metric.WithDescription("How long the oldest delivery has waited."))
	errs[2] = err
	parked, err := m.Int64ObservableGauge("attualizza_deliveries_parked", metric.WithDescription("Deliveries given up, to be replayed by somebody."))
	errs[3] = err
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	s.begin(context.Background())
	s.registration, err = m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		known := s.backlog.Load()
		if known == nil {
			return nil // not looked at yet
		}
		for _, b := range *known {
			kind := metric.WithAttributes(attribute.String("kind", string(b.Kind)))
			o.ObserveInt64(pending, int64(b.Pending), kind)
			o.ObserveInt64(parked, int64(b.Parked), kind)
			age := 0.0
			if !b.Oldest.IsZero() {
				age = max(0, time.Since(b.Oldest).Seconds())
			}
			o.ObserveFloat64(oldest, age, kind)
		}
		return nil
	}, pending, oldest, parked)
	return s, err
}

// What attempts come to, as the metric tells it.
const (
	resultDelivered = "delivered"
	resultFailed    = "failed" // it is tried again
	resultParked    = "parked" // it is not
	resultEnded     = "ended"  // there is nothing to deliver any more
)

// begin sets the attempts to zero: a counter that is born at its first event shows no
// increase.
func (s *meters) begin(ctx context.Context) {
	for _, kind := range []positions.DeliveryKind{positions.DeliverReceipt, positions.DeliverToSEND} {
		for _, result := range []string{resultDelivered, resultFailed, resultParked, resultEnded} {
			s.add(ctx, kind, result, 0)
		}
	}
}

func (s *meters) count(ctx context.Context, kind positions.DeliveryKind, result string) {
	s.add(ctx, kind, result, 1)
}

func (s *meters) add(ctx context.Context, kind positions.DeliveryKind, result string, n int64) {
	s.attempts.Add(ctx, n, metric.WithAttributes(attribute.String("kind", string(kind)), attribute.String("result", result)))
}

func (s *meters) close() error { return s.registration.Unregister() }

const watchEvery = 15 * time.Second

// Watch keeps the gauges of the backlog up to date until ctx ends. Every replica
// tells the same numbers: they are the store's.
func (c *Courier) Watch(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		c.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (c *Courier) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	found, err := c.Outbox.DeliveryBacklog(ctx)
	if err != nil {
		return // the readiness of the store is told elsewhere; the last numbers stay
	}
	c.meters.backlog.Store(&found)
}
