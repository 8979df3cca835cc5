package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/internal/document"
)

// BeginAttempt implements [positions.Store].
func (s *Store) BeginAttempt(ctx context.Context, a *positions.Attempt, now time.Time) (answer *positions.KeptAnswer, err error) {
	err = s.change(ctx, "begin attempt", func(tx pgx.Tx) error {
		row, err := tx.Exec(ctx, `INSERT INTO attempts AS held (scope, key, fingerprint, token, until) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (scope, key) DO UPDATE SET fingerprint = excluded.fingerprint, token = excluded.token, until = excluded.until,
				status = NULL, header = NULL, body = NULL
			WHERE held.until <= $6`, a.Scope, a.Key, a.Fingerprint, a.Token, a.Until, now)
		if err != nil || row.RowsAffected() > 0 {
			return err
		}
		var held document.Attempt
		err = tx.QueryRow(ctx, `SELECT fingerprint, status, header, body FROM attempts WHERE scope = $1 AND key = $2`, a.Scope, a.Key).
			Scan(&held.Fingerprint, &held.Status, &held.Header, &held.Body)
		if absent(err) {
			return document.ErrReleased
		}
		if err != nil {
			return err
		}
		answer, err = held.Answer(a)
		return err
	})
	return answer, err
}

// FinishAttempt implements [positions.Store].
func (s *Store) FinishAttempt(ctx context.Context, a *positions.Attempt, answer *positions.KeptAnswer) error {
	header, err := document.Write(answer.Header)
	if err != nil {
		return err
	}
	return s.change(ctx, "finish attempt", func(tx pgx.Tx) error {
		row, err := tx.Exec(ctx, `UPDATE attempts SET until = $1, status = $2, header = $3, body = $4 WHERE scope = $5 AND key = $6 AND token = $7`,
			a.Until, answer.Status, header, answer.Body, a.Scope, a.Key, a.Token)
		if err == nil && row.RowsAffected() == 0 {
			return positions.Errorf(positions.Stale, "the reservation of an Idempotency-Key has lapsed")
		}
		return err
	})
}

// AbandonAttempt implements [positions.Store].
func (s *Store) AbandonAttempt(ctx context.Context, a *positions.Attempt) error {
	return s.change(ctx, "abandon attempt", func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM attempts WHERE scope = $1 AND key = $2 AND token = $3 AND status IS NULL`, a.Scope, a.Key, a.Token)
		return err
	})
}

// PruneAttempts implements [positions.Store]. Replicas that prune at once pass
// over each other's rows.
func (s *Store) PruneAttempts(ctx context.Context, now time.Time, limit int) (pruned int, err error) {
	err = s.change(ctx, "prune attempts", func(tx pgx.Tx) error {
		row, err := tx.Exec(ctx, `DELETE FROM attempts WHERE (scope, key) IN
			(SELECT scope, key FROM attempts WHERE until <= $1 ORDER BY until LIMIT $2 FOR UPDATE SKIP LOCKED)`, now, limit)
		pruned = int(row.RowsAffected())
		return err
	})
	return pruned, err
}
