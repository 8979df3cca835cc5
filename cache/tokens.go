package cache

import (
	"context"
	"time"
)

// Tokens shares short-lived secrets, such as vouchers, among replicas. It has
// no in-process tier: whoever obtains a token keeps it. A nil Redis makes it
// empty for ever.
type Tokens struct {
	prefix string
	redis  *Redis
}

// NewTokens returns the tokens under a prefix of a Redis, which may be nil.
func NewTokens(r *Redis, prefix string) *Tokens { return &Tokens{prefix, r} }

// Get returns a token that may still be used, and until when. Whatever goes
// wrong within its 50 ms is a miss.
func (t *Tokens) Get(ctx context.Context, key string) (token string, expiresAt time.Time, ok bool) {
	if t.redis == nil {
		return "", time.Time{}, false
	}
	text, err := t.redis.get(ctx, t.prefix+key)
	if err != nil {
		return "", time.Time{}, false
	}
	now := time.Now()
	token, left, ok := decode[string](text, now)
	if !ok {
		return "", time.Time{}, false
	}
	return token, now.Add(left), true
}

// Put leaves a token for the other replicas, until expiresAt. A failure costs
// them a request of their own, so it is not reported.
func (t *Tokens) Put(ctx context.Context, key, token string, expiresAt time.Time) {
	ttl := time.Until(expiresAt)
	if t.redis == nil || ttl <= 0 {
		return
	}
	text, err := encode(token, expiresAt)
	if err != nil {
		return
	}
	_ = t.redis.set(ctx, t.prefix+key, text, ttl)
}
