package sqlite

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/internal/document"
)

// statusAt is [positions.Position.StatusAt] in SQL; its two parameters are the
// instant.
const statusAt = `CASE WHEN status = 'VALID' OR status = 'PUBLISHED' AND coalesce(validity_date <= ?, true)
	THEN CASE WHEN expires_at < ? THEN 'EXPIRED' ELSE 'VALID' END ELSE status END`

var orders = map[positions.PositionOrder]string{
	"": "inserted_at", positions.ByInsertion: "inserted_at", positions.ByIUPD: "iupd", positions.ByStatus: "status", positions.ByCompanyName: "company_name",
}

// Positions implements [positions.Store].
func (s *Store) Positions(ctx context.Context, f positions.PositionFilter) ([]positions.Position, int, error) {
	order, ok := orders[f.OrderBy]
	if !ok {
		return nil, 0, positions.Errorf(positions.Invalid, "positions cannot be ordered by %q", f.OrderBy)
	}
	direction := " DESC"
	if f.Ascending {
		direction = " ASC"
	}
	where, args := positionConditions(f)
	var total int
	if err := s.reader.QueryRowContext(ctx, `SELECT count(*) FROM positions p`+where, args...).Scan(&total); err != nil {
		return nil, 0, failure("positions", err)
	}
	rows, err := s.reader.QueryContext(ctx, `SELECT (SELECT document FROM position_versions v WHERE v.organization = p.organization AND v.iupd = p.iupd AND v.version = p.version)
		FROM positions p`+where+` ORDER BY `+order+direction+`, id`+direction+` LIMIT ? OFFSET ?`,
		append(args, max(0, f.Page.Limit), max(0, f.Page.Offset()))...)
	if err != nil {
		return nil, 0, failure("positions", err)
	}
	defer rows.Close()
	var found []positions.Position
	for rows.Next() {
		var doc sql.RawBytes
		if err := rows.Scan(&doc); err != nil {
			return nil, 0, failure("positions", err)
		}
		p, err := document.Position(doc)
		if err != nil {
			return nil, 0, err
		}
		found = append(found, *p)
	}
	return found, total, failure("positions", rows.Err())
}

func positionConditions(f positions.PositionFilter) (string, []any) {
	where := strings.Builder{}
	where.WriteString(` WHERE organization = ?`)
	args := []any{f.OrganizationFiscalCode}
	and := func(condition string, values ...any) {
		where.WriteString(" AND " + condition)
		args = append(args, values...)
	}
	if len(f.IUPDs) > 0 {
		and(`iupd IN (SELECT value FROM json_each(?))`, list(f.IUPDs))
	}
	for _, bound := range []struct {
		condition string
		at        time.Time
	}{
		{"last_due_date >= ?", f.DueFrom}, {"payment_date >= ?", f.PaymentFrom}, {"payment_date <= ?", f.PaymentTo},
	} {
		if !bound.at.IsZero() {
			and(bound.condition, micros(bound.at))
		}
	}
	if f.Status != "" {
		now := micros(document.Instant(f.Now))
		and(statusAt+" = ?", now, now, string(f.Status))
	}
	if option, values := optionConditions(f); option != "" {
		and(`EXISTS (SELECT 1 FROM payment_options o WHERE o.position_id = p.id`+option+`)`, values...)
	}
	return where.String(), args
}

// optionConditions are those that one and the same option has to meet.
func optionConditions(f positions.PositionFilter) (conditions string, args []any) {
	if !f.DueFrom.IsZero() {
		conditions += ` AND o.due_date >= ?`
		args = append(args, micros(f.DueFrom))
	}
	if !f.DueTo.IsZero() {
		conditions += ` AND o.due_date <= ?`
		args = append(args, micros(f.DueTo))
	}
	if len(f.SegregationCodes) > 0 {
		conditions += ` AND substr(o.nav, 1, 1) = '3' AND substr(o.nav, 2, 2) IN (SELECT value FROM json_each(?))`
		args = append(args, list(f.SegregationCodes))
	}
	return conditions, args
}
