package main

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// Together with the longest drain delay, 10 s, these leave the contract's 15 s
// unspent: closeTimeout for what is being answered, flushTimeout for the journal.
const (
	closeTimeout = 2500 * time.Millisecond
	flushTimeout = 1500 * time.Millisecond
	// engineTimeout is how long the jobs' connections are waited for: one that hangs in
	// a query that nobody can cut is left to the end of the process.
	engineTimeout = 500 * time.Millisecond
)

// Drain tells load balancers to look elsewhere and goes on answering for the
// drain delay; a cancelled ctx cuts it short.
func (s *service) Drain(ctx context.Context) {
	s.draining.Store(true)
	ctx, cancel := context.WithTimeout(ctx, s.cfg.DrainDelay)
	defer cancel()
	s.stopJobs(ctx) // other replicas take the next ones
	<-ctx.Done()
}

// leaving closes each connection with the first answer on it while the service
// drains. A balancer that carries connections, not requests, leaves those that stand
// where they are: at the end of the drain the next request would meet them as they
// are closed, and nobody may send a payment's request again (RFC 9112, 9.6).
func (s *service) leaving(door http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		door.ServeHTTP(w, r)
	})
}

// Close stops the doors, flushes what is queued and closes the rooms.
func (s *service) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	var closing sync.WaitGroup
	for _, door := range s.servers {
		closing.Go(func() {
			if err := door.server.Shutdown(ctx); err != nil {
				_ = door.server.Close() // what still runs is cut off
			}
			_ = door.listener.Close() // Serve may never have begun
		})
	}
	closing.Go(func() {
		soft, cancel := context.WithTimeout(ctx, closeTimeout/2)
		defer cancel()
		s.stopJobs(soft)
	})
	closing.Wait()
	s.stop()
	s.work.Wait()
	s.stopJobs(ctx) // they may have been starting just then
	if s.accepted != nil {
		s.accepted.Close()
	}
	if s.registry != nil {
		s.registry.Close()
	}
	flush, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	if s.recorder != nil {
		s.recorder.Close(flush)
	}
	if s.actualizer != nil {
		s.actualizer.Close(flush)
	}
	if s.courier != nil {
		s.logIf("deliveries", s.courier.Close())
	}
	if s.follower != nil {
		s.logIf("streams", s.follower.Close())
	}
	if s.send != nil {
		s.logIf("SEND client", s.send.Close())
	}
	if s.nodoTLS != nil {
		s.logIf("TLS", s.nodoTLS.Close())
	}
	if s.prices != nil {
		s.prices.Close()
	}
	if s.redis != nil {
		s.logIf("redis", s.redis.Close())
	}
	if s.engine != nil {
		s.engine.Close(engineTimeout)
	}
	if s.store != nil {
		s.logIf("store", s.store.Close())
	}
	if s.traces != nil {
		s.logIf("traces", s.traces.Close(flush)) // within what is left
	}
	if s.metrics != nil {
		s.logIf("metrics", s.metrics.Close(ctx))
	}
}

func (s *service) logIf(what string, err error) {
	if err != nil {
		s.logger.Warn("closing", "what", what, "error", err)
	}
}
