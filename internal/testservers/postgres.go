package testservers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Postgres returns the URL of a fresh, empty database on a PostgreSQL server
// that all tests of the process share. The database is dropped, and whoever is
// still connected to it cut off, when the test ends.
func Postgres(tb testing.TB) string {
	tb.Helper()
	return fromTemplate(tb, "template0")
}

func fromTemplate(tb testing.TB, template string) string {
	tb.Helper()
	s, err := sharedPostgres()
	if err != nil {
		tb.Fatal(err)
	}
	name, err := s.createDatabase(template)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { report(tb, s.dropDatabase(name)) })
	return s.URL(name)
}

// PostgresCopies returns a [Postgres] whose databases are not empty: they are
// copies of one that prepare fills, once in the process. prepare must have closed
// its connections when it returns.
func PostgresCopies(prepare func(url string) error) func(tb testing.TB) string {
	original := sync.OnceValues(func() (string, error) {
		s, err := sharedPostgres()
		if err != nil {
			return "", err
		}
		name, err := s.createDatabase("template0")
		if err != nil {
			return "", err
		}
		return name, prepare(s.URL(name))
	})
	return func(tb testing.TB) string {
		tb.Helper()
		template, err := original()
		if err != nil {
			tb.Fatal(err)
		}
		return fromTemplate(tb, template)
	}
}

// StartPostgres starts a PostgreSQL server for one test and removes it when the
// test ends.
func StartPostgres(tb testing.TB, options ...PostgresOption) *PostgresServer {
	tb.Helper()
	s, err := RunPostgres(options...)
	if err != nil {
		tb.Fatal(err)
	}
	s.tb = tb
	tb.Cleanup(s.Close)
	return s
}

// RunPostgres starts a PostgreSQL server outside a test. The caller closes it;
// it disappears anyway when the program ends.
func RunPostgres(options ...PostgresOption) (*PostgresServer, error) {
	initdb, postgres, err := postgresBinaries()
	if err != nil {
		return nil, err
	}
	as, err := postgresUser()
	if err != nil {
		return nil, err
	}
	proc, err := newProcess("postgres", syscall.SIGINT, "QUIT", as)
	if err != nil {
		return nil, err
	}
	s := &PostgresServer{proc: proc, binary: postgres, settings: map[string]string{
		"listen_addresses":        "127.0.0.1",
		"unix_socket_directories": proc.dir,
		"max_connections":         "300",
		"fsync":                   "off",
		"synchronous_commit":      "off",
		"full_page_writes":        "off",
		"timezone":                "UTC",
	}}
	for _, o := range options {
		o(s.settings)
	}
	data := filepath.Join(proc.dir, "data")
	if err := proc.run(initdb, "-D", data, "-U", "postgres", "-A", "trust", "--no-sync", "--locale=C", "--encoding=UTF8"); err != nil {
		return nil, errors.Join(err, proc.close())
	}
	if err := s.startSomewhere(); err != nil {
		return nil, errors.Join(err, proc.close())
	}
	return s, nil
}

// PostgresOption changes a server before it is started.
type PostgresOption func(settings map[string]string)

// Durable makes every commit wait for the disk, as in production. Without it
// the server is fast and forgets its last commits when the machine loses power.
func Durable() PostgresOption {
	return func(settings map[string]string) {
		settings["fsync"], settings["synchronous_commit"], settings["full_page_writes"] = "on", "on", "on"
	}
}

// Setting sets a parameter of postgresql.conf.
func Setting(name, value string) PostgresOption {
	return func(settings map[string]string) { settings[name] = value }
}

// PostgresServer is a PostgreSQL server that can be made to fail. Its methods
// may be called by several goroutines; what goes wrong in them fails the test
// (or panics, without a test).
type PostgresServer struct {
	tb       testing.TB
	proc     *process
	binary   string
	settings map[string]string
	port     int
	created  atomic.Int64
}

// URL returns the URL of a database of the server over TCP. The database
// "postgres" always exists.
func (s *PostgresServer) URL(database string) string {
	return fmt.Sprintf("postgres://postgres@%s/%s?sslmode=disable", s.Addr(), database)
}

// SocketURL is [PostgresServer.URL] over the server's Unix socket.
func (s *PostgresServer) SocketURL(database string) string {
	return fmt.Sprintf("postgres://postgres@/%s?host=%s&port=%d", database, s.proc.dir, s.port)
}

