package cache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/sony/gobreaker/v2"
)

// longest is what any operation on Redis may take. A healthy Redis answers
// within a millisecond; beyond this, going without it is better.
const longest = 50 * time.Millisecond

// Redis is a connection pool to a single server, a sentinel group or a
// cluster, with a circuit breaker of its own. It is safe for concurrent use.
type Redis struct {
	client  redis.UniversalClient
	limit   time.Duration // of each operation
	breaker *gobreaker.CircuitBreaker[struct{}]
	latency *latency // nil: nobody wants to know
}

// errGone is the caller's haste, which says nothing about Redis.
var errGone = errors.New("caller gone")

// Dial prepares the connections to the Redis of rawURL. It contacts nobody and
// fails only on a URL that cannot be read:
//
//	redis://user:password@host:6379/0       one server; rediss:// for TLS, unix:///path for a socket
//	redis://host:26379?master_name=NAME     sentinel; more sentinels as &addr=host:port
//	redis://host:6379?addr=host2:6379       cluster, by some of its nodes
//	redis://host:6379?cluster=true          cluster, by one address
//
// Sentinels with a password of their own take sentinel_username and
// sentinel_password. Of go-redis's other parameters db, client_name,
// dial_timeout and skip_verify are honoured; the rest is tuned here, for every
// operation ends within 50 ms. log, which may be nil, is told when Redis stops and
// starts answering.
func Dial(rawURL string, log *slog.Logger) (*Redis, error) {
	return dialWithin(longest, rawURL, log)
}

func dialWithin(limit time.Duration, rawURL string, log *slog.Logger) (*Redis, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	redis.SetLogger(quiet{})
	client, err := open(rawURL, limit)
	if err != nil {
		var parse *url.Error
		if errors.As(err, &parse) {
			err = parse.Err // without the text, which may hold a password
		}
		return nil, fmt.Errorf("redis URL: %w", err)
	}
	return &Redis{client: client, limit: limit, breaker: newBreaker(log)}, nil
}

// quiet drops go-redis's own log lines: every failure already comes back as an
// error, and the breaker reports the change.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

// newBreaker opens after 3 failures in a row, or when half of at least 10 in
// ten seconds fail, and lets one operation through every 2 to 3 seconds.
func newBreaker(log *slog.Logger) *gobreaker.CircuitBreaker[struct{}] {
	return gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Name:         "redis",
		MaxRequests:  1,
		Interval:     10 * time.Second,
		BucketPeriod: time.Second,
		Timeout:      2*time.Second + rand.N(time.Second),
		ReadyToTrip: func(c gobreaker.Counts) bool {
			settled := c.TotalFailures + c.TotalSuccesses
			return c.ConsecutiveFailures >= 3 || settled >= 10 && 2*c.TotalFailures >= settled
		},
		IsSuccessful: func(err error) bool { return err == nil || errors.Is(err, redis.Nil) },
		IsExcluded:   func(err error) bool { return errors.Is(err, errGone) },
		OnStateChange: func(_ string, from, to gobreaker.State) {
			switch {
			case from == gobreaker.StateClosed:
				log.Warn("Redis does not answer in time: going without it")
			case to == gobreaker.StateClosed:
				log.Info("Redis answers again")
			}
		},
	})
}

// open reads the URL. The parameters of sentinel and cluster are taken out of
// the query first, the rest is go-redis's own syntax.
func open(rawURL string, limit time.Duration) (redis.UniversalClient, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, err
	}
	query := u.Query()
	take := func(name string) string {
		value := query.Get(name)
		query.Del(name)
		return value
	}
	sentinel, others := query.Has("master_name"), query["addr"]
	query.Del("addr")
	master, cluster := take("master_name"), take("cluster")
	sentinelUser, sentinelPassword := take("sentinel_username"), take("sentinel_password")
	switch {
	case sentinel && master == "":
		return nil, errors.New("master_name is empty")
	case cluster != "" && cluster != "true" && cluster != "false":
		return nil, errors.New("cluster is neither true nor false")
	}
	u.RawQuery = query.Encode()
	o, err := redis.ParseURL(u.String())
	if err != nil {
		return nil, err
	}
	if o.DialTimeout <= 0 {
		o.DialTimeout = time.Second
	}
	return redis.NewUniversalClient(&redis.UniversalOptions{
		Addrs:            append([]string{o.Addr}, others...),
		MasterName:       master,
		IsClusterMode:    cluster == "true",
		SentinelUsername: sentinelUser, SentinelPassword: sentinelPassword,
		Username: o.Username, Password: o.Password, DB: o.DB, TLSConfig: o.TLSConfig, ClientName: o.ClientName,

		// go-redis's defaults turned round for a path that has 50 ms: no retries,
		// no five dials, the context obeyed. A dial may take longer than one
		// operation waits; it goes on in the background and serves a later one.
		DialTimeout: o.DialTimeout, DialerRetries: 1,
		ReadTimeout: limit, WriteTimeout: limit, PoolTimeout: limit,
		MaxRetries: -1, ContextTimeoutEnabled: true,
		PoolSize: 16, MinIdleConns: 2, PipelinePoolSize: -1,
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}), nil
}

