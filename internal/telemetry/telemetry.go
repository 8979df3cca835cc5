// Package telemetry is how the service tells its operators what it does:
// metrics in Prometheus' form and traces, both through OpenTelemetry, and structured
// logs. None ever holds personal data; the rooms see to that.
package telemetry

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/trace"
)

// Metrics collects what the rooms measure.
type Metrics struct {
	provider metric.MeterProvider
	sdk      *sdkmetric.MeterProvider // nil: disabled
	registry *prometheus.Registry
}

// NewMetrics returns an empty collection with the Go runtime's and the
// process's own figures; when env disables it, only with those. Measurements bear the
// trace they were made in as their exemplar, when that trace is exported.
func NewMetrics(env Environment) (*Metrics, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if env.Disabled {
		return &Metrics{provider: noop.NewMeterProvider(), registry: registry}, nil
	}
	exporter, err := otelprom.New(otelprom.WithRegisterer(registry), otelprom.WithoutScopeInfo(), otelprom.WithoutTargetInfo())
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	sdk := sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter), sdkmetric.WithExemplarFilter(worthAnExemplar))
	return &Metrics{provider: sdk, sdk: sdk, registry: registry}, nil
}

// Meter is what a room makes its instruments with.
func (m *Metrics) Meter() metric.Meter {
	return m.provider.Meter("github.com/attualizza/attualizza")
}

// Handler serves the metrics to Prometheus.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
}

// Close ends the collection.
func (m *Metrics) Close(ctx context.Context) error {
	if m.sdk == nil {
		return nil
	}
	return m.sdk.Shutdown(ctx)
}

// NewLogger writes structured logs from a level upwards ("debug", "info",
// "warn", "error"), as "json" or "text". Times are UTC, and what is logged with the
// context of a trace bears its trace_id and span_id (OpenTelemetry, "Trace Context in
// non-OTLP Log Formats").
func NewLogger(w io.Writer, level, format string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("log level %q is not one of debug, info, warn, error", level)
	}
	options := &slog.HandlerOptions{Level: l}
	switch format {
	case "json":
		return slog.New(stamped{slog.NewJSONHandler(w, options)}), nil
	case "text":
		return slog.New(stamped{slog.NewTextHandler(w, options)}), nil
	default:
		return nil, fmt.Errorf("log format %q is not json or text", format)
	}
}

// Audit writes to the same log as another logger, whatever the level of that: what
// is on record does not depend on how much chatter is wanted.
func Audit(logger *slog.Logger) *slog.Logger {
	return slog.New(always{logger.Handler()}).With("audit", true)
}

// always lets every record through.
type always struct{ slog.Handler }

func (always) Enabled(context.Context, slog.Level) bool { return true }

func (a always) WithAttrs(attrs []slog.Attr) slog.Handler { return always{a.Handler.WithAttrs(attrs)} }

func (a always) WithGroup(name string) slog.Handler { return always{a.Handler.WithGroup(name)} }

// stamped writes the time of each line in UTC, wherever the machine stands, and the
// trace it belongs to.
type stamped struct{ slog.Handler }

func (h stamped) Handle(ctx context.Context, r slog.Record) error {
	r.Time = r.Time.UTC()
	if of := trace.SpanContextFromContext(ctx); of.IsValid() {
		r.AddAttrs(slog.String("trace_id", of.TraceID().String()), slog.String("span_id", of.SpanID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

func (h stamped) WithAttrs(attrs []slog.Attr) slog.Handler {
	return stamped{h.Handler.WithAttrs(attrs)}
}
func (h stamped) WithGroup(name string) slog.Handler { return stamped{h.Handler.WithGroup(name)} }
