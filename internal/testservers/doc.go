// Package testservers starts real PostgreSQL and Redis servers for tests, and a
// TCP proxy that misbehaves on command between a program and either of them; and
// Prometheus, to watch a program.
//
// A server lives on a free loopback port, with its files in a directory of its
// own, and disappears with the process that asked for it, however that process
// ends. [Postgres] and [Redis] hand out a fresh database of a server that is
// shared by the whole test process; [StartPostgres] and [StartRedis] start one
// for a single test, to be stopped, frozen and killed at will. Programs that
// are not tests use [RunPostgres] and [RunRedis].
//
// The binaries are Debian's (packages postgresql, redis-server and prometheus). When they
// are missing the test fails and says how to install them; it is never skipped.
//
// Linux only: processes are found and frozen through /proc and signals.
package testservers

import (
	"errors"
	"testing"
)

// ErrNotInstalled is wrapped by every error that a missing binary causes. The
// text of such errors holds the one command that helps.
var ErrNotInstalled = errors.New("apt-get install -y postgresql redis-server prometheus")

// report tells the test about a failed command. A server started without a test
// has nobody to tell, and a fault test that goes on with a server in an unknown
// state proves nothing: it panics.
func report(tb testing.TB, err error) {
	switch {
	case err == nil:
	case tb == nil:
		panic(err)
	default:
		tb.Helper()
		tb.Error(err)
	}
}
