package actualize

import (
	"context"
	"time"

	"github.com/attualizza/attualizza/internal/registry"
	"github.com/attualizza/attualizza/positions"
)

// refreshTries bounds the requests of others that one refresh joins in vain.
const refreshTries = 4

// Refresh asks for the price of a notice now, whatever is known of it, and keeps
// the answer where the next activation finds it. It is for what happens beside
// the payments: it takes as long as one price request may. Errors are those of
// [sendclient.Client.Price], [registry.ErrNoCredential] and the context's end.
func (a *Actualizer) Refresh(ctx context.Context, org *registry.Organization, nav positions.NoticeNumber) (*positions.Price, error) {
	since := a.now()
	for range refreshTries {
		// A request that left before may be joined, and what it answers be older than
		// the reason to ask.
		price, _, err := a.ask(ctx, org, nav, since)
		if err != nil || price.AskedAfter(since.Add(-1)) {
			return price, err
		}
	}
	return nil, errSlow
}

// Reopen takes note that something happened at an instant that may have changed
// the price of a notice: one that was asked for before it is no longer frozen and
// no longer fresh, wherever it is kept and whichever replica is asked. It stays the
// last known price, for when nobody answers. It asks nobody; errors are the
// store's.
func (a *Actualizer) Reopen(ctx context.Context, fiscalCode string, nav positions.NoticeNumber, at time.Time) error {
	if err := a.store.ReopenPrice(ctx, fiscalCode, nav, at); err != nil {
		return err
	}
	// The store's word is enough; this spares the others the look.
	a.cache.Delete(ctx, priceKey(fiscalCode, nav))
	return nil
}
