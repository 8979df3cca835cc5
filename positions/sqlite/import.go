package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/internal/document"
)

// ImportPositions implements [positions.Store]: a look at what is there and four
// prepared statements, in one transaction.
func (s *Store) ImportPositions(ctx context.Context, ps []*positions.Position, c positions.Change) ([]positions.Imported, error) {
	if len(ps) == 0 {
		return nil, nil
	}
	c.At = document.Instant(c.At)
	var plan *document.Plan
	err := s.change(ctx, "import positions", func(tx *sql.Tx) error {
		histories, owners, err := lookForImport(ctx, tx, ps, c.Action)
		if err != nil {
			return err
		}
		plan = document.Import(ps, histories, owners, c.At)
		if err := publishDrafts(ctx, tx, plan.Publish, document.Publishing(c)); err != nil {
			return err
		}
		return writeImport(ctx, tx, plan, c)
	})
	if err != nil {
		return nil, err
	}
	return plan.Written(ps), nil
}

// lookForImport finds what is known of the iupds, and who holds the numbers.
func lookForImport(ctx context.Context, tx *sql.Tx, ps []*positions.Position, action string) (map[string]*document.History, []document.Owner, error) {
	organization := ps[0].OrganizationFiscalCode
	iupds, navs, iuvs := document.Wanted(ps)
	histories, owners := map[string]*document.History{}, []document.Owner(nil)

	var iupd string
	var version int64
	var there bool
	var doc []byte
	err := eachRow(ctx, tx, []any{&iupd, &version, &there, &doc}, func() { document.AddVersion(histories, iupd, version, there, doc) },
		`SELECT v.iupd, v.version, p.id IS NOT NULL, CASE WHEN v.version = p.version OR p.id IS NOT NULL AND v.action = ?3 THEN v.document END
		FROM position_versions v LEFT JOIN positions p ON p.organization = v.organization AND p.iupd = v.iupd
		WHERE v.organization = ?1 AND v.iupd IN (SELECT value FROM json_each(?2))`, organization, list(iupds), action)
	if err != nil {
		return nil, nil, err
	}
	var o document.Owner
	err = eachRow(ctx, tx, []any{&o.IUPD, &o.NAV, &o.IUV}, func() { owners = append(owners, o) },
		`SELECT p.iupd, o.nav, o.iuv FROM payment_options o JOIN positions p ON p.id = o.position_id
			WHERE o.organization = ?1 AND o.nav IN (SELECT value FROM json_each(?2))
		UNION ALL SELECT p.iupd, o.nav, o.iuv FROM payment_options o JOIN positions p ON p.id = o.position_id
			WHERE o.organization = ?1 AND o.iuv IN (SELECT value FROM json_each(?3))`, organization, list(navs), list(iuvs))
	return histories, owners, err
}

// publishDrafts writes the next versions of drafts. Nobody else writes during
// the transaction that read them, and their options stay as they are.
func publishDrafts(ctx context.Context, tx *sql.Tx, drafts []document.Publication, c positions.Change) error {
	for _, w := range drafts {
		q := &w.Version.Position
		_, err := tx.ExecContext(ctx, `UPDATE positions SET version = ?, status = ?, validity_date = ?, publish_date = ?, updated_at = ?, head = ?
			WHERE organization = ? AND iupd = ?`, q.Version, string(q.Status), optional(q.ValidityDate), optional(q.PublishDate),
			micros(q.UpdatedAt), string(w.Version.Head), q.OrganizationFiscalCode, q.IUPD)
		if err != nil {
			return err
		}
		if err := insertVersion(ctx, tx, w.Version, c); err != nil {
			return err
		}
	}
	return nil
}

// asked is a transaction, or a database of which nothing more is asked.
type asked interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// eachRow scans every row of a query into the same values.
func eachRow(ctx context.Context, of asked, into []any, do func(), query string, args ...any) error {
	rows, err := of.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		do()
	}
	return rows.Err()
}

func writeImport(ctx context.Context, tx *sql.Tx, plan *document.Plan, c positions.Change) (err error) {
	var statements [3]*sql.Stmt
	for i, query := range []string{insertPositionSQL, insertOptionSQL, insertVersionSQL} {
		if statements[i], err = tx.PrepareContext(ctx, query); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, statements[i].Close()) }()
	}
	for _, v := range plan.Versions {
		if v == nil {
			continue
		}
		row, err := statements[0].ExecContext(ctx, positionValues(v)...)
		if err != nil {
			return err
		}
		id, err := row.LastInsertId()
		if err != nil {
			return err
		}
		for _, o := range v.ByIUV() {
			if _, err := statements[1].ExecContext(ctx, optionValues(v.Position.OrganizationFiscalCode, id, o)...); err != nil {
				return err
			}
		}
		if _, err := statements[2].ExecContext(ctx, versionValues(v, c)...); err != nil {
			return err
		}
	}
	return nil
}
