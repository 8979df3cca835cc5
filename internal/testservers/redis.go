package testservers

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// redisDatabases bounds how many tests of one process can use the shared Redis
// at the same time.
const redisDatabases = 256

// Redis returns the URL of an empty numbered database of a Redis server that
// all tests of the process share. It is emptied again when the test ends.
func Redis(tb testing.TB) string {
	tb.Helper()
	s, err := sharedRedis()
	if err != nil {
		tb.Fatal(err)
	}
	select {
	case n := <-freeRedis:
		tb.Cleanup(func() {
			report(tb, s.flush(n))
			freeRedis <- n
		})
		return fmt.Sprintf("redis://%s/%d", s.Addr(), n)
	default:
		tb.Fatalf("more than %d tests use the shared Redis at once", redisDatabases)
		return ""
	}
}

// StartRedis starts a Redis server for one test and removes it when the test
// ends. It keeps nothing on disk.
func StartRedis(tb testing.TB) *RedisServer {
	tb.Helper()
	s, err := RunRedis()
	if err != nil {
		tb.Fatal(err)
	}
	s.tb = tb
	tb.Cleanup(s.Close)
	return s
}

// RunRedis starts a Redis server outside a test. The caller closes it; it
// disappears anyway when the program ends.
func RunRedis() (*RedisServer, error) {
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, fmt.Errorf("redis-server is not on this machine; run: %w", ErrNotInstalled)
	}
	proc, err := newProcess("redis", syscall.SIGTERM, "TERM", nil)
	if err != nil {
		return nil, err
	}
	s := &RedisServer{proc: proc, binary: binary}
	for range 3 { // somebody else may take the port first
		if s.port, err = freePort(); err != nil {
			break
		}
		if err = s.start(); err == nil {
			return s, nil
		}
	}
	return nil, errors.Join(err, proc.close())
}

// RedisServer is a Redis server that can be made to fail. Its methods may be
// called by several goroutines; what goes wrong in them fails the test (or
// panics, without a test).
type RedisServer struct {
	tb     testing.TB
	proc   *process
	binary string
	port   int
}

// URL returns the URL of the server's database 0.
func (s *RedisServer) URL() string { return "redis://" + s.Addr() + "/0" }

// Addr is the host and port of the server, the same for all its life.
func (s *RedisServer) Addr() string { return "127.0.0.1:" + strconv.Itoa(s.port) }

// Stop shuts the server down in order; what it held is lost. Stopping a stopped
// server does nothing.
func (s *RedisServer) Stop() { s.proc.stop(syscall.SIGTERM) }

// Kill ends the server at once, as a crash would.
func (s *RedisServer) Kill() { s.proc.stop(syscall.SIGKILL) }

// Start starts a stopped server, empty, on its old port and waits until it answers.
func (s *RedisServer) Start() { report(s.tb, s.start()) }

// Pause freezes the server: connections stay open and the kernel still accepts
// new ones, but nothing is answered.
func (s *RedisServer) Pause() { report(s.tb, s.proc.freeze(syscall.SIGSTOP)) }

// Resume lets a paused server go on.
func (s *RedisServer) Resume() { report(s.tb, s.proc.freeze(syscall.SIGCONT)) }

// Close ends the server and removes its files. [StartRedis] does it by itself.
func (s *RedisServer) Close() { report(s.tb, s.proc.close()) }

func (s *RedisServer) start() error {
	answers := func() error { return s.ask("+PONG", "PING") }
	return s.proc.start(answers, s.binary,
		"--bind", "127.0.0.1", "--port", strconv.Itoa(s.port), "--dir", s.proc.dir, "--unixsocket", s.socket(), "--daemonize", "no",
		"--save", "", "--appendonly", "no", "--databases", strconv.Itoa(redisDatabases))
}

func (s *RedisServer) socket() string { return filepath.Join(s.proc.dir, "socket") }

func (s *RedisServer) flush(database int) error {
	return s.ask("+OK", fmt.Sprintf("SELECT %d", database), "FLUSHDB")
}

// ask sends inline commands (Redis protocol specification, "Inline commands")
// on a connection of its own and expects the same reply to each. It uses the
// Unix socket: on a port that somebody else took first, somebody else answers.
func (s *RedisServer) ask(want string, commands ...string) (err error) {
	conn, err := net.DialTimeout("unix", s.socket(), startLimit)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if err := conn.SetDeadline(time.Now().Add(startLimit)); err != nil {
		return err
	}
	replies := bufio.NewReader(conn)
	for _, command := range commands {
		if _, err := fmt.Fprintf(conn, "%s\r\n", command); err != nil {
			return err
		}
		line, err := replies.ReadString('\n')
		if err != nil {
			return err
		}
		if got := strings.TrimSpace(line); got != want {
			return fmt.Errorf("redis answers %q to %s", got, command)
		}
	}
	return nil
}

// sharedRedis starts the process's own server the first time it is called.
// Nobody closes it: the undertaker does when the process ends.
var sharedRedis = sync.OnceValues(RunRedis)

// freeRedis holds the numbers of the shared server's databases not in use.
var freeRedis = func() chan int {
	free := make(chan int, redisDatabases)
	for n := range redisDatabases {
		free <- n
	}
	return free
}()
