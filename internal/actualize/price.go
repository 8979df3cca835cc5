package actualize

import (
	"context"
	"errors"
	"time"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/internal/registry"
	"github.com/attualizza/attualizza/positions"
)

// fee is a notification fee and where it came from.
type fee struct {
	amount money.Cents
	// paidElsewhere is what was left out of SEND's total, see lessPaidElsewhere.
	paidElsewhere money.Cents
	source        positions.FeeSource
	price         *positions.Price
	exchange      *positions.SendExchange
}

// refusal is why the answer behind the fee forbids the payment: only an
// act-management system that stands between says such a thing, and only as long
// as it does.
func (f *fee) refusal(org *registry.Organization) positions.Refusal {
	if !org.Relays() {
		return positions.Payable
	}
	return f.price.Refusal()
}

// fee finds the notification fee of a notice, less what was paid of it with
// another.
func (a *Actualizer) fee(ctx context.Context, org *registry.Organization, n *positions.Notice, now time.Time) (fee, error) {
	f, err := a.wholeFee(ctx, org, n, now)
	if err != nil {
		return f, err
	}
	return a.lessPaidElsewhere(ctx, org, n, f), nil
}

// wholeFee finds the fee as SEND tells it: from what is known when that is final
// or fresh, otherwise from SEND, otherwise by the organization's policy.
func (a *Actualizer) wholeFee(ctx context.Context, org *registry.Organization, n *positions.Notice, now time.Time) (fee, error) {
	if f, ok := a.settledFee(org, n, now); ok {
		return f, nil
	}
	nav := n.Option.NAV
	key := priceKey(org.FiscalCode, nav)
	since := outdatedAt(n.Price)
	if mayBeKept(org) {
		if p, ok := a.cache.Get(ctx, key); ok && isFresh(org, &p, now) && p.AskedAfter(since) {
			return feeOf(&p, positions.SourceCache), nil
		}
	}
	price, exchange, err := a.ask(ctx, org, nav, since)
	if err == nil {
		f := feeOf(price, positions.SourceLive)
		f.exchange = exchange
		return f, nil
	}
	a.tell(ctx, org, nav, err)
	f, err := degraded(org, org.Policy.OnSendUnavailable, a.lastKnown(n, key))
	f.exchange = exchange
	return f, err
}

// tell logs why a price could not be had. What only the operator can mend is an
// error, told once in a while and not at every answer.
func (a *Actualizer) tell(ctx context.Context, org *registry.Organization, nav positions.NoticeNumber, err error) {
	if errors.Is(err, registry.ErrNoCredential) {
		if a.uncredentialed.Due(org.FiscalCode, a.now()) {
			a.logger.ErrorContext(ctx, "organization has no credential for "+asksOf(org)+": its notices are answered without asking for the fee; register it",
				"organization", org.FiscalCode, "policy", org.Policy.OnSendUnavailable, "error", err)
		}
		return
	}
	a.logger.InfoContext(ctx, "no price from "+asksOf(org)+", answering by policy",
		"organization", org.FiscalCode, "nav", nav, "policy", org.Policy.OnSendUnavailable, "error", err)
}

// asksOf is whom an organization's prices are asked of, in words.
func asksOf(org *registry.Organization) string {
	if org.Relays() {
		return "its relay"
	}
	return "SEND"
}

// knownFee is the fee without asking SEND, for questions that may not.
func (a *Actualizer) knownFee(ctx context.Context, org *registry.Organization, n *positions.Notice, now time.Time) fee {
	return a.lessPaidElsewhere(ctx, org, n, a.wholeKnownFee(org, n, now))
}

func (a *Actualizer) wholeKnownFee(org *registry.Organization, n *positions.Notice, now time.Time) fee {
	if f, ok := a.settledFee(org, n, now); ok {
		return f
	}
	last := a.lastKnown(n, priceKey(org.FiscalCode, n.Option.NAV))
	if last != nil && isFresh(org, last, now) {
		return feeOf(last, positions.SourceCache)
	}
	f, _ := degraded(org, positions.OnUnavailableLastKnown, last)
	return f
}

// frozen reports whether the cost of a price, nil for none, cannot grow any more,
// for who asks where it came from.
func frozen(org *registry.Organization, p *positions.Price) bool {
	return p != nil && p.Final && p.Relayed == org.Relays()
}

// settled reports whether a frozen price need not be asked again for the date of
// its notification either.
func settled(o *positions.PaymentOption, p *positions.Price) bool {
	return p.DateSettled() || !o.HangsOnNotification()
}

// settledFee is the fee when nobody needs to be asked and nothing leaves the
// process: not SEND-bound, pushed, frozen, or fresh in the store.
func (a *Actualizer) settledFee(org *registry.Organization, n *positions.Notice, now time.Time) (fee, bool) {
	if !n.Option.SendBound {
		source := n.Option.KnownSource(n.Price)
		if source == positions.SourceNotBound {
			return fee{source: source}, true
		}
		return feeOf(n.Price, source), true
	}
	p := a.lastKnown(n, priceKey(org.FiscalCode, n.Option.NAV))
	switch {
	case p == nil:
		return fee{}, false
	case frozen(org, p) && (isFresh(org, p, now) || settled(&n.Option, p)):
		return feeOf(p, positions.SourceFinal), true
	case p == n.Price && isFresh(org, p, now):
		return feeOf(p, positions.SourceCache), true
	}
	return fee{}, false // a newer one in memory is the cache's to give
}

// lastKnown is the newest price known without leaving the process: the one the
// store gave with the notice, or one that this process fetched since.
func (a *Actualizer) lastKnown(n *positions.Notice, key string) *positions.Price {
	newest := n.Price
	if p := a.unsaved.price(key); p != nil && (newest == nil || p.FetchedAt.After(newest.FetchedAt)) {
		newest = p
	}
	if p, ok := a.cache.Peek(key); ok && (newest == nil || p.FetchedAt.After(newest.FetchedAt)) {
		newest = &p
	}
	if n.Price != nil && newest != n.Price && !n.Price.StaleSince.IsZero() {
		reopened := *newest // others read it too
		reopened.Reopen(n.Price.StaleSince)
		newest = &reopened
	}
	return newest
}

// outdatedAt is when the last price was pushed or something happened that may have
// changed it, the zero time for neither. What a cache holds from before that, of
// whichever replica, is out of date.
func outdatedAt(last *positions.Price) time.Time {
	switch {
	case last == nil:
		return time.Time{}
	case last.Pushed && last.FetchedAt.After(last.StaleSince):
		return last.FetchedAt
	}
	return last.StaleSince
}

// feeOf is the whole fee of a price; "no cost" has its own source.
func feeOf(p *positions.Price, source positions.FeeSource) fee {
	if p.NoCost != "" {
		source = positions.SourceNoCost
	}
	return fee{amount: p.TotalPrice, source: source, price: p}
}

func priceKey(fiscalCode string, nav positions.NoticeNumber) string {
	return fiscalCode + "/" + string(nav)
}
