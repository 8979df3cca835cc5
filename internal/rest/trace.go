package rest

import (
	"net/http"

	"github.com/labstack/echo/v4"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/attualizza/attualizza/internal/telemetry"
	"github.com/attualizza/attualizza/positions"
)

// trace makes the span of a request, in the caller's trace when there is one. It is
// named by the route, as the document writes it: the path may hold notice numbers, and
// other implementations' telemetry would tell them (OpenTelemetry semantic conventions,
// HTTP server spans: http.route in place of url.path).
func (s *server) trace(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		route, method := s.pattern(c), methodOf(r)
		ctx, span := s.Tracer.Start(telemetry.Incoming(r.Context(), r.Header), method+" "+route, trace.WithSpanKind(trace.SpanKindServer))
		defer span.End()
		c.SetRequest(r.WithContext(ctx))
		err := next(c)
		if !span.IsRecording() {
			return err
		}
		status := c.Response().Status
		span.SetAttributes(attribute.String("http.request.method", method), attribute.String("http.route", route),
			attribute.Int("http.response.status_code", status))
		if code := c.Param("organizationFiscalCode"); positions.FiscalCodePA(code) {
			span.SetAttributes(attribute.String("attualizza.organization", code))
		}
		if status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, http.StatusText(status))
		}
		return err
	}
}
