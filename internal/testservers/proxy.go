package testservers

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Proxy passes TCP connections on to a target, well or badly. Its methods may
// be called by several goroutines and act at once on the connections in being.
type Proxy struct {
	target   string
	listener net.Listener
	running  sync.WaitGroup
	accepted atomic.Int64

	mu      sync.Mutex
	changed chan struct{} // closed and replaced by every change of the fields below
	conns   map[*net.TCPConn]struct{}
	latency time.Duration
	hole    bool
	resets  bool
	closed  bool
}

// StartProxy starts a proxy on a free loopback port towards target
// ("host:port"), healthy at first, and closes it when the test ends.
func StartProxy(tb testing.TB, target string) *Proxy {
	tb.Helper()
	p, err := RunProxy(target)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(p.Close)
	return p
}

// RunProxy is [StartProxy] outside a test; the caller closes the proxy.
func RunProxy(target string) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{target: target, listener: l, changed: make(chan struct{}), conns: map[*net.TCPConn]struct{}{}}
	p.running.Go(p.accept)
	return p, nil
}

// Addr is the proxy's own host and port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Through returns rawURL with the proxy in the place of its host and port:
// the way to send a database client through the proxy.
func (p *Proxy) Through(rawURL string) (string, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return "", fmt.Errorf("not a URL: %w", err)
	}
	u.Host = p.Addr()
	return u.String(), nil
}

// Latency delays whatever the target sends to its client by d.
func (p *Proxy) Latency(d time.Duration) { p.change(func() { p.latency = d }) }

// Blackhole holds back all bytes in both directions, as a network that drops
// packets does: connections are accepted, stay open, and hear nothing. What was
// held back is delivered when it is switched off.
func (p *Proxy) Blackhole(on bool) { p.change(func() { p.hole = on }) }

// Reset aborts, while it is on, every connection with a TCP RST, those in being
// and those to come.
func (p *Proxy) Reset(on bool) {
	p.change(func() {
		p.resets = on
		if on {
			p.abortAll()
		}
	})
}

// Accepted counts the connections opened to the proxy so far.
func (p *Proxy) Accepted() int { return int(p.accepted.Load()) }

// Close ends the proxy and its connections, and returns when all is quiet.
func (p *Proxy) Close() {
	p.change(func() {
		p.closed = true
		p.abortAll()
	})
	_ = p.listener.Close() // a second Close finds it closed
	p.running.Wait()
}

func (p *Proxy) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	close(p.changed)
	p.changed = make(chan struct{})
}

// abortAll is called with the lock held.
func (p *Proxy) abortAll() {
	for c := range p.conns {
		abort(c)
	}
}

// abort closes with RST instead of FIN. The connection is torn down anyway, so
// that it is already closed is no error.
func abort(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}

func (p *Proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return // the listener was closed
		}
		p.accepted.Add(1)
		p.running.Go(func() { p.serve(c.(*net.TCPConn)) })
	}
}

func (p *Proxy) serve(client *net.TCPConn) {
	if !p.adopt(client) {
		return
	}
	defer p.forget(client)
	// Held back here as well: under a black hole not even the target hears of us.
	if !p.wait(0) {
		return
	}
	c, err := net.DialTimeout("tcp", p.target, 5*time.Second)
	if err != nil {
		abort(client) // as near as we get to a port on which nobody listens
		return
	}
	server := c.(*net.TCPConn)
	if !p.adopt(server) {
		return
	}
	defer p.forget(server)

	var both sync.WaitGroup
	both.Go(func() { p.pump(server, client, false) })
	both.Go(func() { p.pump(client, server, true) })
	both.Wait()
}

// adopt makes a connection known to the switches, unless they are against it.
func (p *Proxy) adopt(c *net.TCPConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.resets || p.closed {
		abort(c)
		return false
	}
	p.conns[c] = struct{}{}
	return true
}

func (p *Proxy) forget(c *net.TCPConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
	_ = c.Close() // in order, so that what was written still arrives; or aborted already
}

// pump copies until src ends, then tells dst that no more will come.
func (p *Proxy) pump(dst, src *net.TCPConn, delayed bool) {
	buf := make([]byte, 32<<10)
	for {
		n, err := src.Read(buf)
		if n > 0 {
			var delay time.Duration
			if delayed {
				delay = p.delay()
			}
			if !p.wait(delay) {
				return
			}
			if _, err := dst.Write(buf[:n]); err != nil {
				abort(src)
				return
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			if !p.wait(0) {
				return
			}
			_ = dst.CloseWrite() // fails only when dst is gone too
			return
		default: // a reset is passed on as a reset
			abort(dst)
			return
		}
	}
}

func (p *Proxy) delay() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.latency
}

// wait lets d pass, and then the black hole, if there is one. It reports false
// when the connections are being reset or the proxy is closed.
func (p *Proxy) wait(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	elapsed := d <= 0
	for {
		p.mu.Lock()
		stop, hole, changed := p.resets || p.closed, p.hole, p.changed
		p.mu.Unlock()
		if stop {
			return false
		}
		if elapsed && !hole {
			return true
		}
		select {
		case <-timer.C:
			elapsed = true
		case <-changed:
		}
	}
}
