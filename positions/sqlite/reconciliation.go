package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/internal/document"
)

// reconcileReceipt opens or ends what a receipt that settled p left to reconcile.
func reconcileReceipt(ctx context.Context, tx *sql.Tx, p *positions.Position, receipt *positions.Receipt) error {
	if o := p.Option(receipt.NAV); o == nil || !o.SendBound {
		return nil
	}
	if _, err := openDoubtful(ctx, tx, `organization = ? AND nav = ?`, receipt.OrganizationFiscalCode, string(receipt.NAV)); err != nil {
		return err
	}
	waiting, err := scanReconciliation(tx.QueryRowContext(ctx, selectReconciliation+` WHERE organization = ? AND nav = ? AND paid_at IS NULL`,
		receipt.OrganizationFiscalCode, string(receipt.NAV)))
	if errors.Is(err, sql.ErrNoRows) {
		waiting, err = nil, nil
	}
	if err != nil {
		return err
	}
	last, at := new(positions.Answer), int64(0)
	err = tx.QueryRowContext(ctx, `SELECT at, operation, source, amount FROM answers
		WHERE organization = ? AND nav = ? AND `+document.Activation+`
		ORDER BY at DESC, id DESC LIMIT 1`, receipt.OrganizationFiscalCode, string(receipt.NAV)).
		Scan(&at, &last.Operation, &last.Source, &last.Amount)
	last.At = instant(at)
	if errors.Is(err, sql.ErrNoRows) {
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
	_, err = tx.ExecContext(ctx, `INSERT INTO reconciliations (organization, nav, iupd, receipt_id, state, source, operation, answered_at, amount,
			charged_fee, due_fee, iun, opened_at, paid_at, attempts, due_at, revision)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)`,
		next.OrganizationFiscalCode, string(next.NAV), next.IUPD, next.ReceiptID, string(next.State), string(next.Source), next.Operation,
		optional(next.AnsweredAt), int64(next.Amount), int64(next.ChargedFee), int64(next.DueFee), next.IUN, micros(next.OpenedAt),
		optional(next.PaidAt), next.Attempts, micros(next.DueAt))
	return err
}

// reuseReconciliation makes next, which a payment left, the row of its receipt where
// there is one: of the same payment when it was reported by other means, judged, and
// taken back before its receipt came. What waited for a payment makes room.
func reuseReconciliation(ctx context.Context, tx *sql.Tx, next *positions.Reconciliation) error {
	if next.ReceiptID == "" {
		return nil
	}
	waiting := next.ID
	err := tx.QueryRowContext(ctx, `SELECT id, revision FROM reconciliations WHERE organization = ? AND nav = ? AND receipt_id = ? AND receipt_id <> ''`,
		next.OrganizationFiscalCode, string(next.NAV), next.ReceiptID).Scan(&next.ID, &next.Revision)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil || waiting == 0 || waiting == next.ID:
		return err
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM reconciliations WHERE id = ?`, waiting)
	return err
}

// writeReconciliation writes what became of one that was read at r.Revision, and
// returns its new revision; sql.ErrNoRows: it has been written since.
func writeReconciliation(ctx context.Context, tx *sql.Tx, r *positions.Reconciliation) (revision int64, err error) {
	err = tx.QueryRowContext(ctx, `UPDATE reconciliations SET iupd = ?, receipt_id = ?, state = ?, source = ?, operation = ?, answered_at = ?,
			amount = ?, charged_fee = ?, due_fee = ?, iun = ?, opened_at = ?, paid_at = ?, judged_at = ?, attempts = ?, due_at = ?,
			revision = revision + 1
		WHERE id = ? AND revision = ? RETURNING revision`,
		r.IUPD, r.ReceiptID, string(r.State), string(r.Source), r.Operation, optional(r.AnsweredAt), int64(r.Amount), int64(r.ChargedFee),
		int64(r.DueFee), r.IUN, micros(r.OpenedAt), optional(r.PaidAt), optional(r.JudgedAt), r.Attempts, micros(r.DueAt),
		r.ID, r.Revision).Scan(&revision)
	return revision, err
}

// SettleReconciliation implements [positions.Store].
func (s *Store) SettleReconciliation(ctx context.Context, r *positions.Reconciliation) error {
	revision := r.Revision
	err := s.change(ctx, "settle reconciliation", func(tx *sql.Tx) (err error) {
		revision, err = writeReconciliation(ctx, tx, r)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return positions.Errorf(positions.Stale, "the reconciliation of notice %s has been written since it was read", r.NAV)
		case taken(err):
			return positions.Errorf(positions.Conflict, "receipt %s has a reconciliation already", r.ReceiptID)
		}
		return err
	})
	if err == nil {
		r.Revision = revision
	}
	return err
}

// OrganizationsToReconcile implements [positions.Store].
func (s *Store) OrganizationsToReconcile(ctx context.Context, now time.Time, limit int) ([]positions.ReconciliationQueue, error) {
	const operation = "organizations to reconcile"
	rows, err := s.reader.QueryContext(ctx, `SELECT q.organization, coalesce(h.failures, 0)
		FROM (SELECT organization, min(due_at) AS due FROM reconciliations WHERE state = 'OPEN' AND due_at <= ?1 GROUP BY organization) q
		LEFT JOIN reconciliation_holds h ON h.organization = q.organization
		WHERE h.until IS NULL OR h.until <= ?1 ORDER BY q.due, q.organization LIMIT ?2`, micros(now), max(0, limit))
	if err != nil {
		return nil, failure(operation, err)
	}
	defer rows.Close()
	var queues []positions.ReconciliationQueue
	for rows.Next() {
		var q positions.ReconciliationQueue
		if err := rows.Scan(&q.OrganizationFiscalCode, &q.Failures); err != nil {
			return nil, failure(operation, err)
		}
		queues = append(queues, q)
	}
	return queues, failure(operation, rows.Err())
}

// HoldReconciliations implements [positions.Store].
func (s *Store) HoldReconciliations(ctx context.Context, fiscalCode string, failures int, until time.Time) error {
	return s.change(ctx, "hold reconciliations", func(tx *sql.Tx) error {
		if failures == 0 {
			_, err := tx.ExecContext(ctx, `DELETE FROM reconciliation_holds WHERE organization = ?`, fiscalCode)
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO reconciliation_holds (organization, failures, until) VALUES (?, ?, ?)
			ON CONFLICT (organization) DO UPDATE SET failures = excluded.failures, until = excluded.until`, fiscalCode, failures, micros(until))
		return err
	})
}

