package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// dropping are traces of which the sampler wants none.
func dropping(t *testing.T, keep bool) (trace.Tracer, func() []string) {
	t.Helper()
	return traces(t, sdktrace.NeverSample(), keep)
}

func traces(t *testing.T, sampler sdktrace.Sampler, keep bool) (trace.Tracer, func() []string) {
	t.Helper()
	exporter := &exported{}
	all, err := NewTraces(t.Context(), TracesConfig{Environment: Environment{Sampler: sampler}, Version: "test", KeepNotable: keep, Exporter: exporter})
	if err != nil {
		t.Fatal(err)
	}
	return all.Tracer(), func() []string {
		if err := all.Close(context.Background()); err != nil {
			t.Error(err)
		}
		return exporter.names
	}
}

// exported remembers the names of the spans it got, also after its end.
type exported struct {
	mu    sync.Mutex
	names []string
}

func (e *exported) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range spans {
		e.names = append(e.names, s.Name())
	}
	return nil
}

func (e *exported) Shutdown(context.Context) error { return nil }

func TestWhichTracesAreKept(t *testing.T) {
	answer := func(ctx context.Context, tracer trace.Tracer, then func(ctx context.Context, span trace.Span)) {
		ctx, span := tracer.Start(ctx, "answer")
		defer span.End()
		_, child := tracer.Start(ctx, "store")
		child.End()
		then(ctx, span)
	}
	for _, c := range []struct {
		name string
		then func(ctx context.Context, span trace.Span)
		want bool
	}{
		{"a good answer is not", func(context.Context, trace.Span) {}, false},
		{"a degraded one is", func(ctx context.Context, _ trace.Span) { Keep(ctx, "degraded") }, true},
		{"a failed one is", func(_ context.Context, s trace.Span) { End(s, errors.New("the store does not answer")) }, true},
		{"a slow one is", func(_ context.Context, s trace.Span) { s.End(trace.WithTimestamp(time.Now().Add(Slow))) }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			tracer, names := dropping(t, true)
			answer(t.Context(), tracer, c.then)
			want := []string(nil)
			if c.want {
				want = []string{"store", "answer"}
			}
			if got := names(); !slices.Equal(got, want) {
				t.Errorf("exported are %v", got)
			}
		})
		t.Run(c.name+", unless only sampled ones are wanted", func(t *testing.T) {
			tracer, names := dropping(t, false)
			answer(t.Context(), tracer, c.then)
			if got := names(); got != nil {
				t.Errorf("exported are %v", got)
			}
		})
		t.Run(c.name+", and a sampled one is exported once", func(t *testing.T) {
			tracer, names := traces(t, sdktrace.AlwaysSample(), true)
			answer(t.Context(), tracer, c.then)
			if got := names(); !slices.Equal(got, []string{"store", "answer"}) {
				t.Errorf("exported are %v", got)
			}
		})
	}
}

func TestASpanThatEndsAfterItsAnswerIsExportedWithIt(t *testing.T) {
	for _, degraded := range []bool{true, false} {
		tracer, names := dropping(t, true)
		ctx, answer := tracer.Start(t.Context(), "answer")
		_, late := tracer.Start(ctx, "ask SEND")
		if degraded {
			Keep(ctx, "degraded")
		}
		answer.End()
		late.End()
		if got := names(); degraded != slices.Equal(got, []string{"answer", "ask SEND"}) || !degraded && got != nil {
			t.Errorf("degraded %v: exported are %v", degraded, got)
		}
	}
}

