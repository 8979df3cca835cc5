package sendclient

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// onward hands the trace on to who is asked (W3C Trace Context): two identifiers and
// whether it is sampled, nothing of ours.
var onward propagation.TraceContext

var asClient = trace.WithSpanKind(trace.SpanKindClient)

// span begins the span of one question: its way through the guard, a retry and the
// reading of the answer included.
func (c *Client) span(ctx context.Context, route string) (context.Context, trace.Span) {
	return c.tracer.Start(ctx, "SEND "+route, asClient)
}

// end tells a span what came of the question. The notice and the organization stand in
// the span that asks.
func end(span trace.Span, result string, seen Exchange, failed bool) {
	if span.IsRecording() {
		span.SetAttributes(attribute.String("attualizza.result", result))
		if seen.Status != 0 {
			span.SetAttributes(attribute.Int("http.response.status_code", seen.Status))
		}
		if seen.RequestID != "" {
			span.SetAttributes(attribute.String("attualizza.request_id", seen.RequestID))
		}
		if failed {
			span.SetStatus(codes.Error, result)
		}
	}
	span.End()
}
