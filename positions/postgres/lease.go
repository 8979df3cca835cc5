package postgres

import (
	"context"
	"time"
)

// AcquireLease implements [positions.Store], on the clock of the database.
func (s *Store) AcquireLease(ctx context.Context, name, holder string, length time.Duration) (has bool, err error) {
	// The same holder twice is the same lease: it may be tried again like a read.
	err = s.read(ctx, "acquire lease", func() error {
		row, err := s.pool.Exec(ctx, `INSERT INTO leases AS held (name, holder, expires_at) VALUES ($1, $2, clock_timestamp() + $3)
			ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
			WHERE held.holder = excluded.holder OR held.expires_at <= clock_timestamp()`, name, holder, length)
		has = err == nil && row.RowsAffected() > 0
		return err
	})
	return has, err
}

// ReleaseLease implements [positions.Store].
func (s *Store) ReleaseLease(ctx context.Context, name, holder string) error {
	return s.read(ctx, "release lease", func() error {
		_, err := s.pool.Exec(ctx, `DELETE FROM leases WHERE name = $1 AND holder = $2`, name, holder)
		return err
	})
}
