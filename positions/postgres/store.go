// Package postgres keeps debt positions in PostgreSQL, for installations of
// more than one replica.
//
// A notice is read by one prepared statement in one round trip, which readers
// who come together share. Writers of one position take its row lock first and
// everything else after, so they queue up instead of meeting in a deadlock; what
// still collides is tried again a few times. The pool opens connections when they are needed: a database that is
// down, restarted or frozen costs errors while it lasts and nothing afterwards.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/attualizza/attualizza/positions"
)

// Store is a [positions.Store] in a PostgreSQL database, version 15 or later.
type Store struct {
	pool     *pgxpool.Pool
	notices  *gather
	migrated atomic.Bool // the migrations are known to be applied
}

var _ positions.Store = (*Store)(nil)

// Option changes how [Open] connects.
type Option func(*pgxpool.Config)

// WithMaxConns sets how many connections the store may hold, 1 or more. The
// default is 16, or pool_max_conns of the URL.
func WithMaxConns(n int) Option {
	return func(c *pgxpool.Config) { c.MaxConns = int32(max(1, n)) }
}

// Open prepares a pool for the database at url (libpq's URL or key=value form).
// It fails only when the URL cannot be read: a database that does not answer
// yet is waited for by the calls, each within its context. ctx is not kept.
//
// Every session bounds what the server may take: 1 s for a statement, 300 ms
// for a lock, 5 s idle in a transaction. Parameters in the URL win.
func Open(ctx context.Context, url string, options ...Option) (*Store, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, positions.Errorf(positions.Invalid, "the database URL cannot be read: %w", err)
	}
	given := func(parameter string) bool { return strings.Contains(url, parameter+"=") }
	if !given("pool_max_conns") {
		config.MaxConns = 16
	}
	if !given("pool_min_idle_conns") {
		config.MinIdleConns = min(2, config.MaxConns)
	}
	if !given("pool_max_conn_lifetime") {
		config.MaxConnLifetime, config.MaxConnLifetimeJitter = 30*time.Minute, 5*time.Minute
	}
	if !given("pool_max_conn_idle_time") {
		config.MaxConnIdleTime = 5 * time.Minute
	}
	if !given("pool_health_check_period") {
		config.HealthCheckPeriod = 30 * time.Second
	}
	if !given("pool_ping_timeout") {
		config.PingTimeout = 250 * time.Millisecond
	}
	if !given("connect_timeout") {
		config.ConnConfig.ConnectTimeout = time.Second
	}
	for parameter, value := range map[string]string{
		"application_name":                    "attualizza",
		"statement_timeout":                   "1000",
		"lock_timeout":                        "300",
		"idle_in_transaction_session_timeout": "5000",
	} {
		if config.ConnConfig.RuntimeParams[parameter] == "" {
			config.ConnConfig.RuntimeParams[parameter] = value
		}
	}
	for _, o := range options {
		o(config)
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, failure("open", err)
	}
	s := &Store{pool: pool}
	s.notices = newGather(s)
	return s, nil
}

// Close closes all connections, after the calls in flight.
func (s *Store) Close() error {
	s.notices.close()
	s.pool.Close()
	return nil
}

// Ping reports whether the database answers and its migrations are applied.
func (s *Store) Ping(ctx context.Context) error {
	if s.migrated.Load() {
		return s.read(ctx, "ping", func() error { return s.pool.Ping(ctx) })
	}
	var version int64
	err := s.read(ctx, "ping", func() error {
		return s.pool.QueryRow(ctx, `SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied`).Scan(&version)
	})
	switch {
	case err == nil && version >= newestMigration:
		s.migrated.Store(true)
		return nil
	case positions.CodeOf(err) == positions.Unavailable:
		return err
	default:
		return &positions.Error{Code: positions.Unavailable, Message: "migrations are not applied", Err: err}
	}
}

// read runs f, which must change nothing, and once more on a fresh connection
// when the one from the pool proves to have died in the meantime.
func (s *Store) read(ctx context.Context, operation string, f func() error) error {
	err := f()
	if lost(err) && ctx.Err() == nil {
		s.pool.Reset()
		err = f()
	}
	return failure(operation, err)
}

// change runs f in a transaction, and again from the start when it collided
// with another one or lost its connection before the commit. Waiting for a lock
// is bounded by the server and tried once more only. A commit of unknown
// outcome is not repeated.
func (s *Store) change(ctx context.Context, operation string, f func(pgx.Tx) error) error {
	const attempts = 4
	for attempt := 1; ; attempt++ {
		committing, err := s.transaction(ctx, f)
		again := collided(err) || lost(err) || attempt == 1 && code(err) == lockNotAvailable
		if err == nil || committing || attempt == attempts || !again {
			return failure(operation, err)
		}
		if lost(err) {
			s.pool.Reset()
		}
		select {
		case <-ctx.Done():
			return failure(operation, fmt.Errorf("%w after %w", ctx.Err(), err))
		case <-time.After(rand.N(time.Duration(attempt) * 10 * time.Millisecond)):
		}
	}
}

// transaction runs f once. committing tells that the error is the commit's.
func (s *Store) transaction(ctx context.Context, f func(pgx.Tx) error) (committing bool, err error) {
	tx, err := s.pool.Begin(ctx)
	if err != nil {
		return false, err
	}
	if err := f(tx); err != nil {
		_ = tx.Rollback(ctx) // the first error says more; the pool drops what cannot roll back
		return false, err
	}
	return true, tx.Commit(ctx)
}

// send runs the statements of a batch in one round trip, in their order.
func send(ctx context.Context, tx pgx.Tx, b *pgx.Batch) error {
	return tx.SendBatch(ctx, b).Close()
}

// optional keeps the zero instant as NULL.
func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// maybe is the inverse of optional.
func maybe(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

func absent(err error) bool { return errors.Is(err, pgx.ErrNoRows) }
