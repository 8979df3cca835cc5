package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/net/netutil"

	"github.com/attualizza/attualizza/cache"
	"github.com/attualizza/attualizza/internal/actualize"
	"github.com/attualizza/attualizza/internal/config"
	"github.com/attualizza/attualizza/internal/deliveries"
	"github.com/attualizza/attualizza/internal/jobs"
	"github.com/attualizza/attualizza/internal/modi"
	"github.com/attualizza/attualizza/internal/mutualtls"
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
	"github.com/attualizza/attualizza/soap"
)

// service is the running program: every room, and the listeners in front.
type service struct {
	cfg        *config.Config
	logger     *slog.Logger
	store      positions.Store
	metrics    *telemetry.Metrics
	traces     *telemetry.Traces
	redis      *cache.Redis
	prices     *cache.Cache[positions.Price]
	send       *sendclient.Client
	accepted   *modi.Vouchers // nil: none are
	registry   *registry.Registry
	recorder   *actualize.Recorder
	actualizer *actualize.Actualizer
	engine     jobs.Engine
	jobs       atomic.Pointer[running] // nil: not started, or stopped
	courier    *deliveries.Courier
	follower   *streams.Follower
	reconciler *reconciliation.Reconciler
	survey     *survey
	nodoTLS    *mutualtls.Door // nil: plain HTTP
	servers    []*listening
	draining   atomic.Bool
	failed     chan error // a listener that died
	migrated   chan struct{}
	stop       context.CancelFunc
	work       sync.WaitGroup
}

// listening is one of the three doors.
type listening struct {
	name     string
	listener net.Listener
	server   *http.Server
}

