package postgres

import (
	"context"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions"
)

// paidElsewhere is what was paid of the fee of a price n with other notices, for
// the notice's position p. A look at the index is all that it takes where nothing
// was paid, or where there is no notification; see migration 5 for the function.
const paidElsewhere = `CASE WHEN (SELECT 1 FROM payment_options x
		WHERE x.organization = n.organization AND x.body -> 'payment' ->> 'iun' = n.body ->> 'iun' AND x.status <> 'PO_UNPAID' LIMIT 1) IS NULL THEN 0
	ELSE fees_paid(n.organization, n.body ->> 'iun', p.head -> 'debtor' ->> 'fiscalCode', n.nav) END`

// FeesPaid implements [positions.Store].
func (s *Store) FeesPaid(ctx context.Context, fiscalCode, iun, recipient string, except positions.NoticeNumber) (paid money.Cents, err error) {
	err = s.read(ctx, "fees paid", func() error {
		return s.pool.QueryRow(ctx, `SELECT fees_paid($1, $2, $3, $4)`, fiscalCode, iun, recipient, string(except)).Scan(&paid)
	})
	return paid, err
}
