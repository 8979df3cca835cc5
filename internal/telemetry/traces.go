package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// TracesConfig is what [Traces] are made of.
type TracesConfig struct {
	Environment Environment
	// Version is the program's, told to the collector.
	Version string
	// KeepNotable has every trace exported that holds a slow, degraded or failed
	// answer, whatever the sampler decided at its start; see [Keep].
	KeepNotable bool
	// Exporter takes the spans in the collector's place; nil: OTLP over HTTP, when
	// Environment asks for it.
	Exporter sdktrace.SpanExporter
	// Meter is told how many spans were meant for the collector, and became of them; nil:
	// nobody.
	Meter metric.Meter
	// Logger is told of a collector that does not take what it is sent.
	Logger *slog.Logger
}

// Traces tell where the time of an answer went. Without an exporter its spans are not
// recorded, yet have identifiers: the log's lines carry them, and so do the requests
// to SEND. No span ever holds personal data. Safe for concurrent use.
type Traces struct {
	provider trace.TracerProvider
	sdk      *sdktrace.TracerProvider // nil: disabled
}

// NewTraces prepares the exporter. It contacts nobody; what fails is a setting.
func NewTraces(ctx context.Context, cfg TracesConfig) (*Traces, error) {
	if cfg.Environment.Disabled {
		return &Traces{provider: noop.NewTracerProvider()}, nil
	}
	exporter := cfg.Exporter
	if exporter == nil && cfg.Environment.Export {
		var err error
		if exporter, err = otlptracehttp.New(ctx); err != nil {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_*: %w", err)
		}
	}
	if exporter == nil {
		sdk := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()))
		return &Traces{provider: sdk, sdk: sdk}, nil
	}
	about, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "attualizza"), attribute.String("service.version", cfg.Version)),
		resource.WithHost(), resource.WithTelemetrySDK(),
		resource.WithFromEnv()) // last: OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES prevail
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	sampler := cfg.Environment.Sampler
	if sampler == nil {
		sampler = sdktrace.ParentBased(sdktrace.AlwaysSample())
	}
	counted := &countedSpans{SpanExporter: exporter}
	processor := counted.count(sdktrace.NewBatchSpanProcessor(counted, queue()...))
	if cfg.KeepNotable {
		keeper := newKeeper(processor, Slow)
		sampler, processor, counted.held = undecided{sampler}, keeper, &keeper.lost
	}
	if cfg.Meter != nil {
		if err := counted.observe(cfg.Meter); err != nil {
			return nil, fmt.Errorf("metrics of the traces: %w", err)
		}
	}
	if cfg.Logger != nil {
		tellOnce(cfg.Logger)
	}
	sdk := sdktrace.NewTracerProvider(sdktrace.WithResource(about), sdktrace.WithSampler(sampler), sdktrace.WithSpanProcessor(processor))
	return &Traces{provider: sdk, sdk: sdk}, nil
}

// queue makes room for the spans of an outage, in which every answer is kept, unless
// the operator has said how much there is to be.
func queue() (options []sdktrace.BatchSpanProcessorOption) {
	if os.Getenv("OTEL_BSP_MAX_QUEUE_SIZE") == "" && os.Getenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE") == "" {
		options = append(options, sdktrace.WithMaxQueueSize(16<<10), sdktrace.WithMaxExportBatchSize(2<<10))
	}
	return options
}

// TryCollector sends a message without spans to the collector that the environment
// names, and returns why it was not taken, nil when it was. It takes as long as ctx
// allows while the collector does not answer.
func TryCollector(ctx context.Context) error {
	client := otlptracehttp.NewClient(otlptracehttp.WithRetry(otlptracehttp.RetryConfig{}))
	err := errors.Join(client.Start(ctx), client.UploadTraces(ctx, []*tracepb.ResourceSpans{{}}))
	if stopped := client.Stop(ctx); err == nil {
		err = stopped
	}
	if err != nil {
		return fmt.Errorf("the collector does not take them (OTEL_EXPORTER_OTLP_*): %w", err)
	}
	return nil
}

// tellOnce has the SDK tell the log of what it cannot send, once in a while. The SDK
// has one place for that in a process.
func tellOnce(logger *slog.Logger) {
	var told Complaints
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		if told.Due("traces", time.Now()) {
			logger.Warn("traces are not taken by the collector; nothing else suffers", "error", err)
		}
	}))
}

// Incoming returns ctx in the trace that a request belongs to, by its headers (W3C Trace
// Context): two identifiers and whether the caller had it sampled. The caller's
// tracestate ends here: it is free text, and would go on to SEND and to the collector.
func Incoming(ctx context.Context, header http.Header) context.Context {
	if header["Traceparent"] == nil {
		return ctx
	}
	ctx = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(header))
	if of := trace.SpanContextFromContext(ctx); of.IsRemote() {
		ctx = trace.ContextWithRemoteSpanContext(ctx, of.WithTraceState(trace.TraceState{}))
	}
	return ctx
}

// Tracer is what a room makes its spans with.
func (t *Traces) Tracer() trace.Tracer {
	return t.provider.Tracer("github.com/attualizza/attualizza")
}

// End ends a span, as failed when err is set. What err says must be fit for the log.
func End(span trace.Span, err error) {
	if err != nil && span.IsRecording() {
		span.SetStatus(codes.Error, err.Error())
	}
	span.End()
}

// Close sends what waits, for as long as ctx lasts, and ends the exporter.
func (t *Traces) Close(ctx context.Context) error {
	if t.sdk == nil {
		return nil
	}
	return t.sdk.Shutdown(ctx)
}
