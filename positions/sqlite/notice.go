package sqlite

import (
	"context"
	"database/sql"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/internal/document"
)

var noticeQuery = `SELECT p.head, o.body, n.body, n.stale_since, ` + paidElsewhere + `, p.paid_full, p.paid_instalments
	FROM payment_options o
	JOIN positions p ON p.id = o.position_id
	LEFT JOIN notice_prices n ON n.organization = ?1 AND n.nav = ?2
	WHERE o.organization = ?1 AND o.nav = ?2`

// Notice implements [positions.Store].
func (s *Store) Notice(ctx context.Context, fiscalCode string, nav positions.NoticeNumber) (*positions.Notice, error) {
	stmt, err := s.statement(ctx, noticeQuery)
	if err != nil {
		return nil, failure("notice", err)
	}
	rows, err := stmt.QueryContext(ctx, fiscalCode, string(nav))
	if err != nil {
		return nil, failure("notice", err)
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return nil, failure("notice", err)
		}
		return nil, positions.Errorf(positions.NotFound, "no notice %s in organization %s", nav, fiscalCode)
	}
	var head, option, price sql.RawBytes
	var stale sql.NullInt64
	var paidElsewhere money.Cents
	var paidFull, paidInstalments int
	if err := rows.Scan(&head, &option, &price, &stale, &paidElsewhere, &paidFull, &paidInstalments); err != nil {
		return nil, failure("notice", err)
	}
	return document.Notice(head, option, price, maybe(stale), paidElsewhere, paidFull, paidInstalments)
}

// SavePrice implements [positions.Store].
func (s *Store) SavePrice(ctx context.Context, fiscalCode string, nav positions.NoticeNumber, p *positions.Price) error {
	body, err := document.Write(p)
	if err != nil {
		return err
	}
	return s.change(ctx, "save price", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO notice_prices (organization, nav, fetched_at, body) VALUES (?, ?, ?, ?)
			ON CONFLICT (organization, nav) DO UPDATE SET fetched_at = excluded.fetched_at, body = excluded.body
			WHERE excluded.fetched_at >= notice_prices.fetched_at`, fiscalCode, string(nav), micros(p.FetchedAt), string(body))
		return err
	})
}

// Prices implements [positions.Store].
func (s *Store) Prices(ctx context.Context, fiscalCode string, navs []positions.NoticeNumber) (map[positions.NoticeNumber]*positions.Price, error) {
	wanted := make([]string, len(navs))
	for i, nav := range navs {
		wanted[i] = string(nav)
	}
	stmt, err := s.statement(ctx, `SELECT n.nav, n.body, n.stale_since, `+paidElsewhere+` FROM notice_prices n
		LEFT JOIN payment_options o ON o.organization = n.organization AND o.nav = n.nav
		LEFT JOIN positions p ON p.id = o.position_id
		WHERE n.organization = ? AND n.nav IN (SELECT value FROM json_each(?))`)
	if err != nil {
		return nil, failure("prices", err)
	}
	rows, err := stmt.QueryContext(ctx, fiscalCode, list(wanted))
	if err != nil {
		return nil, failure("prices", err)
	}
	defer rows.Close()
	prices := make(map[positions.NoticeNumber]*positions.Price, len(navs))
	for rows.Next() {
		var nav positions.NoticeNumber
		var body sql.RawBytes
		var stale sql.NullInt64
		price := new(positions.Price)
		if err := rows.Scan(&nav, &body, &stale, &price.PaidElsewhere); err != nil {
			return nil, failure("prices", err)
		}
		if err := document.Read(body, price); err != nil {
			return nil, err
		}
		price.Reopen(maybe(stale))
		prices[nav] = price
	}
	if err := rows.Err(); err != nil {
		return nil, failure("prices", err)
	}
	return prices, nil
}
