package cache

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"pgregory.net/rapid"
)

func TestWithoutRedisTheProcessKeepsForItself(t *testing.T) {
	c := newCache(t, Options{LocalFor: time.Nanosecond})
	ctx := t.Context()
	c.Put(ctx, "a", price{Total: 200}, time.Minute)
	if v, ok := c.held("a"); !ok || v.Total != 200 {
		t.Errorf("Local: %+v, %v", v, ok)
	}
	if v, ok := c.Get(ctx, "a"); !ok || v.Total != 200 {
		t.Errorf("Get: %+v, %v", v, ok)
	}
	if v, ok := c.Get(ctx, "b"); ok || v != (price{}) {
		t.Errorf("an absent key: %+v, %v", v, ok)
	}
	c.Put(ctx, "a", price{Total: 300}, time.Minute)
	if v, _ := c.Get(ctx, "a"); v.Total != 300 {
		t.Errorf("after another Put: %+v", v)
	}
	c.Delete(ctx, "a")
	if _, ok := c.Get(ctx, "a"); ok {
		t.Error("still there after Delete")
	}
	if unlock, won := c.Lock(ctx, "a", time.Second); !won {
		t.Error("a lock was lost to nobody")
	} else {
		unlock()
	}
	if _, ok := c.Await(ctx, "a"); ok {
		t.Error("Await found what nobody put")
	}
}

func TestEntriesEndEachInItsOwnTime(t *testing.T) {
	c := newCache(t, Options{})
	ctx := t.Context()
	c.Put(ctx, "short", price{}, 30*time.Millisecond)
	c.Put(ctx, "long", price{}, time.Minute)
	c.Put(ctx, "never", price{}, 0)
	c.Put(ctx, "past", price{}, -time.Second)
	if _, ok := c.held("never"); ok {
		t.Error("kept for no time at all")
	}
	if _, ok := c.held("past"); ok {
		t.Error("kept for less than no time")
	}
	time.Sleep(40 * time.Millisecond)
	if _, ok := c.held("short"); ok {
		t.Error("kept beyond its end")
	}
	if _, ok := c.held("long"); !ok {
		t.Error("lost before its end")
	}
}

func TestTheProcessKeepsABoundedNumberOfEntries(t *testing.T) {
	c := newCache(t, Options{MaxEntries: 100})
	for i := range 10_000 {
		c.Put(t.Context(), fmt.Sprint(i), price{}, time.Hour)
	}
	c.local.CleanUp()
	if n := c.local.EstimatedSize(); n > 100 {
		t.Errorf("%d entries", n)
	}
}

func TestTwoReplicasShareValues(t *testing.T) {
	s, ctx := startRedis(t), t.Context()
	a := newCache(t, Options{Prefix: "p:", Redis: dial(t, s.url), LocalFor: 50 * time.Millisecond})
	b := newCache(t, Options{Prefix: "p:", Redis: dial(t, s.url), LocalFor: 50 * time.Millisecond})
	partial := int64(100)
	want := price{Total: 2557, At: time.Date(2026, 3, 29, 23, 59, 59, 999999999, time.FixedZone("", 7200)), Partial: &partial}
	a.Put(ctx, "80012345678/302", want, time.Minute)
	if _, ok := b.held("80012345678/302"); ok {
		t.Error("b has it before asking")
	}
	got, ok := b.Get(ctx, "80012345678/302")
	if diff := cmp.Diff(want, got); !ok || diff != "" {
		t.Error(ok, diff)
	}
	if _, ok := b.held("80012345678/302"); !ok {
		t.Error("b does not keep what it got")
	}

	// b serves its copy for LocalFor at most, then learns of the deletion.
	a.Delete(ctx, "80012345678/302")
	if _, ok := a.Get(ctx, "80012345678/302"); ok {
		t.Error("a still has what it deleted")
	}
	eventually(t, 500*time.Millisecond, "b forgets", func() bool { _, ok := b.Get(ctx, "80012345678/302"); return !ok })

	if _, ok := newCache(t, Options{Prefix: "q:", Redis: a.redis}).Get(ctx, "80012345678/302"); ok {
		t.Error("another prefix sees the value")
	}
}

func TestACopyFromRedisEndsWithItsOriginal(t *testing.T) {
	s, ctx := startRedis(t), t.Context()
	a := newCache(t, Options{Redis: dial(t, s.url), LocalFor: time.Hour})
	b := newCache(t, Options{Redis: dial(t, s.url), LocalFor: time.Hour})
	a.Put(ctx, "k", price{Total: 1}, 150*time.Millisecond)
	time.Sleep(80 * time.Millisecond)
	if _, ok := b.Get(ctx, "k"); !ok {
		t.Fatal("gone too early")
	}
	time.Sleep(100 * time.Millisecond)
	if _, ok := b.held("k"); ok {
		t.Error("the copy outlives the original")
	}
}

