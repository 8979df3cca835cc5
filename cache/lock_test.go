package cache

import (
	"context"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func twoReplicas(t *testing.T) (s *server, a, b *Cache[price]) {
	s = startRedis(t)
	replica := func() *Cache[price] { return newCache(t, Options{Prefix: "p:", Redis: dial(t, s.url)}) }
	return s, replica(), replica()
}

func TestTheLoserWaitsForTheWinnersValue(t *testing.T) {
	_, a, b := twoReplicas(t)
	ctx := t.Context()
	unlock, won := a.Lock(ctx, "k", 2*time.Second)
	if !won {
		t.Fatal("a free lock was lost")
	}
	if _, won := b.Lock(ctx, "k", 2*time.Second); won {
		t.Fatal("the lock was won twice")
	}
	if _, won := b.Lock(ctx, "other", 2*time.Second); !won {
		t.Error("another key's lock was lost")
	}
	put := make(chan time.Time, 1)
	go func() {
		time.Sleep(100 * time.Millisecond)
		a.Put(ctx, "k", price{Total: 200}, time.Minute)
		at := time.Now()
		unlock()
		put <- at
	}()
	v, ok := b.Await(ctx, "k")
	if !ok || v.Total != 200 {
		t.Fatalf("got %+v, %v", v, ok)
	}
	if late := time.Since(<-put); late > 500*time.Millisecond {
		t.Errorf("the loser learned of it %s late", late)
	}
	if _, ok := b.held("k"); !ok {
		t.Error("the loser does not keep the value")
	}
	if unlock2, won := b.Lock(ctx, "k", time.Second); !won {
		t.Error("the lock is not free after unlock")
	} else {
		unlock2()
		unlock2()
		unlock()
	}
}

func TestTheLoserStopsWaiting(t *testing.T) {
	for _, tt := range []struct {
		name  string
		after func(s *server, unlock func())
		limit time.Duration
	}{
		{"when the winner gives up", func(_ *server, unlock func()) { unlock() }, time.Second},
		{"when the winner dies and its lock lapses", func(*server, func()) {}, 2500 * time.Millisecond},
		{"when Redis freezes", func(s *server, _ func()) { s.freeze() }, 2500 * time.Millisecond},
		{"when Redis dies", func(s *server, _ func()) { s.kill() }, time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, a, b := twoReplicas(t)
			unlock, won := a.Lock(t.Context(), "k", 2*time.Second)
			if !won {
				t.Fatal("a free lock was lost")
			}
			done := make(chan bool, 1)
			began := time.Now()
			go func() { _, ok := b.Await(t.Context(), "k"); done <- ok }()
			time.Sleep(50 * time.Millisecond)
			tt.after(s, unlock)
			select {
			case ok := <-done:
				if took := time.Since(began); ok || took < 50*time.Millisecond || took > tt.limit {
					t.Errorf("%v after %s", ok, took)
				}
			case <-time.After(6 * time.Second):
				t.Fatal("still waiting")
			}
		})
	}
	t.Run("when its own time is over", func(t *testing.T) {
		_, a, b := twoReplicas(t)
		if _, won := a.Lock(t.Context(), "k", time.Minute); !won {
			t.Fatal("a free lock was lost")
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		began := time.Now()
		if _, ok := b.Await(ctx, "k"); ok || time.Since(began) > time.Second {
			t.Errorf("%v after %s", ok, time.Since(began))
		}
		// Its haste says nothing about Redis, which is still used.
		b.Put(t.Context(), "k", price{Total: 1}, time.Minute)
		if _, ok := a.Get(t.Context(), "k"); !ok {
			t.Error("Redis is skipped because a caller was in a hurry")
		}
	})
}

func TestALapsedLockIsNotTakenFromItsNewHolder(t *testing.T) {
	_, a, b := twoReplicas(t)
	ctx := t.Context()
	late, _ := a.Lock(ctx, "k", 30*time.Millisecond)
	time.Sleep(60 * time.Millisecond)
	if _, won := b.Lock(ctx, "k", time.Minute); !won {
		t.Fatal("the lapsed lock is not free")
	}
	late()
	if _, won := a.Lock(ctx, "k", time.Minute); won {
		t.Error("the late unlock took the new holder's lock away")
	}
}

func TestManyAskersMakeOneRequest(t *testing.T) {
	_, a, b := twoReplicas(t)
	var requests atomic.Int32
	var wg sync.WaitGroup
	for i := range 40 {
		c := a
		if i%2 == 1 {
			c = b
		}
		wg.Go(func() {
			unlock, won := c.Lock(t.Context(), "k", 2*time.Second)
			if !won {
				if v, ok := c.Await(t.Context(), "k"); !ok || v.Total != 200 {
					t.Errorf("a loser got %+v, %v", v, ok)
				}
				return
			}
			defer unlock()
			if _, ok := c.Get(t.Context(), "k"); ok {
				return // somebody was quicker
			}
			requests.Add(1)
			time.Sleep(80 * time.Millisecond)
			c.Put(t.Context(), "k", price{Total: 200}, time.Minute)
		})
	}
	wg.Wait()
	if n := requests.Load(); n != 1 {
		t.Errorf("%d requests", n)
	}
}
