package soap

import (
	"context"
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/attualizza/attualizza/internal/telemetry"
)

// nodoContext reads the trace that a request belongs to (W3C Trace Context).
var nodoContext propagation.TraceContext

// atStart are a span's first attributes: what is known of every request (OpenTelemetry
// semantic conventions, RPC; soap is a system of our own).
var atStart = []trace.SpanStartOption{
	trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(attribute.String("rpc.system.name", "soap")),
}

// span begins the span of one request, in the caller's trace when there is one.
func (h *Handler) span(r *http.Request) (context.Context, trace.Span) {
	ctx := r.Context()
	if r.Header["Traceparent"] != nil {
		ctx = nodoContext.Extract(ctx, propagation.HeaderCarrier(r.Header))
	}
	return h.Tracer.Start(ctx, "paForNode", atStart...)
}

// traced tells the span of a request what became of it. The context it returns is for
// the measurements. The notice number is there to find the trace of a payment; names
// and tax codes of people never are.
func traced(ctx context.Context, x *exchange) context.Context {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return ctx
	}
	res, q := &x.result, &x.request
	code := res.fault
	if code == "" {
		code = res.outcome
	}
	span.SetName(res.operation)
	// Cloned, because a span that waits must not keep the whole message.
	attributes := make([]attribute.KeyValue, 0, 10)
	attributes = append(attributes,
		attribute.String("rpc.method", "paForNode/"+res.operation),
		attribute.String("rpc.response.status_code", code),
		attribute.Int("http.response.status_code", x.status),
		attribute.String("attualizza.organization", strings.Clone(q.IDPA)),
		attribute.String("attualizza.station", strings.Clone(q.IDStation)),
		attribute.String("attualizza.notice", strings.Clone(x.notice())))
	if quote := res.quote; quote != nil {
		attributes = append(attributes, attribute.Bool("attualizza.send_bound", quote.Notice.Option.SendBound),
			attribute.String("attualizza.fee_source", string(quote.Source)))
	}
	span.SetAttributes(attributes...)
	switch {
	case res.fault == faultSystem || res.outcome == "RESUBMIT":
		span.SetStatus(codes.Error, code)
		return telemetry.Keep(ctx, "failed")
	case res.quote != nil && res.quote.Source.Degraded():
		return telemetry.Keep(ctx, "degraded")
	}
	return ctx
}
