package postgres

import (
	"context"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/internal/document"
)

// reconcileReceipt opens or ends what a receipt that settled p left to reconcile.
// The caller holds p's row lock, so no other receipt of the notice comes between.
func reconcileReceipt(ctx context.Context, tx pgx.Tx, p *positions.Position, receipt *positions.Receipt) error {
	if o := p.Option(receipt.NAV); o == nil || !o.SendBound {
		return nil
	}
	if err := openDoubtfulOf(ctx, tx, receipt.OrganizationFiscalCode, receipt.NAV); err != nil {
		return err
	}
	rows, err := tx.Query(ctx, selectReconciliation+` WHERE organization = $1 AND nav = $2 AND paid_at IS NULL FOR UPDATE`,
		receipt.OrganizationFiscalCode, string(receipt.NAV))
	if err != nil {
		return err
	}
	found, err := pgx.CollectRows(rows, scanReconciliation)
	if err != nil {
		return err
	}
	var waiting *positions.Reconciliation
	if len(found) > 0 {
		waiting = &found[0]
	}
	last := new(positions.Answer)
	err = tx.QueryRow(ctx, `SELECT at, operation, source, amount FROM answers
		WHERE organization = $1 AND nav = $2 AND `+document.Activation+`
		ORDER BY at DESC, id DESC LIMIT 1`, receipt.OrganizationFiscalCode, string(receipt.NAV)).
		Scan(&last.At, &last.Operation, &last.Source, &last.Amount)
	if absent(err) {
		last, err = nil, nil
	}
	if err != nil {
		return err
	}
	next := positions.AfterReceipt(waiting, p, receipt, last)
	if next == nil {
		return nil
	}
	if err := reuseReconciliation(ctx, tx, next); err != nil {
		return err
	}
	if next.ID != 0 {
		_, err = writeReconciliation(ctx, tx, next)
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO reconciliations (organization, nav, iupd, receipt_id, state, source, operation, answered_at, amount,
			charged_fee, due_fee, iun, opened_at, paid_at, attempts, due_at, revision)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, 1)`,
		next.OrganizationFiscalCode, string(next.NAV), next.IUPD, next.ReceiptID, string(next.State), string(next.Source), next.Operation,
		optional(next.AnsweredAt), int64(next.Amount), int64(next.ChargedFee), int64(next.DueFee), next.IUN, next.OpenedAt,
		optional(next.PaidAt), next.Attempts, next.DueAt)
	return err
}

// reuseReconciliation makes next, which a payment left, the row of its receipt where
// there is one: of the same payment when it was reported by other means, judged, and
// taken back before its receipt came. What waited for a payment makes room.
func reuseReconciliation(ctx context.Context, tx pgx.Tx, next *positions.Reconciliation) error {
	if next.ReceiptID == "" {
		return nil
	}
	waiting := next.ID
	err := tx.QueryRow(ctx, `SELECT id, revision FROM reconciliations
		WHERE organization = $1 AND nav = $2 AND receipt_id = $3 AND receipt_id <> '' FOR UPDATE`,
		next.OrganizationFiscalCode, string(next.NAV), next.ReceiptID).Scan(&next.ID, &next.Revision)
	switch {
	case absent(err):
		return nil
	case err != nil || waiting == 0 || waiting == next.ID:
		return err
	}
	_, err = tx.Exec(ctx, `DELETE FROM reconciliations WHERE id = $1`, waiting)
	return err
}

// executor is a pool or a transaction.
type executor interface {
	QueryRow(ctx context.Context, query string, args ...any) pgx.Row
}

// writeReconciliation writes what became of one that was read at r.Revision, and
// returns its new revision; pgx.ErrNoRows: it has been written since.
func writeReconciliation(ctx context.Context, in executor, r *positions.Reconciliation) (revision int64, err error) {
	err = in.QueryRow(ctx, `UPDATE reconciliations SET iupd = $3, receipt_id = $4, state = $5, source = $6, operation = $7, answered_at = $8,
			amount = $9, charged_fee = $10, due_fee = $11, iun = $12, opened_at = $13, paid_at = $14, judged_at = $15, attempts = $16,
			due_at = $17, revision = revision + 1
		WHERE id = $1 AND revision = $2 RETURNING revision`,
		r.ID, r.Revision, r.IUPD, r.ReceiptID, string(r.State), string(r.Source), r.Operation, optional(r.AnsweredAt),
		int64(r.Amount), int64(r.ChargedFee), int64(r.DueFee), r.IUN, r.OpenedAt, optional(r.PaidAt), optional(r.JudgedAt), r.Attempts,
		r.DueAt).Scan(&revision)
	return revision, err
}

// SettleReconciliation implements [positions.Store].
func (s *Store) SettleReconciliation(ctx context.Context, r *positions.Reconciliation) error {
	revision, err := writeReconciliation(ctx, s.pool, r)
	switch {
	case absent(err):
		return positions.Errorf(positions.Stale, "the reconciliation of notice %s has been written since it was read", r.NAV)
	case taken(err):
		return positions.Errorf(positions.Conflict, "receipt %s has a reconciliation already", r.ReceiptID)
	case err != nil:
		return failure("settle reconciliation", err)
	}
	r.Revision = revision
	return nil
}

// OrganizationsToReconcile implements [positions.Store].
func (s *Store) OrganizationsToReconcile(ctx context.Context, now time.Time, limit int) (queues []positions.ReconciliationQueue, err error) {
	err = s.read(ctx, "organizations to reconcile", func() error {
		rows, err := s.pool.Query(ctx, `SELECT q.organization, coalesce(h.failures, 0)
			FROM (SELECT organization, min(due_at) AS due FROM reconciliations WHERE state = 'OPEN' AND due_at <= $1 GROUP BY organization) q
			LEFT JOIN reconciliation_holds h USING (organization)
			WHERE h.until IS NULL OR h.until <= $1 ORDER BY q.due, q.organization LIMIT $2`, now, limit)
		if err != nil {
			return err
		}
		queues, err = pgx.CollectRows(rows, pgx.RowToStructByPos[positions.ReconciliationQueue])
		return err
	})
	return queues, err
}

// HoldReconciliations implements [positions.Store].
func (s *Store) HoldReconciliations(ctx context.Context, fiscalCode string, failures int, until time.Time) error {
	// Holding twice is holding once: it may be tried again like a read.
	return s.read(ctx, "hold reconciliations", func() error {
		if failures == 0 {
			_, err := s.pool.Exec(ctx, `DELETE FROM reconciliation_holds WHERE organization = $1`, fiscalCode)
			return err
		}
		_, err := s.pool.Exec(ctx, `INSERT INTO reconciliation_holds (organization, failures, until) VALUES ($1, $2, $3)
			ON CONFLICT (organization) DO UPDATE SET failures = excluded.failures, until = excluded.until`, fiscalCode, failures, until)
		return err
	})
}

// DueReconciliations implements [positions.Store].
func (s *Store) DueReconciliations(ctx context.Context, fiscalCode string, now time.Time, limit int) ([]positions.Reconciliation, error) {
	return s.reconciliations(ctx, "due reconciliations", ` WHERE organization = $1 AND state = 'OPEN' AND due_at <= $2 ORDER BY due_at, id LIMIT $3`,
		fiscalCode, now, max(0, limit))
}

// MissingElsewhere implements [positions.Store].
func (s *Store) MissingElsewhere(ctx context.Context, fiscalCode, iun, recipient string, except positions.NoticeNumber) (missing money.Cents, err error) {
	if iun == "" {
		return 0, nil
	}
	err = s.read(ctx, "missing elsewhere", func() error {
		return s.pool.QueryRow(ctx, `SELECT coalesce(sum(r.due_fee - r.charged_fee), 0)::bigint
			FROM (SELECT nav, receipt_id, due_fee, charged_fee FROM reconciliations
				WHERE organization = $1 AND iun = $2 AND state IN ('UNDER_COLLECTED', 'OVER_COLLECTED') AND nav <> $4 LIMIT 128) r
			JOIN payment_options o ON o.organization = $1 AND o.nav = r.nav AND o.status <> 'PO_UNPAID'
				AND coalesce(o.body -> 'payment' ->> 'idReceipt', '') = r.receipt_id
			JOIN positions p ON p.id = o.position_id
			WHERE upper(p.head -> 'debtor' ->> 'fiscalCode') = nullif(upper($3), 'ANONIMO')`,
			fiscalCode, iun, recipient, string(except)).Scan(&missing)
	})
	return missing, err
}

// Reconciliations implements [positions.Store].
func (s *Store) Reconciliations(ctx context.Context, f positions.ReconciliationFilter) ([]positions.Reconciliation, error) {
	where, args := reconciliationConditions(f)
	order := ` ORDER BY opened_at DESC, id DESC`
	if f.AfterID != nil {
		order = ` ORDER BY id`
	}
	return s.reconciliations(ctx, "reconciliations", where+order+` LIMIT `+strconv.Itoa(max(0, f.Page.Limit))+` OFFSET `+strconv.Itoa(max(0, f.Page.Offset())), args...)
}

// ReconciliationTotals implements [positions.Store].
func (s *Store) ReconciliationTotals(ctx context.Context, f positions.ReconciliationFilter) (t positions.ReconciliationTotals, err error) {
	where, args := reconciliationConditions(f)
	err = s.read(ctx, "reconciliation totals", func() error {
		return s.pool.QueryRow(ctx, `SELECT coalesce(sum(due_fee - charged_fee) FILTER (WHERE state = 'UNDER_COLLECTED'), 0)::bigint,
				coalesce(sum(charged_fee - due_fee) FILTER (WHERE state = 'OVER_COLLECTED'), 0)::bigint,
				count(*) FILTER (WHERE state = 'OPEN'), count(*) FILTER (WHERE state = 'REPRICED'), count(*)
			FROM reconciliations`+where, args...).Scan(&t.UnderCollected, &t.OverCollected, &t.Open, &t.Repriced, &t.Count)
	})
	return t, err
}

// reconciliationSums looks at what is open or was found wrong, by the indexes of
// these alone.
const reconciliationSums = `SELECT coalesce(sum(due_fee - charged_fee) FILTER (WHERE state = 'UNDER_COLLECTED'), 0)::bigint,
	coalesce(sum(charged_fee - due_fee) FILTER (WHERE state = 'OVER_COLLECTED'), 0)::bigint,
	(SELECT count(*) FROM reconciliations WHERE state = 'OPEN')
	FROM reconciliations WHERE state IN ('UNDER_COLLECTED', 'OVER_COLLECTED')`

// ReconciliationSums implements [positions.Store].
func (s *Store) ReconciliationSums(ctx context.Context) (t positions.ReconciliationTotals, err error) {
	err = s.read(ctx, "reconciliation sums", func() error {
		return s.pool.QueryRow(ctx, reconciliationSums).Scan(&t.UnderCollected, &t.OverCollected, &t.Open)
	})
	return t, err
}

func reconciliationConditions(f positions.ReconciliationFilter) (string, []any) {
	var w filter
	w.is("organization", f.OrganizationFiscalCode)
	w.is("state", string(f.State))
	w.within("opened_at", f.From, f.To)
	w.segregated(f.SegregationCodes)
	if f.AfterID != nil {
		w.and("id > ?", *f.AfterID)
	}
	return w.where(), w.args
}

const selectReconciliation = `SELECT id, organization, nav, iupd, receipt_id, state, source, operation, answered_at, amount, charged_fee, due_fee,
	iun, opened_at, paid_at, judged_at, attempts, due_at, revision FROM reconciliations`

func (s *Store) reconciliations(ctx context.Context, operation, where string, args ...any) (found []positions.Reconciliation, err error) {
	err = s.read(ctx, operation, func() error {
		rows, err := s.pool.Query(ctx, selectReconciliation+where, args...)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, scanReconciliation)
		return err
	})
	return found, err
}

func scanReconciliation(row pgx.CollectableRow) (r positions.Reconciliation, err error) {
	var answered, paid, judged *time.Time
	err = row.Scan(&r.ID, &r.OrganizationFiscalCode, &r.NAV, &r.IUPD, &r.ReceiptID, &r.State, &r.Source, &r.Operation, &answered, &r.Amount,
		&r.ChargedFee, &r.DueFee, &r.IUN, &r.OpenedAt, &paid, &judged, &r.Attempts, &r.DueAt, &r.Revision)
	r.AnsweredAt, r.PaidAt, r.JudgedAt = maybe(answered), maybe(paid), maybe(judged)
	r.OpenedAt, r.DueAt = r.OpenedAt.UTC(), r.DueAt.UTC()
	return r, err
}
