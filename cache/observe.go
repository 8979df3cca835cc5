package cache

import (
	"context"
	"time"

	"github.com/sony/gobreaker/v2"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// The commands of Redis that are used, as the metric names them.
const (
	commandGet   = "get"
	commandSet   = "set"
	commandSetNX = "setnx"
	commandDel   = "del"
	commandEval  = "eval"  // compare and delete
	commandBatch = "batch" // exists and get in one round trip
)

// latency is how long each command takes; nil measures nothing.
type latency struct {
	seconds metric.Float64Histogram
	options map[string][]metric.RecordOption
}

// Observe exposes how long Redis takes to answer, and whether it is bypassed. It is
// for before the first use of r.
func (r *Redis) Observe(m metric.Meter) error {
	seconds, err := m.Float64Histogram("attualizza_redis_request_duration", metric.WithUnit("s"),
		metric.WithDescription("How long Redis took to answer, or was waited for, the wait for a connection included."),
		metric.WithExplicitBucketBoundaries(.001, .0025, .005, .01, .025, .05))
	if err != nil {
		return err
	}
	l := &latency{seconds: seconds, options: map[string][]metric.RecordOption{}}
	for _, command := range []string{commandGet, commandSet, commandSetNX, commandDel, commandEval, commandBatch} {
		l.options[command] = []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(attribute.String("command", command)))}
	}
	_, err = m.Int64ObservableGauge("attualizza_redis_bypassed",
		metric.WithDescription("1 while Redis is not asked because it has been failing, save for one command every few seconds; 0 otherwise."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			bypassed := int64(0)
			if r.breaker.State() != gobreaker.StateClosed {
				bypassed = 1
			}
			o.Observe(bypassed)
			return nil
		}))
	r.latency = l
	return err
}

// record measures one command that was sent.
func (l *latency) record(ctx context.Context, command string, began time.Time) {
	if l != nil {
		l.seconds.Record(ctx, time.Since(began).Seconds(), l.options[command]...)
	}
}
