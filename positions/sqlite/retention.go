package sqlite

import (
	"context"
	"database/sql"
	"time"

	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/internal/document"
)

// CountExpired implements [positions.Store].
func (s *Store) CountExpired(ctx context.Context, what positions.Kept, before time.Time) (n int, err error) {
	query, ok := map[positions.Kept]string{
		positions.KeptAnswers:         `SELECT count(*) FROM answers WHERE at < ?`,
		positions.KeptReceipts:        `SELECT count(*) FROM receipts WHERE received_at < ? AND anonymized_at IS NULL`,
		positions.KeptDeliveries:      `SELECT count(*) FROM deliveries WHERE ended_at < ? AND state <> 'PENDING'`,
		positions.KeptNotified:        `SELECT count(DISTINCT iun) FROM notified_notices WHERE created_at < ?`,
		positions.KeptReconciliations: `SELECT count(*) FROM reconciliations WHERE judged_at < ? AND state IN ('REPRICED', 'LAPSED') AND paid_at IS NULL`,
	}[what]
	if !ok {
		return 0, positions.UnknownKept(what)
	}
	err = s.reader.QueryRowContext(ctx, query, micros(before)).Scan(&n)
	return n, failure("count expired "+string(what), err)
}

// Expire implements [positions.Store].
func (s *Store) Expire(ctx context.Context, what positions.Kept, before time.Time, limit int) (n int, err error) {
	expire, ok := map[positions.Kept]func(context.Context, *sql.Tx, time.Time, int) (int, error){
		positions.KeptAnswers:         expireAnswers,
		positions.KeptReceipts:        expireReceipts,
		positions.KeptDeliveries:      expireDeliveries,
		positions.KeptNotified:        expireNotified,
		positions.KeptReconciliations: expireReconciliations,
	}[what]
	if !ok {
		return 0, positions.UnknownKept(what)
	}
	err = s.change(ctx, "expire "+string(what), func(tx *sql.Tx) (err error) {
		n, err = expire(ctx, tx, before, max(0, limit))
		return err
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

func expireAnswers(ctx context.Context, tx *sql.Tx, before time.Time, limit int) (int, error) {
	return deleted(tx.ExecContext(ctx, `DELETE FROM answers WHERE id IN (SELECT id FROM answers WHERE at < ? ORDER BY at LIMIT ?)`, micros(before), limit))
}

func deleted(row sql.Result, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	n, err := row.RowsAffected()
	return int(n), err
}

// expireReceipts anonymises; the row stays where it is.
func expireReceipts(ctx context.Context, tx *sql.Tx, before time.Time, limit int) (int, error) {
	rows, err := tx.QueryContext(ctx, `SELECT rowid, body FROM receipts WHERE received_at < ? AND anonymized_at IS NULL ORDER BY received_at LIMIT ?`, micros(before), limit)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	now := document.Instant(time.Time{})
	anonymous := map[int64]string{}
	for rows.Next() {
		var row int64
		var body sql.RawBytes
		if err := rows.Scan(&row, &body); err != nil {
			return 0, err
		}
		without, err := document.Anonymous(body, now)
		if err != nil {
			return 0, err
		}
		anonymous[row] = string(without)
	}
	if err := rows.Err(); err != nil {
		return 0, err
	}
	for row, body := range anonymous {
		if _, err := tx.ExecContext(ctx, `UPDATE receipts SET body = ?, message = x'', anonymized_at = ? WHERE rowid = ?`, body, micros(now), row); err != nil {
			return 0, err
		}
	}
	return len(anonymous), nil
}

func expireDeliveries(ctx context.Context, tx *sql.Tx, before time.Time, limit int) (int, error) {
	return deleted(tx.ExecContext(ctx, `DELETE FROM deliveries WHERE id IN
		(SELECT id FROM deliveries WHERE ended_at < ? AND state <> 'PENDING' ORDER BY ended_at LIMIT ?)`, micros(before), limit))
}

// expireNotified deletes the notices of a notification together: fewer would pass for
// all of them.
func expireNotified(ctx context.Context, tx *sql.Tx, before time.Time, limit int) (n int, err error) {
	const old = `(SELECT DISTINCT iun FROM notified_notices WHERE created_at < ?1 ORDER BY iun LIMIT ?2)`
	if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM `+old, micros(before), limit).Scan(&n); err != nil {
		return 0, err
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM notified_notices WHERE iun IN `+old, micros(before), limit)
	return n, err
}

func expireReconciliations(ctx context.Context, tx *sql.Tx, before time.Time, limit int) (int, error) {
	return deleted(tx.ExecContext(ctx, `DELETE FROM reconciliations WHERE id IN
		(SELECT id FROM reconciliations WHERE judged_at < ? AND state IN ('REPRICED', 'LAPSED') AND paid_at IS NULL ORDER BY judged_at LIMIT ?)`, micros(before), limit))
}
