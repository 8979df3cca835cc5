package main

import (
	"bytes"
	"encoding/hex"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/attualizza/attualizza/internal/sandbox"
	"github.com/attualizza/attualizza/internal/testservers"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/soap/pafornode"
)

// otlp is a collector that keeps what it is sent.
type otlp struct {
	*httptest.Server
	mu    sync.Mutex
	spans []*trace.Span
	bytes bytes.Buffer // of all messages
}

func newCollector(t *testing.T) *otlp {
	t.Helper()
	c := &otlp{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var message collector.ExportTraceServiceRequest
		if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, &message) != nil {
			t.Errorf("the collector was sent what is no OTLP, at %s", r.URL.Path)
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.bytes.Write(body)
		for _, resource := range message.ResourceSpans {
			for _, scope := range resource.ScopeSpans {
				c.spans = append(c.spans, scope.Spans...)
			}
		}
	}))
	t.Cleanup(c.Close)
	return c
}

// of are the spans of a trace so far, by name.
func (c *otlp) of(traceID string) map[string]*trace.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	spans := map[string]*trace.Span{}
	for _, s := range c.spans {
		if hex.EncodeToString(s.TraceId) == traceID {
			spans[s.Name] = s
		}
	}
	return spans
}

func attributeOf(s *trace.Span, key string) string {
	for _, a := range s.GetAttributes() {
		if a.Key == key {
			return a.Value.GetStringValue()
		}
	}
	return ""
}

// tracedHouse is a service whose sampler wants nothing, with a collector. The SDK
// reads its variables from the process, so the tests that use it run alone.
func tracedHouse(t *testing.T, database, redis string) (*house, *otlp) {
	t.Helper()
	c := newCollector(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", c.URL)
	t.Setenv("OTEL_TRACES_SAMPLER", "always_off")
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
	return newHouse(t, database, redis), c
}

// verifyIn asks about a notice within the caller's trace.
func (e *ente) verifyIn(t *testing.T, nav positions.NoticeNumber, traceID, flags string) {
	t.Helper()
	message := pafornode.AppendRequest(nil, &pafornode.Request{
		Operation: pafornode.VerifyPaymentNotice, IDPA: e.fiscalCode, IDBrokerPA: demoBroker, IDStation: demoStation,
		QRCode: pafornode.QRCode{FiscalCode: e.fiscalCode, NoticeNumber: string(nav)},
	})
	r, err := http.NewRequest(http.MethodPost, e.h.endpoint(), bytes.NewReader(message))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "text/xml; charset=utf-8")
	r.Header.Set("Traceparent", "00-"+traceID+"-00f067aa0ba902b7-"+flags)
	response, err := e.h.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if answer, err := io.ReadAll(response.Body); err != nil || !bytes.Contains(answer, []byte("<outcome>OK</outcome>")) {
		t.Fatalf("the Nodo was told %s, %v", answer, err)
	}
}

