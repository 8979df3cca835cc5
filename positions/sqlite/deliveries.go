package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/internal/document"
)

const deliveryColumns = `id, kind, organization, nav, receipt_id, amount, paid_at, state, created_at, pending_since, due_at,
	attempts, last_attempt_at, last_status, last_error, ended_at, claim`

// insertDeliveries adds deliveries to the transaction of what they tell about.
func insertDeliveries(ctx context.Context, tx *sql.Tx, deliveries []positions.Delivery) error {
	for i := range deliveries {
		d := &deliveries[i]
		_, err := tx.ExecContext(ctx, `INSERT INTO deliveries (kind, organization, nav, receipt_id, amount, paid_at, state, created_at, pending_since, due_at, look_at)
			VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10)`, string(d.Kind), d.OrganizationFiscalCode, string(d.NAV), d.ReceiptID,
			int64(d.Amount), optional(d.PaidAt), string(d.State), micros(d.CreatedAt), micros(d.PendingSince), micros(d.DueAt))
		if err != nil {
			return err
		}
	}
	return nil
}

// DueDeliveries implements [positions.Deliveries]. It goes from one organization
// to the next by the index, however much waits of each, and leaves the writer
// alone.
func (s *Store) DueDeliveries(ctx context.Context, now time.Time, most int) (due []positions.DueLane, err error) {
	var l positions.DueLane
	err = eachRow(ctx, s.reader, []any{&l.Kind, &l.OrganizationFiscalCode, &l.Due}, func() { due = append(due, l) },
		`WITH RECURSIVE lanes (kind, organization) AS (
			SELECT column1, (SELECT min(organization) FROM deliveries d WHERE d.state = 'PENDING' AND d.kind = column1)
			FROM (VALUES ('RECEIPT'), ('SEND_PAYMENT'))
			UNION ALL
			SELECT kind, (SELECT min(organization) FROM deliveries d WHERE d.state = 'PENDING' AND d.kind = lanes.kind AND d.organization > lanes.organization)
			FROM lanes WHERE organization IS NOT NULL)
		SELECT kind, organization, due FROM (
			SELECT kind, organization, (SELECT count(*) FROM (
				SELECT 1 FROM deliveries d WHERE d.state = 'PENDING' AND d.kind = lanes.kind AND d.organization = lanes.organization AND d.tried IN (0, 1)
					AND d.look_at <= ?1 AND (d.claimed_until IS NULL OR d.claimed_until <= ?1) LIMIT ?2)) AS due
			FROM lanes WHERE organization IS NOT NULL)
		WHERE due > 0`, micros(now), max(0, most))
	return due, failure("due deliveries", err)
}

