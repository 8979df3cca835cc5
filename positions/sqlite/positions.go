package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/internal/document"
)

// CreatePosition implements [positions.Store].
func (s *Store) CreatePosition(ctx context.Context, p *positions.Position, c positions.Change) error {
	return s.CreatePositions(ctx, []*positions.Position{p}, c)
}

// CreatePositions implements [positions.Store].
func (s *Store) CreatePositions(ctx context.Context, ps []*positions.Position, c positions.Change) error {
	return s.each(ctx, creating, ps, c, create)
}

// UpdatePosition implements [positions.Store].
func (s *Store) UpdatePosition(ctx context.Context, p *positions.Position, c positions.Change) error {
	return s.UpdatePositions(ctx, []*positions.Position{p}, c)
}

// UpdatePositions implements [positions.Store].
func (s *Store) UpdatePositions(ctx context.Context, ps []*positions.Position, c positions.Change) error {
	return s.each(ctx, updating, ps, c, update)
}

// DeletePositions implements [positions.Store].
func (s *Store) DeletePositions(ctx context.Context, ps []*positions.Position, c positions.Change) error {
	return s.each(ctx, "delete position", ps, c, remove)
}

const (
	creating = "create position" // may find its iupd taken
	updating = "update position" // its positions may hand numbers to each other
)

// step writes a version of one position, as part of a transaction.
type step func(context.Context, *sql.Tx, *positions.Position, positions.Change) (*document.Version, error)

// each takes a step for every position, all or none, and lets the positions
// become what was written.
func (s *Store) each(ctx context.Context, operation string, ps []*positions.Position, c positions.Change, do step) error {
	if len(ps) == 0 {
		return nil
	}
	if err := document.Twice(ps); err != nil {
		return err
	}
	c.At = document.Instant(c.At)
	sorted := document.ByIUPD(ps)
	written := make([]*document.Version, len(sorted))
	err := s.change(ctx, operation, func(tx *sql.Tx) (err error) {
		if operation == updating && len(sorted) > 1 {
			if err := handOver(ctx, tx, sorted); err != nil {
				return err
			}
		}
		for i, p := range sorted {
			if written[i], err = do(ctx, tx, p, c); err != nil {
				return err
			}
		}
		return insertDeliveries(ctx, tx, document.Pending(c.Deliveries, c.At))
	})
	if taken(err) {
		return s.conflict(ctx, ps, operation == creating)
	}
	if err != nil {
		return err
	}
	for i, p := range sorted {
		*p = written[i].Position
	}
	return nil
}

func create(ctx context.Context, tx *sql.Tx, p *positions.Position, c positions.Change) (*document.Version, error) {
	// The history of a deleted position of the same iupd goes on.
	var last int64
	err := tx.QueryRowContext(ctx, `SELECT coalesce(max(version), 0) FROM position_versions WHERE organization = ? AND iupd = ?`,
		p.OrganizationFiscalCode, p.IUPD).Scan(&last)
	if err != nil {
		return nil, err
	}
	v, err := document.First(p, last+1, c.At)
	if err != nil {
		return nil, err
	}
	q := &v.Position
	row, err := tx.ExecContext(ctx, insertPositionSQL, positionValues(v)...)
	if err != nil {
		return nil, err
	}
	id, err := row.LastInsertId()
	if err != nil {
		return nil, err
	}
	if err := insertOptions(ctx, tx, q.OrganizationFiscalCode, id, v.ByIUV()); err != nil {
		return nil, err
	}
	return v, insertVersion(ctx, tx, v, c)
}

const (
	insertPositionSQL = `INSERT INTO positions (organization, iupd, version, status, lifecycle, validity_date, publish_date, payment_date,
			last_due_date, expires_at, company_name, inserted_at, updated_at, paid_full, paid_instalments, head)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	insertOptionSQL = `INSERT INTO payment_options (organization, nav, iuv, position_id, ordinal, status, is_partial, due_date, body)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`
	insertVersionSQL = `INSERT INTO position_versions (organization, iupd, version, status, lifecycle, actor_kind, actor_id, action, reason, at, document)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
)