// start opens the doors and returns; Close ends what it began. Only what the
// configuration says can fail it: a database, Redis or SEND that does not
// answer is waited for while the service runs, and /readyz tells.
func start(ctx context.Context, cfg *config.Config, logger *slog.Logger, migrate bool) (_ *service, err error) {
	s := &service{cfg: cfg, logger: logger, failed: make(chan error, 3), migrated: make(chan struct{})}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	otel, err := telemetry.ReadEnvironment(os.Getenv)
	if err != nil {
		return nil, &usageError{err}
	}
	if s.metrics, err = telemetry.NewMetrics(otel); err != nil {
		return nil, err
	}
	if s.traces, err = telemetry.NewTraces(ctx, telemetry.TracesConfig{
		Environment: otel, Version: version(), KeepNotable: cfg.TracesKeep == "notable", Logger: logger,
	}); err != nil {
		return nil, &usageError{err}
	}
	if s.store, err = openStore(ctx, string(cfg.DatabaseURL)); err != nil {
		return nil, err
	}
	box, err := openBox(cfg)
	if err != nil {
		return nil, err
	}
	if cfg.RedisURL != "" {
		if s.redis, err = openRedis(string(cfg.RedisURL), logger); err != nil {
			return nil, err
		}
	}
	meter, tracer := s.metrics.Meter(), s.traces.Tracer()
	s.prices = cache.New[positions.Price](cache.Options{Prefix: "attualizza:price:1:", Redis: s.redis, Meter: meter, Tracer: tracer})
	if s.send, err = sendclient.New(sendclient.Config{
		BaseURL: cfg.SendURL, TokenURL: cfg.PDNDTokenURL, Audience: cfg.PDNDAudience,
		Timeout: cfg.SendTimeout, Meter: meter, Tracer: tracer, Logger: logger, Vouchers: s.vouchers(),
	}); err != nil {
		return nil, err
	}
	s.registry = registry.New(s.store, box, logger, func(c *sendclient.Credential) { s.send.Warm(c) }) // no payment waits for a voucher
	s.recorder = actualize.NewRecorder(s.store, logger)
	if err := s.observeUnlogged(meter); err != nil {
		return nil, err
	}
	s.survey = newSurvey(s.store, s.registry.Organizations, logger)
	if err := s.observe(meter); err != nil {
		return nil, err
	}
	legal, err := cfg.LegalInterest.Rates()
	if err != nil {
		return nil, err
	}
	year := calendar.DayOf(time.Now()).Year()
	if _, own := legal.Of(year); !own {
		logger.WarnContext(ctx, "no legal interest rate is known for this year, the last one known goes on; once another is decreed, set ATTUALIZZA_LEGAL_INTEREST", "year", year)
	}
	s.actualizer = actualize.New(actualize.Config{
		Store: s.store, Prices: s.send, Cache: s.prices, Logger: logger, Tracer: tracer, SendTimeout: cfg.SendTimeout,
		Legal: legal,
	})
	s.reconciler = reconciliation.New(reconciliation.Config{Store: s.store, Prices: s.actualizer, Directory: s.registry, Logger: logger})
	if err := s.observeReconciliations(meter); err != nil {
		return nil, err
	}
	if s.engine, err = openEngine(ctx, s.store, string(cfg.DatabaseURL)); err != nil {
		return nil, err
	}
	if s.courier, err = deliveries.New(deliveries.Config{
		Outbox: s.store, Directory: s.registry, SEND: s.send, Secrets: box, Render: rest.ReceiptJSON, Logger: logger, Meter: meter, Tracer: tracer,
	}); err != nil {
		return nil, err
	}
	if s.follower, err = streams.New(streams.Config{
		Store: s.store, Directory: s.registry, Platform: s.send, Prices: s.actualizer, Logger: logger, Meter: meter,
	}); err != nil {
		return nil, err
	}
	nodoProxies, err := cfg.Proxies()
	if err != nil {
		return nil, err
	}
	nodo := soap.New(soap.Config{
		Directory: s.registry, Quoter: s.actualizer, Recorder: s.recorder, Receipts: deliveries.Receipts{Store: s.store, Courier: s.courier},
		Budget: cfg.AnswerBudget, MaxInFlight: cfg.MaxInFlight, Proxies: nodoProxies, Meter: meter, Tracer: tracer, Logger: logger,
	})
	if cfg.PDNDIssuer != "" {
		s.accepted = acceptedVouchers(cfg, logger)
	}
	proxies, err := cfg.TrustedByAPI()
	if err != nil {
		return nil, err
	}
	api, err := rest.New(rest.Config{
		Store: s.store, Quoter: s.actualizer, Directory: s.registry, Box: box, Logger: logger, Tracer: tracer, Audit: telemetry.Audit(logger), Waker: s.courier,
		Vouchers: s.verifier(), Audience: cfg.PDNDTokenAudience,
		AdminKey: string(cfg.AdminKey), RateLimit: cfg.APIRateLimit.PerSecond(), Proxies: proxies, MaxBody: int64(cfg.APIMaxBody),
		Name: "attualizza", Version: version(), Environment: environment(cfg), Meter: meter,
	})
	if err != nil {
		return nil, err
	}
	if s.nodoTLS, err = openNodoTLS(cfg, logger, meter); err != nil {
		return nil, err
	}
	doors := http.NewServeMux()
	guarded, err := behindProxies(cfg, nodo, logger, meter)
	if err != nil {
		return nil, err
	}
	doors.Handle(soap.Path, guarded)
	// The write timeouts leave room for an answer that used its whole budget.
	if err = errors.Join(
		s.listen("nodo", cfg.NodoListen, doors, 5*time.Second, cfg.AnswerBudget+3*time.Second, 2048),
		s.listen("api", cfg.APIListen, api, 15*time.Second, 20*time.Second, 1024),
		s.listen("ops", cfg.OpsListen, s.operations(), 5*time.Second, 90*time.Second, 64),
	); err != nil {
		return nil, err
	}
	s.work.Go(func() { s.prepare(background, migrate) })
	if s.nodoTLS != nil {
		s.work.Go(func() { s.nodoTLS.Watch(background) })
	}
	for _, door := range s.servers {
		s.work.Go(func() {
			if err := door.server.Serve(door.listener); !errors.Is(err, http.ErrServerClosed) {
				s.failed <- fmt.Errorf("%s listener: %w", door.name, err)
			}
		})
		logger.InfoContext(ctx, "listening", "door", door.name, "address", door.listener.Addr().String())
	}
	return s, nil
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

// ready waits until the service can answer, or ctx ends.
func (s *service) ready(ctx context.Context) error {
	select {
	case <-s.migrated:
		return s.store.Ping(ctx)
	case <-ctx.Done():
		return fmt.Errorf("not ready: %w", context.Cause(ctx))
	}
}

// listen opens a door for so many connections at once; more wait to be let in. Who
// sends slowly is cut off: the headers, after the handshake of TLS, have two seconds.
func (s *service) listen(name, address string, handler http.Handler, read, write time.Duration, connections int) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return unheard(fmt.Sprintf("--%s-listen (ATTUALIZZA_%s_LISTEN)", name, strings.ToUpper(name)), address, err)
	}
	listener = netutil.LimitListener(listener, connections)
	if name == "nodo" && s.nodoTLS != nil {
		listener = tls.NewListener(listener, s.nodoTLS.TLS())
	}
	s.servers = append(s.servers, &listening{name: name, listener: listener, server: &http.Server{
		Handler: s.leaving(handler), ReadHeaderTimeout: 2 * time.Second, ReadTimeout: read, WriteTimeout: write,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(s.logger.Handler(), slog.LevelDebug),
	}})
	return nil
}

// unheard is why an address cannot be listened at, and what to do about it, by
// the setting that it comes from.
func unheard(setting, address string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s: %s is in use by another program: end it, or choose another address", setting, address)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%s: %s takes rights that this user has not: choose a port above 1023, or grant them", setting, address)
	}
	return fmt.Errorf("%s: cannot listen at %s: choose an address of this machine (%w)", setting, address, err)
}

// address is where a door listens, "host:port".
func (s *service) address(name string) string {
	for _, door := range s.servers {
		if door.name == name {
			return door.listener.Addr().String()
		}
	}
	return ""
}
