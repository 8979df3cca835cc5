package rest

import (
	"log/slog"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/attualizza/attualizza/positions"
)

// audit writes a line about every administrative act that was tried: what the
// operator may do, by whom, about which organization, and what came of it. What
// changes positions is on record in their versions instead. Nothing of the body is
// told, nor what the caller wrote in place of an organization.
func (s *server) audit(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		err := next(c)
		op := s.operation(c)
		if op == nil || op.Access != forOperator || c.Request().Method == http.MethodGet {
			return err
		}
		who := callerOf(c.Request().Context()).id()
		if who == "" {
			who = "nobody"
		}
		attrs := []slog.Attr{
			slog.String("act", op.ID), slog.String("by", who), slog.String("from", c.RealIP()),
			slog.Int("status", c.Response().Status), slog.String("request", c.Response().Header().Get(echo.HeaderXRequestID)),
		}
		if code := c.Param("organizationFiscalCode"); positions.FiscalCodePA(code) {
			attrs = append(attrs, slog.String("organization", code))
		}
		s.Audit.LogAttrs(c.Request().Context(), slog.LevelInfo, "administrative act", attrs...)
		return err
	}
}
