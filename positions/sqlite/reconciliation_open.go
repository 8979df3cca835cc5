package sqlite

import (
	"context"
	"database/sql"

	"github.com/attualizza/attualizza/positions"
)

// OpenReconciliations implements [positions.Store]. There is one writer, so nobody
// else is writing a reconciliation.
func (s *Store) OpenReconciliations(ctx context.Context, after int64, limit int) (next int64, err error) {
	err = s.change(ctx, "open reconciliations", func(tx *sql.Tx) error {
		ids, err := openDoubtful(ctx, tx, `id IN (SELECT id FROM doubtful_answers WHERE id > ? ORDER BY id LIMIT ?)`, after, limit)
		if len(ids) == limit {
			for _, id := range ids {
				next = max(next, id)
			}
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	return next, nil
}

// openDoubtful opens what some of the doubtful answers left to reconcile, and takes
// them away. It returns their ids.
func openDoubtful(ctx context.Context, tx *sql.Tx, where string, args ...any) (ids []int64, err error) {
	rows, err := tx.QueryContext(ctx, `DELETE FROM doubtful_answers WHERE `+where+`
		RETURNING id, at, organization, nav, operation, amount, notification_fee, source`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var answers []positions.Answer
	for rows.Next() {
		var id, at int64
		a := positions.Answer{Outcome: "OK"}
		if err := rows.Scan(&id, &at, &a.OrganizationFiscalCode, &a.NAV, &a.Operation, &a.Amount, &a.NotificationFee, &a.Source); err != nil {
			return nil, err
		}
		a.At = instant(at)
		ids, answers = append(ids, id), append(answers, a)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return ids, openReconciliations(ctx, tx, positions.OpenedBy(answers))
}

// openReconciliations opens what answers left to reconcile, or opens it again, by
// the rule of [positions.OpenedBy]. One that is open keeps its turn: asking about the
// notice once more does not make SEND be asked sooner.
func openReconciliations(ctx context.Context, tx *sql.Tx, opened []positions.Reconciliation) error {
	for i := range opened {
		r := &opened[i]
		if _, err := tx.ExecContext(ctx, `INSERT INTO reconciliations AS r (organization, nav, iupd, receipt_id, state, source, operation,
				answered_at, amount, charged_fee, due_fee, iun, opened_at, attempts, due_at, revision)
			SELECT ?1, ?2, '', '', 'OPEN', ?3, ?4, ?5, ?6, ?7, 0, '', ?8, 0, ?9, 1
			WHERE NOT EXISTS (SELECT 1 FROM reconciliations p WHERE p.organization = ?1 AND p.nav = ?2 AND p.paid_at IS NOT NULL
				AND (p.answered_at >= ?5 OR p.state <> 'LAPSED' AND (p.paid_at >= ?5 OR p.judged_at >= ?5)))
			ON CONFLICT (organization, nav) WHERE paid_at IS NULL DO UPDATE SET
				state = 'OPEN', source = excluded.source, operation = excluded.operation, answered_at = excluded.answered_at,
				amount = excluded.amount, charged_fee = excluded.charged_fee, due_fee = 0, iun = '', judged_at = NULL,
				opened_at = CASE WHEN r.state = 'OPEN' THEN r.opened_at ELSE excluded.opened_at END,
				attempts = CASE WHEN r.state = 'OPEN' THEN r.attempts ELSE 0 END,
				due_at = CASE WHEN r.state = 'OPEN' THEN r.due_at ELSE excluded.due_at END,
				revision = r.revision + 1
			WHERE excluded.answered_at > r.answered_at AND (r.judged_at IS NULL OR excluded.answered_at > r.judged_at)`,
			r.OrganizationFiscalCode, string(r.NAV), string(r.Source), r.Operation, micros(r.AnsweredAt), int64(r.Amount),
			int64(r.ChargedFee), micros(r.OpenedAt), micros(r.DueAt)); err != nil {
			return err
		}
	}
	return nil
}
