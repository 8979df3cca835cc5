package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/internal/document"
)

// Notice implements [positions.Store]. Reads that are asked for while others
// are under way share the next query; see [gather]. It answers within
// readTimeout, whatever the database does.
func (s *Store) Notice(ctx context.Context, fiscalCode string, nav positions.NoticeNumber) (*positions.Notice, error) {
	row, err := s.notices.read(ctx, noticeKey{fiscalCode, string(nav)})
	if err != nil {
		return nil, failure("notice", err)
	}
	if row.buffer == nil {
		return nil, positions.Errorf(positions.NotFound, "no notice %s in organization %s", nav, fiscalCode)
	}
	defer row.free()
	return document.Notice(row.head, row.option, row.price, row.staleSince, row.paidElsewhere, row.paidFull, row.paidInstalments)
}

// SavePrice implements [positions.Store].
func (s *Store) SavePrice(ctx context.Context, fiscalCode string, nav positions.NoticeNumber, p *positions.Price) error {
	body, err := document.Write(p)
	if err != nil {
		return err
	}
	// The same price twice is the same price: it may be tried again like a read.
	return s.read(ctx, "save price", func() error {
		_, err := s.pool.Exec(ctx, `INSERT INTO notice_prices (organization, nav, fetched_at, body) VALUES ($1, $2, $3, $4)
			ON CONFLICT (organization, nav) DO UPDATE SET fetched_at = excluded.fetched_at, body = excluded.body
			WHERE excluded.fetched_at >= notice_prices.fetched_at`, fiscalCode, string(nav), p.FetchedAt, body)
		return err
	})
}

// Prices implements [positions.Store].
func (s *Store) Prices(ctx context.Context, fiscalCode string, navs []positions.NoticeNumber) (prices map[positions.NoticeNumber]*positions.Price, err error) {
	err = s.read(ctx, "prices", func() error {
		rows, err := s.pool.Query(ctx, `SELECT n.nav, n.body, n.stale_since, `+paidElsewhere+` FROM notice_prices n
			LEFT JOIN payment_options o ON o.organization = n.organization AND o.nav = n.nav
			LEFT JOIN positions p ON p.id = o.position_id
			WHERE n.organization = $1 AND n.nav = ANY ($2::text[])`, fiscalCode, texts(navs))
		if err != nil {
			return err
		}
		prices = make(map[positions.NoticeNumber]*positions.Price, len(navs))
		var nav positions.NoticeNumber
		var body pgtype.DriverBytes
		var stale *time.Time
		var elsewhere money.Cents
		_, err = pgx.ForEachRow(rows, []any{&nav, &body, &stale, &elsewhere}, func() error {
			price := &positions.Price{PaidElsewhere: elsewhere}
			prices[nav] = price
			if err := document.Read(body, price); err != nil {
				return err
			}
			price.Reopen(maybe(stale))
			return nil
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return prices, nil
}