// Close closes the connections.
func (r *Redis) Close() error { return r.client.Close() }

// Ping asks Redis for a sign of life, within 50 ms and past the breaker, so
// that it tells how Redis is now.
func (r *Redis) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.limit)
	defer cancel()
	return r.client.Ping(ctx).Err()
}

// do runs one operation within its limit, unless the breaker is open. The metric
// knows it by its command.
func (r *Redis) do(ctx context.Context, command string, op func(context.Context) error) error {
	_, err := r.breaker.Execute(func() (struct{}, error) {
		limited, cancel := context.WithTimeout(ctx, r.limit)
		defer cancel()
		began := time.Now()
		err := op(limited)
		r.latency.record(ctx, command, began)
		if err != nil && !errors.Is(err, redis.Nil) && ctx.Err() != nil {
			err = fmt.Errorf("%w: %w", errGone, err)
		}
		return struct{}{}, err
	})
	if errors.Is(err, redis.Nil) {
		return nil
	}
	return err
}

// get returns the text at key, empty if there is none.
func (r *Redis) get(ctx context.Context, key string) (text string, err error) {
	err = r.do(ctx, commandGet, func(ctx context.Context) error {
		text, err = r.client.Get(ctx, key).Result()
		return err
	})
	return text, err
}

// The writes that follow are cut from the caller's context: what was obtained
// is worth sharing even when its asker has gone.

func (r *Redis) set(ctx context.Context, key, text string, ttl time.Duration) error {
	return r.do(context.WithoutCancel(ctx), commandSet, func(ctx context.Context) error {
		return r.client.Set(ctx, key, text, ttl).Err()
	})
}

func (r *Redis) del(ctx context.Context, key string) error {
	return r.do(context.WithoutCancel(ctx), commandDel, func(ctx context.Context) error {
		return r.client.Del(ctx, key).Err()
	})
}

// setIfAbsent reports whether key was free and is now text's, for ttl.
func (r *Redis) setIfAbsent(ctx context.Context, key, text string, ttl time.Duration) (set bool, err error) {
	err = r.do(ctx, commandSetNX, func(ctx context.Context) error {
		err := r.client.SetArgs(ctx, key, text, redis.SetArgs{Mode: "NX", TTL: ttl}).Err()
		set = err == nil
		return err
	})
	return set, err
}

// compareAndDelete removes a lock only from the hands that hold it: it may
// have lapsed and be another's by now.
var compareAndDelete = redis.NewScript(
	`if redis.call("GET", KEYS[1]) == ARGV[1] then return redis.call("DEL", KEYS[1]) end return 0`)

func (r *Redis) deleteIfEqual(ctx context.Context, key, text string) error {
	return r.do(context.WithoutCancel(ctx), commandEval, func(ctx context.Context) error {
		return compareAndDelete.Run(ctx, r.client, []string{key}, text).Err()
	})
}

// lockedAndGet reads a lock and then a value in one round trip. In that order:
// a winner puts its value before it unlocks, so a lock that is gone without a
// value will not bring one.
func (r *Redis) lockedAndGet(ctx context.Context, lock, key string) (locked bool, text string, err error) {
	err = r.do(ctx, commandBatch, func(ctx context.Context) error {
		var exists *redis.IntCmd
		var get *redis.StringCmd
		_, err := r.client.Pipelined(ctx, func(p redis.Pipeliner) error {
			exists, get = p.Exists(ctx, lock), p.Get(ctx, key)
			return nil
		})
		locked, text = exists.Val() > 0, get.Val()
		return err
	})
	return locked, text, err
}
