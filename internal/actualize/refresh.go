package actualize

import (
	"context"

	"github.com/attualizza/attualizza/internal/registry"
	"github.com/attualizza/attualizza/positions"
)

// Refresh asks for the price of a notice now, whatever is known of it, and keeps
// the answer where the next activation finds it. It is for what happens beside
// the payments: it takes as long as one price request may. Errors are those of
// [sendclient.Client.Price], [registry.ErrNoCredential] and the context's end.
func (a *Actualizer) Refresh(ctx context.Context, org *registry.Organization, nav positions.NoticeNumber) (*positions.Price, error) {
	since := a.now()
	price, exchange, err := a.ask(ctx, org, nav, since)
	if err == nil && exchange != nil && exchange.RequestedAt.Before(since) {
		// It joined a request that left before: what it answers may be older than
		// the reason to ask.
		price, _, err = a.ask(ctx, org, nav, since)
	}
	return price, err
}
