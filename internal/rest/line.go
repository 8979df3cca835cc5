package rest

import (
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/attualizza/attualizza/internal/telemetry"
	"github.com/attualizza/attualizza/positions"
)

// logRequest counts each request and writes one line about it: what the guidelines
// want on record of it (ModI, RAC_GEN_LOG), which is the instant, the URI, the method,
// the outcome, the caller's address, the consumer and the request's id. Nothing of the
// query or of a body is told, and of the path only what cannot hold personal data. The
// cause of a failure of ours is part of the line.
func (s *server) logRequest(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		started := time.Now()
		err := next(c)
		if err != nil {
			c.Error(err) // answers, so that the status is known
		}
		r, took := c.Request(), time.Since(started)
		ctx := r.Context()
		if took >= telemetry.Slow {
			ctx = telemetry.Keep(ctx, "slow")
		}
		s.meters.answered(ctx, s.pattern(c), methodOf(r), c.Response().Status, took)
		s.meters.refuse(ctx, callerOf(ctx), c.Response().Status)
		attrs := []slog.Attr{
			slog.String("method", methodOf(r)),
			slog.String("route", s.pattern(c)),
			slog.String("uri", s.uri(c)),
			slog.Int("status", c.Response().Status),
			slog.Float64("ms", float64(took.Microseconds())/1000),
			slog.String("address", c.RealIP()),
			slog.String("request", c.Response().Header().Get(echo.HeaderXRequestID)),
		}
		attrs = append(attrs, s.consumer(c)...)
		level := slog.LevelInfo
		if c.Response().Status >= http.StatusInternalServerError {
			level = slog.LevelError
			if cause := causeOf(err); cause != nil {
				attrs = append(attrs, slog.Any("error", cause))
			}
		}
		s.Logger.LogAttrs(r.Context(), level, "REST request", attrs...)
		return nil
	}
}

// consumer tells who made a request: the key, the PDND client that it stands for, and
// the organization that it is about. Who was not recognised has neither.
func (s *server) consumer(c echo.Context) (attrs []slog.Attr) {
	who := callerOf(c.Request().Context())
	if id := who.id(); id != "" {
		attrs = append(attrs, slog.String("key", id))
	}
	organization := ""
	if who.key != nil {
		organization = who.key.OrganizationFiscalCode
		if who.key.PDNDClientID != "" {
			attrs = append(attrs, slog.String("client", who.key.PDNDClientID))
		}
	} else if code := c.Param("organizationFiscalCode"); who.operator && positions.FiscalCodePA(code) {
		organization = code
	}
	if organization != "" {
		attrs = append(attrs, slog.String("organization", organization))
	}
	return attrs
}

// loggable are the forms of path values that name no person. Of an iupd and a receipt's
// id, which others choose, nobody can know that: an iupd may well be made of a tax code.
var loggable = map[string]*regexp.Regexp{
	"nav":        regexp.MustCompile(`^[0-9]{18}$`),
	"version":    regexp.MustCompile(`^[0-9]{1,18}$`),
	"deliveryId": regexp.MustCompile(`^[0-9]{1,18}$`),
	"id":         regexp.MustCompile(`^[a-z2-7]{16}$`), // of a key
}

// uri is the route with those path values that can be told; an organization's tax code
// when it is registered.
func (s *server) uri(c echo.Context) string {
	parts := strings.Split(s.pattern(c), "/")
	for i, part := range parts {
		name, isValue := strings.CutPrefix(part, ":")
		if !isValue {
			continue
		}
		value := c.Param(name)
		if form := loggable[name]; form != nil && form.MatchString(value) {
			parts[i] = value
		}
		if name == "organizationFiscalCode" {
			if _, registered := s.Directory.Organization(value); registered {
				parts[i] = value
			}
		}
	}
	return strings.Join(parts, "/")
}
