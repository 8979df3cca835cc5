package main

import (
	"context"
	"log/slog"
	"os"
	"os/user"

	"github.com/attualizza/attualizza/internal/telemetry"
)

// onRecord writes the audit line of a command that changes what is in the database, on
// standard error and in the form of those of the REST API: which act, by which user of
// the machine (behind sudo, who called it), what came of it. Nothing personal may be
// among attrs.
func onRecord(ctx context.Context, std stdio, act string, err error, attrs ...slog.Attr) {
	logger, unwritten := telemetry.NewLogger(std.err, "info", "json")
	if unwritten != nil {
		panic(unwritten) // level and format are constants
	}
	by := "unknown"
	if who, unknown := user.Current(); unknown == nil {
		by = who.Username
	}
	if caller := os.Getenv("SUDO_USER"); caller != "" {
		by = caller + " as " + by
	}
	attrs = append([]slog.Attr{slog.String("act", act), slog.String("by", by), slog.Bool("failed", err != nil)}, attrs...)
	telemetry.Audit(logger).LogAttrs(ctx, slog.LevelInfo, "administrative act", attrs...)
}
