package sqlite

import (
	"context"
	"database/sql"

	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/internal/document"
)

// PositionsPaidTo implements [positions.Store].
func (s *Store) PositionsPaidTo(ctx context.Context, f positions.AccountFilter) (found []positions.Position, next int64, err error) {
	now := micros(document.Instant(f.Now))
	args := []any{f.OrganizationFiscalCode, f.IBAN, f.After, now, now}
	visible := ""
	if len(f.SegregationCodes) > 0 {
		visible = ` AND NOT EXISTS (SELECT 1 FROM payment_options o WHERE o.position_id = p.id
			AND NOT (substr(o.nav, 1, 1) = '3' AND substr(o.nav, 2, 2) IN (SELECT value FROM json_each(?))))`
		args = append(args, list(f.SegregationCodes))
	}
	rows, err := s.reader.QueryContext(ctx, `SELECT p.id, v.document FROM (
			SELECT DISTINCT t.position_id AS id FROM transfer_ibans t JOIN positions p ON p.id = t.position_id
			WHERE t.organization = ? AND t.iban = ? AND t.position_id > ? AND p.lifecycle IN ('OPEN', 'BLOCKED')
				AND `+statusAt+` IN ('DRAFT', 'PUBLISHED', 'VALID', 'PARTIALLY_PAID')`+visible+`
			ORDER BY t.position_id LIMIT ?) i
		JOIN positions p ON p.id = i.id JOIN position_versions v USING (organization, iupd, version) ORDER BY p.id`,
		append(args, max(0, f.Limit))...)
	if err != nil {
		return nil, 0, failure("positions of an account", err)
	}
	defer rows.Close()
	for rows.Next() {
		var doc sql.RawBytes
		if err := rows.Scan(&next, &doc); err != nil {
			return nil, 0, failure("positions of an account", err)
		}
		p, err := document.Position(doc)
		if err != nil {
			return nil, 0, err
		}
		found = append(found, *p)
	}
	if len(found) < f.Limit {
		next = 0
	}
	return found, next, failure("positions of an account", rows.Err())
}
