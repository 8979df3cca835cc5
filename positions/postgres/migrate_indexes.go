package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// indexesMigration is the number of the migration that builds lateIndexes. It is
// in Go because SQL can neither walk through partitions outside of a transaction
// nor drop an index only when its build was interrupted.
const indexesMigration = 10

// index is one that is built on a table that people write to meanwhile.
type index struct {
	table, suffix string // the name is table_suffix
	definition    string // what follows CREATE INDEX name ON table
}

var lateIndexes = []index{
	// The prices of a notification, which SEND's events name.
	{"notice_prices", "iun", `((body ->> 'iun')) WHERE body ->> 'iun' IS NOT NULL`},
	// Answers by the time alone, to prune what was kept long enough. They are inserted
	// in the order of time, and a range index costs the answer next to nothing.
	{"answers", "at", `USING brin (at) WITH (pages_per_range = 32, autosummarize = on)`},
	// An organization's activations of a period, for those without a receipt. A
	// microsecond of each, where the range index has all organizations' answers read.
	// The condition is document.Activation, written out: a migration stays as it was.
	{"answers", "activated", `(organization, at) INCLUDE (nav) WHERE outcome = 'OK' AND operation IN ('paGetPayment', 'paGetPaymentV2')`},
	// Receipts that still name people, so that the oldest of them are found at once.
	{"receipts", "whole", `(received_at) WHERE anonymized_at IS NULL`},
}

// buildIndexes builds what is missing of lateIndexes, and goes on where it was
// interrupted. Statements that others would have to wait behind go by brief, which
// gives up on a lock soon; those that wait without holding anybody up by patient.
func buildIndexes(ctx context.Context, brief, patient *sql.DB) error {
	for _, x := range lateIndexes {
		if err := x.build(ctx, brief, patient); err != nil {
			return fmt.Errorf("index %s_%s: %w", x.table, x.suffix, err)
		}
	}
	return nil
}

// build builds the index on a table, or on each of its partitions. A partition
// that is attached once the index of the whole exists has its part of it, valid or
// not: none slips through between the listing and the end.
func (x index) build(ctx context.Context, brief, patient *sql.DB) error {
	name := x.table + "_" + x.suffix
	var partitioned bool
	if err := brief.QueryRowContext(ctx, `SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass($1)`, x.table).Scan(&partitioned); err != nil {
		return err
	}
	if !partitioned {
		return x.concurrently(ctx, patient, x.table, name)
	}
	if there, _, err := indexState(ctx, brief, name); err != nil {
		return err
	} else if !there {
		if _, err := brief.ExecContext(ctx, `CREATE INDEX `+name+` ON ONLY `+x.table+` `+x.definition); err != nil {
			return err
		}
	}
	partitions, err := partitionsWithout(ctx, brief, x.table, name)
	if err != nil {
		return err
	}
	for _, partition := range partitions {
		part := partition + "_" + x.suffix
		if err := x.concurrently(ctx, patient, partition, part); err != nil {
			return err
		}
		if err := attach(ctx, patient, name, partition, part); err != nil {
			return err
		}
	}
	if _, valid, err := indexState(ctx, brief, name); err != nil || valid {
		return err
	}
	return errors.New("not valid with all partitions attached")
}

// concurrently builds the index on one table that has rows. An interrupted build
// leaves one behind that is not valid, and that every writer pays for.
func (x index) concurrently(ctx context.Context, patient *sql.DB, table, name string) error {
	if err := awaitBuild(ctx, patient, table); err != nil {
		return err
	}
	there, valid, err := indexState(ctx, patient, name)
	if err != nil || valid {
		return err
	}
	if there {
		if _, err := patient.ExecContext(ctx, `DROP INDEX CONCURRENTLY `+quoted(name)); err != nil {
			return err
		}
	}
	_, err = patient.ExecContext(ctx, `CREATE INDEX CONCURRENTLY `+quoted(name)+` ON `+quoted(table)+` `+x.definition)
	return err
}

// awaitBuild waits until no index of a table is being built: the server finishes
// what a process began that was killed. The lock is in nobody's way who reads or
// writes, and to wait for it takes no snapshot, which that build would wait for in
// its turn.
func awaitBuild(ctx context.Context, patient *sql.DB, table string) error {
	tx, err := patient.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `LOCK TABLE `+quoted(table)+` IN SHARE UPDATE EXCLUSIVE MODE`)
	return errors.Join(err, tx.Rollback())
}

// attach makes the index of a partition a part of that of the whole. The moment
// that queries of the partition have to wait is bounded as in [Store.Migrate]; the
// lock before it is in nobody's way, and sends a vacuum away that is.
func attach(ctx context.Context, patient *sql.DB, whole, partition, part string) error {
	tx, err := patient.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	for _, statement := range []string{
		`LOCK TABLE ` + quoted(partition) + ` IN SHARE UPDATE EXCLUSIVE MODE`,
		`SET LOCAL lock_timeout = ` + migrationLock,
		`ALTER INDEX ` + whole + ` ATTACH PARTITION ` + quoted(part),
	} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	return tx.Commit()
}

// indexState tells whether there is an index of that name, and whether it can be
// used.
func indexState(ctx context.Context, db *sql.DB, name string) (there, valid bool, err error) {
	err = db.QueryRowContext(ctx, `SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)`, quoted(name)).Scan(&valid)
	if errors.Is(err, sql.ErrNoRows) {
		return false, false, nil
	}
	return err == nil, valid, err
}

// partitionsWithout lists the partitions of a table that have no part of an index.
func partitionsWithout(ctx context.Context, db *sql.DB, table, index string) (names []string, err error) {
	rows, err := db.QueryContext(ctx, `SELECT p.relname FROM pg_inherits h JOIN pg_class p ON p.oid = h.inhrelid
		WHERE h.inhparent = to_regclass($1) AND NOT EXISTS
			(SELECT FROM pg_index i JOIN pg_inherits part ON part.inhrelid = i.indexrelid WHERE i.indrelid = p.oid AND part.inhparent = to_regclass($2))
		ORDER BY 1`, table, index)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

func quoted(name string) string { return pgx.Identifier{name}.Sanitize() }