func positionValues(v *document.Version) []any {
	q := &v.Position
	return []any{
		q.OrganizationFiscalCode, q.IUPD, q.Version, string(q.Status), string(q.Lifecycle), optional(q.ValidityDate), optional(q.PublishDate),
		optional(q.PaymentDate), optional(v.LastDue), expiry(v), q.CompanyName, micros(q.InsertedAt), micros(q.UpdatedAt), v.PaidFull, v.PaidInstalments, string(v.Head),
	}
}

func optionValues(organization string, id int64, o document.Option) []any {
	return []any{organization, string(o.NAV), o.IUV, id, o.Ordinal, string(o.Status), o.IsPartial, micros(o.DueDate), string(o.Body)}
}

func versionValues(v *document.Version, c positions.Change) []any {
	q := &v.Position
	return []any{
		q.OrganizationFiscalCode, q.IUPD, q.Version, string(q.Status), string(q.Lifecycle), c.Actor.Kind, c.Actor.ID, c.Action, c.Reason, micros(c.At), string(v.Document),
	}
}

func update(ctx context.Context, tx *sql.Tx, p *positions.Position, c positions.Change) (*document.Version, error) {
	at, err := lookUpVersion(ctx, tx, p)
	if err != nil {
		return nil, err
	}
	return advance(ctx, tx, at, p, c)
}

func remove(ctx context.Context, tx *sql.Tx, p *positions.Position, c positions.Change) (*document.Version, error) {
	at, err := lookUpVersion(ctx, tx, p)
	if err != nil {
		return nil, err
	}
	stored, err := storedOptions(ctx, tx, at.id)
	if err != nil {
		return nil, err
	}
	v, err := document.Next(p, at.inserted, c.At, stored)
	if err != nil {
		return nil, err
	}
	// Its options go with it, by their foreign key.
	if _, err := tx.ExecContext(ctx, `DELETE FROM positions WHERE id = ?`, at.id); err != nil {
		return nil, err
	}
	if err := forgetPrices(ctx, tx, p.OrganizationFiscalCode, document.NAVs(stored)); err != nil {
		return nil, err
	}
	return v, insertVersion(ctx, tx, v, c)
}

// lookUpVersion finds the row of the version that the caller read.
func lookUpVersion(ctx context.Context, tx *sql.Tx, p *positions.Position) (current, error) {
	at, err := lookUp(ctx, tx, `WHERE p.organization = ? AND p.iupd = ?`, p.OrganizationFiscalCode, p.IUPD)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return at, positions.Errorf(positions.NotFound, "no position %s in organization %s", p.IUPD, p.OrganizationFiscalCode)
	case err == nil && at.version != p.Version:
		return at, positions.Errorf(positions.Stale, "position %s is at version %d, not %d: read it again", p.IUPD, at.version, p.Version)
	}
	return at, err
}

func expiry(v *document.Version) sql.NullInt64 {
	if v.ExpiresAt == nil {
		return sql.NullInt64{}
	}
	return sql.NullInt64{Int64: micros(*v.ExpiresAt), Valid: true}
}

// Position implements [positions.Store].
func (s *Store) Position(ctx context.Context, fiscalCode, iupd string) (*positions.Position, error) {
	stmt, err := s.statement(ctx, `SELECT v.document FROM positions p JOIN position_versions v USING (organization, iupd, version)
		WHERE p.organization = ? AND p.iupd = ?`)
	if err != nil {
		return nil, failure("position", err)
	}
	var doc []byte
	err = stmt.QueryRowContext(ctx, fiscalCode, iupd).Scan(&doc)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, positions.Errorf(positions.NotFound, "no position %s in organization %s", iupd, fiscalCode)
	case err != nil:
		return nil, failure("position", err)
	}
	return document.Position(doc)
}

