package streams

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// What becomes of an event, as the metric tells it: the first four where it is
// read, the others where it is carried out.
const (
	resultQueued     = "queued"
	resultIgnored    = "ignored"    // it changes no price
	resultRepeated   = "repeated"   // it was taken over before
	resultUnreadable = "unreadable" // it was skipped
	resultRefreshed  = "refreshed"  // a price was asked for
	resultFresh      = "fresh"      // one was asked for since it arrived
	resultUnknown    = "unknown"    // it is about no notice that can be paid here
	resultToldAgain  = "told_again" // SEND is told of a payment, which did not know the notice before
	resultFailed     = "failed"     // it is tried again
	resultGivenUp    = "given_up"   // it was, for days
)

// otherCategory stands for every category that does not matter here.
const otherCategory = "OTHER"

// meters are the metrics. Their Prometheus names get _total and _seconds from the
// exporter.
type meters struct {
	events       metric.Int64Counter
	registration metric.Registration
	leading      atomic.Int64

	mu      sync.Mutex
	readers map[*reader]struct{}
}

func newMeters(m metric.Meter) (*meters, error) {
	s := &meters{readers: map[*reader]struct{}{}}
	var err error
	if s.events, err = m.Int64Counter("attualizza_stream_events",
		metric.WithDescription("Events of SEND's streams by category and what became of them: queued, ignored, repeated or unreadable where they are read; refreshed, fresh, unknown, told_again, failed or given_up where they are carried out.")); err != nil {
		return nil, err
	}
	leader, err := m.Int64ObservableGauge("attualizza_stream_leader",
		metric.WithDescription("1 on the replica that reads SEND's streams."))
	if err != nil {
		return nil, err
	}
	lag, err := m.Float64ObservableGauge("attualizza_stream_lag", metric.WithUnit("s"),
		metric.WithDescription("How long ago the stream was read with success that was read least recently; 0 where none is read."))
	if err != nil {
		return nil, err
	}
	s.registration, err = m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		o.ObserveInt64(leader, s.leading.Load())
		o.ObserveFloat64(lag, s.lag(time.Now()).Seconds())
		return nil
	}, leader, lag)
	return s, err
}

func (s *meters) close() error { return s.registration.Unregister() }

// count counts n events of a category.
func (s *meters) count(ctx context.Context, category, result string, n int) {
	if n == 0 {
		return
	}
	if _, known := effects[category]; !known {
		category = otherCategory
	}
	s.events.Add(ctx, int64(n), metric.WithAttributes(attribute.String("category", category), attribute.String("result", result)))
}

func (s *meters) lead(leading bool) {
	if leading {
		s.leading.Store(1)
	} else {
		s.leading.Store(0)
	}
}

// reads makes a reader part of the lag until it is forgotten.
func (s *meters) reads(r *reader) (forget func()) {
	r.readAt.Store(time.Now().UnixNano())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readers[r] = struct{}{}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.readers, r)
	}
}

func (s *meters) lag(now time.Time) (lag time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for r := range maps.Keys(s.readers) {
		lag = max(lag, now.Sub(time.Unix(0, r.readAt.Load())))
	}
	return lag
}
