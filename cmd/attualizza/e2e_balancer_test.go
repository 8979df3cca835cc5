package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// How the balancer finds out who may be asked: HAProxy's inter, fall and rise.
const (
	checkEvery = time.Second
	checkFall  = 2
	checkRise  = 2
)

// balancer stands in front of replicas as a real one does. It asks each one's
// /readyz, and sends what is new only to those that are ready. It keeps connections
// open and uses them again, and tries nothing twice: what a replica breaks off is
// broken off for whoever asked.
//
// It has two ways in. One reads HTTP and chooses a replica for each request. The
// other, for those whose TLS ends in the service, chooses one for each connection,
// which stays there until somebody closes it.
type balancer struct {
	backends []*backend
	turn     atomic.Uint64
	checks   http.Client

	mu    sync.Mutex
	conns map[net.Conn]bool // of the second way
	over  bool
}

// backend is a replica as the balancer sees it.
type backend struct {
	doors map[string]string // address by name, the same for every process
	up    atomic.Bool
}

// newBalancer starts asking the replicas, whose doors are at the addresses given.
func newBalancer(t *testing.T, replicas ...map[string]string) *balancer {
	t.Helper()
	b := &balancer{conns: map[net.Conn]bool{}, checks: http.Client{
		Timeout: checkEvery, Transport: &http.Transport{DisableKeepAlives: true},
	}}
	ctx, cancel := context.WithCancel(t.Context())
	var checking sync.WaitGroup
	for _, doors := range replicas {
		x := &backend{doors: doors}
		b.backends = append(b.backends, x)
		checking.Go(func() { b.check(ctx, x) })
	}
	t.Cleanup(func() {
		cancel()
		checking.Wait()
	})
	return b
}

// check marks a replica up or down, after so many findings in a row.
func (b *balancer) check(ctx context.Context, x *backend) {
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for row := 0; ; {
		if b.ready(ctx, x) == x.up.Load() {
			row = 0
		} else {
			row++
		}
		if limit := map[bool]int{true: checkFall, false: checkRise}[x.up.Load()]; row == limit {
			x.up.Store(!x.up.Load())
			row = 0
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (b *balancer) ready(ctx context.Context, x *backend) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+x.doors["ops"]+"/readyz", http.NoBody)
	if err != nil {
		return false
	}
	response, err := b.checks.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// next is whose turn it is among those that are ready; nil: nobody is.
func (b *balancer) next() *backend {
	turn := b.turn.Add(1)
	for i := range uint64(len(b.backends)) {
		if x := b.backends[(turn+i)%uint64(len(b.backends))]; x.up.Load() {
			return x
		}
	}
	return nil
}

// http opens the first way in to a door of the replicas.
func (b *balancer) http(t *testing.T, door string) (address string) {
	t.Helper()
	silent := log.New(io.Discard, "", 0) // the client is told
	proxies := map[*backend]http.Handler{}
	for _, x := range b.backends {
		transport := &http.Transport{MaxIdleConnsPerHost: 128, IdleConnTimeout: time.Minute}
		t.Cleanup(transport.CloseIdleConnections)
		proxies[x] = &httputil.ReverseProxy{
			Transport: transport, ErrorLog: silent,
			Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: x.doors[door]}) },
			ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
				http.Error(w, fmt.Sprintf("balancer: %v", err), http.StatusBadGateway)
			},
		}
	}
	server := &http.Server{ErrorLog: silent, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if x := b.next(); x != nil {
			proxies[x].ServeHTTP(w, r)
			return
		}
		http.Error(w, "balancer: nobody is ready", http.StatusServiceUnavailable)
	})}
	listener := b.listen(t)
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) }) // until it is closed
	t.Cleanup(func() {
		_ = server.Close()
		serving.Wait()
	})
	return listener.Addr().String()
}

// tcp opens the second way in.
func (b *balancer) tcp(t *testing.T, door string) (address string) {
	t.Helper()
	listener := b.listen(t)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return // it is closed
			}
			serving.Go(func() { b.connect(client, door) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		b.mu.Lock()
		b.over = true
		for conn := range b.conns {
			_ = conn.Close()
		}
		b.mu.Unlock()
		serving.Wait()
	})
	return listener.Addr().String()
}

func (b *balancer) listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

// connect carries bytes between a client and the replica whose turn it is, until one
// of them has had enough.
func (b *balancer) connect(client net.Conn, door string) {
	defer client.Close()
	x := b.next()
	if x == nil {
		return
	}
	server, err := net.DialTimeout("tcp", x.doors[door], time.Second)
	if err != nil {
		return
	}
	defer server.Close()
	if !b.hold(client, server) {
		return
	}
	defer b.release(client, server)
	var carrying sync.WaitGroup
	for from, to := range map[net.Conn]net.Conn{client: server, server: client} {
		carrying.Go(func() {
			_, _ = io.Copy(to, from) // whoever ends it, the other is told
			_ = to.(*net.TCPConn).CloseWrite()
		})
	}
	carrying.Wait()
}

// hold notes connections that end with the test at the latest.
func (b *balancer) hold(conns ...net.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range conns {
		b.conns[c] = true
	}
	return !b.over
}

func (b *balancer) release(conns ...net.Conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range conns {
		delete(b.conns, c)
	}
}
