package actualize

import (
	"context"
	"time"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/internal/registry"
	"github.com/attualizza/attualizza/internal/telemetry"
	"github.com/attualizza/attualizza/positions"
)

// feesPaidTimeout bounds the question to the store about a notification that it
// did not know of when it gave the notice: the asker has waited for SEND before.
const feesPaidTimeout = 150 * time.Millisecond

// lessPaidElsewhere leaves out of a fee what was paid of it with other notices of
// the same notification, see [positions.Price.Fee]. Who else looks at the price
// does not see it change.
//
// The store tells how much that is together with the notice. Only when the price
// is of a notification that the store did not know of, as the first one that SEND
// gives, is it asked once more. Without an answer the whole fee is charged: it is
// the rare case, SEND did say that much, and what was paid twice can be given
// back, whereas nobody pays afterwards what was not asked.
func (a *Actualizer) lessPaidElsewhere(ctx context.Context, org *registry.Organization, n *positions.Notice, f fee) fee {
	if f.amount == 0 || f.price == nil || f.price.IUN == "" || f.price.Pushed {
		return f
	}
	var paid money.Cents
	if n.Price != nil && n.Price.IUN == f.price.IUN {
		paid = n.Price.PaidElsewhere
	} else {
		var err error
		ctx, cancel := context.WithTimeout(ctx, feesPaidTimeout)
		defer cancel()
		ctx, span := a.tracer.Start(ctx, "store fees paid")
		paid, err = a.store.FeesPaid(ctx, org.FiscalCode, f.price.IUN, n.Position.Debtor.FiscalCode, n.Option.NAV)
		telemetry.End(span, err)
		if err != nil {
			a.logger.WarnContext(ctx, "not known whether the fee was paid with another notice of the notification: the whole is charged",
				"organization", org.FiscalCode, "nav", n.Option.NAV, "error", err)
			return f
		}
	}
	if paid == 0 {
		return f
	}
	price := *f.price
	price.PaidElsewhere = paid
	f.price, f.amount = &price, price.Fee()
	f.paidElsewhere = price.TotalPrice - f.amount
	return f
}
