package jobs

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"
)

// Engine is a database that jobs live in.
type Engine interface {
	// Migrate makes River's tables, or brings them up to date. Replicas may start
	// together.
	Migrate(ctx context.Context, logger *slog.Logger) error
	// Close ends the engine's own connections, and waits no longer than limit for those
	// in use. Its runners must have been stopped.
	Close(limit time.Duration)

	client(cfg *river.Config) (client, error)
}

// client is what is used of a [river.Client], whatever its transactions are.
type client interface {
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
	StopAndCancel(ctx context.Context) error
	InsertMany(ctx context.Context, params []river.InsertManyParams) ([]*rivertype.JobInsertResult, error)
	JobRetry(ctx context.Context, id int64) (*rivertype.JobRow, error)
}

// maxConns bounds River's connections of one replica; one of them listens.
const maxConns = 6

// Postgres is an [Engine] on the PostgreSQL database at url, with connections of
// its own: listening and maintenance are not held to the bounds of a request. It
// contacts nobody yet, and fails only when the URL cannot be read.
func Postgres(ctx context.Context, url string) (Engine, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("the database URL cannot be read: %w", err)
	}
	config.MaxConns, config.MinConns, config.MinIdleConns = maxConns, 0, 0
	config.ConnConfig.ConnectTimeout = 2 * time.Second
	for parameter, value := range map[string]string{
		"application_name":                    "attualizza-jobs",
		"statement_timeout":                   "30000",
		"lock_timeout":                        "5000",
		"idle_in_transaction_session_timeout": "30000",
	} {
		if !strings.Contains(url, parameter+"=") {
			config.ConnConfig.RuntimeParams[parameter] = value
		}
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connections of the jobs: %w", err)
	}
	return &postgresEngine{pool}, nil
}

type postgresEngine struct{ pool *pgxpool.Pool }

func (e *postgresEngine) client(cfg *river.Config) (client, error) {
	return asClient(river.NewClient(riverpgxv5.New(e.pool), cfg))
}

func (e *postgresEngine) Close(limit time.Duration) {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		e.pool.Close()
	}()
	select {
	case <-closed:
	case <-time.After(limit):
	}
}

// migrationLock is the advisory lock under which River's tables are made, because
// River itself does not keep two replicas apart. The number has no meaning.
const migrationLock = 7_219_448_102_553

func (e *postgresEngine) Migrate(ctx context.Context, logger *slog.Logger) error {
	err := pgx.BeginFunc(ctx, e.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SET LOCAL lock_timeout = '60s'; SET LOCAL statement_timeout = 0`); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(migrationLock)); err != nil {
			return err
		}
		return migrate(ctx, riverpgxv5.New(e.pool), logger)
	})
	if err != nil {
		return fmt.Errorf("migrations of the jobs: %w", err)
	}
	return nil
}

// SQLite is an [Engine] on the only writing connection of a file: db must allow
// one connection, and is its owner's to close.
func SQLite(db *sql.DB) Engine { return &sqliteEngine{db} }

type sqliteEngine struct{ db *sql.DB }

func (e *sqliteEngine) client(cfg *river.Config) (client, error) {
	return asClient(river.NewClient(riversqlite.New(e.db), cfg))
}

func (e *sqliteEngine) Close(time.Duration) {}

func (e *sqliteEngine) Migrate(ctx context.Context, logger *slog.Logger) error {
	if err := migrate(ctx, riversqlite.New(e.db), logger); err != nil {
		return fmt.Errorf("migrations of the jobs: %w", err)
	}
	return nil
}

func migrate[TTx any](ctx context.Context, driver riverdriver.Driver[TTx], logger *slog.Logger) error {
	migrator, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: quiet(logger)})
	if err != nil {
		return err
	}
	_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return err
}

func asClient[TTx any](c *river.Client[TTx], err error) (client, error) {
	if err != nil {
		return nil, err
	}
	return c, nil
}
