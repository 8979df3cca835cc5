package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// monthsAhead is how many months after the current one have their partitions.
const monthsAhead = 2

// maintenanceLock is the advisory lock of whoever changes partitions. The
// number means nothing; it must not be goose's.
const maintenanceLock = 0x61747475

// Maintain makes the monthly partitions of answers and receipts for the current
// month and the next two, where they are missing. Rows of such a month that
// landed in the default partition move along. Call it at least once a month,
// better every day; several replicas may call it at once. Without it everything
// still works, from the default partition.
func (s *Store) Maintain(ctx context.Context) error { return s.maintain(ctx, time.Now()) }

func (s *Store) maintain(ctx context.Context, now time.Time) error {
	now = now.UTC()
	for ahead := range monthsAhead + 1 {
		from := time.Date(now.Year(), now.Month()+time.Month(ahead), 1, 0, 0, 0, 0, time.UTC)
		for table, column := range map[string]string{"answers": "at", "receipts": "received_at"} {
			if err := s.partition(ctx, table, column, from); err != nil {
				return err
			}
		}
	}
	return nil
}

// partition makes one partition of a table, for the month that begins at from.
func (s *Store) partition(ctx context.Context, table, column string, from time.Time) error {
	name := table + from.Format("_2006_01")
	var exists bool
	// Not to_regclass: what it remembers outlives the wait for the lock below.
	const query = `SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = current_schema() AND tablename = $1)`
	err := s.read(ctx, "maintain", func() error { return s.pool.QueryRow(ctx, query, name).Scan(&exists) })
	if err != nil || exists {
		return err
	}
	const layout = "2006-01-02 15:04:05Z07:00"
	first, next := from.Format(layout), from.AddDate(0, 1, 0).Format(layout)
	return s.change(ctx, "maintain", func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, fmt.Sprintf(`SET LOCAL statement_timeout = '30s'; SET LOCAL lock_timeout = '2s'; SELECT pg_advisory_xact_lock(%d)`, maintenanceLock)); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, query, name).Scan(&exists); err != nil || exists {
			return err
		}
		// Whoever reads or writes waits behind the last of these, so it must not wait long.
		if _, err := tx.Exec(ctx, `SET LOCAL lock_timeout = `+migrationLock); err != nil {
			return err
		}
		// Names and instants are ours; DDL takes no parameters.
		_, err := tx.Exec(ctx, fmt.Sprintf(`
			CREATE TABLE %[1]s (LIKE %[2]s INCLUDING ALL EXCLUDING IDENTITY);
			WITH moved AS (DELETE FROM %[2]s_default WHERE %[3]s >= '%[4]s' AND %[3]s < '%[5]s' RETURNING *) INSERT INTO %[1]s SELECT * FROM moved;
			ALTER TABLE %[2]s ATTACH PARTITION %[1]s FOR VALUES FROM ('%[4]s') TO ('%[5]s')`, name, table, column, first, next))
		return err
	})
}
