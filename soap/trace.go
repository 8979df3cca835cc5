package soap

import (
	"context"
	"net/http"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/attualizza/attualizza/internal/telemetry"
)

// atStart are a span's first attributes: what is known of every request (OpenTelemetry
// semantic conventions, RPC; soap is a system of our own).
var atStart = []trace.SpanStartOption{
	trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(attribute.String("rpc.system.name", "soap")),
}

// span begins the span of one request, in the caller's trace when there is one.
func (h *Handler) span(r *http.Request) (context.Context, trace.Span) {
	return h.Tracer.Start(telemetry.Incoming(r.Context(), r.Header), "paForNode", atStart...)
}

// traced tells the span of a request what became of it. The context it returns is for
// the measurements. The notice number is there to find the trace of a payment; names
// and tax codes of people never are.
func traced(ctx context.Context, x *exchange, took time.Duration) context.Context {
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
		attribute.String("attualizza.organization", strings.Clone(organizationOf(q))),
		attribute.String("attualizza.station", strings.Clone(stationOf(q))),
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
	case took >= telemetry.Slow:
		return telemetry.Keep(ctx, "slow")
	}
	return ctx
}
