package postgres

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/internal/document"
)

const deliveryColumns = `id, kind, organization, nav, receipt_id, amount, paid_at, state, created_at, pending_since, due_at,
	attempts, last_attempt_at, last_status, last_error, ended_at, claim`

// queueDeliveries adds deliveries to the batch of what they tell about.
func queueDeliveries(b *pgx.Batch, deliveries []positions.Delivery) {
	for i := range deliveries {
		d := &deliveries[i]
		b.Queue(`INSERT INTO deliveries (kind, organization, nav, receipt_id, amount, paid_at, state, created_at, pending_since, due_at, look_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)`, string(d.Kind), d.OrganizationFiscalCode, string(d.NAV), d.ReceiptID,
			d.Amount, optional(d.PaidAt), string(d.State), d.CreatedAt, d.PendingSince, d.DueAt)
	}
}

// DueDeliveries implements [positions.Deliveries]. It goes from one organization
// to the next by the index, however much waits of each.
func (s *Store) DueDeliveries(ctx context.Context, now time.Time, most int) (due []positions.DueLane, err error) {
	err = s.read(ctx, "due deliveries", func() error {
		rows, err := s.pool.Query(ctx, `WITH RECURSIVE lanes (kind, organization) AS (
				SELECT kind, (SELECT min(organization) FROM deliveries d WHERE d.state = 'PENDING' AND d.kind = kinds.kind)
				FROM (VALUES ('RECEIPT'), ('SEND_PAYMENT')) AS kinds (kind)
				UNION ALL
				SELECT kind, (SELECT min(organization) FROM deliveries d WHERE d.state = 'PENDING' AND d.kind = lanes.kind AND d.organization > lanes.organization)
				FROM lanes WHERE organization IS NOT NULL)
			SELECT kind, organization, due FROM (
				SELECT kind, organization, (SELECT count(*) FROM (
					SELECT FROM deliveries d WHERE d.state = 'PENDING' AND d.kind = lanes.kind AND d.organization = lanes.organization AND d.tried IN (false, true)
						AND d.look_at <= $1 AND (d.claimed_until IS NULL OR d.claimed_until <= $1) LIMIT $2) AS few) AS due
				FROM lanes WHERE organization IS NOT NULL) AS counted
			WHERE due > 0`, now, max(0, most))
		if err != nil {
			return err
		}
		due, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (l positions.DueLane, err error) {
			err = r.Scan(&l.Kind, &l.OrganizationFiscalCode, &l.Due)
			return l, err
		})
		return err
	})
	return due, err
}

