package deliveries

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/attualizza/attualizza/positions"
)

// onward hands the trace on to the receiver (W3C Trace Context).
var onward propagation.TraceContext

// span begins the span of one attempt: a trace of its own, because the payment's ended
// when the Nodo was answered. The notice leads from the one to the other.
func (c *Courier) span(ctx context.Context, d *positions.Delivery) (context.Context, trace.Span) {
	ctx, span := c.Tracer.Start(ctx, "deliver "+string(d.Kind), trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindProducer))
	if span.IsRecording() {
		span.SetAttributes(attribute.Int64("attualizza.delivery", d.ID), attribute.Int("attualizza.attempt", d.Attempts),
			attribute.String("attualizza.organization", d.OrganizationFiscalCode), attribute.String("attualizza.notice", string(d.NAV)))
	}
	return ctx, span
}

// end tells a span what its attempt came to.
func end(span trace.Span, d *positions.Delivery, o outcome) {
	if span.IsRecording() {
		span.SetAttributes(attribute.String("attualizza.state", string(d.State)))
		if o.status != 0 {
			span.SetAttributes(attribute.Int("http.response.status_code", o.status))
		}
		if o.err != nil && !o.ended {
			span.SetStatus(codes.Error, d.LastError)
		}
	}
	span.End()
}