func TestWhatCannotBeReadIsAMiss(t *testing.T) {
	s, ctx := startRedis(t), t.Context()
	r := dial(t, s.url)
	c := newCache(t, Options{Redis: r})
	far := time.Now().Add(time.Hour).UnixMilli()
	for name, text := range map[string]string{
		"garbage":               "\x00\xff garbage",
		"another version":       fmt.Sprintf(`{"v":2,"until":%d,"value":{"Total":1}}`, far),
		"a value of other type": fmt.Sprintf(`{"v":1,"until":%d,"value":{"Total":"one"}}`, far),
		"no value":              fmt.Sprintf(`{"v":1,"until":%d}`, far),
		"a value that is over":  `{"v":1,"until":1000,"value":{"Total":1}}`,
		"a bare value":          `{"Total":1}`,
		"nothing":               "",
	} {
		t.Run(name, func(t *testing.T) {
			if err := r.set(ctx, c.key(name), text, time.Minute); err != nil {
				t.Fatal(err)
			}
			if v, ok := c.Get(ctx, name); ok || v != (price{}) {
				t.Errorf("got %+v", v)
			}
			c.Put(ctx, name, price{Total: 5}, time.Minute)
			c.local.InvalidateAll()
			if v, ok := c.Get(ctx, name); !ok || v.Total != 5 {
				t.Error("it cannot be replaced")
			}
		})
	}
}

func TestEnvelopeSurvivesTheRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.UnixMilli(rapid.Int64Range(0, 1<<41).Draw(t, "now"))
		ttl := time.Duration(rapid.Int64Range(1, 1e9).Draw(t, "ms")) * time.Millisecond
		want := rapid.MapOf(rapid.String(), rapid.Int64()).Draw(t, "value")
		text, err := encode(want, now.Add(ttl))
		if err != nil {
			t.Fatal(err)
		}
		got, left, ok := decode[map[string]int64](text, now)
		if !ok || left != ttl || !cmp.Equal(want, got) {
			t.Fatalf("%v for %s became %v for %s (%v)", want, ttl, got, left, ok)
		}
		if _, _, ok := decode[map[string]int64](text, now.Add(ttl)); ok {
			t.Fatal("it holds beyond its end")
		}
	})
}

// The shape of a store of vouchers, which this package does not import.
var _ interface {
	Get(ctx context.Context, key string) (token string, expiresAt time.Time, ok bool)
	Put(ctx context.Context, key, token string, expiresAt time.Time)
} = (*Tokens)(nil)

func TestTokensAreSharedUntilTheirEnd(t *testing.T) {
	s, ctx := startRedis(t), t.Context()
	a, b := NewTokens(dial(t, s.url), "voucher:"), NewTokens(dial(t, s.url), "voucher:")
	if _, _, ok := b.Get(ctx, "k"); ok {
		t.Error("a token from nowhere")
	}
	end := time.Now().Add(200 * time.Millisecond)
	a.Put(ctx, "k", "secret", end)
	token, expiresAt, ok := b.Get(ctx, "k")
	if !ok || token != "secret" || expiresAt.Sub(end).Abs() > 2*time.Millisecond {
		t.Errorf("%q until %s, %v; want %s", token, expiresAt, ok, end)
	}
	time.Sleep(250 * time.Millisecond)
	if _, _, ok := b.Get(ctx, "k"); ok {
		t.Error("a token beyond its end")
	}
	a.Put(ctx, "k", "late", time.Now().Add(-time.Second))
	if _, _, ok := b.Get(ctx, "k"); ok {
		t.Error("a token that was over already")
	}
	alone := NewTokens(nil, "voucher:")
	alone.Put(ctx, "k", "secret", time.Now().Add(time.Minute))
	if _, _, ok := alone.Get(ctx, "k"); ok {
		t.Error("a token without a Redis")
	}
}

func TestMetricsTellTierAndResult(t *testing.T) {
	registry := prometheus.NewRegistry()
	exporter, err := otelprom.New(otelprom.WithRegisterer(registry), otelprom.WithoutScopeInfo())
	if err != nil {
		t.Fatal(err)
	}
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter))
	defer provider.Shutdown(context.Background())

	s, ctx := startRedis(t), t.Context()
	c := newCache(t, Options{Redis: dial(t, s.url), Meter: provider.Meter("test")})
	c.Get(ctx, "k") // miss, miss
	c.Put(ctx, "k", price{}, time.Minute)
	c.Get(ctx, "k") // local hit
	c.local.InvalidateAll()
	c.Get(ctx, "k") // local miss, redis hit
	s.kill()
	for i := range 5 { // 3 errors open the breaker, then 2 are skipped
		c.Get(ctx, fmt.Sprint(i))
	}

	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		for _, m := range family.Metric {
			name := family.GetName()
			for _, label := range m.Label {
				name += "," + label.GetName() + "=" + label.GetValue()
			}
			if strings.HasPrefix(name, "attualizza_") {
				got[name] = m.Counter.GetValue()
			}
		}
	}
	const total = "attualizza_price_cache_requests_total"
	want := map[string]float64{
		total + ",result=hit,tier=local": 1, total + ",result=miss,tier=local": 7,
		total + ",result=hit,tier=redis": 1, total + ",result=miss,tier=redis": 1,
		total + ",result=error,tier=redis": 3, total + ",result=skipped,tier=redis": 2,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func BenchmarkLocalHit(b *testing.B) {
	c := newCache(b, Options{})
	c.Put(b.Context(), "80012345678/302012345678901234", price{Total: 200}, time.Hour)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := c.held("80012345678/302012345678901234"); !ok {
			b.Fatal("miss")
		}
	}
}

func BenchmarkRedisGet(b *testing.B) {
	_, port := startRedisTCP(b)
	c := newCache(b, Options{Redis: dial(b, "redis://127.0.0.1:"+port)})
	c.Put(b.Context(), "k", price{Total: 200, At: time.Now()}, time.Hour)
	b.ReportAllocs()
	for b.Loop() {
		c.local.Invalidate("k")
		if _, ok := c.Get(b.Context(), "k"); !ok {
			b.Fatal("miss")
		}
	}
}
