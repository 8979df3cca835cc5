package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/attualizza/attualizza/cache"
	"github.com/attualizza/attualizza/internal/actualize"
	"github.com/attualizza/attualizza/internal/config"
	"github.com/attualizza/attualizza/internal/deliveries"
	"github.com/attualizza/attualizza/internal/modi"
	"github.com/attualizza/attualizza/internal/reconciliation"
	"github.com/attualizza/attualizza/internal/registry"
	"github.com/attualizza/attualizza/internal/rest"
	"github.com/attualizza/attualizza/internal/secrets"
	"github.com/attualizza/attualizza/internal/streams"
	"github.com/attualizza/attualizza/internal/telemetry"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/calendar"
	"github.com/attualizza/attualizza/positions/postgres"
	"github.com/attualizza/attualizza/positions/sqlite"
	"github.com/attualizza/attualizza/sendclient"
)

// openTelemetry prepares what the rooms measure and trace with.
func (s *service) openTelemetry(ctx context.Context) error {
	env, err := telemetry.ReadEnvironment(os.Getenv)
	if err != nil {
		return &usageError{err}
	}
	if s.metrics, err = telemetry.NewMetrics(env); err != nil {
		return err
	}
	if s.traces, err = telemetry.NewTraces(ctx, telemetry.TracesConfig{
		Environment: env, Version: version(), KeepNotable: s.cfg.TracesKeep == "notable", Meter: s.metrics.Meter(), Logger: s.logger,
	}); err != nil {
		return &usageError{err}
	}
	s.meter, s.tracer = s.metrics.Meter(), s.traces.Tracer()
	return nil
}

// openStores opens what outlives the process, and what replicas share.
func (s *service) openStores(ctx context.Context) (err error) {
	if s.store, err = openStore(ctx, string(s.cfg.DatabaseURL)); err != nil {
		return err
	}
	if s.box, err = openBox(s.cfg); err != nil {
		return err
	}
	if s.cfg.RedisURL != "" {
		if s.redis, err = openRedis(string(s.cfg.RedisURL), s.logger); err != nil {
			return err
		}
	}
	s.engine, err = openEngine(ctx, s.store, string(s.cfg.DatabaseURL))
	return err
}

// furnish puts the rooms together.
func (s *service) furnish(ctx context.Context) (err error) {
	cfg, logger := s.cfg, s.logger
	s.prices = cache.New[positions.Price](cache.Options{Prefix: "attualizza:price:1:", Redis: s.redis, Meter: s.meter, Tracer: s.tracer})
	if s.send, err = sendclient.New(sendclient.Config{
		BaseURL: cfg.SendURL, TokenURL: cfg.PDNDTokenURL, Audience: cfg.PDNDAudience,
		Timeout: cfg.SendTimeout, Meter: s.meter, Tracer: s.tracer, Logger: logger, Vouchers: s.vouchers(),
	}); err != nil {
		return err
	}
	s.registry = registry.New(s.store, s.box, logger, func(c *sendclient.Credential) { s.send.Warm(c) }) // no payment waits for a voucher
	s.recorder = actualize.NewRecorder(s.store, logger)
	legal, err := cfg.LegalInterest.Rates()
	if err != nil {
		return err
	}
	year := calendar.DayOf(time.Now()).Year()
	if _, own := legal.Of(year); !own {
		logger.WarnContext(ctx, "no legal interest rate is known for this year, the last one known goes on; once another is decreed, set ATTUALIZZA_LEGAL_INTEREST", "year", year)
	}
	s.actualizer = actualize.New(actualize.Config{
		Store: s.store, Prices: s.send, Cache: s.prices, Logger: logger, Tracer: s.tracer, SendTimeout: cfg.SendTimeout,
		Legal: legal,
	})
	s.reconciler = reconciliation.New(reconciliation.Config{Store: s.store, Prices: s.actualizer, Directory: s.registry, Logger: logger})
	if s.courier, err = deliveries.New(deliveries.Config{
		Outbox: s.store, Directory: s.registry, SEND: s.send, Secrets: s.box, Render: rest.ReceiptJSON, Logger: logger, Meter: s.meter, Tracer: s.tracer,
	}); err != nil {
		return err
	}
	if s.follower, err = streams.New(streams.Config{
		Store: s.store, Directory: s.registry, Platform: s.send, Prices: s.actualizer, Logger: logger, Meter: s.meter,
	}); err != nil {
		return err
	}
	if cfg.PDNDIssuer != "" {
		s.accepted = acceptedVouchers(cfg, logger)
	}
	s.survey = newSurvey(s.store, s.registry.Organizations, logger)
	return s.observe(s.meter)
}

// environment tells which SEND the answers come from.
func environment(cfg *config.Config) string {
	switch {
	case strings.Contains(cfg.SendURL, ".uat."):
		return "uat"
	case strings.Contains(cfg.SendURL, "api.notifichedigitali.it"):
		return "prod"
	default:
		return "local"
	}
}

// openStore chooses the store by the URL's scheme. A URL that cannot work is the
// user's mistake; a file that cannot be used now is a failure.
func openStore(ctx context.Context, url string) (positions.Store, error) {
	store, err := open(ctx, url)
	if err == nil {
		return store, nil
	}
	err = fmt.Errorf("ATTUALIZZA_DATABASE_URL: %w", err)
	if positions.CodeOf(err) == positions.Invalid {
		err = &usageError{err}
	}
	return nil, err
}

func open(ctx context.Context, url string) (positions.Store, error) {
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		return sqlite.Open(ctx, path)
	}
	return postgres.Open(ctx, url)
}

// openRedis contacts nobody: what fails is the URL.
func openRedis(url string, logger *slog.Logger) (*cache.Redis, error) {
	redis, err := cache.Dial(url, logger)
	if err != nil {
		return nil, &usageError{fmt.Errorf("ATTUALIZZA_REDIS_URL: %w", err)}
	}
	return redis, nil
}

// openBox returns a nil box, which refuses to seal, when there is no master key.
func openBox(cfg *config.Config) (*secrets.Box, error) {
	key, err := cfg.MasterKeyBytes()
	if err != nil {
		return nil, err
	}
	return secrets.New(key)
}

// vouchers shares PDND vouchers between replicas when there is a Redis.
func (s *service) vouchers() sendclient.VoucherStore {
	if s.redis == nil {
		return nil
	}
	return cache.NewTokens(s.redis, "attualizza:voucher:1:")
}

// acceptedVouchers verifies what callers of the REST API present.
func acceptedVouchers(cfg *config.Config, logger *slog.Logger) *modi.Vouchers {
	return modi.NewVouchers(modi.VoucherConfig{
		Issuer: cfg.PDNDIssuer, KeysURL: cfg.PDNDJWKSURL, Audience: cfg.PDNDTokenAudience, Logger: logger,
	})
}

// verifier is nil, not an interface around nil, when no voucher is accepted.
func (s *service) verifier() rest.Vouchers {
	if s.accepted == nil {
		return nil
	}
	return s.accepted
}
