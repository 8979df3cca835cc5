package cache

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is a real redis-server, which can be frozen, killed and started again
// at the same address.
type server struct {
	t    testing.TB
	args []string
	url  string
	cmd  *exec.Cmd
}

// startRedis starts a redis-server on a unix socket.
func startRedis(t testing.TB) *server {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "redis.sock")
	s := &server{t: t, url: "unix://" + socket, args: []string{"--port", "0", "--unixsocket", socket}}
	s.start()
	t.Cleanup(s.kill)
	return s
}

// startRedisTCP starts a redis-server on a free port of loopback, for what
// does not go over a socket.
func startRedisTCP(t testing.TB, args ...string) (s *server, port string) {
	t.Helper()
	port = freePort(t)
	s = &server{t: t, url: "redis://127.0.0.1:" + port, args: append(args, "--port", port, "--bind", "127.0.0.1")}
	s.start()
	t.Cleanup(s.kill)
	return s, port
}

func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

func (s *server) start() {
	s.t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		s.t.Fatal("these tests want a real Redis: apt-get install redis-server")
	}
	s.cmd = exec.Command(path, append(s.args, "--save", "", "--appendonly", "no")...)
	s.cmd.Dir = s.t.TempDir()
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var out strings.Builder
	s.cmd.Stdout, s.cmd.Stderr = &out, &out
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	o, err := redis.ParseURL(s.url)
	if err != nil {
		s.t.Fatal(err)
	}
	probe := redis.NewClient(o)
	defer probe.Close()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		err := probe.Ping(context.Background()).Err()
		if refusal := redis.Error(nil); err == nil || errors.As(err, &refusal) {
			return // a refusal for want of a password is an answer
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("redis-server does not answer:\n%s", out.String())
		}
	}
}

func (s *server) kill() {
	if s.cmd != nil {
		s.cmd.Process.Kill()
		s.cmd.Wait()
		s.cmd = nil
	}
}

func (s *server) freeze() { s.signal(syscall.SIGSTOP) }
func (s *server) thaw()   { s.signal(syscall.SIGCONT) }
func (s *server) signal(sig os.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// dial connects with all the time in the world, for tests of what Redis is
// used for; dialReal connects as the service does.
func dial(t testing.TB, url string) *Redis {
	t.Helper()
	return closing(t)(dialWithin(2*time.Second, url, nil))
}

func dialReal(t testing.TB, url string) *Redis {
	t.Helper()
	return closing(t)(Dial(url, nil))
}

func closing(t testing.TB) func(*Redis, error) *Redis {
	return func(r *Redis, err error) *Redis {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close() })
		return r
	}
}

// quickest fails unless one of several attempts keeps the limit: a busy
// machine spoils some of them, a fault of the code spoils them all.
func quickest(t testing.TB, limit time.Duration, attempt func() time.Duration) {
	t.Helper()
	best := time.Hour
	for range 5 {
		if best = min(best, attempt()); best <= limit {
			return
		}
	}
	t.Errorf("took %s, want at most %s", best, limit)
}

// price stands for what is kept: amounts, times, optional parts.
type price struct {
	Total   int64
	At      time.Time
	Partial *int64
}

func newCache(t testing.TB, opts Options) *Cache[price] {
	t.Helper()
	c := New[price](opts)
	t.Cleanup(c.Close)
	return c
}

// eventually waits for what must come true by itself.
func eventually(t testing.TB, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after %s still not: %s", limit, what)
		}
	}
}

// record is a log that remembers its lines.
type record struct {
	mu    sync.Mutex
	lines []string
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, string(p))
	return len(p), nil
}

func (r *record) count(text string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, line := range r.lines {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}
