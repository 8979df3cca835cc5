package sqlite

import (
	"context"
	"database/sql"
	"time"
)

// AcquireLease implements [positions.Store]. One process owns the file: its clock
// is the database's.
func (s *Store) AcquireLease(ctx context.Context, name, holder string, length time.Duration) (has bool, err error) {
	err = s.change(ctx, "acquire lease", func(tx *sql.Tx) error {
		now := time.Now()
		row, err := tx.ExecContext(ctx, `INSERT INTO leases (name, holder, expires_at) VALUES (?, ?, ?)
			ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
			WHERE leases.holder = excluded.holder OR leases.expires_at <= ?`, name, holder, micros(now.Add(length)), micros(now))
		if err != nil {
			return err
		}
		n, err := row.RowsAffected()
		has = n > 0
		return err
	})
	return has && err == nil, err
}

// ReleaseLease implements [positions.Store].
func (s *Store) ReleaseLease(ctx context.Context, name, holder string) error {
	return s.change(ctx, "release lease", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM leases WHERE name = ? AND holder = ?`, name, holder)
		return err
	})
}