// Whoever calls us may put all its requests into one trace.
func TestRequestsOfOneTraceAreJudgedTogetherWhileTheyOverlap(t *testing.T) {
	caller := propagation.TraceContext{}.Extract(t.Context(), propagation.MapCarrier{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"})
	tracer, names := dropping(t, true)
	_, good := tracer.Start(caller, "good")
	ctx, bad := tracer.Start(caller, "bad")
	good.End()
	Keep(ctx, "degraded")
	bad.End()
	_, alone := tracer.Start(caller, "alone")
	alone.End()
	if got := names(); !slices.Equal(got, []string{"good", "bad"}) {
		t.Errorf("exported are %v", got)
	}
}

func TestWhatAKeeperHoldsIsBoundedAndGivenBack(t *testing.T) {
	exporter := &exported{}
	k := newKeeper(sdktrace.NewSimpleSpanProcessor(exporter), time.Hour) // a slow machine keeps nothing for being slow
	provider := sdktrace.NewTracerProvider(sdktrace.WithSampler(undecided{sdktrace.NeverSample()}), sdktrace.WithSpanProcessor(k))
	tracer := provider.Tracer("test")
	held := func() (traces, spans int) {
		for i := range k.shards {
			traces += len(k.shards[i].traces)
			for _, t := range k.shards[i].traces {
				spans += len(t.spans)
			}
		}
		return traces, spans
	}
	var open []trace.Span
	for range 4 * shards * tracesPerShard {
		_, span := tracer.Start(t.Context(), "answer")
		open = append(open, span)
	}
	if traces, _ := held(); traces > shards*tracesPerShard {
		t.Errorf("%d traces are held", traces)
	}
	for _, span := range open {
		span.End()
	}
	if traces, spans := held(); traces+spans != 0 {
		t.Errorf("%d traces and %d spans are left", traces, spans)
	}
	ctx, long := tracer.Start(t.Context(), "answer")
	for i := range 10 * spansPerTrace {
		_, span := tracer.Start(ctx, fmt.Sprint(i))
		span.End()
	}
	if _, spans := held(); spans > spansPerTrace {
		t.Errorf("%d spans of one trace are held", spans)
	}
	Keep(ctx, "degraded")
	long.End()
	if got := exporter.names; len(got) != spansPerTrace+1 || got[len(got)-1] != "answer" {
		t.Errorf("%d spans were exported, the last is %s", len(got), got[len(got)-1])
	}
	// Late spans that never end are forgotten when the place is needed.
	for range 2 * shards * tracesPerShard {
		ctx, span := tracer.Start(t.Context(), "answer")
		tracer.Start(ctx, "never ends")
		span.End(trace.WithTimestamp(time.Now().Add(-2 * lateFor)))
	}
	if traces, _ := held(); traces > shards*tracesPerShard {
		t.Errorf("%d traces are held", traces)
	}
	ctx, last := tracer.Start(t.Context(), "last")
	Keep(ctx, "degraded")
	last.End()
	if got := exporter.names; got[len(got)-1] != "last" {
		t.Error("there was no place for another trace")
	}
}

// Everything at once, for the race detector.
func TestAKeeperIsSafeForConcurrentUse(t *testing.T) {
	tracer, names := dropping(t, true)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 200 {
				ctx, span := tracer.Start(context.Background(), "answer")
				done := make(chan struct{})
				go func() {
					defer close(done)
					_, child := tracer.Start(ctx, "ask SEND")
					child.End()
				}()
				if i == 0 {
					Keep(ctx, "degraded")
				}
				span.End()
				<-done
			}
		})
	}
	all.Wait()
	answers := 0
	for _, name := range names() {
		if name == "answer" {
			answers++
		}
	}
	if answers != 200 {
		t.Errorf("%d of 200 degraded answers were exported", answers)
	}
}

func TestMeasurementsBearTheTraceThatWillBeThere(t *testing.T) {
	metrics, err := NewMetrics(Environment{})
	if err != nil {
		t.Fatal(err)
	}
	duration, err := metrics.Meter().Float64Histogram("attualizza_answer_duration")
	if err != nil {
		t.Fatal(err)
	}
	tracer, _ := dropping(t, true)
	measure := func(seconds float64, keep bool) string {
		ctx, span := tracer.Start(t.Context(), "answer")
		defer span.End()
		if keep {
			ctx = Keep(ctx, "degraded")
		}
		duration.Record(ctx, seconds)
		return span.SpanContext().TraceID().String()
	}
	forgotten, kept := measure(0.001, false), measure(1.7, true)
	r := httptest.NewRequest("GET", "/metrics", nil)
	r.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	w := httptest.NewRecorder()
	metrics.Handler().ServeHTTP(w, r)
	if page := w.Body.String(); strings.Contains(page, forgotten) || !strings.Contains(page, `trace_id="`+kept+`"`) {
		t.Errorf("the exemplars are not those of the kept traces: %s", page)
	}
}

