package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/attualizza/attualizza/positions/internal/document"
)

//go:embed migrations/*.sql
var embedded embed.FS

var newestMigration = max(document.NewestMigration(embedded), indexesMigration)

// Migrations are applied while other replicas serve payments. Who waits for a
// lock on a table makes everybody wait who comes after, so none waits longer than
// a payment can: it gives up and tries again when what was in the way may be gone.
const (
	migrationLock  = "100" // ms, well below what the statements of payments wait
	migrationPause = time.Second
	migrationTries = 60
)

// Migrate applies the pending migrations, which only go forward, and then makes
// the partitions of the next months. Replicas that start together take turns by
// an advisory lock, which they ask for every second, for ten minutes: indexes of
// large tables take their time. Whatever interrupts it, the next call goes on.
func (s *Store) Migrate(ctx context.Context) error {
	for try := 1; ; try++ {
		err := s.migrate(ctx)
		if err == nil {
			err = s.Maintain(ctx)
		}
		inTheWay := code(err) == lockNotAvailable || collided(err)
		if err == nil || !inTheWay || try == migrationTries {
			return err
		}
		select {
		case <-ctx.Done():
			return failure("migrate", errors.Join(ctx.Err(), err))
		case <-time.After(migrationPause):
		}
	}
}

func (s *Store) migrate(ctx context.Context) (err error) {
	brief, patient := s.migrator(migrationLock), s.migrator("0")
	defer func() { err = errors.Join(err, brief.Close(), patient.Close()) }()

	files, err := fs.Sub(embedded, "migrations")
	if err != nil {
		return failure("migrate", err)
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 600))
	if err != nil {
		return failure("migrate", err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, brief, files, goose.WithSessionLocker(locker), goose.WithDisableGlobalRegistry(true),
		goose.WithGoMigrations(goose.NewGoMigration(indexesMigration, &goose.GoFunc{RunDB: func(ctx context.Context, _ *sql.DB) error {
			return buildIndexes(ctx, brief, patient)
		}}, nil)))
	if err != nil {
		return failure("migrate", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return failure("migrate", err)
	}
	s.migrated.Store(true)
	return nil
}

// migrator opens connections besides the store's, which wait so many milliseconds
// for a lock, 0 for ever: a migration may take longer than a request, and goose
// speaks database/sql.
func (s *Store) migrator(lockTimeout string) *sql.DB {
	config := s.pool.Config().ConnConfig.Copy()
	config.RuntimeParams["statement_timeout"] = "0"
	config.RuntimeParams["lock_timeout"] = lockTimeout
	config.RuntimeParams["idle_in_transaction_session_timeout"] = "60000"
	return stdlib.OpenDB(*config)
}
