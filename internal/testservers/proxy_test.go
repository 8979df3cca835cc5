package testservers

import (
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTheProxyPassesEverythingAndTheEndOfTheStream(t *testing.T) {
	p := StartProxy(t, echoServer(t))
	text := strings.Repeat("notice ", 200_000) // 1.4 MB: many segments
	c := dial(t, p.Addr())
	go func() {
		_, _ = io.WriteString(c, text)
		_ = c.CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != text {
		t.Errorf("%d bytes back, want %d", len(got), len(text))
	}
	if n := p.Accepted(); n != 1 {
		t.Errorf("%d connections counted, want 1", n)
	}
}

func TestLatencyDelaysTheReply(t *testing.T) {
	p := StartProxy(t, echoServer(t))
	c := dial(t, p.Addr())
	p.Latency(80 * time.Millisecond)
	start := time.Now()
	exchange(t, c)
	if took := time.Since(start); took < 80*time.Millisecond {
		t.Errorf("answered after %v, want at least 80ms", took)
	}
	p.Latency(0)
	start = time.Now()
	exchange(t, c)
	if took := time.Since(start); took > 60*time.Millisecond {
		t.Errorf("answered after %v without latency", took)
	}
}

func TestABlackHoleHoldsBytesBackUntilItCloses(t *testing.T) {
	p := StartProxy(t, echoServer(t))
	old := dial(t, p.Addr())
	exchange(t, old)
	p.Blackhole(true)
	young := dial(t, p.Addr())
	for name, c := range map[string]*net.TCPConn{"old": old, "young": young} {
		send(t, c)
		if err := c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 1)); !isTimeout(err) {
			t.Errorf("%s connection: %v, want a timeout", name, err)
		}
	}
	p.Blackhole(false)
	receive(t, old)
	receive(t, young)
}

func TestResetAbortsOldAndNewConnections(t *testing.T) {
	p := StartProxy(t, echoServer(t))
	old := dial(t, p.Addr())
	exchange(t, old)
	p.Reset(true)
	if _, err := old.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("old connection: %v, want a reset", err)
	}
	if err := firstRead(p.Addr()); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("new connection: %v, want a reset", err)
	}
	p.Reset(false)
	exchange(t, dial(t, p.Addr()))
}

func TestATargetThatIsDownLooksDown(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	target := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := firstRead(StartProxy(t, target).Addr()); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v, want a reset", err)
	}
}

func TestADatabaseClientCanBeSentThroughTheProxy(t *testing.T) {
	s := StartPostgres(t)
	p := StartProxy(t, s.Addr())
	dsn, err := p.Through(s.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	if got := query(t, dsn, "SELECT 1"); cmp.Diff(got, int32(1)) != "" {
		t.Errorf("SELECT 1 is %v", got)
	}
	if p.Accepted() == 0 {
		t.Error("the query did not pass through the proxy")
	}
}

func echoServer(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		running.Wait()
	})
	return l.Addr().String()
}

func dial(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c.(*net.TCPConn)
}

// firstRead connects and reads a byte. A connection may be aborted so early that
// connecting fails already.
func firstRead(addr string) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Read(make([]byte, 1))
	return err
}

func exchange(t *testing.T, c *net.TCPConn) {
	t.Helper()
	send(t, c)
	receive(t, c)
}

func send(t *testing.T, c *net.TCPConn) {
	t.Helper()
	if _, err := io.WriteString(c, "ping"); err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, c *net.TCPConn) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 4)); err != nil {
		t.Fatal(err)
	}
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}