func TestLinesOfTheLogBearTheirTrace(t *testing.T) {
	// No exporter: nothing is recorded, and there are identifiers all the same.
	all, err := NewTraces(t.Context(), TracesConfig{})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	logger, err := NewLogger(&out, "info", "json")
	if err != nil {
		t.Fatal(err)
	}
	ctx, span := all.Tracer().Start(t.Context(), "answer")
	if span.IsRecording() {
		t.Error("a span is recorded for nobody")
	}
	logger.InfoContext(ctx, "answered")
	logger.Info("outside of a trace")
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	var first, second map[string]string
	if err := errors.Join(json.Unmarshal([]byte(lines[0]), &first), json.Unmarshal([]byte(lines[1]), &second)); err != nil {
		t.Fatal(err)
	}
	of := span.SpanContext()
	if first["trace_id"] != of.TraceID().String() || first["span_id"] != of.SpanID().String() || len(first["trace_id"]) != 32 {
		t.Errorf("the line says %v, the span is %v", first, of)
	}
	if _, there := second["trace_id"]; there {
		t.Errorf("a line outside of any trace has one: %v", second)
	}
}

func TestDisabledTelemetryMeasuresAndTracesNothing(t *testing.T) {
	metrics, err := NewMetrics(Environment{Disabled: true})
	if err != nil {
		t.Fatal(err)
	}
	counter, err := metrics.Meter().Int64Counter("attualizza_answers")
	if err != nil {
		t.Fatal(err)
	}
	counter.Add(t.Context(), 1)
	w := httptest.NewRecorder()
	metrics.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if page := w.Body.String(); strings.Contains(page, "attualizza_") || !strings.Contains(page, "go_goroutines") {
		t.Error("the page is not that of the process alone")
	}
	all, err := NewTraces(t.Context(), TracesConfig{Environment: Environment{Disabled: true}})
	if err != nil {
		t.Fatal(err)
	}
	if _, span := all.Tracer().Start(t.Context(), "answer"); span.SpanContext().IsValid() {
		t.Error("there is a trace")
	}
	if err := errors.Join(all.Close(t.Context()), metrics.Close(t.Context())); err != nil {
		t.Error(err)
	}
}

func TestTheCallersFreeTextEndsHere(t *testing.T) {
	header := http.Header{}
	header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	header.Set("Tracestate", "vendor=RSSMRA80A01H501U,other="+strings.Repeat("x", 200))
	ctx := Incoming(t.Context(), header)
	of := trace.SpanContextFromContext(ctx)
	if of.TraceID().String() != "0af7651916cd43dd8448eb211c80319c" || !of.IsSampled() || !of.IsRemote() {
		t.Errorf("the caller's trace is not gone on with: %v", of)
	}
	tracer, _ := traces(t, sdktrace.AlwaysSample(), true)
	ctx, span := tracer.Start(ctx, "answer")
	defer span.End()
	onward := http.Header{}
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(onward))
	if onward.Get("Traceparent") == "" || onward.Get("Tracestate") != "" {
		t.Errorf("handed on are %v", onward)
	}
	if ctx := Incoming(t.Context(), http.Header{"Traceparent": {"garbage"}}); trace.SpanContextFromContext(ctx).IsValid() {
		t.Error("garbage is a trace")
	}
}

// refusing is a collector that takes nothing, after a while.
type refusing struct{ after time.Duration }

func (r refusing) ExportSpans(ctx context.Context, _ []sdktrace.ReadOnlySpan) error {
	select {
	case <-time.After(r.after):
	case <-ctx.Done():
	}
	return errors.New("no")
}

func (refusing) Shutdown(context.Context) error { return nil }

func TestSpansThatAreLostAreCounted(t *testing.T) {
	for _, c := range []struct {
		name     string
		exporter sdktrace.SpanExporter
		want     string
	}{
		{"taken", &exported{}, `attualizza_trace_spans_total{result="taken"} 3`},
		{"not taken", refusing{}, `attualizza_trace_spans_total{result="failed"} 3`},
	} {
		t.Run(c.name, func(t *testing.T) {
			metrics, err := NewMetrics(Environment{})
			if err != nil {
				t.Fatal(err)
			}
			all, err := NewTraces(t.Context(), TracesConfig{KeepNotable: true, Exporter: c.exporter, Meter: metrics.Meter()})
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				_, span := all.Tracer().Start(t.Context(), "answer")
				span.End()
			}
			_ = all.Close(t.Context()) // the error is the collector's
			w := httptest.NewRecorder()
			metrics.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
			for _, want := range []string{c.want, `attualizza_trace_spans_total{result="meant"} 3`, `attualizza_trace_spans_total{result="no_room"} 0`} {
				if page := w.Body.String(); !strings.Contains(page, want) {
					t.Errorf("the page lacks %s", want)
				}
			}
		})
	}
}
