package main

import (
	"context"
	"os"
	"time"

	"github.com/attualizza/attualizza/internal/config"
	"github.com/attualizza/attualizza/internal/telemetry"
)

type serveCommand struct {
	config.Config `embed:""`
	NoMigrate     bool `help:"Do not apply pending migrations; /readyz stays 503 until they are applied."`
}

// Run serves until it is told to stop, then drains.
func (c *serveCommand) Run(ctx context.Context, std stdio) error {
	logger, err := telemetry.NewLogger(std.out, c.LogLevel, c.LogFormat)
	if err != nil {
		return &usageError{err}
	}
	logger.InfoContext(ctx, "starting", "version", version(), "config", c.Config)
	s, err := start(ctx, &c.Config, logger, !c.NoMigrate)
	if err != nil {
		return err
	}
	last := time.AfterFunc(endWithin, func() {
		logger.Error("not everything could be closed in time; what was acknowledged is in the store")
		os.Exit(1)
	})
	last.Stop()
	defer last.Stop()
	defer s.Close()
	select {
	case err := <-s.failed:
		return err
	case <-ctx.Done():
		last.Reset(endWithin) // whatever hangs
		logger.Info("draining", "delay", c.DrainDelay.String())
		s.Drain(context.WithoutCancel(ctx))
		logger.Info("stopping")
		return nil
	}
}

// endWithin is how long after SIGTERM the process has ended, come what may.
const endWithin = 14500 * time.Millisecond

type migrateCommand struct {
	config.Config `embed:""`
}

// migrateTimeout bounds the whole of `attualizza migrate`.
const migrateTimeout = 10 * time.Minute

// Run applies the migrations once.
func (c *migrateCommand) Run(ctx context.Context, std stdio) error {
	logger, err := telemetry.NewLogger(std.err, c.LogLevel, "text")
	if err != nil {
		return &usageError{err}
	}
	store, err := openStore(ctx, string(c.DatabaseURL))
	if err != nil {
		return err
	}
	defer store.Close()
	engine, err := openEngine(ctx, store, string(c.DatabaseURL))
	if err != nil {
		return err
	}
	defer engine.Close(engineTimeout)
	ctx, cancel := context.WithTimeout(ctx, migrateTimeout)
	defer cancel()
	if err := applyMigrations(ctx, store, engine, logger); err != nil {
		return err
	}
	logger.InfoContext(ctx, "migrations applied")
	return nil
}
