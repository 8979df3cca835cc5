package testservers

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func TestEachTestGetsAnEmptyRedisDatabaseOfItsOwn(t *testing.T) {
	first, second := redisClient(t, Redis(t)), redisClient(t, Redis(t))
	if err := first.Set(t.Context(), "price", "100", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if n, err := second.DBSize(t.Context()).Result(); err != nil || n != 0 {
		t.Errorf("the second database holds %d keys (%v), want none", n, err)
	}
}

func TestARedisDatabaseIsEmptyWhenItIsHandedOutAgain(t *testing.T) {
	for range redisDatabases + 1 {
		if !t.Run("a test", func(t *testing.T) {
			c := redisClient(t, Redis(t))
			if n, err := c.DBSize(t.Context()).Result(); err != nil || n != 0 {
				t.Errorf("it holds %d keys (%v)", n, err)
			}
			if err := c.Set(t.Context(), "price", "100", 0).Err(); err != nil {
				t.Error(err)
			}
		}) {
			return
		}
	}
}

func TestRedisComesBackEmptyOnTheSamePort(t *testing.T) {
	s := StartRedis(t)
	for name, end := range map[string]func(){"Stop": s.Stop, "Kill": s.Kill} {
		c := redisClient(t, s.URL())
		if err := c.Set(t.Context(), "price", "100", 0).Err(); err != nil {
			t.Fatal(err)
		}
		end()
		end()
		if err := c.Ping(t.Context()).Err(); err == nil {
			t.Errorf("after %s it still answers", name)
		}
		s.Start()
		if n, err := c.DBSize(t.Context()).Result(); err != nil || n != 0 {
			t.Errorf("after %s and Start: %d keys, %v", name, n, err)
		}
	}
}

func TestPausedRedisAnswersNothingUntilItIsResumed(t *testing.T) {
	s := StartRedis(t)
	c := redisClient(t, s.URL())
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	s.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := c.Ping(ctx).Err(); err == nil {
		t.Error("answered while paused")
	}
	s.Resume()
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Error(err)
	}
}

func redisClient(t *testing.T, url string) *redis.Client {
	t.Helper()
	o, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	o.ContextTimeoutEnabled, o.MaxRetries, o.DialerRetries = true, -1, 1
	c := redis.NewClient(o)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}
