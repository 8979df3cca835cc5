package actualize

import (
	"time"

	"github.com/attualizza/attualizza/positions"
)

// FreshUntil tells until when the fee of the quote would be given again without
// asking SEND, by the organization's priceFreshFor. It is the quote's own instant
// when nobody can tell: the fee is degraded, pushed, or there is none.
func (q *Quote) FreshUntil(freshFor time.Duration) time.Time {
	until := q.At
	switch {
	case q.Price == nil:
	case q.Source == positions.SourceFinal:
		until = q.At.Add(freshFor)
	case q.Source == positions.SourceNoCost:
		until = q.Price.FetchedAt.Add(min(freshFor, noCostFresh))
	case q.Source == positions.SourceLive, q.Source == positions.SourceCache:
		until = q.Price.FetchedAt.Add(freshFor)
	}
	if until.Before(q.At) {
		return q.At
	}
	return until
}
