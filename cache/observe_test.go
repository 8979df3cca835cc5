package cache

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

func TestMetricsTellHowLongEachCommandTakesAndWhetherRedisIsBypassed(t *testing.T) {
	registry := prometheus.NewRegistry()
	exporter, err := otelprom.New(otelprom.WithRegisterer(registry), otelprom.WithoutScopeInfo())
	if err != nil {
		t.Fatal(err)
	}
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter))
	defer provider.Shutdown(context.Background())

	s, ctx := startRedis(t), t.Context()
	r := dial(t, s.url)
	if err := r.Observe(provider.Meter("test")); err != nil {
		t.Fatal(err)
	}
	seen := func() map[string]float64 {
		t.Helper()
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, family := range families {
			if family.GetHelp() == "" {
				t.Errorf("%s has no help text", family.GetName())
			}
			for _, m := range family.Metric {
				switch {
				case m.Histogram != nil:
					got[family.GetName()+" "+m.Label[0].GetValue()] = float64(m.Histogram.GetSampleCount())
				case m.Gauge != nil && len(m.Label) == 0:
					got[family.GetName()] = m.Gauge.GetValue()
				}
			}
		}
		return got
	}
	c := newCache(t, Options{Redis: r})
	c.Put(ctx, "k", price{}, time.Minute)
	c.local.InvalidateAll()
	c.Get(ctx, "k")
	c.Delete(ctx, "k")
	unlock, _ := c.Lock(ctx, "k", time.Second)
	c.Await(ctx, "k")
	unlock()
	const took, bypassed = "attualizza_redis_request_duration_seconds ", "attualizza_redis_bypassed"
	got := seen()
	for _, command := range []string{commandGet, commandSet, commandSetNX, commandDel, commandEval, commandBatch} {
		if got[took+command] < 1 {
			t.Errorf("no %s was measured: %v", command, got)
		}
	}
	if got[bypassed] != 0 {
		t.Error("a Redis that answers is bypassed")
	}
	s.kill()
	for i := range 5 { // 3 errors open the breaker, and then nobody is asked
		c.Get(ctx, fmt.Sprint(i))
	}
	after := seen()
	if after[took+commandGet] != got[took+commandGet]+3 || after[bypassed] != 1 {
		t.Error(cmp.Diff(got, after))
	}
}
