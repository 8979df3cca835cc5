package postgres

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/internal/document"
)

// belated is how long after the period receipts are read together with its
// activations: the Nodo sends one for two days. What comes later is looked for
// notice by notice.
const belated = 3 * 24 * time.Hour

// MissingReceipts implements [positions.Store]. It reads all activations of the
// period and all receipts since, four microseconds each, which can take longer
// than a statement of the payment path may.
func (s *Store) MissingReceipts(ctx context.Context, f positions.MissingReceiptFilter) (missing []positions.MissingReceipt, total int, err error) {
	args := []any{f.OrganizationFiscalCode, f.From, f.To, document.Instant(f.Now), f.To.Add(belated)}
	codes := ""
	if len(f.SegregationCodes) > 0 {
		args = append(args, f.SegregationCodes)
		codes = ` AND left(nav, 1) = '3' AND substr(nav, 2, 2) = ANY ($6::text[])`
	}
	// Activations and receipts go through one aggregate, which is cheaper than to join
	// them, and the few that are left are looked up one by one: a join would have the
	// planner read all options that there are. received_at >= $2 says less than what
	// is beside it, but the planner sees by it which months need not be looked at.
	const receipt = `organization = $1 AND received_at >= $2 AND (NOT flagged OR body ->> 'creditorFiscalCode' = $1)`
	page := ` LIMIT ` + strconv.Itoa(max(0, f.Page.Limit)) + ` OFFSET ` + strconv.Itoa(max(0, f.Page.Offset()))
	query := `WITH activated AS MATERIALIZED (
			SELECT nav, max(at) AS at, count(at) AS times FROM (
				SELECT nav, at, NULL::timestamptz AS received_at FROM answers
				WHERE organization = $1 AND at >= $2 AND at < $3 AND ` + document.Activation + codes + `
				UNION ALL
				SELECT nav, NULL, received_at FROM receipts WHERE ` + receipt + ` AND received_at < $5` + codes + `
			) both_kinds GROUP BY nav HAVING max(at) > coalesce(max(received_at), '-infinity')
		), missing AS MATERIALIZED (
			SELECT a.nav, a.at, a.times, o.position_id FROM activated a
			LEFT JOIN LATERAL (SELECT status, position_id FROM payment_options o WHERE o.organization = $1 AND o.nav = a.nav LIMIT 1) o ON true
			WHERE (o.status IS NULL OR o.status = 'PO_UNPAID')
				AND NOT EXISTS (SELECT FROM receipts r WHERE ` + receipt + ` AND r.nav = a.nav AND r.received_at >= $5)
				AND NOT EXISTS (SELECT FROM answers l WHERE l.organization = $1 AND l.nav = a.nav AND l.at >= $3 AND ` + document.Activation + `)
		), page AS (SELECT * FROM missing ORDER BY at DESC, nav` + page + `)
		SELECT t.total, m.nav, m.at, m.times, l.amount, p.iupd, ` + strings.ReplaceAll(statusAt, "?", "$4") + `
		FROM (SELECT count(*) AS total FROM missing) t
		LEFT JOIN page m ON true
		LEFT JOIN positions p ON p.id = m.position_id
		LEFT JOIN LATERAL (SELECT amount FROM answers l WHERE l.organization = $1 AND l.nav = m.nav AND l.at = m.at AND ` + document.Activation + ` ORDER BY id DESC LIMIT 1) l ON true
		ORDER BY m.at DESC, m.nav`
	err = s.long(ctx, "missing receipts", func(tx pgx.Tx) error {
		missing = nil
		// The aggregate in memory, on one core: the others are for payments.
		if _, err := tx.Exec(ctx, `SET LOCAL work_mem = '64MB'; SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL jit = off`); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		var nav, iupd, status *string
		var at *time.Time
		var times *int
		var amount *money.Cents
		_, err = pgx.ForEachRow(rows, []any{&total, &nav, &at, &times, &amount, &iupd, &status}, func() error {
			if nav == nil { // an empty page
				return nil
			}
			m := positions.MissingReceipt{NAV: positions.NoticeNumber(*nav), ActivatedAt: at.UTC(), Activations: *times, Amount: *amount}
			if iupd != nil {
				m.IUPD, m.Status = *iupd, positions.Status(*status)
			}
			missing = append(missing, m)
			return nil
		})
		return err
	})
	return missing, total, err
}
