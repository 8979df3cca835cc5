package actualize

import (
	"time"

	"github.com/attualizza/attualizza/internal/registry"
	"github.com/attualizza/attualizza/positions"
)

// noCostFresh bounds how long "no cost" is believed: a notification can be
// accepted at any moment after it, and a notice that an act-management system
// refused can be payable again.
const noCostFresh = time.Minute

// isFresh reports whether a price may be used without asking again.
func isFresh(org *registry.Organization, p *positions.Price, now time.Time) bool {
	return now.Before(freshUntil(org, p))
}

// freshUntil is when a price stops being fresh, zero when it never was. A relay
// that says until when its answer holds is taken at its word; otherwise the
// organization's policy counts, and "no cost" is believed for a minute at most.
// A pushed fee was never asked of SEND, an answer of the other route was not
// asked of whom the organization asks by now, and one that is out of date was
// asked too early.
func freshUntil(org *registry.Organization, p *positions.Price) time.Time {
	fresh := time.Duration(org.Policy.PriceFreshFor)
	switch {
	case p.Pushed, p.Relayed != org.Relays(), p.Outdated():
		return time.Time{}
	case p.NoCost != "":
		fresh = min(fresh, noCostFresh)
	case !p.FreshUntil.IsZero():
		return p.FreshUntil
	}
	if fresh <= 0 {
		return time.Time{}
	}
	return p.FetchedAt.Add(fresh)
}

// FreshUntil tells until when the fee of the quote would be given again without
// asking, never before the quote itself: when nobody can tell, because the fee is
// degraded or pushed or there is none, that is the quote's own instant.
func (q *Quote) FreshUntil(org *registry.Organization) time.Time {
	until := q.At
	switch {
	case q.Price == nil:
	case q.Source == positions.SourceFinal && settled(&q.Notice.Option, q.Price):
		until = q.At.Add(time.Duration(org.Policy.PriceFreshFor))
	case q.Source == positions.SourceFinal, q.Source == positions.SourceLive, q.Source == positions.SourceCache, q.Source == positions.SourceNoCost:
		until = freshUntil(org, q.Price)
	}
	if until.Before(q.At) {
		return q.At
	}
	return until
}

// mayBeKept tells whether an answer for an organization can be found in the
// cache: a native relay may want it whatever the policy says.
func mayBeKept(org *registry.Organization) bool {
	return org.Policy.PriceFreshFor > 0 || datesItself(org)
}

// mustBeKept tells whether an answer for an organization is always found there,
// so that who waits for another replica's does not wait in vain.
func mustBeKept(org *registry.Organization) bool {
	return org.Policy.PriceFreshFor > 0 && !datesItself(org)
}

// datesItself tells whether the answers say until when they hold: those of the
// native contract do.
func datesItself(org *registry.Organization) bool {
	return org.Relays() && org.Relay.Kind == positions.RelayNative
}
