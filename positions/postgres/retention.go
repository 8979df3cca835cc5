package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/internal/document"
)

// longTime bounds statements that nobody waits for on the payment path, and who
// does wait has a context of his own.
const longTime = 30 * time.Second

// long runs f in a transaction whose statements may take longer than those of the
// payment path.
func (s *Store) long(ctx context.Context, operation string, f func(pgx.Tx) error) error {
	return s.change(ctx, operation, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, fmt.Sprintf(`SET LOCAL statement_timeout = %d`, longTime.Milliseconds())); err != nil {
			return err
		}
		return f(tx)
	})
}

// CountExpired implements [positions.Store].
func (s *Store) CountExpired(ctx context.Context, what positions.Kept, before time.Time) (n int, err error) {
	query, ok := map[positions.Kept]string{
		positions.KeptAnswers:         `SELECT count(*) FROM answers WHERE at < $1`,
		positions.KeptReceipts:        `SELECT count(*) FROM receipts WHERE received_at < $1 AND anonymized_at IS NULL`,
		positions.KeptDeliveries:      `SELECT count(*) FROM deliveries WHERE ended_at < $1 AND state <> 'PENDING'`,
		positions.KeptNotified:        `SELECT count(DISTINCT iun) FROM notified_notices WHERE created_at < $1`,
		positions.KeptReconciliations: `SELECT count(*) FROM reconciliations WHERE judged_at < $1 AND state IN ('REPRICED', 'LAPSED') AND paid_at IS NULL`,
	}[what]
	if !ok {
		return 0, positions.UnknownKept(what)
	}
	err = s.long(ctx, "count expired "+string(what), func(tx pgx.Tx) error { return tx.QueryRow(ctx, query, before).Scan(&n) })
	return n, err
}

// Expire implements [positions.Store]. Replicas that do it at once pass over each
// other's rows.
func (s *Store) Expire(ctx context.Context, what positions.Kept, before time.Time, limit int) (n int, err error) {
	expire, ok := map[positions.Kept]func(context.Context, pgx.Tx, time.Time, int) (int, error){
		positions.KeptAnswers:         expireAnswers,
		positions.KeptReceipts:        expireReceipts,
		positions.KeptDeliveries:      expireDeliveries,
		positions.KeptNotified:        expireNotified,
		positions.KeptReconciliations: expireReconciliations,
	}[what]
	if !ok {
		return 0, positions.UnknownKept(what)
	}
	err = s.long(ctx, "expire "+string(what), func(tx pgx.Tx) (err error) {
		n, err = expire(ctx, tx, before, max(0, limit))
		return err
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// expireAnswers deletes by the place of the rows: answers have no key, for which
// every answer would have to pay.
func expireAnswers(ctx context.Context, tx pgx.Tx, before time.Time, limit int) (int, error) {
	rows, err := tx.Query(ctx, `SELECT tableoid::regclass::text, ctid::text FROM answers WHERE at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED`, before, limit)
	if err != nil {
		return 0, err
	}
	places := map[string][]string{} // by partition
	var partition, place string
	if _, err := pgx.ForEachRow(rows, []any{&partition, &place}, func() error {
		places[partition] = append(places[partition], place)
		return nil
	}); err != nil {
		return 0, err
	}
	deleted := 0
	for partition, at := range places {
		row, err := tx.Exec(ctx, `DELETE FROM `+partition+` WHERE ctid = ANY ($1::text[]::tid[])`, at)
		if err != nil {
			return 0, err
		}
		deleted += int(row.RowsAffected())
	}
	return deleted, nil
}

// expireReceipts anonymises; the row stays where it is.
func expireReceipts(ctx context.Context, tx pgx.Tx, before time.Time, limit int) (int, error) {
	rows, err := tx.Query(ctx, `SELECT organization, receipt_id, received_at, body FROM receipts
		WHERE received_at < $1 AND anonymized_at IS NULL ORDER BY received_at LIMIT $2 FOR UPDATE SKIP LOCKED`, before, limit)
	if err != nil {
		return 0, err
	}
	now := document.Instant(time.Time{})
	batch := &pgx.Batch{}
	var organization, id string
	var received time.Time
	var body []byte
	if _, err := pgx.ForEachRow(rows, []any{&organization, &id, &received, &body}, func() error {
		anonymous, err := document.Anonymous(body, now)
		batch.Queue(`UPDATE receipts SET body = $4, message = '', anonymized_at = $5 WHERE organization = $1 AND receipt_id = $2 AND received_at = $3`,
			organization, id, received, anonymous, now)
		return err
	}); err != nil {
		return 0, err
	}
	return batch.Len(), send(ctx, tx, batch)
}

// expireDeliveries passes over those that are being replayed.
func expireDeliveries(ctx context.Context, tx pgx.Tx, before time.Time, limit int) (int, error) {
	row, err := tx.Exec(ctx, `DELETE FROM deliveries WHERE id IN
		(SELECT id FROM deliveries WHERE ended_at < $1 AND state <> 'PENDING' ORDER BY ended_at LIMIT $2 FOR UPDATE SKIP LOCKED)`, before, limit)
	return int(row.RowsAffected()), err
}

// expireNotified deletes the notices of a notification together, because fewer would
// pass for all of them: who has its first one has them all.
func expireNotified(ctx context.Context, tx pgx.Tx, before time.Time, limit int) (int, error) {
	rows, err := tx.Query(ctx, `SELECT iun FROM notified_notices n WHERE created_at < $1 AND NOT EXISTS
			(SELECT FROM notified_notices m WHERE m.iun = n.iun AND (m.rec_index, m.organization, m.nav) < (n.rec_index, n.organization, n.nav))
		ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED`, before, limit)
	if err != nil {
		return 0, err
	}
	old, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return 0, err
	}
	_, err = tx.Exec(ctx, `DELETE FROM notified_notices WHERE iun = ANY ($1)`, old)
	return len(old), err
}

// expireReconciliations passes over those that are being opened again.
func expireReconciliations(ctx context.Context, tx pgx.Tx, before time.Time, limit int) (int, error) {
	row, err := tx.Exec(ctx, `DELETE FROM reconciliations WHERE id IN
		(SELECT id FROM reconciliations WHERE judged_at < $1 AND state IN ('REPRICED', 'LAPSED') AND paid_at IS NULL ORDER BY judged_at LIMIT $2 FOR UPDATE SKIP LOCKED)`, before, limit)
	return int(row.RowsAffected()), err
}
