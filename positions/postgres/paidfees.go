package postgres

import (
	"context"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/internal/document"
)

// paidElsewhere is what was paid of the fee of a price n with other notices, for
// the notice's position p; see migration 5 for the function.
const paidElsewhere = `CASE WHEN n.body ->> 'iun' IS NULL THEN 0 ELSE fees_paid(n.organization, n.body ->> 'iun', p.head, n.nav) END`

// FeesPaid implements [positions.Store].
func (s *Store) FeesPaid(ctx context.Context, fiscalCode, iun, recipient string, except positions.NoticeNumber) (paid money.Cents, err error) {
	head, err := document.Write(&positions.Position{Debtor: positions.Debtor{FiscalCode: recipient}})
	if err != nil {
		return 0, err
	}
	err = s.read(ctx, "fees paid", func() error {
		return s.pool.QueryRow(ctx, `SELECT fees_paid($1, $2, $3, $4)`, fiscalCode, iun, head, string(except)).Scan(&paid)
	})
	return paid, err
}