// Addr is the host and port of the server, the same for all its life.
func (s *PostgresServer) Addr() string { return "127.0.0.1:" + strconv.Itoa(s.port) }

// Database creates a fresh, empty database and returns its URL.
func (s *PostgresServer) Database() string {
	name, err := s.createDatabase("template0")
	report(s.tb, err)
	return s.URL(name)
}

// Stop shuts the server down as an administrator would: clients are cut off,
// what was committed is kept. Stopping a stopped server does nothing.
func (s *PostgresServer) Stop() { s.proc.stop(syscall.SIGINT) }

// Kill ends all of the server's processes at once, as a crash would.
func (s *PostgresServer) Kill() { s.proc.stop(syscall.SIGKILL) }

// Start starts a stopped server on its old port and waits until it answers.
func (s *PostgresServer) Start() { report(s.tb, s.start()) }

// Pause freezes all of the server's processes: connections stay open and the
// kernel still accepts new ones, but nothing is answered.
func (s *PostgresServer) Pause() { report(s.tb, s.proc.freeze(syscall.SIGSTOP)) }

// Resume lets a paused server go on.
func (s *PostgresServer) Resume() { report(s.tb, s.proc.freeze(syscall.SIGCONT)) }

// Close ends the server and removes its files. [StartPostgres] does it by itself.
func (s *PostgresServer) Close() { report(s.tb, s.proc.close()) }

// startSomewhere looks for a port until the server starts: between finding a
// free one and listening on it somebody else may have been quicker.
func (s *PostgresServer) startSomewhere() error {
	var err error
	for range 3 {
		if s.port, err = freePort(); err != nil {
			return err
		}
		if err = s.start(); err == nil {
			return nil
		}
	}
	return err
}

func (s *PostgresServer) start() error {
	args := []string{"-D", filepath.Join(s.proc.dir, "data"), "-p", strconv.Itoa(s.port)}
	for name, value := range s.settings {
		args = append(args, "-c", name+"="+value)
	}
	answers := func() error { return s.exec("SELECT 1") }
	return s.proc.start(answers, s.binary, args...)
}

// createDatabase copies another one file by file, which costs a third of the
// default way (PostgreSQL 15 and up).
func (s *PostgresServer) createDatabase(template string) (string, error) {
	name := fmt.Sprintf("test_%d", s.created.Add(1))
	return name, s.exec("CREATE DATABASE " + name + " TEMPLATE " + template + " STRATEGY file_copy")
}

func (s *PostgresServer) dropDatabase(name string) error {
	return s.exec("DROP DATABASE " + name + " WITH (FORCE)")
}

// exec runs one statement on a connection of its own, over the Unix socket.
func (s *PostgresServer) exec(sql string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.SocketURL("postgres"))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, sql)
	return errors.Join(err, conn.Close(ctx))
}

// sharedPostgres starts the process's own server the first time it is called.
// Nobody closes it: the undertaker does when the process ends.
var sharedPostgres = sync.OnceValues(func() (*PostgresServer, error) { return RunPostgres() })

// postgresBinaries looks in PATH, then where Debian keeps them, newest first.
func postgresBinaries() (initdb, postgres string, err error) {
	found, err := exec.LookPath("initdb")
	if err != nil {
		matches, globErr := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
		if globErr != nil {
			return "", "", globErr
		}
		if len(matches) == 0 {
			return "", "", fmt.Errorf("the PostgreSQL server is not on this machine; run: %w", ErrNotInstalled)
		}
		found = slices.MaxFunc(matches, func(a, b string) int { return debianVersion(a) - debianVersion(b) })
	}
	if found, err = filepath.EvalSymlinks(found); err != nil {
		return "", "", err
	}
	postgres = filepath.Join(filepath.Dir(found), "postgres")
	if _, err := os.Stat(postgres); err != nil {
		return "", "", fmt.Errorf("%s has no server beside it; run: %w", found, ErrNotInstalled)
	}
	return found, postgres, nil
}

// debianVersion reads 15 from /usr/lib/postgresql/15/bin/initdb.
func debianVersion(path string) int {
	n, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	if err != nil {
		return 0
	}
	return n
}

// postgresUser is whom root becomes to run the server, which refuses root.
func postgresUser() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres") // made by Debian's package
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return nil, fmt.Errorf("no user to run PostgreSQL, which refuses root: %w", err)
		}
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}
