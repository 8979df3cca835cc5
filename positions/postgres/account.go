package postgres

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/internal/document"
)

var paidTo = `SELECT p.id, v.document FROM (
		SELECT DISTINCT t.position_id AS id FROM transfer_ibans t JOIN positions p ON p.id = t.position_id
		WHERE t.organization = $1 AND t.iban = $2 AND t.position_id > $3 AND p.lifecycle IN ('OPEN', 'BLOCKED')
			AND ` + strings.ReplaceAll(statusAt, "?", "$4") + ` IN ('DRAFT', 'PUBLISHED', 'VALID', 'PARTIALLY_PAID')
			AND ($6::text[] IS NULL OR NOT EXISTS (SELECT FROM payment_options o WHERE o.position_id = p.id
				AND NOT (left(o.nav, 1) = '3' AND substr(o.nav, 2, 2) = ANY ($6::text[]))))
		ORDER BY t.position_id LIMIT $5) i
	JOIN positions p ON p.id = i.id JOIN position_versions v USING (organization, iupd, version) ORDER BY p.id`

// PositionsPaidTo implements [positions.Store].
func (s *Store) PositionsPaidTo(ctx context.Context, f positions.AccountFilter) (found []positions.Position, next int64, err error) {
	codes := f.SegregationCodes
	if len(codes) == 0 {
		codes = nil // null: not asked for
	}
	err = s.read(ctx, "positions of an account", func() error {
		found, next = nil, 0
		rows, err := s.pool.Query(ctx, paidTo, f.OrganizationFiscalCode, f.IBAN, f.After, document.Instant(f.Now), max(0, f.Limit), codes)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var doc pgtype.DriverBytes
			if err := rows.Scan(&next, &doc); err != nil {
				return err
			}
			p, err := document.Position(doc)
			if err != nil {
				return err
			}
			found = append(found, *p)
		}
		return rows.Err()
	})
	if len(found) < f.Limit {
		next = 0
	}
	return found, next, err
}
