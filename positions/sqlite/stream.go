package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/attualizza/attualizza/positions"
)

// StreamCursor implements [positions.Store].
func (s *Store) StreamCursor(ctx context.Context, fiscalCode string) (c positions.StreamCursor, err error) {
	err = s.reader.QueryRowContext(ctx, `SELECT stream_id, last_event_id FROM streams WHERE organization = ?`, fiscalCode).Scan(&c.StreamID, &c.LastEventID)
	if errors.Is(err, sql.ErrNoRows) {
		return positions.StreamCursor{}, nil
	}
	return c, failure("stream cursor", err)
}

// MoveStreamCursor implements [positions.Store].
func (s *Store) MoveStreamCursor(ctx context.Context, fiscalCode string, from, to positions.StreamCursor) error {
	none, now := positions.StreamCursor{}, micros(time.Now())
	query, args := `UPDATE streams SET stream_id = ?4, last_event_id = ?5, updated_at = ?6
		WHERE organization = ?1 AND stream_id = ?2 AND last_event_id = ?3`, []any{fiscalCode, from.StreamID, from.LastEventID, to.StreamID, to.LastEventID, now}
	switch none {
	case from:
		query, args = `INSERT INTO streams (organization, stream_id, last_event_id, updated_at) VALUES (?, ?, ?, ?)
			ON CONFLICT DO NOTHING`, []any{fiscalCode, to.StreamID, to.LastEventID, now}
	case to:
		query, args = `DELETE FROM streams WHERE organization = ? AND stream_id = ? AND last_event_id = ?`, args[:3]
	}
	return s.change(ctx, "move stream cursor", func(tx *sql.Tx) error {
		row, err := tx.ExecContext(ctx, query, args...)
		if err != nil {
			return err
		}
		if n, err := row.RowsAffected(); err != nil || n > 0 {
			return err
		}
		return positions.ErrStreamMoved
	})
}

// NotifiedNotices implements [positions.Store].
func (s *Store) NotifiedNotices(ctx context.Context, iun string) (notices []positions.NotifiedNotice, known bool, err error) {
	notices, err = s.notified(ctx, `SELECT rec_index, organization, nav FROM notified_notices WHERE iun = ? ORDER BY 1, 2, 3`, iun)
	known = len(notices) > 0
	if known && notices[0].RecIndex < 0 { // the mark of a notification without notices
		notices = nil
	}
	return notices, known, failure("notified notices", err)
}

// KeepNotified implements [positions.Store].
func (s *Store) KeepNotified(ctx context.Context, iun string, notices []positions.NotifiedNotice) error {
	if len(notices) == 0 {
		notices = []positions.NotifiedNotice{{RecIndex: -1}}
	}
	now := micros(time.Now())
	return s.change(ctx, "keep notified", func(tx *sql.Tx) error {
		for _, n := range notices {
			if _, err := tx.ExecContext(ctx, `INSERT INTO notified_notices (iun, rec_index, organization, nav, created_at) VALUES (?, ?, ?, ?, ?)
				ON CONFLICT DO NOTHING`, iun, n.RecIndex, n.OrganizationFiscalCode, string(n.NAV), now); err != nil {
				return err
			}
		}
		return nil
	})
}

// PricedNotices implements [positions.Store].
func (s *Store) PricedNotices(ctx context.Context, iun string, limit int) ([]positions.NotifiedNotice, error) {
	notices, err := s.notified(ctx, `SELECT -1, organization, nav FROM notice_prices WHERE json_extract(body, '$.iun') = ? ORDER BY 2, 3 LIMIT ?`, iun, limit)
	return notices, failure("priced notices", err)
}

func (s *Store) notified(ctx context.Context, query string, args ...any) (notices []positions.NotifiedNotice, err error) {
	rows, err := s.reader.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var n positions.NotifiedNotice
		if err := rows.Scan(&n.RecIndex, &n.OrganizationFiscalCode, &n.NAV); err != nil {
			return nil, err
		}
		notices = append(notices, n)
	}
	return notices, rows.Err()
}

// ReopenPrice implements [positions.Store].
func (s *Store) ReopenPrice(ctx context.Context, fiscalCode string, nav positions.NoticeNumber, since time.Time) error {
	return s.change(ctx, "reopen price", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE notice_prices SET stale_since = ?3
			WHERE organization = ?1 AND nav = ?2 AND (stale_since IS NULL OR stale_since < ?3)`, fiscalCode, string(nav), micros(since))
		return err
	})
}
