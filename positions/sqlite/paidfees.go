package sqlite

import (
	"context"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions"
)

// feesPaid is the expression for what was paid of the fee of a notification with
// notices of a recipient other than one. No notification has as many notices as
// the limit. A relay that gives one IUN to all that it is asked of has, and must
// not make a reading slow.
func feesPaid(organization, iun, recipient, except string) string {
	return `(SELECT coalesce(sum(f.fee), 0)
		FROM (SELECT x.position_id, json_extract(x.body, '$.payment.notificationFee') AS fee FROM payment_options x
			WHERE x.organization = ` + organization + ` AND json_extract(x.body, '$.payment.iun') = ` + iun + `
				AND x.status <> 'PO_UNPAID' AND x.nav <> ` + except + `
			LIMIT 128) f
		JOIN positions y ON y.id = f.position_id
		WHERE upper(json_extract(y.head, '$.debtor.fiscalCode')) = nullif(upper(` + recipient + `), 'ANONIMO'))`
}

// paidElsewhere is feesPaid for a price n and the notice's position p.
var paidElsewhere = `CASE WHEN json_extract(n.body, '$.iun') IS NULL THEN 0
	ELSE ` + feesPaid("n.organization", "json_extract(n.body, '$.iun')", "json_extract(p.head, '$.debtor.fiscalCode')", "n.nav") + ` END`

// FeesPaid implements [positions.Store].
func (s *Store) FeesPaid(ctx context.Context, fiscalCode, iun, recipient string, except positions.NoticeNumber) (paid money.Cents, err error) {
	stmt, err := s.statement(ctx, `SELECT `+feesPaid("?1", "?2", "?3", "?4"))
	if err == nil {
		err = stmt.QueryRowContext(ctx, fiscalCode, iun, recipient, string(except)).Scan(&paid)
	}
	return paid, failure("fees paid", err)
}
