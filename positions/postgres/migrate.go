package postgres

import (
	"context"
	"embed"
	"errors"
	"io/fs"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/attualizza/attualizza/positions/internal/document"
)

//go:embed migrations/*.sql
var embedded embed.FS

var newestMigration = document.NewestMigration(embedded)

// Migrate applies the pending migrations, which only go forward, and then makes
// the partitions of the next months. Replicas that start together take turns by
// an advisory lock, which they ask for every second, for a minute.
func (s *Store) Migrate(ctx context.Context) (err error) {
	// A connection of its own: a migration may take longer than a request, and
	// goose speaks database/sql.
	config := s.pool.Config().ConnConfig.Copy()
	config.RuntimeParams["statement_timeout"] = "0"
	config.RuntimeParams["lock_timeout"] = "10000"
	config.RuntimeParams["idle_in_transaction_session_timeout"] = "60000"
	db := stdlib.OpenDB(*config)
	defer func() { err = errors.Join(err, db.Close()) }()

	files, err := fs.Sub(embedded, "migrations")
	if err != nil {
		return failure("migrate", err)
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 60))
	if err != nil {
		return failure("migrate", err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithSessionLocker(locker), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return failure("migrate", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return failure("migrate", err)
	}
	s.migrated.Store(true)
	return s.Maintain(ctx)
}
