// Package telemetry is how the service tells its operators what it does:
// metrics in Prometheus' form through OpenTelemetry, and structured logs.
// Neither ever holds personal data; the rooms see to that.
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
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// Metrics collects what the rooms measure.
type Metrics struct {
	provider *sdkmetric.MeterProvider
	registry *prometheus.Registry
}

// NewMetrics returns an empty collection with the Go runtime's and the
// process's own figures.
func NewMetrics() (*Metrics, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	exporter, err := otelprom.New(otelprom.WithRegisterer(registry), otelprom.WithoutScopeInfo(), otelprom.WithoutTargetInfo())
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	return &Metrics{provider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter)), registry: registry}, nil
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
func (m *Metrics) Close(ctx context.Context) error { return m.provider.Shutdown(ctx) }

// NewLogger writes structured logs from a level upwards ("debug", "info",
// "warn", "error"), as "json" or "text". Times are UTC.
func NewLogger(w io.Writer, level, format string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("log level %q is not one of debug, info, warn, error", level)
	}
	options := &slog.HandlerOptions{Level: l}
	switch format {
	case "json":
		return slog.New(utc{slog.NewJSONHandler(w, options)}), nil
	case "text":
		return slog.New(utc{slog.NewTextHandler(w, options)}), nil
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

// utc writes the time of each line in UTC, wherever the machine stands.
type utc struct{ slog.Handler }

func (h utc) Handle(ctx context.Context, r slog.Record) error {
	r.Time = r.Time.UTC()
	return h.Handler.Handle(ctx, r)
}

func (h utc) WithAttrs(attrs []slog.Attr) slog.Handler { return utc{h.Handler.WithAttrs(attrs)} }
func (h utc) WithGroup(name string) slog.Handler       { return utc{h.Handler.WithGroup(name)} }
