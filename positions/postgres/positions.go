package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

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
type step func(context.Context, pgx.Tx, *positions.Position, positions.Change) (*document.Version, error)

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
	err := s.change(ctx, operation, func(tx pgx.Tx) (err error) {
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
		if len(c.Deliveries) == 0 {
			return nil
		}
		b := new(pgx.Batch)
		queueDeliveries(b, document.Pending(c.Deliveries, c.At))
		return send(ctx, tx, b)
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

func create(ctx context.Context, tx pgx.Tx, p *positions.Position, c positions.Change) (*document.Version, error) {
	// The history of a deleted position of the same iupd goes on.
	var last int64
	err := tx.QueryRow(ctx, `SELECT coalesce(max(version), 0) FROM position_versions WHERE organization = $1 AND iupd = $2`,
		p.OrganizationFiscalCode, p.IUPD).Scan(&last)
	if err != nil {
		return nil, err
	}
	v, err := document.First(p, last+1, c.At)
	if err != nil {
		return nil, err
	}
	q, b := &v.Position, new(pgx.Batch)
	b.Queue(`WITH p AS (
			INSERT INTO positions (organization, iupd, version, status, lifecycle, validity_date, publish_date, payment_date, last_due_date,
				expires_at, company_name, inserted_at, updated_at, paid_full, paid_instalments, head)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) RETURNING id)
		INSERT INTO payment_options (organization, position_id, ordinal, nav, iuv, status, is_partial, due_date, body)
		SELECT $1, p.id, o.ordinal, o.nav, o.iuv, o.status, o.is_partial, o.due_date, o.body::json
		FROM p, unnest($17::smallint[], $18::text[], $19::text[], $20::text[], $21::boolean[], $22::timestamptz[], $23::text[])
			AS o (ordinal, nav, iuv, status, is_partial, due_date, body)`,
		append([]any{
			q.OrganizationFiscalCode, q.IUPD, q.Version, string(q.Status), string(q.Lifecycle), optional(q.ValidityDate), optional(q.PublishDate),
			optional(q.PaymentDate), optional(v.LastDue), v.ExpiresAt, q.CompanyName, q.InsertedAt, q.UpdatedAt, v.PaidFull, v.PaidInstalments, v.Head,
		},
			optionColumns(v.ByIUV())...)...)
	queueVersion(b, v, c)
	return v, send(ctx, tx, b)
}

func update(ctx context.Context, tx pgx.Tx, p *positions.Position, c positions.Change) (*document.Version, error) {
	at, err := lockVersion(ctx, tx, p)
	if err != nil {
		return nil, err
	}
	return advance(ctx, tx, at, p, c)
}

func remove(ctx context.Context, tx pgx.Tx, p *positions.Position, c positions.Change) (*document.Version, error) {
	at, err := lockVersion(ctx, tx, p)
	if err != nil {
		return nil, err
	}
	stored, err := storedOptions(ctx, tx, at.id)
	if err != nil {
		return nil, err
	}
	v, err := document.Next(p, at.inserted.UTC(), c.At, stored)
	if err != nil {
		return nil, err
	}
	b := new(pgx.Batch)
	b.Queue(`DELETE FROM positions WHERE id = $1`, at.id) // its options go with it, by their foreign key
	forgetPrices(b, p.OrganizationFiscalCode, document.NAVs(stored))
	queueVersion(b, v, c)
	return v, send(ctx, tx, b)
}

// lockVersion locks the row of the version that the caller read.
func lockVersion(ctx context.Context, tx pgx.Tx, p *positions.Position) (row, error) {
	at, err := lockRow(ctx, tx, `organization = $1 AND iupd = $2`, p.OrganizationFiscalCode, p.IUPD)
	switch {
	case absent(err):
		return at, positions.Errorf(positions.NotFound, "no position %s in organization %s", p.IUPD, p.OrganizationFiscalCode)
	case err == nil && at.version != p.Version:
		return at, positions.Errorf(positions.Stale, "position %s is at version %d, not %d: read it again", p.IUPD, at.version, p.Version)
	}
	return at, err
}

// Position implements [positions.Store].
func (s *Store) Position(ctx context.Context, fiscalCode, iupd string) (*positions.Position, error) {
	var doc []byte
	err := s.read(ctx, "position", func() error {
		err := s.pool.QueryRow(ctx, `SELECT v.document FROM positions p JOIN position_versions v USING (organization, iupd, version)
			WHERE p.organization = $1 AND p.iupd = $2`, fiscalCode, iupd).Scan(&doc)
		if absent(err) {
			return positions.Errorf(positions.NotFound, "no position %s in organization %s", iupd, fiscalCode)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return document.Position(doc)
}

// row is the row of a position, locked by the transaction that found it.
type row struct {
	id, version  int64
	organization string
	iupd         string
	inserted     time.Time
}

// lockRow locks a position until the transaction ends. It reads that row alone:
// after a wait, PostgreSQL looks again at the row it locked but not at the rows
// joined to it (manual, "Read Committed Isolation Level").
func lockRow(ctx context.Context, tx pgx.Tx, where string, args ...any) (row, error) {
	var r row
	err := tx.QueryRow(ctx, `SELECT id, version, organization, iupd, inserted_at FROM positions WHERE `+where+` FOR UPDATE`, args...).
		Scan(&r.id, &r.version, &r.organization, &r.iupd, &r.inserted)
	return r, err
}

// advance writes the next version of a locked position.
func advance(ctx context.Context, tx pgx.Tx, at row, p *positions.Position, c positions.Change) (*document.Version, error) {
	stored, err := storedOptions(ctx, tx, at.id)
	if err != nil {
		return nil, err
	}
	v, err := document.Next(p, at.inserted.UTC(), c.At, stored)
	if err != nil {
		return nil, err
	}
	q, b := &v.Position, new(pgx.Batch)
	b.Queue(`UPDATE positions SET version = $2, status = $3, lifecycle = $4, validity_date = $5, publish_date = $6, payment_date = $7,
			last_due_date = $8, expires_at = $9, company_name = $10, updated_at = $11, paid_full = $12, paid_instalments = $13, head = $14 WHERE id = $1`,
		at.id, q.Version, string(q.Status), string(q.Lifecycle), optional(q.ValidityDate), optional(q.PublishDate), optional(q.PaymentDate),
		optional(v.LastDue), v.ExpiresAt, q.CompanyName, q.UpdatedAt, v.PaidFull, v.PaidInstalments, v.Head)
	gone, write := v.Changes(stored)
	if len(gone) > 0 {
		b.Queue(`DELETE FROM payment_options WHERE organization = $1 AND nav = ANY ($2::text[])`, q.OrganizationFiscalCode, texts(gone))
	}
	if len(write) > 0 {
		b.Queue(`INSERT INTO payment_options (organization, position_id, ordinal, nav, iuv, status, is_partial, due_date, body)
			SELECT $1, $2, o.ordinal, o.nav, o.iuv, o.status, o.is_partial, o.due_date, o.body::json
			FROM unnest($3::smallint[], $4::text[], $5::text[], $6::text[], $7::boolean[], $8::timestamptz[], $9::text[])
				AS o (ordinal, nav, iuv, status, is_partial, due_date, body)`,
			append([]any{q.OrganizationFiscalCode, at.id}, optionColumns(write)...)...)
	}
	forgetPrices(b, q.OrganizationFiscalCode, v.Freed(stored))
	queueVersion(b, v, c)
	return v, send(ctx, tx, b)
}

// forgetPrices removes the prices of notice numbers that are free again: whoever
// gets one next owes another debt.
func forgetPrices(b *pgx.Batch, organization string, freed []positions.NoticeNumber) {
	if len(freed) > 0 {
		b.Queue(`DELETE FROM notice_prices WHERE organization = $1 AND nav = ANY ($2::text[])`, organization, texts(freed))
	}
}

func storedOptions(ctx context.Context, tx pgx.Tx, id int64) ([]document.Stored, error) {
	rows, err := tx.Query(ctx, `SELECT ordinal, nav, body FROM payment_options WHERE position_id = $1 ORDER BY ordinal`, id)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(r pgx.CollectableRow) (o document.Stored, err error) {
		// Scan first: o is returned by value.
		err = r.Scan(&o.Ordinal, &o.NAV, &o.Body)
		return o, err
	})
}

// optionColumns turns option rows into arrays for unnest: ordinal, nav, iuv,
// status, is_partial, due_date, body.
func optionColumns(options []document.Option) []any {
	n := len(options)
	ordinal, partial, due := make([]int16, n), make([]bool, n), make([]time.Time, n)
	nav, iuv, status, body := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	for i, o := range options {
		ordinal[i], partial[i], due[i] = int16(o.Ordinal), o.IsPartial, o.DueDate
		nav[i], iuv[i], status[i], body[i] = string(o.NAV), o.IUV, string(o.Status), string(o.Body)
	}
	return []any{ordinal, nav, iuv, status, partial, due, body}
}

func queueVersion(b *pgx.Batch, v *document.Version, c positions.Change) {
	q := &v.Position
	b.Queue(`INSERT INTO position_versions (organization, iupd, version, status, lifecycle, actor_kind, actor_id, action, reason, at, document)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		q.OrganizationFiscalCode, q.IUPD, q.Version, string(q.Status), string(q.Lifecycle), c.Actor.Kind, c.Actor.ID, c.Action, c.Reason, c.At, v.Document)
}

func texts(navs []positions.NoticeNumber) []string {
	list := make([]string, len(navs))
	for i, nav := range navs {
		list[i] = string(nav)
	}
	return list
}
