package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"io/fs"
	"sync"

	"github.com/pressly/goose/v3"

	"github.com/attualizza/attualizza/positions/internal/document"
)

//go:embed migrations/*.sql
var embedded embed.FS

var newestMigration = document.NewestMigration(embedded)

// migrating lets one goroutine of the process migrate at a time.
var migrating sync.Mutex

// Migrate applies the pending migrations. They only go forward. Two processes
// that open a new file together may both begin; whoever loses finds the work
// done and succeeds.
func (s *Store) Migrate(ctx context.Context) (err error) {
	migrating.Lock()
	defer migrating.Unlock()
	// A connection of its own: migrations may wait longer than a request.
	db, err := sql.Open("sqlite", s.dsn+"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=foreign_keys(ON)&_txlock=immediate")
	if err != nil {
		return failure("migrate", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	const processes = 3
	for range processes {
		if err = up(ctx, db); err == nil {
			s.migrated.Store(true)
			return nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	return failure("migrate", err)
}

func up(ctx context.Context, db *sql.DB) error {
	files, err := fs.Sub(embedded, "migrations")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	_, err = provider.Up(ctx)
	return err
}
