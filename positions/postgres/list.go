package postgres

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/internal/document"
)

// statusAt is [positions.Position.StatusAt] in SQL; ? is the instant.
const statusAt = `CASE WHEN p.status = 'VALID' OR p.status = 'PUBLISHED' AND coalesce(p.validity_date <= ?, true)
	THEN CASE WHEN p.expires_at < ? THEN 'EXPIRED' ELSE 'VALID' END ELSE p.status END`

// Texts sort by their bytes, whatever the database's collation.
var orders = map[positions.PositionOrder]string{
	"": "p.inserted_at", positions.ByInsertion: "p.inserted_at", positions.ByIUPD: `p.iupd COLLATE "C"`, positions.ByStatus: `p.status COLLATE "C"`,
	positions.ByCompanyName: `p.company_name COLLATE "C"`,
}

// Positions implements [positions.Store].
func (s *Store) Positions(ctx context.Context, f positions.PositionFilter) (found []positions.Position, total int, err error) {
	order, ok := orders[f.OrderBy]
	if !ok {
		return nil, 0, positions.Errorf(positions.Invalid, "positions cannot be ordered by %q", f.OrderBy)
	}
	direction := " DESC"
	if f.Ascending {
		direction = " ASC"
	}
	where, args := positionConditions(f)
	err = s.read(ctx, "positions", func() error {
		if err := s.pool.QueryRow(ctx, `SELECT count(*) FROM positions p`+where, args...).Scan(&total); err != nil {
			return err
		}
		limit, offset := strconv.Itoa(max(0, f.Page.Limit)), strconv.Itoa(max(0, f.Page.Offset()))
		rows, err := s.pool.Query(ctx, `SELECT v.document FROM positions p JOIN position_versions v USING (organization, iupd, version)`+where+
			` ORDER BY `+order+direction+`, p.id`+direction+` LIMIT `+limit+` OFFSET `+offset, args...)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (positions.Position, error) {
			var doc pgtype.DriverBytes
			if err := row.Scan(&doc); err != nil {
				return positions.Position{}, err
			}
			p, err := document.Position(doc)
			if err != nil {
				return positions.Position{}, err
			}
			return *p, nil
		})
		return err
	})
	return found, total, err
}

// positionConditions writes only the conditions that filter, so that the
// planner sees which index serves.
func positionConditions(f positions.PositionFilter) (string, []any) {
	args := []any{f.OrganizationFiscalCode}
	conditions := []string{"p.organization = $1"}
	and := func(condition string, arg any) {
		args = append(args, arg)
		conditions = append(conditions, strings.ReplaceAll(condition, "?", "$"+strconv.Itoa(len(args))))
	}
	if len(f.IUPDs) > 0 {
		and("p.iupd = ANY (?::text[])", f.IUPDs)
	}
	for _, bound := range []struct {
		condition string
		at        time.Time
	}{
		{"p.last_due_date >= ?", f.DueFrom}, {"p.payment_date >= ?", f.PaymentFrom}, {"p.payment_date <= ?", f.PaymentTo},
	} {
		if !bound.at.IsZero() {
			and(bound.condition, bound.at)
		}
	}
	if f.Status != "" {
		args = append(args, string(f.Status))
		and(statusAt+" = $"+strconv.Itoa(len(args)), document.Instant(f.Now))
	}
	// What follows has to hold of one and the same option.
	all := conditions
	conditions = nil
	if !f.DueFrom.IsZero() {
		and("o.due_date >= ?", f.DueFrom)
	}
	if !f.DueTo.IsZero() {
		and("o.due_date <= ?", f.DueTo)
	}
	if len(f.SegregationCodes) > 0 {
		and(`left(o.nav, 1) = '3' AND substr(o.nav, 2, 2) = ANY (?::text[])`, f.SegregationCodes)
	}
	if len(conditions) > 0 {
		all = append(all, `EXISTS (SELECT FROM payment_options o WHERE o.position_id = p.id AND `+strings.Join(conditions, " AND ")+`)`)
	}
	return ` WHERE ` + strings.Join(all, " AND "), args
}
