package main

import (
	"context"
	"net/http"
	"net/http/pprof"
	"time"
)

// operations is the door for operators: liveness, readiness, metrics and
// profiles. It is never exposed publicly.
func (s *service) operations() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { tell(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.Handle("GET /metrics", s.metrics.Handler())
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

// readyz is 200 when the migrations are applied and the store answers, and has told
// the organizations once: until then everybody is refused. Redis, SEND and PDND never
// make it 503: the service answers without them.
func (s *service) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), time.Second)
	defer cancel()
	if why := s.unready(func() bool { return s.store.Ping(ctx) == nil }); why != "" {
		tell(w, http.StatusServiceUnavailable, why)
		return
	}
	tell(w, http.StatusOK, "ok")
}

// unready is why nobody should be sent here; empty: they may. The store is asked by
// whoever asks.
func (s *service) unready(stored func() bool) string {
	switch {
	case s.draining.Load():
		return "draining"
	case !stored():
		return "the store does not answer, or its migrations are not applied"
	case !s.registry.Loaded():
		return "the organizations are not loaded yet"
	}
	return ""
}

func tell(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n"))
}
