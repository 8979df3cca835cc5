package sendclient

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// The names and labels are what dashboards rely on, so the test reads them as
// Prometheus would.
func TestMetricsHaveTheNamesThatDashboardsUse(t *testing.T) {
	registry := prometheus.NewRegistry()
	exporter, err := otelprom.New(otelprom.WithRegisterer(registry), otelprom.WithoutScopeInfo())
	if err != nil {
		t.Fatal(err)
	}
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter))
	defer provider.Shutdown(context.Background())

	status := 200
	c := serve(t, Config{Meter: provider.Meter("test")}, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" && r.URL.Path == paymentEventPath {
			w.WriteHeader(204)
			return
		}
		if strings.HasPrefix(r.URL.Path, streamsPath) {
			io.WriteString(w, `[]`)
			return
		}
		if strings.Contains(r.URL.Path, "/sent/") {
			w.WriteHeader(404)
			io.WriteString(w, problem(404, "PN_DELIVERY_NOTIFICATIONNOTFOUND"))
			return
		}
		w.WriteHeader(status)
		switch {
		case strings.HasSuffix(r.URL.Path, "/amount-update"):
			io.WriteString(w, `{"code":"004"}`)
		case status == 200:
			io.WriteString(w, digital)
		}
	})
	relay := &Credential{OrganizationFiscalCode: "80099999999", Relay: &Relay{Kind: RelayNative, URL: c.baseURL, Token: "t"}}
	c.Price(t.Context(), relay, org, notice)
	c.Price(t.Context(), apiKeyOnly, org, notice)
	c.ReportPayment(t.Context(), apiKeyOnly, eventOf(notice))
	c.Streams(t.Context(), apiKeyOnly)
	c.Consume(t.Context(), apiKeyOnly, streamID, "")
	c.SentNotification(t.Context(), apiKeyOnly, someIUN)
	status = 403
	c.Price(t.Context(), apiKeyOnly, org, notice)
	c.Price(t.Context(), apiKeyOnly, org, notice)
	c.Price(t.Context(), apiKeyOnly, org, "no notice")
	c.Streams(t.Context(), apiKeyOnly)

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
			name := family.GetName()
			for _, label := range m.Label {
				name += "," + label.GetName() + "=" + label.GetValue()
			}
			switch {
			case m.Counter != nil:
				got[name] = m.Counter.GetValue()
			case m.Gauge != nil:
				got[name] = m.Gauge.GetValue()
			case m.Histogram != nil:
				got[name] = float64(m.Histogram.GetSampleCount())
				bounds := map[float64]bool{}
				for _, b := range m.Histogram.Bucket {
					bounds[b.GetUpperBound()] = true
				}
				for _, b := range []float64{.05, .1, .25, .5, .75, 1, 1.2, 1.5, 2} {
					if !bounds[b] {
						t.Errorf("no bucket %v", b)
					}
				}
			}
		}
	}
	want := map[string]float64{
		"attualizza_send_requests_total,result=priced,route=DIRECT":      1,
		"attualizza_send_requests_total,result=denied,route=DIRECT":      1,
		"attualizza_send_requests_total,result=held_off,route=DIRECT":    1,
		"attualizza_send_requests_total,result=bad_request,route=DIRECT": 1,
		"attualizza_send_request_duration_seconds,route=DIRECT":          2,
		"attualizza_send_breaker_state,key=" + org:                       0,
		"attualizza_send_requests_total,result=not_payable,route=RELAY":  1,
		"attualizza_send_request_duration_seconds,route=RELAY":           1,
		"attualizza_send_breaker_state,key=80099999999":                  0,

		"attualizza_send_requests_total,result=reported,route=payment_event": 1,
		"attualizza_send_request_duration_seconds,route=payment_event":       1,

		"attualizza_send_requests_total,result=answered,route=streams":       1,
		"attualizza_send_requests_total,result=held_off,route=streams":       1,
		"attualizza_send_request_duration_seconds,route=streams":             1,
		"attualizza_send_requests_total,result=answered,route=stream_events": 1,
		"attualizza_send_request_duration_seconds,route=stream_events":       1,
		"attualizza_send_requests_total,result=gone,route=sent_notification": 1,
		"attualizza_send_request_duration_seconds,route=sent_notification":   1,
	}
	for name := range got {
		if !strings.HasPrefix(name, "attualizza_") {
			delete(got, name) // target_info
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func BenchmarkPrice(b *testing.B) {
	c := serve(b, Config{}, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, digital) })
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Price(b.Context(), apiKeyOnly, org, notice); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPriceHeldOff(b *testing.B) {
	c := serve(b, Config{}, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(403) })
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Price(b.Context(), apiKeyOnly, org, notice); err == nil {
			b.Fatal("no denial")
		}
	}
}