// A good answer leaves no trace, a degraded one leaves all of it: the way from the
// Nodo's request through store and cache to SEND, also the request to SEND that nobody
// waited for, though the sampler wanted none of it.
func TestADegradedAnswersTraceIsKeptFromTheNodoToSEND(t *testing.T) {
	h, c := tracedHouse(t, testservers.Postgres(t), testservers.Redis(t))
	if said, err := checkTraces(t.Context()); err != nil || said != "the collector takes them" {
		t.Errorf("config check says %q, %v", said, err)
	}
	const good, degraded = "0af7651916cd43dd8448eb211c80319c", "4bf92f3577b34da6a3ce929d0e0e4736"
	e := h.ente(t)
	e.verifyIn(t, e.publish(t, digital).nav, good, "00")
	d := e.publish(t, digital)
	e.inject(t, sandbox.Fault{Kind: sandbox.Hang})
	e.verifyIn(t, d.nav, degraded, "00")

	want := []string{"paVerifyPaymentNotice", "store notice", "cache get", "wait for the price", "ask the price", "cache lock", "SEND DIRECT", "journal answer"}
	defer func() {
		if t.Failed() {
			t.Logf("exported are %v", slices.Collect(maps.Keys(c.of(degraded))))
		}
	}()
	eventually(t, 5*time.Second, "the whole trace of the degraded answer is exported", func() bool {
		spans := c.of(degraded)
		for _, name := range want {
			if spans[name] == nil {
				return false
			}
		}
		return true
	})
	spans := c.of(degraded)
	for child, parent := range map[string]string{
		"store notice": "paVerifyPaymentNotice", "wait for the price": "paVerifyPaymentNotice", "journal answer": "paVerifyPaymentNotice",
		"ask the price": "wait for the price", "cache lock": "ask the price", "SEND DIRECT": "ask the price",
	} {
		if !bytes.Equal(spans[child].ParentSpanId, spans[parent].SpanId) {
			t.Errorf("%q is not below %q", child, parent)
		}
	}
	first := spans["paVerifyPaymentNotice"]
	if hex.EncodeToString(first.ParentSpanId) != "00f067aa0ba902b7" {
		t.Error("the answer's span is not in the Nodo's trace")
	}
	for key, want := range map[string]string{
		"attualizza.kept_because": "degraded", "attualizza.fee_source": "NONE", "attualizza.notice": string(d.nav),
		"attualizza.organization": e.fiscalCode, "rpc.method": "paForNode/paVerifyPaymentNotice", "rpc.response.status_code": "OK",
	} {
		if got := attributeOf(first, key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if got := attributeOf(spans["SEND DIRECT"], "attualizza.result"); got != "timeout" {
		t.Errorf("the request to SEND came to %q", got)
	}
	// SEND was told which trace, and of the span that asked.
	entries := h.sim.Requests(sandbox.Filter{Endpoint: sandbox.EndpointPrice, NoticeCode: string(d.nav)})
	last := entries[len(entries)-1].Traceparent
	if asked := hex.EncodeToString(spans["SEND DIRECT"].SpanId); last != "00-"+degraded+"-"+asked+"-00" {
		t.Errorf("SEND was told the trace %q", last)
	}
	// So was the log.
	if !regexp.MustCompile(`"msg":"answered the Nodo".*"trace_id":"` + degraded).MatchString(h.logs.String()) {
		t.Error("the answer's line in the log does not bear its trace")
	}
	if spans := c.of(good); len(spans) > 0 {
		t.Errorf("the good answer's trace is exported too: %v", spans)
	}
	if _, page := h.metricsWithExemplars(t); !strings.Contains(page, `trace_id="`+degraded+`"`) || strings.Contains(page, good) {
		t.Error("the exemplars are not of the traces that were kept")
	}
	c.nothingPersonal(t)
}

// The caller's decision to sample is obeyed, when the sampler says so.
func TestASampledAnswerIsTracedWhetherGoodOrNot(t *testing.T) {
	c := newCollector(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", c.URL)
	t.Setenv("OTEL_TRACES_SAMPLER", "parentbased_always_off")
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
	h := newHouse(t, "sqlite:"+filepath.Join(t.TempDir(), "traces.db"), "")
	e := h.ente(t, askEveryTime)
	d := e.publish(t, digital)
	const sampled = "0af7651916cd43dd8448eb211c80319c"
	e.verifyIn(t, d.nav, sampled, "01")
	eventually(t, 5*time.Second, "the answer's trace is exported", func() bool { return c.of(sampled)["paVerifyPaymentNotice"] != nil })
	entries := h.sim.Requests(sandbox.Filter{Endpoint: sandbox.EndpointPrice, NoticeCode: string(d.nav)})
	if last := entries[len(entries)-1].Traceparent; !strings.HasPrefix(last, "00-"+sampled+"-") || !strings.HasSuffix(last, "-01") {
		t.Errorf("SEND was told the trace %q", last)
	}
	c.nothingPersonal(t)
}

// A collector that is down or hangs costs nobody anything.
func TestACollectorThatDoesNotAnswerSlowsNobodyDown(t *testing.T) {
	hanging := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // otherwise its end is not noticed
		<-r.Context().Done()
	}))
	t.Cleanup(hanging.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", hanging.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "3000")
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
	t.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", "8")
	t.Setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4")
	var began time.Time
	t.Cleanup(func() { // after the service's end
		if took := time.Since(began); took > closeTimeout+flushTimeout {
			t.Errorf("the service took %v to stop", took)
		}
	})
	h := newHouse(t, "sqlite:"+filepath.Join(t.TempDir(), "traces.db"), "")
	t.Cleanup(func() { began = time.Now() }) // before it
	e := h.ente(t)
	d := e.publish(t, digital)
	for range 50 { // many times what the queue holds
		if reply := e.ask(t, pafornode.VerifyPaymentNotice, d.nav); reply.Took > time.Second {
			t.Errorf("an answer took %v", reply.Took)
		}
	}
}

func (h *house) metricsWithExemplars(t *testing.T) (int, string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, "http://"+h.address("ops")+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	response, err := h.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(page)
}

func (c *otlp) nothingPersonal(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bytes.Len() == 0 {
		t.Error("nothing was exported: it proves nothing")
	}
	for _, secret := range personal {
		if bytes.Contains(c.bytes.Bytes(), []byte(secret)) {
			t.Errorf("%q is in the traces", secret)
		}
	}
}
