package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/attualizza/attualizza/cache"
	"github.com/attualizza/attualizza/internal/actualize"
	"github.com/attualizza/attualizza/internal/config"
	"github.com/attualizza/attualizza/internal/deliveries"
	"github.com/attualizza/attualizza/internal/jobs"
	"github.com/attualizza/attualizza/internal/modi"
	"github.com/attualizza/attualizza/internal/mutualtls"
	"github.com/attualizza/attualizza/internal/reconciliation"
	"github.com/attualizza/attualizza/internal/registry"
	"github.com/attualizza/attualizza/internal/secrets"
	"github.com/attualizza/attualizza/internal/streams"
	"github.com/attualizza/attualizza/internal/telemetry"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/sendclient"
)

// service is the running program: every room, and the listeners in front.
type service struct {
	cfg        *config.Config
	logger     *slog.Logger
	metrics    *telemetry.Metrics
	traces     *telemetry.Traces
	meter      metric.Meter
	tracer     trace.Tracer
	store      positions.Store
	box        *secrets.Box
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
	if err := s.openTelemetry(ctx); err != nil {
		return nil, err
	}
	if err := s.openStores(ctx); err != nil {
		return nil, err
	}
	if err := s.furnish(ctx); err != nil {
		return nil, err
	}
	if err := s.openDoors(); err != nil {
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

// ready waits until the service can answer, or ctx ends.
func (s *service) ready(ctx context.Context) error {
	select {
	case <-s.migrated:
		return s.store.Ping(ctx)
	case <-ctx.Done():
		return fmt.Errorf("not ready: %w", context.Cause(ctx))
	}
}
