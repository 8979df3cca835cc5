package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/internal/document"
)

// BeginAttempt implements [positions.Store].
func (s *Store) BeginAttempt(ctx context.Context, a *positions.Attempt, now time.Time) (answer *positions.KeptAnswer, err error) {
	err = s.change(ctx, "begin attempt", func(tx *sql.Tx) error {
		row, err := tx.ExecContext(ctx, `INSERT INTO attempts (scope, key, fingerprint, token, until) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (scope, key) DO UPDATE SET fingerprint = excluded.fingerprint, token = excluded.token, until = excluded.until,
				status = NULL, header = NULL, body = NULL
			WHERE until <= ?`, a.Scope, a.Key, a.Fingerprint, a.Token, micros(a.Until), micros(now))
		if err != nil {
			return err
		}
		if n, err := row.RowsAffected(); err != nil || n > 0 {
			return err
		}
		var held document.Attempt
		err = tx.QueryRowContext(ctx, `SELECT fingerprint, status, header, body FROM attempts WHERE scope = ? AND key = ?`, a.Scope, a.Key).
			Scan(&held.Fingerprint, &held.Status, &held.Header, &held.Body)
		if errors.Is(err, sql.ErrNoRows) {
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
	return s.change(ctx, "finish attempt", func(tx *sql.Tx) error {
		row, err := tx.ExecContext(ctx, `UPDATE attempts SET until = ?, status = ?, header = ?, body = ? WHERE scope = ? AND key = ? AND token = ?`,
			micros(a.Until), answer.Status, string(header), answer.Body, a.Scope, a.Key, a.Token)
		if err != nil {
			return err
		}
		if n, err := row.RowsAffected(); err != nil || n > 0 {
			return err
		}
		return positions.Errorf(positions.Stale, "the reservation of an Idempotency-Key has lapsed")
	})
}

// AbandonAttempt implements [positions.Store].
func (s *Store) AbandonAttempt(ctx context.Context, a *positions.Attempt) error {
	return s.change(ctx, "abandon attempt", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM attempts WHERE scope = ? AND key = ? AND token = ? AND status IS NULL`, a.Scope, a.Key, a.Token)
		return err
	})
}

// PruneAttempts implements [positions.Store].
func (s *Store) PruneAttempts(ctx context.Context, now time.Time, limit int) (int, error) {
	var n int64
	err := s.change(ctx, "prune attempts", func(tx *sql.Tx) error {
		row, err := tx.ExecContext(ctx, `DELETE FROM attempts WHERE rowid IN (SELECT rowid FROM attempts WHERE until <= ? ORDER BY until LIMIT ?)`, micros(now), limit)
		if err != nil {
			return err
		}
		n, err = row.RowsAffected()
		return err
	})
	return int(n), err
}
