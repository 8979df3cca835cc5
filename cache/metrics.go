package cache

import (
	"context"
	"errors"

	"github.com/sony/gobreaker/v2"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

type tier int

const (
	tierLocal tier = iota
	tierRedis
)

type result int

const (
	resultHit result = iota
	resultMiss
	resultError   // Redis failed or did not answer in time
	resultSkipped // not asked, because it has been failing
)

// resultNames are the metrics' and the spans'.
var resultNames = [...]string{resultHit: "hit", resultMiss: "miss", resultError: "error", resultSkipped: "skipped"}

func hitOrMiss(hit bool) result {
	if hit {
		return resultHit
	}
	return resultMiss
}

func failureOf(err error) result {
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		return resultSkipped
	}
	return resultError
}

// meters counts requests; the attribute sets are built once, because building
// one costs more than a hit.
type meters struct {
	requests metric.Int64Counter
	options  [2][4][]metric.AddOption
}

func newMeters(m metric.Meter) *meters {
	requests, err := m.Int64Counter("attualizza_price_cache_requests",
		metric.WithDescription("Requests to the price cache by tier (local, redis) and result (hit, miss, error, skipped)."))
	if err != nil {
		panic(err) // only a malformed name can fail
	}
	c := &meters{requests: requests}
	for t, tierName := range []string{"local", "redis"} {
		for r, resultName := range resultNames {
			set := attribute.NewSet(attribute.String("tier", tierName), attribute.String("result", resultName))
			c.options[t][r] = []metric.AddOption{metric.WithAttributeSet(set)}
		}
	}
	return c
}

func (m *meters) count(t tier, r result) {
	m.requests.Add(context.Background(), 1, m.options[t][r]...)
}
