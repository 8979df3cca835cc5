package cache

import (
	"context"
	"crypto/rand"
	"time"
)

// pollEvery is how often [Cache.Await] looks for the winner's value.
const pollEvery = 20 * time.Millisecond

// Lock tries once to become the one who obtains the value of key; it never
// waits for another holder. ttl is how long the lock lasts if its holder dies.
// Without a Redis that answers, won is true: each replica for itself.
//
// unlock is never nil and may be called more than once. It releases only a
// lock that is still its own.
func (c *Cache[V]) Lock(ctx context.Context, key string, ttl time.Duration) (unlock func(), won bool) {
	nothing := func() {}
	if c.redis == nil {
		return nothing, true
	}
	owner := rand.Text()
	ctx, span := c.tracer.Start(ctx, "cache lock", redisSpan...)
	won, err := c.redis.setIfAbsent(ctx, c.lockKey(key), owner, ttl)
	end(span, err)
	if err != nil {
		c.meters.count(tierRedis, failureOf(err))
		return nothing, true
	}
	if !won {
		return nothing, false
	}
	return func() {
		if err := c.redis.deleteIfEqual(ctx, c.lockKey(key), owner); err != nil {
			c.meters.count(tierRedis, failureOf(err))
		}
	}, true
}

// Await is what the loser of [Cache.Lock] does: it waits until the winner's
// value appears, the lock is gone without one, Redis fails or ctx ends; false
// in the last three cases. The lock's ttl bounds the wait.
func (c *Cache[V]) Await(ctx context.Context, key string) (V, bool) {
	var none V
	if v, ok := c.local.GetIfPresent(key); ok {
		return v.value, true
	}
	if c.redis == nil {
		return none, false
	}
	ctx, span := c.tracer.Start(ctx, "cache await", redisSpan...)
	defer span.End()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		locked, text, err := c.redis.lockedAndGet(ctx, c.lockKey(key), c.key(key))
		if err != nil || text != "" || !locked {
			return c.received(key, text, err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return none, false
		}
	}
}
