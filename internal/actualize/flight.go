package actualize

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/attualizza/attualizza/internal/registry"
	"github.com/attualizza/attualizza/internal/telemetry"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/sendclient"
)

// errSlow means that the asker's time was up before the answer was there.
var errSlow = errors.New("no answer within the budget")

// asked is the result of a flight, shared by all who wait for it.
type asked struct {
	price    *positions.Price
	exchange *positions.SendExchange
	span     trace.SpanContext // of the request, which is in the first asker's trace
}

// saveTimeout bounds how long a fresh price waits for the store: the askers are
// waiting for it too.
const saveTimeout = 250 * time.Millisecond

// ask asks SEND for the price of a notice. All who ask for the same notice at
// the same time share one request; each leaves when its own budget, less the
// reserve for answering, is used up, and the request goes on for the others. What
// others learned before since does not count.
func (a *Actualizer) ask(ctx context.Context, org *registry.Organization, nav positions.NoticeNumber, since time.Time) (*positions.Price, *positions.SendExchange, error) {
	cred, err := org.Credential()
	if err != nil {
		return nil, &positions.SendExchange{RequestedAt: a.now(), Code: "NO_CREDENTIAL"}, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-Reserve))
		defer cancel()
	}
	if ctx.Err() != nil {
		return nil, nil, errSlow
	}
	started := a.now()
	key := priceKey(org.FiscalCode, nav)
	ctx, span := a.tracer.Start(ctx, "wait for the price")
	result := a.flights.DoChan(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.sendTimeout)
		defer cancel()
		ctx, span := a.tracer.Start(ctx, "ask the price")
		got, err := a.fly(ctx, org, cred, nav, since)
		telemetry.End(span, err)
		got.span = span.SpanContext()
		return got, err
	})
	select {
	case r := <-result:
		got, _ := r.Val.(asked)
		if r.Shared {
			span.AddLink(trace.Link{SpanContext: got.span})
		}
		telemetry.End(span, r.Err)
		return got.price, got.exchange, r.Err
	case <-ctx.Done():
		telemetry.End(span, errSlow)
		return nil, &positions.SendExchange{RequestedAt: started, Code: "BUDGET"}, errSlow
	}
}

// fly makes the one request, unless another replica is making it: then it waits
// for that one's answer. The answer goes to the cache and to the store, whose
// price is what serves when SEND does not.
func (a *Actualizer) fly(ctx context.Context, org *registry.Organization, cred *sendclient.Credential, nav positions.NoticeNumber, since time.Time) (asked, error) {
	key := priceKey(org.FiscalCode, nav)
	unlock, won := func() {}, true
	if mustBeKept(org) { // otherwise nothing may be left for others to find
		unlock, won = a.cache.Lock(ctx, key, a.sendTimeout)
	}
	if !won {
		if p, ok := a.cache.Await(ctx, key); ok && isFresh(org, &p, a.now()) && p.AskedAfter(since) {
			return shared(&p, "OTHER_REPLICA"), nil
		}
		if ctx.Err() != nil {
			return asked{exchange: &positions.SendExchange{RequestedAt: a.now(), Code: "OTHER_REPLICA_SILENT"}}, errSlow
		}
		// The other replica got no answer: it may be its own trouble.
	} else {
		defer unlock()
		// Who held the lock before may have left the answer since we looked.
		if p, ok := a.cache.Get(ctx, key); ok && isFresh(org, &p, a.now()) && p.AskedAfter(since) {
			return shared(&p, "JUST_ASKED"), nil
		}
	}
	started := a.now()
	answer, err := a.prices.Price(ctx, cred, org.FiscalCode, string(nav))
	if err != nil {
		return asked{exchange: failedExchange(err, a.now())}, err // it names the notice
	}
	price := priceOf(org, &answer, a.now())
	price.AskedAt = started
	a.remember(ctx, org, nav, key, price)
	return asked{price: price, exchange: exchangeOf(&answer.Exchange)}, nil
}

// shared is the answer to a request that somebody else has just made.
func shared(p *positions.Price, code string) asked {
	return asked{price: p, exchange: &positions.SendExchange{RequestedAt: p.FetchedAt, AnsweredAt: p.FetchedAt, Code: code}}
}

// remember keeps a price where the next asker finds it. Failing to is no reason
// to withhold the price.
func (a *Actualizer) remember(ctx context.Context, org *registry.Organization, nav positions.NoticeNumber, key string, price *positions.Price) {
	if fresh := freshUntil(org, price).Sub(price.FetchedAt); fresh > 0 {
		a.cache.Put(ctx, key, *price, fresh)
	} else {
		a.cache.Delete(ctx, key)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	ctx, span := a.tracer.Start(ctx, "store price")
	err := a.store.SavePrice(ctx, org.FiscalCode, nav, price)
	telemetry.End(span, err)
	if err != nil {
		message := "price not saved yet; it serves from memory and is tried again"
		if !a.unsaved.keep(key, org.FiscalCode, nav, price) {
			message = "price not saved; it serves from memory while it is fresh"
		}
		a.logger.WarnContext(ctx, message, "organization", org.FiscalCode, "nav", nav, "error", err)
	}
}

// priceOf turns an answer of SEND or a relay into what the store keeps. A "no
// cost" carries nothing over from an older price: cancelled and unknown
// notifications have neither price nor freeze.
func priceOf(org *registry.Organization, answer *sendclient.Answer, now time.Time) *positions.Price {
	if answer.NoCost != "" {
		return &positions.Price{NoCost: string(answer.NoCost), FetchedAt: now, Relayed: org.Relays()}
	}
	s := &answer.Price
	p := &positions.Price{
		TotalPrice: s.TotalPrice, PartialPrice: s.PartialPrice, VAT: s.VAT, PAFee: s.PAFee,
		SendFee: s.SendFee, AnalogCost: s.AnalogCost, IUN: s.IUN,
		RefinementDate: s.RefinementDate, NotificationViewDate: s.NotificationViewDate,
		FetchedAt: now, Relayed: org.Relays(),
	}
	if until := s.FreshUntil; !until.IsZero() {
		if until.Before(now) {
			until = now // never fresh
		} else if longest := now.Add(positions.MaxFresh); until.After(longest) {
			until = longest
		}
		p.FreshUntil = until.UTC()
	}
	p.Freeze()
	return p
}

func exchangeOf(e *sendclient.Exchange) *positions.SendExchange {
	return &positions.SendExchange{RequestedAt: e.RequestedAt, AnsweredAt: e.AnsweredAt, Status: e.Status, Code: e.Code}
}

// failedExchange tells what is known of a request that gave no price, or that
// was not even made (an open breaker, a denial remembered): then Code says why,
// and RequestedAt when it would have been.
func failedExchange(err error, now time.Time) *positions.SendExchange {
	var failure *sendclient.Error
	if !errors.As(err, &failure) {
		return &positions.SendExchange{RequestedAt: now, Code: "ERROR"}
	}
	x := exchangeOf(&failure.Exchange)
	if x.Code == "" {
		x.Code = string(failure.Kind)
	}
	if x.RequestedAt.IsZero() {
		x.RequestedAt = now
	}
	return x
}
