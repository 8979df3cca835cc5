package telemetry

import (
	"context"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// countedSpans counts the spans that were meant for the collector and what became of
// them: the SDK drops what its queue cannot hold and tells nobody. It is an exporter
// in front of another.
type countedSpans struct {
	sdktrace.SpanExporter
	meant, taken, failed atomic.Int64
	held                 *atomic.Int64 // spans that the keeper had no room for; nil: there is none
}

// ExportSpans implements [sdktrace.SpanExporter].
func (c *countedSpans) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := c.SpanExporter.ExportSpans(ctx, spans)
	if err != nil {
		c.failed.Add(int64(len(spans)))
	} else {
		c.taken.Add(int64(len(spans)))
	}
	return err
}

// count has what is handed to a processor counted as meant for the collector.
func (c *countedSpans) count(next sdktrace.SpanProcessor) sdktrace.SpanProcessor {
	return counter{next, &c.meant}
}

type counter struct {
	sdktrace.SpanProcessor
	meant *atomic.Int64
}

func (c counter) OnEnd(s sdktrace.ReadOnlySpan) {
	c.meant.Add(1)
	c.SpanProcessor.OnEnd(s)
}

// observe exposes the counts.
func (c *countedSpans) observe(m metric.Meter) error {
	result := func(name string) metric.MeasurementOption {
		return metric.WithAttributeSet(attribute.NewSet(attribute.String("result", name)))
	}
	meant, taken, failed, unheld := result("meant"), result("taken"), result("failed"), result("no_room")
	_, err := m.Int64ObservableCounter("attualizza_trace_spans",
		metric.WithDescription("Spans by what became of them: meant for the collector, taken by it, failed because it did not take them, no_room for those of a trace not yet decided. What is meant and neither taken nor failed waits, or was dropped because too many did."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(c.meant.Load(), meant)
			o.Observe(c.taken.Load(), taken)
			o.Observe(c.failed.Load(), failed)
			if c.held != nil {
				o.Observe(c.held.Load(), unheld)
			}
			return nil
		}))
	return err
}
