package cache

import (
	"context"
	"encoding/json"
	"time"

	"github.com/maypok86/otter/v2"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
)

// Options shapes a [Cache].
type Options struct {
	// Prefix sets this cache's keys apart from others in the same Redis, and
	// should name the type and version of its values, such as "price:1:".
	Prefix string
	// MaxEntries bounds the in-process tier; 10000 when zero.
	MaxEntries int
	// LocalFor is how long at most an entry is served from this process while
	// Redis holds it too, hence how long a replica may miss what another one
	// deleted; 5 s when zero. Without Redis an entry lives here until its end.
	LocalFor time.Duration
	// Redis is the shared tier; nil keeps everything in this process.
	Redis *Redis
	// Meter receives the metrics; nil for none.
	Meter metric.Meter
	// Tracer makes a span of each wait for Redis; nil: none.
	Tracer trace.Tracer
}

// Cache holds values of one type by key. Values must survive a round trip
// through JSON, and must not be modified once put. It is safe for concurrent
// use.
type Cache[V any] struct {
	prefix   string
	localFor time.Duration
	redis    *Redis
	local    *otter.Cache[string, entry[V]]
	meters   *meters
	tracer   trace.Tracer
}

// entry is a value and how long the in-process tier may keep it.
type entry[V any] struct {
	value V
	keep  time.Duration
}

// New returns an empty cache.
func New[V any](opts Options) *Cache[V] {
	if opts.MaxEntries <= 0 {
		opts.MaxEntries = 10_000
	}
	if opts.LocalFor <= 0 {
		opts.LocalFor = 5 * time.Second
	}
	if opts.Meter == nil {
		opts.Meter = noop.Meter{}
	}
	if opts.Tracer == nil {
		opts.Tracer = tracenoop.Tracer{}
	}
	return &Cache[V]{
		prefix:   opts.Prefix,
		localFor: opts.LocalFor,
		redis:    opts.Redis,
		local: otter.Must(&otter.Options[string, entry[V]]{
			MaximumSize: opts.MaxEntries,
			ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[string, entry[V]]) time.Duration {
				return e.Value.keep
			}),
		}),
		meters: newMeters(opts.Meter),
		tracer: opts.Tracer,
	}
}

// Close stops the housekeeping of the in-process tier; the Redis is its
// owner's to close. A closed cache still answers.
func (c *Cache[V]) Close() { c.local.StopAllGoroutines() }

// Peek returns what this process holds, without any I/O and without being
// counted as a request.
func (c *Cache[V]) Peek(key string) (V, bool) {
	e, ok := c.local.GetIfPresent(key)
	return e.value, ok
}

// held is Peek as a part of Get: it counts.
func (c *Cache[V]) held(key string) (V, bool) {
	v, ok := c.Peek(key)
	c.meters.count(tierLocal, hitOrMiss(ok))
	return v, ok
}

// Get returns what this process holds, else what Redis holds. It takes no
// longer than 50 ms; a value that cannot be read is a miss.
func (c *Cache[V]) Get(ctx context.Context, key string) (V, bool) {
	if v, ok := c.held(key); ok {
		return v, true
	}
	if c.redis == nil {
		var none V
		return none, false
	}
	ctx, span := c.tracer.Start(ctx, "cache get", redisSpan...)
	text, err := c.redis.get(ctx, c.key(key))
	end(span, err)
	return c.received(key, text, err)
}

// Put keeps a value for ttl in both tiers; a ttl that is not positive keeps
// nothing. It waits for Redis at most 50 ms, even when ctx has ended: the value
// was obtained, and others wait for it.
func (c *Cache[V]) Put(ctx context.Context, key string, v V, ttl time.Duration) {
	if ttl <= 0 {
		return
	}
	c.keep(key, v, ttl)
	if c.redis == nil {
		return
	}
	text, err := encode(v, time.Now().Add(ttl))
	if err == nil {
		ctx, span := c.tracer.Start(ctx, "cache put", redisSpan...)
		err = c.redis.set(ctx, c.key(key), text, ttl)
		end(span, err)
	}
	if err != nil {
		c.meters.count(tierRedis, failureOf(err))
	}
}

// Delete forgets a key in both tiers. Another replica may serve its own copy
// for up to [Options.LocalFor].
func (c *Cache[V]) Delete(ctx context.Context, key string) {
	c.local.Invalidate(key)
	if c.redis == nil {
		return
	}
	if err := c.redis.del(ctx, c.key(key)); err != nil {
		c.meters.count(tierRedis, failureOf(err))
	}
}

// keep stores a value in the in-process tier.
func (c *Cache[V]) keep(key string, v V, ttl time.Duration) {
	if c.redis != nil {
		ttl = min(ttl, c.localFor)
	}
	c.local.Set(key, entry[V]{v, ttl})
}

// received turns Redis's reply into a value, keeps it here and counts it.
func (c *Cache[V]) received(key, text string, err error) (V, bool) {
	var none V
	if err != nil {
		c.meters.count(tierRedis, failureOf(err))
		return none, false
	}
	v, left, ok := decode[V](text, time.Now())
	c.meters.count(tierRedis, hitOrMiss(ok))
	if !ok {
		return none, false
	}
	c.keep(key, v, left)
	return v, true
}

// key braces the caller's key, so that a cluster keeps a value and its lock in
// one slot and both are read in one round trip.
func (c *Cache[V]) key(key string) string     { return c.prefix + "{" + key + "}" }
func (c *Cache[V]) lockKey(key string) string { return c.prefix + "{" + key + "}:lock" }

// envelopeVersion changes when the envelope does; other versions are misses.
const envelopeVersion = 1

// envelope is the form of a value in Redis. Its end is written in it, because
// asking Redis for what is left would cost a second round trip.
type envelope struct {
	Version int             `json:"v"`
	Until   int64           `json:"until"` // Unix milliseconds
	Value   json.RawMessage `json:"value"`
}

func encode(v any, until time.Time) (string, error) {
	value, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(envelope{envelopeVersion, until.UnixMilli(), value})
	return string(text), err
}

// decode returns the value and how long it still holds; false for what is
// absent, over, of another version or unreadable.
func decode[V any](text string, now time.Time) (v V, left time.Duration, ok bool) {
	if text == "" {
		return v, 0, false
	}
	var e envelope
	if err := json.Unmarshal([]byte(text), &e); err != nil || e.Version != envelopeVersion || e.Value == nil {
		return v, 0, false
	}
	left = time.UnixMilli(e.Until).Sub(now)
	if left <= 0 {
		return v, 0, false
	}
	if err := json.Unmarshal(e.Value, &v); err != nil {
		var none V
		return none, 0, false
	}
	return v, left, true
}
