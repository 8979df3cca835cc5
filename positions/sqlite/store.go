// Package sqlite keeps debt positions in one SQLite file: a municipality's
// installation on one machine, the demonstration, the tests of other packages.
//
// One connection writes and four read. Write-ahead logging lets them work side
// by side; the writer waits for the disk at every commit, because what was
// acknowledged must survive a power loss. One process at a time owns the file:
// a second one, a backup for example, is waited for as long as the caller's context
// lets, but not beyond five seconds.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	driver "modernc.org/sqlite"

	"github.com/attualizza/attualizza/positions"
)

const (
	readers   = 4
	openLimit = 5 * time.Second
)

// Store is a [positions.Store] in one file.
type Store struct {
	dsn      string
	writer   *sql.DB
	reader   *sql.DB
	migrated atomic.Bool // the migrations are known to be applied

	mu       sync.Mutex
	prepared map[string]*sql.Stmt // statements of the hot path, on reader
}

var _ positions.Store = (*Store)(nil)

// Open opens the file at path and creates it when it is not there. Errors:
// [positions.Invalid] for a path in a directory that does not exist,
// [positions.Unavailable] for a file that cannot be opened or is none of
// SQLite's. Call [Store.Migrate] before anything else.
func Open(ctx context.Context, path string) (*Store, error) {
	// SQLite does not tell why it could not open a file.
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return nil, positions.Errorf(positions.Invalid, "the database file %s cannot be used: %w", path, err)
	}
	dsn := "file:" + strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(path)
	// Busy first: the other pragmas may themselves have to wait.
	common := []string{fmt.Sprintf("busy_timeout(%d)", busyRetry.Milliseconds()), "journal_mode(WAL)", "foreign_keys(ON)", "temp_store(MEMORY)", "cache_size(-20000)"}
	connector, err := driver.NewConnector(dsn + "?" + url.Values{
		"_pragma": append(common, "synchronous(FULL)"),
		"_txlock": {"immediate"},
	}.Encode())
	if err != nil {
		return nil, failure("open", err)
	}
	writer := sql.OpenDB(patient{connector})
	writer.SetMaxOpenConns(1)
	reader, err := sql.Open("sqlite", dsn+"?"+url.Values{
		"_pragma": append(common, "query_only(ON)"),
	}.Encode())
	if err != nil {
		return nil, errors.Join(failure("open", err), writer.Close())
	}
	reader.SetMaxOpenConns(readers)
	reader.SetMaxIdleConns(readers)
	s := &Store{dsn: dsn, writer: writer, reader: reader, prepared: map[string]*sql.Stmt{}}

	ctx, cancel := context.WithTimeout(ctx, openLimit)
	defer cancel()
	if err := writer.PingContext(ctx); err != nil {
		return nil, errors.Join(positions.Errorf(positions.Unavailable, "the database file %s cannot be used: %w", path, err), s.Close())
	}
	return s, nil
}

// Close closes the file. Calls in flight fail.
func (s *Store) Close() error {
	return errors.Join(s.reader.Close(), s.writer.Close())
}

// Ping reports whether the file can be read and its migrations are applied.
func (s *Store) Ping(ctx context.Context) error {
	if s.migrated.Load() {
		var one int
		return failure("ping", s.reader.QueryRowContext(ctx, "SELECT count(*) FROM organizations_revision").Scan(&one))
	}
	var version int64
	err := s.reader.QueryRowContext(ctx, "SELECT max(version_id) FROM goose_db_version WHERE is_applied").Scan(&version)
	if err == nil && version >= newestMigration {
		s.migrated.Store(true)
		return nil
	}
	if err != nil && unavailable(err) {
		return failure("ping", err)
	}
	return &positions.Error{Code: positions.Unavailable, Message: "migrations are not applied", Err: err}
}

// change runs f in one transaction of the only writer.
func (s *Store) change(ctx context.Context, operation string, f func(*sql.Tx) error) error {
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return failure(operation, err)
	}
	if err := f(tx); err != nil {
		_ = tx.Rollback() // the first error says more
		return failure(operation, err)
	}
	return failure(operation, tx.Commit())
}

// statement returns a statement that stays prepared on the reading connections.
func (s *Store) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if stmt := s.prepared[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := s.reader.PrepareContext(ctx, query)
	if err == nil {
		s.prepared[query] = stmt
	}
	return stmt, err
}

// micros is how an instant is kept.
func micros(t time.Time) int64 { return t.UnixMicro() }

// instant is the inverse of micros.
func instant(us int64) time.Time { return time.UnixMicro(us).UTC() }

// optional keeps the zero instant as NULL.
func optional(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: t.UnixMicro(), Valid: !t.IsZero()}
}

// maybe is the inverse of optional.
func maybe(us sql.NullInt64) time.Time {
	if !us.Valid {
		return time.Time{}
	}
	return instant(us.Int64)
}

// text keeps JSON as TEXT, an absent value as NULL.
func text(b []byte) sql.NullString { return sql.NullString{String: string(b), Valid: b != nil} }
