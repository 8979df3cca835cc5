package sqlite

import (
	"context"
	"database/sql"
	"strconv"
	"strings"
	"time"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/internal/document"
)

// belated is how long after the period receipts are read together with its
// activations: the Nodo sends one for two days. What comes later is looked for
// notice by notice.
const belated = 3 * 24 * time.Hour

// MissingReceipts implements [positions.Store]. It reads all answers of the period
// and all receipts since, some three microseconds each.
func (s *Store) MissingReceipts(ctx context.Context, f positions.MissingReceiptFilter) ([]positions.MissingReceipt, int, error) {
	args := []any{f.OrganizationFiscalCode, micros(f.From), micros(f.To), micros(document.Instant(f.Now)), micros(f.To.Add(belated))}
	codes := ""
	if len(f.SegregationCodes) > 0 {
		args = append(args, list(f.SegregationCodes))
		codes = ` AND substr(nav, 1, 1) = '3' AND substr(nav, 2, 2) IN (SELECT value FROM json_each(?6))`
	}
	const receipt = `organization = ?1 AND (NOT flagged OR json_extract(body, '$.creditorFiscalCode') = ?1)`
	page := ` LIMIT ` + strconv.Itoa(max(0, f.Page.Limit)) + ` OFFSET ` + strconv.Itoa(max(0, f.Page.Offset()))
	// The period is looked for in the indexes of time: those of notices would have all
	// answers read that the organization ever got. Activations and receipts go through
	// one aggregate, which is cheaper than to look receipts up one by one.
	query := `WITH activated AS MATERIALIZED (
			SELECT nav, max(at) AS at, count(at) AS times FROM (
				SELECT nav, at, NULL AS received_at FROM answers INDEXED BY answers_at
				WHERE organization = ?1 AND at >= ?2 AND at < ?3 AND ` + document.Activation + codes + `
				UNION ALL
				SELECT nav, NULL, received_at FROM receipts INDEXED BY receipts_received
				WHERE ` + receipt + ` AND received_at >= ?2 AND received_at < ?5` + codes + `
			) GROUP BY nav HAVING max(at) > coalesce(max(received_at), max(at) - 1)
		), missing AS MATERIALIZED (
			SELECT a.nav, a.at, a.times, o.position_id FROM activated a
			LEFT JOIN payment_options o ON o.organization = ?1 AND o.nav = a.nav
			WHERE (o.status IS NULL OR o.status = 'PO_UNPAID')
				AND NOT EXISTS (SELECT 1 FROM receipts r WHERE ` + receipt + ` AND r.nav = a.nav AND r.received_at >= ?5)
				AND NOT EXISTS (SELECT 1 FROM answers l WHERE l.organization = ?1 AND l.nav = a.nav AND l.at >= ?3 AND ` + document.Activation + `)
		), page AS (SELECT * FROM missing ORDER BY at DESC, nav` + page + `)
		SELECT t.total, m.nav, m.at, m.times,
			(SELECT amount FROM answers l WHERE l.organization = ?1 AND l.nav = m.nav AND l.at = m.at AND ` + document.Activation + ` ORDER BY id DESC LIMIT 1),
			iupd, ` + strings.ReplaceAll(statusAt, "?", "?4") + `
		FROM (SELECT count(*) AS total FROM missing) t
		LEFT JOIN page m ON true
		LEFT JOIN positions p ON p.id = m.position_id
		ORDER BY m.at DESC, m.nav`
	rows, err := s.reader.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, 0, failure("missing receipts", err)
	}
	defer rows.Close()
	var missing []positions.MissingReceipt
	var total int
	for rows.Next() {
		var nav, iupd, status sql.NullString
		var at sql.NullInt64
		var times *int
		var amount *money.Cents
		if err := rows.Scan(&total, &nav, &at, &times, &amount, &iupd, &status); err != nil {
			return nil, 0, failure("missing receipts", err)
		}
		if !nav.Valid { // an empty page
			continue
		}
		missing = append(missing, positions.MissingReceipt{
			NAV: positions.NoticeNumber(nav.String), IUPD: iupd.String, Status: positions.Status(status.String),
			ActivatedAt: instant(at.Int64), Amount: *amount, Activations: *times,
		})
	}
	return missing, total, failure("missing receipts", rows.Err())
}