// ClaimDelivery implements [positions.Deliveries]. A delivery whose row somebody
// has is passed over: they are about to take it or to be done with it. Nobody who
// has the row of one waits for that of another before it, so that claims never
// wait for each other; a settlement waits for the claim that looks at the next.
func (s *Store) ClaimDelivery(ctx context.Context, l positions.DeliveryLane, now, until time.Time) (*positions.Delivery, error) {
	var d positions.Delivery
	found := false
	err := s.change(ctx, "claim delivery", func(tx pgx.Tx) error {
		found = false
		for range document.MostPassedOver {
			id, nav, err := firstDue(ctx, tx, l, now)
			if absent(err) {
				return nil
			}
			if err != nil {
				return err
			}
			var due time.Time
			var claimed *time.Time
			err = tx.QueryRow(ctx, `SELECT due_at, claimed_until FROM deliveries
				WHERE organization = $1 AND nav = $2 AND kind = $3 AND state = 'PENDING' AND id < $4 ORDER BY id LIMIT 1`,
				l.OrganizationFiscalCode, nav, string(l.Kind), id).Scan(&due, &claimed)
			switch {
			case absent(err):
				d, err = scanDelivery(tx.QueryRow(ctx, `UPDATE deliveries SET claimed_until = $3, claim = claim + 1, attempts = attempts + 1, last_attempt_at = $2
					WHERE id = $1 RETURNING `+deliveryColumns, id, now, until))
				found = err == nil
				return err
			case err != nil:
				return err
			}
			if _, err := tx.Exec(ctx, `UPDATE deliveries SET look_at = $2 WHERE id = $1`, id, document.Behind(now, due, maybe(claimed))); err != nil {
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

// firstDue takes the row of what is due the longest in a lane and nobody has, of what
// was never tried if there is any: two looks, so that each reads its part of the index.
func firstDue(ctx context.Context, tx pgx.Tx, l positions.DeliveryLane, now time.Time) (id int64, nav string, err error) {
	for _, tried := range []bool{false, true} {
		err = tx.QueryRow(ctx, `SELECT id, nav FROM deliveries WHERE kind = $1 AND organization = $2 AND tried = $4
				AND state = 'PENDING' AND look_at <= $3 AND (claimed_until IS NULL OR claimed_until <= $3)
			ORDER BY look_at, id LIMIT 1 FOR UPDATE SKIP LOCKED`, string(l.Kind), l.OrganizationFiscalCode, now, tried).Scan(&id, &nav)
		if !absent(err) {
			break
		}
	}
	return id, nav, err
}

// SettleDelivery implements [positions.Deliveries].
func (s *Store) SettleDelivery(ctx context.Context, d *positions.Delivery) error {
	return s.change(ctx, "settle delivery", func(tx pgx.Tx) error {
		row, err := tx.Exec(ctx, `UPDATE deliveries SET claimed_until = NULL, state = $3, due_at = $4, look_at = $4, attempts = $5, tried = $5 > 0, last_status = $6, last_error = $7, ended_at = $8
			WHERE id = $1 AND claim = $2 AND claimed_until IS NOT NULL`,
			d.ID, d.Claim, string(d.State), d.DueAt, d.Attempts, d.LastStatus, d.LastError, optional(d.EndedAt))
		switch {
		case err != nil:
			return err
		case row.RowsAffected() == 0:
			return document.Overtaken(d)
		case d.State == positions.DeliveryPending:
			return nil
		}
		_, err = tx.Exec(ctx, `UPDATE deliveries SET look_at = due_at WHERE id = (SELECT id FROM deliveries
			WHERE organization = $1 AND nav = $2 AND kind = $3 AND state = 'PENDING' AND id > $4 ORDER BY id LIMIT 1)`,
			d.OrganizationFiscalCode, string(d.NAV), string(d.Kind), d.ID)
		return err
	})
}

// ReplayDeliveries implements [positions.Deliveries].
func (s *Store) ReplayDeliveries(ctx context.Context, f positions.DeliveryFilter, now time.Time, limit int) (replayed int, err error) {
	where, args := deliveryConditions(f)
	args = append(args, now)
	replay := strings.NewReplacer("?", "$"+strconv.Itoa(len(args)), "LIMIT", "LIMIT "+strconv.Itoa(max(0, limit))).Replace(`
		UPDATE deliveries SET state = 'PENDING', pending_since = ?, due_at = ?, look_at = ?, tried = false, claimed_until = NULL, claim = claim + 1, attempts = 0, ended_at = NULL
		WHERE id IN (SELECT id` + where + ` AND NOT (state = 'PENDING' AND pending_since = ? AND due_at = ? AND claimed_until IS NULL)
			ORDER BY id LIMIT FOR UPDATE)`)
	err = s.change(ctx, "replay deliveries", func(tx pgx.Tx) error {
		row, err := tx.Exec(ctx, replay, args...)
		replayed = int(row.RowsAffected())
		return err
	})
	if err != nil {
		return 0, err
	}
	return replayed, nil
}

// Deliveries implements [positions.Deliveries].
func (s *Store) Deliveries(ctx context.Context, f positions.DeliveryFilter) (deliveries []positions.Delivery, total int, err error) {
	where, args := deliveryConditions(f)
	err = s.read(ctx, "deliveries", func() error {
		if err := s.pool.QueryRow(ctx, `SELECT count(*)`+where, args...).Scan(&total); err != nil {
			return err
		}
		limit, offset := strconv.Itoa(max(0, f.Page.Limit)), strconv.Itoa(max(0, f.Page.Offset()))
		rows, err := s.pool.Query(ctx, `SELECT `+deliveryColumns+where+` ORDER BY id DESC LIMIT `+limit+` OFFSET `+offset, args...)
		if err != nil {
			return err
		}
		deliveries, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (positions.Delivery, error) { return scanDelivery(r) })
		return err
	})
	return deliveries, total, err
}

// DeliveryBacklog implements [positions.Deliveries]. Two queries, so that each
// reads the index of its state.
func (s *Store) DeliveryBacklog(ctx context.Context) (backlog []positions.DeliveryBacklog, err error) {
	err = s.read(ctx, "delivery backlog", func() error {
		rows, err := s.pool.Query(ctx, `SELECT kind, sum(pending), min(oldest), sum(parked) FROM (
				SELECT kind, count(*) AS pending, min(pending_since) AS oldest, 0 AS parked FROM deliveries WHERE state = 'PENDING' GROUP BY kind
				UNION ALL SELECT kind, 0, NULL, count(*) FROM deliveries WHERE state = 'PARKED' GROUP BY kind) waiting
			GROUP BY kind ORDER BY kind`)
		if err != nil {
			return err
		}
		backlog, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (b positions.DeliveryBacklog, err error) {
			var oldest *time.Time
			err = r.Scan(&b.Kind, &b.Pending, &oldest, &b.Parked)
			b.Oldest = maybe(oldest)
			return b, err
		})
		return err
	})
	if err != nil {
		return nil, err
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
		w.and("id = ANY (?::bigint[])", f.IDs)
	}
	w.within("created_at", f.From, f.To)
	w.segregated(f.SegregationCodes)
	return " FROM deliveries" + w.where(), w.args
}

func scanDelivery(row pgx.Row) (positions.Delivery, error) {
	var d positions.Delivery
	var paid, attempted, ended *time.Time
	err := row.Scan(&d.ID, &d.Kind, &d.OrganizationFiscalCode, &d.NAV, &d.ReceiptID, &d.Amount, &paid, &d.State, &d.CreatedAt, &d.PendingSince, &d.DueAt,
		&d.Attempts, &attempted, &d.LastStatus, &d.LastError, &ended, &d.Claim)
	d.PaidAt, d.LastAttemptAt, d.EndedAt = maybe(paid), maybe(attempted), maybe(ended)
	d.CreatedAt, d.PendingSince, d.DueAt = d.CreatedAt.UTC(), d.PendingSince.UTC(), d.DueAt.UTC()
	return d, err
}
