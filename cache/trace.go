package cache

import (
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// redisSpan begins each span: a conversation with Redis. The key is left out.
var redisSpan = []trace.SpanStartOption{
	trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attribute.String("db.system.name", "redis")),
}

// end ends a span, by the result that the metrics know; the text of an error may hold
// an address.
func end(span trace.Span, err error) {
	if err != nil && span.IsRecording() {
		span.SetStatus(codes.Error, resultNames[failureOf(err)])
	}
	span.End()
}
