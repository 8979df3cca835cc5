package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// observe exposes what the program knows of itself and of what it depends on. The
// rooms expose what they do.
func (s *service) observe(meter metric.Meter) error {
	errs := []error{
		s.observeBuild(meter), s.observeReadiness(meter), s.observeVouchers(meter), s.observeConnections(meter), s.survey.observe(meter),
	}
	if s.redis != nil {
		errs = append(errs, s.redis.Observe(meter))
	}
	return errors.Join(errs...)
}

// observeBuild tells which program runs with which settings, so that a dashboard shows
// what changed, and whether replicas agree.
func (s *service) observeBuild(meter metric.Meter) error {
	what := metric.WithAttributeSet(attribute.NewSet(attribute.String("version", version()), attribute.String("config", s.cfg.Fingerprint())))
	_, err := meter.Int64ObservableGauge("attualizza_build_info",
		metric.WithDescription("1; the version that runs and the fingerprint of its configuration, which is the same for the same settings. Secrets are no part of it."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(1, what)
			return nil
		}))
	return err
}

// A dependency is asked at most so often for the metrics, however often they are read,
// and waited for as long as /readyz waits.
const (
	pulseEvery = 5 * time.Second
	pulseLimit = time.Second
)

// pulse tells whether a dependency answered a moment ago.
type pulse struct {
	ping func(context.Context) error
	mu   sync.Mutex
	at   time.Time // of the last question
	up   bool
}

func (p *pulse) beats(ctx context.Context) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.at) >= pulseEvery {
		ctx, cancel := context.WithTimeout(ctx, pulseLimit)
		defer cancel()
		p.up = p.ping(ctx) == nil
		p.at = time.Now()
	}
	return p.up
}

// observeReadiness tells what /readyz would say, and of what it depends on. Redis is
// there when it is configured, and no part of the readiness.
func (s *service) observeReadiness(meter metric.Meter) error {
	ready, err := meter.Int64ObservableGauge("attualizza_ready",
		metric.WithDescription("1 when /readyz answers 200: the store answers, its migrations are applied and the organizations are loaded; 0 otherwise, and while draining. At most 5 s old."))
	if err != nil {
		return err
	}
	dependency, err := meter.Int64ObservableGauge("attualizza_dependency_up",
		metric.WithDescription("1 when a dependency (store, redis) answered when it was last asked, at most 5 s ago; 0 otherwise."))
	if err != nil {
		return err
	}
	ofStore := metric.WithAttributeSet(attribute.NewSet(attribute.String("dependency", "store")))
	ofRedis := metric.WithAttributeSet(attribute.NewSet(attribute.String("dependency", "redis")))
	store := &pulse{ping: s.store.Ping}
	var redis *pulse
	if s.redis != nil {
		redis = &pulse{ping: s.redis.Ping}
	}
	_, err = meter.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
		up := store.beats(ctx)
		o.ObserveInt64(dependency, number(up), ofStore)
		o.ObserveInt64(ready, number(s.unready(func() bool { return up }) == ""))
		if redis != nil {
			o.ObserveInt64(dependency, number(redis.beats(ctx)), ofRedis)
		}
		return nil
	}, ready, dependency)
	return err
}

func number(is bool) int64 {
	if is {
		return 1
	}
	return 0
}

// observeVouchers tells how long the vouchers in hand last, by organization.
func (s *service) observeVouchers(meter metric.Meter) error {
	_, err := meter.Int64ObservableGauge("attualizza_voucher_not_after_timestamp_seconds",
		metric.WithDescription("Until when the PDND voucher of an organization is used, as a Unix time, a minute before it ends; 0 while PDND has given none. It is renewed at half of its life."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			for _, organization := range s.registry.Organizations() {
				credential, err := organization.SENDCredential()
				if err != nil {
					continue // there is none to ask with: config check tells
				}
				end, kept := s.send.VoucherEnd(credential)
				if !kept {
					continue
				}
				at := int64(0)
				if !end.IsZero() {
					at = end.Unix()
				}
				o.Observe(at, metric.WithAttributes(attribute.String("key", organization.FiscalCode)))
			}
			return nil
		}))
	return err
}

// connected is a store that tells of its connections: how many are in use, at rest and
// possible, and how often and how long somebody waited for one.
type connected interface {
	Connections() (used, idle, most int, waits int64, waited time.Duration)
}

// observeConnections tells whether the store has connections left.
func (s *service) observeConnections(meter metric.Meter) error {
	store, ok := s.store.(connected)
	if !ok {
		return nil
	}
	connections, err := meter.Int64ObservableGauge("attualizza_store_connections",
		metric.WithDescription("Connections to the store by state: used, idle, and max, which is how many there may be."))
	if err != nil {
		return err
	}
	waits, err := meter.Int64ObservableCounter("attualizza_store_waits",
		metric.WithDescription("How often a connection to the store was waited for, because none was idle."))
	if err != nil {
		return err
	}
	waited, err := meter.Float64ObservableCounter("attualizza_store_wait", metric.WithUnit("s"),
		metric.WithDescription("How long connections to the store were waited for altogether."))
	if err != nil {
		return err
	}
	state := func(name string) metric.MeasurementOption {
		return metric.WithAttributeSet(attribute.NewSet(attribute.String("state", name)))
	}
	isUsed, isIdle, isMax := state("used"), state("idle"), state("max")
	_, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		used, idle, most, times, altogether := store.Connections()
		o.ObserveInt64(connections, int64(used), isUsed)
		o.ObserveInt64(connections, int64(idle), isIdle)
		o.ObserveInt64(connections, int64(most), isMax)
		o.ObserveInt64(waits, times)
		o.ObserveFloat64(waited, altogether.Seconds())
		return nil
	}, connections, waits, waited)
	return err
}