// DueReconciliations implements [positions.Store].
func (s *Store) DueReconciliations(ctx context.Context, fiscalCode string, now time.Time, limit int) ([]positions.Reconciliation, error) {
	return s.reconciliations(ctx, "due reconciliations", ` WHERE organization = ? AND state = 'OPEN' AND due_at <= ? ORDER BY due_at, id LIMIT ?`,
		fiscalCode, micros(now), max(0, limit))
}

// MissingElsewhere implements [positions.Store].
func (s *Store) MissingElsewhere(ctx context.Context, fiscalCode, iun, recipient string, except positions.NoticeNumber) (missing money.Cents, err error) {
	if iun == "" {
		return 0, nil
	}
	err = s.reader.QueryRowContext(ctx, `SELECT coalesce(sum(r.due_fee - r.charged_fee), 0)
		FROM (SELECT nav, receipt_id, due_fee, charged_fee FROM reconciliations
			WHERE organization = ?1 AND iun = ?2 AND state IN ('UNDER_COLLECTED', 'OVER_COLLECTED') AND nav <> ?4 LIMIT 128) r
		JOIN payment_options o ON o.organization = ?1 AND o.nav = r.nav AND o.status <> 'PO_UNPAID'
			AND coalesce(json_extract(o.body, '$.payment.idReceipt'), '') = r.receipt_id
		JOIN positions p ON p.id = o.position_id
		WHERE upper(json_extract(p.head, '$.debtor.fiscalCode')) = nullif(upper(?3), 'ANONIMO')`,
		fiscalCode, iun, recipient, string(except)).Scan(&missing)
	return missing, failure("missing elsewhere", err)
}

