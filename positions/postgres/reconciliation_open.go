package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/attualizza/attualizza/positions"
)

// notice names the notice of an answer or a reconciliation.
type notice struct {
	organization string
	nav          positions.NoticeNumber
}

// doubtful is a row of doubtful_answers.
type doubtful struct {
	id     int64
	answer positions.Answer
}

// selectDoubtful begins, and returningDoubtful ends, a statement for [scanDoubtful].
const (
	selectDoubtful    = `SELECT id, at, organization, nav, operation, amount, notification_fee, source FROM doubtful_answers`
	returningDoubtful = ` RETURNING id, at, organization, nav, operation, amount, notification_fee, source`
)

func scanDoubtful(row pgx.CollectableRow) (d doubtful, err error) {
	a := &d.answer
	err = row.Scan(&d.id, &a.At, &a.OrganizationFiscalCode, &a.NAV, &a.Operation, &a.Amount, &a.NotificationFee, &a.Source)
	a.At, a.Outcome = a.At.UTC(), "OK"
	return d, err
}

// OpenReconciliations implements [positions.Store]. Several may do it at once: they
// pass over each other's answers, and over those that a receipt is taking. What they
// may have to wait for all the same, such as a lock of the whole table, they wait for
// shortly: this comes between an answer's record and its reply.
func (s *Store) OpenReconciliations(ctx context.Context, after int64, limit int) (next int64, err error) {
	_, err = s.transaction(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SET LOCAL lock_timeout = '50ms'`); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, selectDoubtful+` WHERE id > $1 ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED`, after, limit)
		if err != nil {
			return err
		}
		found, err := pgx.CollectRows(rows, scanDoubtful)
		if err != nil || len(found) == 0 {
			return err
		}
		if len(found) == limit {
			next = found[len(found)-1].id
		}
		held, err := heldReconciliations(ctx, tx, found)
		if err != nil {
			return err
		}
		var ids []int64
		var answers []positions.Answer
		for i := range found {
			if a := &found[i].answer; !held[notice{a.OrganizationFiscalCode, a.NAV}] {
				ids, answers = append(ids, found[i].id), append(answers, *a)
			}
		}
		if len(ids) == 0 {
			return nil
		}
		if err := openReconciliations(ctx, tx, positions.OpenedBy(answers)); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `DELETE FROM doubtful_answers WHERE id = ANY ($1)`, ids)
		return err
	})
	if err != nil {
		return 0, failure("open reconciliations", err)
	}
	return next, nil
}

// heldReconciliations tells of which notices somebody else is writing the
// reconciliation, and locks it of the others that have one.
func heldReconciliations(ctx context.Context, tx pgx.Tx, found []doubtful) (held map[notice]bool, err error) {
	var organizations, navs []string
	for i := range found {
		organizations, navs = append(organizations, found[i].answer.OrganizationFiscalCode), append(navs, string(found[i].answer.NAV))
	}
	const existing = `SELECT r.organization, r.nav FROM reconciliations r
		WHERE r.paid_at IS NULL AND (r.organization, r.nav) IN (SELECT * FROM unnest($1::text[], $2::text[]))`
	held = map[notice]bool{}
	for _, pass := range []struct {
		query string
		held  bool
	}{{existing, true}, {existing + ` FOR UPDATE SKIP LOCKED`, false}} {
		rows, err := tx.Query(ctx, pass.query, organizations, navs)
		if err != nil {
			return nil, err
		}
		var n notice
		if _, err := pgx.ForEachRow(rows, []any{&n.organization, &n.nav}, func() error {
			held[n] = pass.held
			return nil
		}); err != nil {
			return nil, err
		}
	}
	return held, nil
}

// openDoubtfulOf opens what answers about a notice left to reconcile, for a receipt
// that is about to look at it.
func openDoubtfulOf(ctx context.Context, tx pgx.Tx, organization string, nav positions.NoticeNumber) error {
	rows, err := tx.Query(ctx, `DELETE FROM doubtful_answers WHERE organization = $1 AND nav = $2`+returningDoubtful, organization, string(nav))
	if err != nil {
		return err
	}
	found, err := pgx.CollectRows(rows, scanDoubtful)
	if err != nil || len(found) == 0 {
		return err
	}
	answers := make([]positions.Answer, len(found))
	for i := range found {
		answers[i] = found[i].answer
	}
	return openReconciliations(ctx, tx, positions.OpenedBy(answers))
}

// openReconciliations opens what answers left to reconcile, or opens it again, by
// the rule of [positions.OpenedBy]. One that is open keeps its turn: asking about the
// notice once more does not make SEND be asked sooner.
func openReconciliations(ctx context.Context, tx pgx.Tx, opened []positions.Reconciliation) error {
	b := new(pgx.Batch)
	for i := range opened {
		r := &opened[i]
		b.Queue(`INSERT INTO reconciliations AS r (organization, nav, iupd, receipt_id, state, source, operation, answered_at, amount,
				charged_fee, due_fee, iun, opened_at, attempts, due_at, revision)
			SELECT $1::text, $2::text, '', '', 'OPEN', $3, $4, $5::timestamptz, $6::bigint, $7::bigint, 0, '', $8::timestamptz, 0, $9::timestamptz, 1
			WHERE NOT EXISTS (SELECT FROM reconciliations p WHERE p.organization = $1 AND p.nav = $2 AND p.paid_at IS NOT NULL
				AND (p.answered_at >= $5 OR p.state <> 'LAPSED' AND (p.paid_at >= $5 OR p.judged_at >= $5)))
			ON CONFLICT (organization, nav) WHERE paid_at IS NULL DO UPDATE SET
				state = 'OPEN', source = excluded.source, operation = excluded.operation, answered_at = excluded.answered_at,
				amount = excluded.amount, charged_fee = excluded.charged_fee, due_fee = 0, iun = '', judged_at = NULL,
				opened_at = CASE WHEN r.state = 'OPEN' THEN r.opened_at ELSE excluded.opened_at END,
				attempts = CASE WHEN r.state = 'OPEN' THEN r.attempts ELSE 0 END,
				due_at = CASE WHEN r.state = 'OPEN' THEN r.due_at ELSE excluded.due_at END,
				revision = r.revision + 1
			WHERE excluded.answered_at > r.answered_at AND (r.judged_at IS NULL OR excluded.answered_at > r.judged_at)`,
			r.OrganizationFiscalCode, string(r.NAV), string(r.Source), r.Operation, r.AnsweredAt, int64(r.Amount),
			int64(r.ChargedFee), r.OpenedAt, r.DueAt)
	}
	return send(ctx, tx, b)
}