// current is the row of a position as a transaction finds it.
type current struct {
	id, version int64
	inserted    time.Time
	document    []byte
}

func lookUp(ctx context.Context, tx *sql.Tx, where string, args ...any) (current, error) {
	var c current
	var inserted int64
	err := tx.QueryRowContext(ctx, `SELECT p.id, p.version, p.inserted_at, v.document FROM positions p
		JOIN position_versions v USING (organization, iupd, version) `+where, args...).Scan(&c.id, &c.version, &inserted, &c.document)
	c.inserted = instant(inserted)
	return c, err
}

// advance writes the next version of a position.
func advance(ctx context.Context, tx *sql.Tx, at current, p *positions.Position, c positions.Change) (*document.Version, error) {
	stored, err := storedOptions(ctx, tx, at.id)
	if err != nil {
		return nil, err
	}
	v, err := document.Next(p, at.inserted, c.At, stored)
	if err != nil {
		return nil, err
	}
	q := &v.Position
	if _, err := tx.ExecContext(ctx, `UPDATE positions SET version = ?, status = ?, lifecycle = ?, validity_date = ?, publish_date = ?, payment_date = ?,
			last_due_date = ?, expires_at = ?, company_name = ?, updated_at = ?, paid_full = ?, paid_instalments = ?, head = ? WHERE id = ?`,
		q.Version, string(q.Status), string(q.Lifecycle), optional(q.ValidityDate), optional(q.PublishDate), optional(q.PaymentDate),
		optional(v.LastDue), expiry(v), q.CompanyName, micros(q.UpdatedAt), v.PaidFull, v.PaidInstalments, string(v.Head), at.id); err != nil {
		return nil, err
	}
	gone, write := v.Changes(stored)
	for _, nav := range gone {
		if _, err := tx.ExecContext(ctx, `DELETE FROM payment_options WHERE organization = ? AND nav = ?`, q.OrganizationFiscalCode, string(nav)); err != nil {
			return nil, err
		}
	}
	if err := insertOptions(ctx, tx, q.OrganizationFiscalCode, at.id, write); err != nil {
		return nil, err
	}
	if err := forgetPrices(ctx, tx, q.OrganizationFiscalCode, v.Freed(stored)); err != nil {
		return nil, err
	}
	return v, insertVersion(ctx, tx, v, c)
}

// forgetPrices removes the prices of notice numbers that are free again: whoever
// gets one next owes another debt.
func forgetPrices(ctx context.Context, tx *sql.Tx, organization string, freed []positions.NoticeNumber) error {
	for _, nav := range freed {
		if _, err := tx.ExecContext(ctx, `DELETE FROM notice_prices WHERE organization = ? AND nav = ?`, organization, string(nav)); err != nil {
			return err
		}
	}
	return nil
}

func storedOptions(ctx context.Context, tx *sql.Tx, id int64) (stored []document.Stored, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT ordinal, nav, body FROM payment_options WHERE position_id = ? ORDER BY ordinal`, id)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var o document.Stored
		if err := rows.Scan(&o.Ordinal, &o.NAV, &o.Body); err != nil {
			return nil, err
		}
		stored = append(stored, o)
	}
	return stored, rows.Err()
}

func insertOptions(ctx context.Context, tx *sql.Tx, organization string, id int64, options []document.Option) error {
	for _, o := range options {
		if _, err := tx.ExecContext(ctx, insertOptionSQL, optionValues(organization, id, o)...); err != nil {
			return err
		}
	}
	return nil
}

func insertVersion(ctx context.Context, tx *sql.Tx, v *document.Version, c positions.Change) error {
	_, err := tx.ExecContext(ctx, insertVersionSQL, versionValues(v, c)...)
	return err
}

// list makes a value for json_each.
func list[T string | int64](values []T) string {
	b, err := json.Marshal(values)
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	return string(b)
}
