package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/attualizza/attualizza/positions"
)

// StreamCursor implements [positions.Store].
func (s *Store) StreamCursor(ctx context.Context, fiscalCode string) (c positions.StreamCursor, err error) {
	err = s.read(ctx, "stream cursor", func() error {
		err := s.pool.QueryRow(ctx, `SELECT stream_id, last_event_id FROM streams WHERE organization = $1`, fiscalCode).Scan(&c.StreamID, &c.LastEventID)
		if absent(err) {
			return nil
		}
		return err
	})
	return c, err
}

// MoveStreamCursor implements [positions.Store].
func (s *Store) MoveStreamCursor(ctx context.Context, fiscalCode string, from, to positions.StreamCursor) error {
	none := positions.StreamCursor{}
	query, args := `UPDATE streams SET stream_id = $4, last_event_id = $5, updated_at = clock_timestamp()
		WHERE organization = $1 AND stream_id = $2 AND last_event_id = $3`, []any{fiscalCode, from.StreamID, from.LastEventID, to.StreamID, to.LastEventID}
	switch none {
	case from:
		query, args = `INSERT INTO streams (organization, stream_id, last_event_id, updated_at) VALUES ($1, $2, $3, clock_timestamp())
			ON CONFLICT DO NOTHING`, []any{fiscalCode, to.StreamID, to.LastEventID}
	case to:
		query, args = `DELETE FROM streams WHERE organization = $1 AND stream_id = $2 AND last_event_id = $3`, args[:3]
	}
	return s.change(ctx, "move stream cursor", func(tx pgx.Tx) error {
		row, err := tx.Exec(ctx, query, args...)
		if err == nil && row.RowsAffected() == 0 {
			return positions.ErrStreamMoved
		}
		return err
	})
}

// NotifiedNotices implements [positions.Store].
func (s *Store) NotifiedNotices(ctx context.Context, iun string) (notices []positions.NotifiedNotice, known bool, err error) {
	notices, err = s.notified(ctx, "notified notices", `SELECT rec_index, organization, nav FROM notified_notices WHERE iun = $1 ORDER BY 1, 2, 3`, iun)
	known = len(notices) > 0
	if known && notices[0].RecIndex < 0 { // the mark of a notification without notices
		notices = nil
	}
	return notices, known, err
}

// KeepNotified implements [positions.Store].
func (s *Store) KeepNotified(ctx context.Context, iun string, notices []positions.NotifiedNotice) error {
	if len(notices) == 0 {
		notices = []positions.NotifiedNotice{{RecIndex: -1}}
	}
	recipients, organizations, navs := make([]int16, len(notices)), make([]string, len(notices)), make([]string, len(notices))
	for i, n := range notices {
		recipients[i], organizations[i], navs[i] = int16(n.RecIndex), n.OrganizationFiscalCode, string(n.NAV)
	}
	return s.read(ctx, "keep notified", func() error {
		_, err := s.pool.Exec(ctx, `INSERT INTO notified_notices (iun, created_at, rec_index, organization, nav)
			SELECT $1, now(), * FROM unnest($2::smallint[], $3::text[], $4::text[]) ON CONFLICT DO NOTHING`, iun, recipients, organizations, navs)
		return err
	})
}

// PricedNotices implements [positions.Store].
func (s *Store) PricedNotices(ctx context.Context, iun string, limit int) ([]positions.NotifiedNotice, error) {
	return s.notified(ctx, "priced notices", `SELECT -1, organization, nav FROM notice_prices WHERE body ->> 'iun' = $1 ORDER BY 2, 3 LIMIT $2`, iun, limit)
}

func (s *Store) notified(ctx context.Context, operation, query string, args ...any) (notices []positions.NotifiedNotice, err error) {
	err = s.read(ctx, operation, func() error {
		rows, err := s.pool.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		notices, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (n positions.NotifiedNotice, err error) {
			err = r.Scan(&n.RecIndex, &n.OrganizationFiscalCode, &n.NAV)
			return n, err
		})
		return err
	})
	return notices, err
}

// ReopenPrice implements [positions.Store].
func (s *Store) ReopenPrice(ctx context.Context, fiscalCode string, nav positions.NoticeNumber, since time.Time) error {
	return s.read(ctx, "reopen price", func() error {
		_, err := s.pool.Exec(ctx, `UPDATE notice_prices SET stale_since = $3
			WHERE organization = $1 AND nav = $2 AND (stale_since IS NULL OR stale_since < $3)`, fiscalCode, string(nav), since)
		return err
	})
}