// Reconciliations implements [positions.Store].
func (s *Store) Reconciliations(ctx context.Context, f positions.ReconciliationFilter) ([]positions.Reconciliation, error) {
	where, args := reconciliationConditions(f)
	order := ` ORDER BY opened_at DESC, id DESC`
	if f.AfterID != nil {
		order = ` ORDER BY id`
	}
	return s.reconciliations(ctx, "reconciliations", where+order+` LIMIT ? OFFSET ?`, append(args, max(0, f.Page.Limit), max(0, f.Page.Offset()))...)
}

// ReconciliationTotals implements [positions.Store].
func (s *Store) ReconciliationTotals(ctx context.Context, f positions.ReconciliationFilter) (t positions.ReconciliationTotals, err error) {
	where, args := reconciliationConditions(f)
	err = s.reader.QueryRowContext(ctx, `SELECT coalesce(sum(due_fee - charged_fee) FILTER (WHERE state = 'UNDER_COLLECTED'), 0),
			coalesce(sum(charged_fee - due_fee) FILTER (WHERE state = 'OVER_COLLECTED'), 0),
			count(*) FILTER (WHERE state = 'OPEN'), count(*) FILTER (WHERE state = 'REPRICED'), count(*)
		FROM reconciliations`+where, args...).Scan(&t.UnderCollected, &t.OverCollected, &t.Open, &t.Repriced, &t.Count)
	return t, failure("reconciliation totals", err)
}

// reconciliationSums looks at what is open or was found wrong, by the indexes of
// these alone.
const reconciliationSums = `SELECT coalesce(sum(due_fee - charged_fee) FILTER (WHERE state = 'UNDER_COLLECTED'), 0),
	coalesce(sum(charged_fee - due_fee) FILTER (WHERE state = 'OVER_COLLECTED'), 0),
	(SELECT count(*) FROM reconciliations WHERE state = 'OPEN')
	FROM reconciliations WHERE state IN ('UNDER_COLLECTED', 'OVER_COLLECTED')`

// ReconciliationSums implements [positions.Store].
func (s *Store) ReconciliationSums(ctx context.Context) (t positions.ReconciliationTotals, err error) {
	err = s.reader.QueryRowContext(ctx, reconciliationSums).Scan(&t.UnderCollected, &t.OverCollected, &t.Open)
	return t, failure("reconciliation sums", err)
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

func (s *Store) reconciliations(ctx context.Context, operation, where string, args ...any) ([]positions.Reconciliation, error) {
	rows, err := s.reader.QueryContext(ctx, selectReconciliation+where, args...)
	if err != nil {
		return nil, failure(operation, err)
	}
	defer rows.Close()
	var found []positions.Reconciliation
	for rows.Next() {
		r, err := scanReconciliation(rows)
		if err != nil {
			return nil, failure(operation, err)
		}
		found = append(found, *r)
	}
	return found, failure(operation, rows.Err())
}

func scanReconciliation(row interface{ Scan(into ...any) error }) (*positions.Reconciliation, error) {
	var r positions.Reconciliation
	var opened, due int64
	var answered, paid, judged sql.NullInt64
	err := row.Scan(&r.ID, &r.OrganizationFiscalCode, &r.NAV, &r.IUPD, &r.ReceiptID, &r.State, &r.Source, &r.Operation, &answered, &r.Amount,
		&r.ChargedFee, &r.DueFee, &r.IUN, &opened, &paid, &judged, &r.Attempts, &due, &r.Revision)
	r.AnsweredAt, r.PaidAt, r.JudgedAt = maybe(answered), maybe(paid), maybe(judged)
	r.OpenedAt, r.DueAt = instant(opened), instant(due)
	return &r, err
}