// ClaimDelivery implements [positions.Deliveries].
func (s *Store) ClaimDelivery(ctx context.Context, l positions.DeliveryLane, now, until time.Time) (*positions.Delivery, error) {
	var d positions.Delivery
	found := false
	err := s.change(ctx, "claim delivery", func(tx *sql.Tx) error {
		for range document.MostPassedOver {
			id, nav, err := firstDue(ctx, tx, l, now)
			if errors.Is(err, sql.ErrNoRows) {
				return nil
			}
			if err != nil {
				return err
			}
			var due int64
			var claimed sql.NullInt64
			err = tx.QueryRowContext(ctx, `SELECT due_at, claimed_until FROM deliveries
				WHERE organization = ? AND nav = ? AND kind = ? AND state = 'PENDING' AND id < ? ORDER BY id LIMIT 1`,
				l.OrganizationFiscalCode, nav, string(l.Kind), id).Scan(&due, &claimed)
			switch {
			case errors.Is(err, sql.ErrNoRows):
				d, err = scanDelivery(tx.QueryRowContext(ctx, `UPDATE deliveries SET claimed_until = ?, claim = claim + 1, attempts = attempts + 1, last_attempt_at = ?
					WHERE id = ? RETURNING `+deliveryColumns, micros(until), micros(now), id))
				found = err == nil
				return err
			case err != nil:
				return err
			}
			if _, err := tx.ExecContext(ctx, `UPDATE deliveries SET look_at = ? WHERE id = ?`, micros(document.Behind(now, instant(due), maybe(claimed))), id); err != nil {
				return err
			}
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case !found:
		return nil, document.NothingDue(l)
	}
	return &d, nil
}

// firstDue tells what is due the longest in a lane and nobody has, of what was never
// tried if there is any: two looks, so that each reads its part of the index.
func firstDue(ctx context.Context, tx *sql.Tx, l positions.DeliveryLane, now time.Time) (id int64, nav string, err error) {
	for _, tried := range []int{0, 1} {
		err = tx.QueryRowContext(ctx, `SELECT id, nav FROM deliveries WHERE kind = ?1 AND organization = ?2 AND tried = ?4
				AND state = 'PENDING' AND look_at <= ?3 AND (claimed_until IS NULL OR claimed_until <= ?3)
			ORDER BY look_at, id LIMIT 1`, string(l.Kind), l.OrganizationFiscalCode, micros(now), tried).Scan(&id, &nav)
		if !errors.Is(err, sql.ErrNoRows) {
			break
		}
	}
	return id, nav, err
}

// SettleDelivery implements [positions.Deliveries].
func (s *Store) SettleDelivery(ctx context.Context, d *positions.Delivery) error {
	return s.change(ctx, "settle delivery", func(tx *sql.Tx) error {
		row, err := tx.ExecContext(ctx, `UPDATE deliveries SET claimed_until = NULL, state = ?1, due_at = ?2, look_at = ?2, attempts = ?3, tried = ?3 > 0, last_status = ?4, last_error = ?5, ended_at = ?6
			WHERE id = ?7 AND claim = ?8 AND claimed_until IS NOT NULL`,
			string(d.State), micros(d.DueAt), d.Attempts, d.LastStatus, d.LastError, optional(d.EndedAt), d.ID, d.Claim)
		if err != nil {
			return err
		}
		switch n, err := row.RowsAffected(); {
		case err != nil:
			return err
		case n == 0:
			return document.Overtaken(d)
		case d.State == positions.DeliveryPending:
			return nil
		}
		_, err = tx.ExecContext(ctx, `UPDATE deliveries SET look_at = due_at WHERE id = (SELECT id FROM deliveries
			WHERE organization = ? AND nav = ? AND kind = ? AND state = 'PENDING' AND id > ? ORDER BY id LIMIT 1)`,
			d.OrganizationFiscalCode, string(d.NAV), string(d.Kind), d.ID)
		return err
	})
}

// ReplayDeliveries implements [positions.Deliveries].
func (s *Store) ReplayDeliveries(ctx context.Context, f positions.DeliveryFilter, now time.Time, limit int) (int, error) {
	where, args := deliveryConditions(f)
	var n int64
	err := s.change(ctx, "replay deliveries", func(tx *sql.Tx) error {
		at := []any{micros(now), micros(now)}
		row, err := tx.ExecContext(ctx, `UPDATE deliveries SET state = 'PENDING', pending_since = ?, due_at = ?, look_at = ?, tried = 0,
				claimed_until = NULL, claim = claim + 1, attempts = 0, ended_at = NULL
			WHERE id IN (SELECT id`+where+` AND NOT (state = 'PENDING' AND pending_since = ? AND due_at = ? AND claimed_until IS NULL)
				ORDER BY id LIMIT ?)`, slices.Concat(at, at[:1], args, at, []any{max(0, limit)})...)
		if err != nil {
			return err
		}
		n, err = row.RowsAffected()
		return err
	})
	if err != nil {
		return 0, err
	}
	return int(n), nil
}

// Deliveries implements [positions.Deliveries].
func (s *Store) Deliveries(ctx context.Context, f positions.DeliveryFilter) ([]positions.Delivery, int, error) {
	where, args := deliveryConditions(f)
	var total int
	if err := s.reader.QueryRowContext(ctx, `SELECT count(*)`+where, args...).Scan(&total); err != nil {
		return nil, 0, failure("deliveries", err)
	}
	rows, err := s.reader.QueryContext(ctx, `SELECT `+deliveryColumns+where+` ORDER BY id DESC LIMIT ? OFFSET ?`,
		append(args, max(0, f.Page.Limit), max(0, f.Page.Offset()))...)
	if err != nil {
		return nil, 0, failure("deliveries", err)
	}
	defer rows.Close()
	var deliveries []positions.Delivery
	for rows.Next() {
		d, err := scanDelivery(rows)
		if err != nil {
			return nil, 0, failure("deliveries", err)
		}
		deliveries = append(deliveries, d)
	}
	return deliveries, total, failure("deliveries", rows.Err())
}

// DeliveryBacklog implements [positions.Deliveries]. Two queries, so that each
// reads the index of its state.
func (s *Store) DeliveryBacklog(ctx context.Context) ([]positions.DeliveryBacklog, error) {
	rows, err := s.reader.QueryContext(ctx, `SELECT kind, sum(pending), min(oldest), sum(parked) FROM (
			SELECT kind, count(*) AS pending, min(pending_since) AS oldest, 0 AS parked FROM deliveries WHERE state = 'PENDING' GROUP BY kind
			UNION ALL SELECT kind, 0, NULL, count(*) FROM deliveries WHERE state = 'PARKED' GROUP BY kind)
		GROUP BY kind ORDER BY kind`)
	if err != nil {
		return nil, failure("delivery backlog", err)
	}
	defer rows.Close()
	var backlog []positions.DeliveryBacklog
	for rows.Next() {
		var b positions.DeliveryBacklog
		var oldest sql.NullInt64
		if err := rows.Scan(&b.Kind, &b.Pending, &oldest, &b.Parked); err != nil {
			return nil, failure("delivery backlog", err)
		}
		b.Oldest = maybe(oldest)
		backlog = append(backlog, b)
	}
	if err := rows.Err(); err != nil {
		return nil, failure("delivery backlog", err)
	}
	return document.Backlog(backlog), nil
}

// deliveryConditions writes the states of the partial indexes as they have them.
func deliveryConditions(f positions.DeliveryFilter) (string, []any) {
	var w filter
	w.is("organization", f.OrganizationFiscalCode)
	w.is("kind", string(f.Kind))
	w.is("nav", string(f.NAV))
	w.is("receipt_id", f.ReceiptID)
	switch f.State {
	case positions.DeliveryPending, positions.DeliveryParked:
		w.conditions = append(w.conditions, "state = '"+string(f.State)+"'")
	default:
		w.is("state", string(f.State))
	}
	if len(f.IDs) > 0 {
		w.and("id IN (SELECT value FROM json_each(?))", list(f.IDs))
	}
	w.within("created_at", f.From, f.To)
	w.segregated(f.SegregationCodes)
	return " FROM deliveries" + w.where(), w.args
}

func scanDelivery(row interface{ Scan(...any) error }) (positions.Delivery, error) {
	var d positions.Delivery
	var created, since, due int64
	var paid, attempted, ended sql.NullInt64
	err := row.Scan(&d.ID, &d.Kind, &d.OrganizationFiscalCode, &d.NAV, &d.ReceiptID, &d.Amount, &paid, &d.State, &created, &since, &due,
		&d.Attempts, &attempted, &d.LastStatus, &d.LastError, &ended, &d.Claim)
	d.PaidAt, d.LastAttemptAt, d.EndedAt = maybe(paid), maybe(attempted), maybe(ended)
	d.CreatedAt, d.PendingSince, d.DueAt = instant(created), instant(since), instant(due)
	return d, err
}
