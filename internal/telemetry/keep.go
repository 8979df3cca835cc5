package telemetry

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Slow is from when on an answer's trace is kept whatever the sampler decided: well
// before the internal objective of 1.5 s is missed.
const Slow = time.Second

// keptBecause is the attribute that has a trace kept; it stands on its first span.
const keptBecause = attribute.Key("attualizza.kept_because")

// Keep notes on the first span of this service's part of a trace, the one in ctx,
// that the trace is to be exported whatever the sampler decided, and why, in one word:
// "degraded", "failed". What is measured with the context it returns bears the trace
// as its exemplar. It must be called before the span ends.
func Keep(ctx context.Context, because string) context.Context {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return ctx
	}
	span.SetAttributes(keptBecause.String(because))
	return context.WithValue(ctx, keptKey{}, true)
}

type keptKey struct{}

// worthAnExemplar lets measurements bear the trace that they were made in, when that
// trace will be there to be looked at.
var worthAnExemplar exemplar.Filter = func(ctx context.Context) bool {
	return trace.SpanContextFromContext(ctx).IsSampled() || ctx.Value(keptKey{}) != nil
}

// undecided has what its sampler drops recorded all the same: the keeper decides at
// the end.
type undecided struct{ sdktrace.Sampler }

func (u undecided) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	result := u.Sampler.ShouldSample(p)
	if result.Decision == sdktrace.Drop {
		result.Decision = sdktrace.RecordOnly
	}
	return result
}

// Bounds of what a [keeper] holds.
const (
	shards         = 16               // of its map, by trace
	tracesPerShard = 512              // under way at once, several times what is admitted
	spansPerTrace  = 64               // beyond, they are not kept
	lateFor        = 10 * time.Second // how long after the end of a kept trace its late spans are waited for
)

// keeper holds the spans of the traces that the sampler dropped until the first span
// of this service ends, which comes last as a rule, and then exports or forgets them
// all. A span that ends later (a request to SEND that nobody waits for any more) is
// exported when its trace was. Requests that the caller put into one trace are kept
// or forgotten together, when they overlap.
type keeper struct {
	next   sdktrace.SpanProcessor
	slow   time.Duration
	lost   atomic.Int64 // spans for which there was no room
	shards [shards]shard
}

type shard struct {
	mu     sync.Mutex
	traces map[trace.TraceID]*undecidedTrace
}

// undecidedTrace is one that is under way or, with kept, has ended a moment ago.
type undecidedTrace struct {
	spans  []sdktrace.ReadOnlySpan
	open   int // spans that began and did not end
	firsts int // those of them with which the trace entered this service
	kept   bool
	ended  time.Time // of the last of those; zero: under way
}

func newKeeper(next sdktrace.SpanProcessor, slow time.Duration) *keeper {
	k := &keeper{next: next, slow: slow}
	for i := range k.shards {
		k.shards[i].traces = make(map[trace.TraceID]*undecidedTrace)
	}
	return k
}

func (k *keeper) shard(id trace.TraceID) *shard { return &k.shards[id[len(id)-1]%shards] }

// first tells whether a span is where its trace enters this service.
func first(parent trace.SpanContext) bool { return !parent.IsValid() || parent.IsRemote() }

// OnStart implements [sdktrace.SpanProcessor].
func (k *keeper) OnStart(parent context.Context, s sdktrace.ReadWriteSpan) {
	of := s.SpanContext()
	if of.IsSampled() {
		k.next.OnStart(parent, s)
		return
	}
	shard := k.shard(of.TraceID())
	shard.mu.Lock()
	defer shard.mu.Unlock()
	held := shard.traces[of.TraceID()]
	switch {
	case held != nil:
	case first(s.Parent()) && shard.room():
		held = &undecidedTrace{}
		shard.traces[of.TraceID()] = held
	default:
		k.lost.Add(1) // its end will find nothing either
		return
	}
	held.open++
	if first(s.Parent()) {
		held.firsts++
		held.ended = time.Time{}
	}
}

// room makes place for one more trace, if it can.
func (s *shard) room() bool {
	if len(s.traces) < tracesPerShard {
		return true
	}
	for id, t := range s.traces {
		if !t.ended.IsZero() && time.Since(t.ended) > lateFor {
			delete(s.traces, id)
		}
	}
	return len(s.traces) < tracesPerShard
}

// OnEnd implements [sdktrace.SpanProcessor].
func (k *keeper) OnEnd(s sdktrace.ReadOnlySpan) {
	of := s.SpanContext()
	if of.IsSampled() {
		k.next.OnEnd(s)
		return
	}
	for _, span := range k.ended(of.TraceID(), s) {
		k.next.OnEnd(sampled{span})
	}
}

// ended takes in the end of a span, and returns those that are to be exported now.
func (k *keeper) ended(id trace.TraceID, s sdktrace.ReadOnlySpan) []sdktrace.ReadOnlySpan {
	shard := k.shard(id)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	held := shard.traces[id]
	if held == nil {
		return nil
	}
	held.open--
	if first(s.Parent()) {
		held.firsts--
		held.kept = held.kept || k.notable(s)
	}
	var out []sdktrace.ReadOnlySpan
	switch {
	case held.kept:
		out = append(held.spans, s)
		held.spans = nil
	case held.firsts > 0 && len(held.spans) < spansPerTrace:
		held.spans = append(held.spans, s)
	case held.firsts > 0:
		k.lost.Add(1)
	}
	if held.firsts <= 0 {
		held.spans = nil
		if held.ended.IsZero() {
			held.ended = s.EndTime()
		}
		if held.open <= 0 {
			delete(shard.traces, id)
		}
	}
	return out
}

// notable judges a trace by its first span.
func (k *keeper) notable(s sdktrace.ReadOnlySpan) bool {
	if s.Status().Code == codes.Error || s.EndTime().Sub(s.StartTime()) >= k.slow {
		return true
	}
	for _, a := range s.Attributes() {
		if a.Key == keptBecause {
			return true
		}
	}
	return false
}

// Shutdown implements [sdktrace.SpanProcessor].
func (k *keeper) Shutdown(ctx context.Context) error { return k.next.Shutdown(ctx) }

// ForceFlush implements [sdktrace.SpanProcessor].
func (k *keeper) ForceFlush(ctx context.Context) error { return k.next.ForceFlush(ctx) }

// sampled is a span whose trace was dropped at its start and kept at its end.
type sampled struct{ sdktrace.ReadOnlySpan }

// SpanContext says that it is to be exported.
func (s sampled) SpanContext() trace.SpanContext {
	of := s.ReadOnlySpan.SpanContext()
	return of.WithTraceFlags(of.TraceFlags().WithSampled(true))
}
