package soap

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/soap/pafornode"
)

// meters are the metrics that a dashboard may rely on.
type meters struct {
	answers, fees, receipts metric.Int64Counter
	duration                metric.Float64Histogram
	answerSets              sets[answerKey, metric.AddOption]
	sourceSets              sets[positions.FeeSource, metric.AddOption]
	receiptSets             sets[string, metric.AddOption]
	durationSets            sets[durationKey, metric.RecordOption]
	feeCents                metric.Int64Counter
	compared, drift         metric.Int64Counter
	comparedSets, driftSets sets[string, metric.AddOption]
}

// sets keeps the attributes of each combination, of which there are as many as
// fault codes: made once, so that counting an answer allocates nothing.
type sets[K comparable, O any] struct {
	mu   sync.RWMutex
	made map[K][]O
}

func (s *sets[K, O]) of(key K, make func(K) O) []O {
	s.mu.RLock()
	options := s.made[key]
	s.mu.RUnlock()
	if options != nil {
		return options
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.made == nil {
		s.made = map[K][]O{}
	}
	if s.made[key] == nil {
		s.made[key] = []O{make(key)}
	}
	return s.made[key]
}

// durationBounds are seconds; 2 and 7 are the Nodo's service level and timeout,
// 1.5 the internal objective.
var durationBounds = []float64{.005, .01, .025, .05, .1, .25, .5, .75, 1, 1.25, 1.5, 1.8, 2, 3, 7}

func newMeters(m metric.Meter) *meters {
	if m == nil {
		m = noop.Meter{}
	}
	counter := func(name, description string) metric.Int64Counter {
		c, err := m.Int64Counter(name, metric.WithDescription(description))
		if err != nil {
			panic(err) // the names are constants
		}
		return c
	}
	duration, err := m.Float64Histogram("attualizza_answer_duration", metric.WithUnit("s"),
		metric.WithDescription("Time from the arrival of a request of the Nodo to its answer."),
		metric.WithExplicitBucketBoundaries(durationBounds...))
	if err != nil {
		panic(err)
	}
	made := &meters{
		answers:  counter("attualizza_answers", "Answers given to the Nodo."),
		fees:     counter("attualizza_fee_source", "Where the notification fee of an answer came from."),
		receipts: counter("attualizza_receipts", "Receipts received from the Nodo."),
		duration: duration,
		feeCents: counter("attualizza_notification_fee_cents", "Notification fees asked of payers by answers to activations, in cents, by where they came from; a notice that is activated again counts again."),
		compared: counter("attualizza_verified_then_activated", "Activations that were answered with an amount, after a verify of which this process knows: the same amount, more, or less."),
		drift:    counter("attualizza_amount_drift_cents", "By how much those activations asked more (up) or less (down) than the verify, in cents."),
	}
	made.begin(context.Background())
	return made
}

type answerKey struct{ operation, outcome, fault string }

type durationKey struct {
	operation string
	sendBound bool
}

func (k answerKey) option() metric.AddOption {
	return metric.WithAttributeSet(attribute.NewSet(attribute.String("operation", k.operation),
		attribute.String("outcome", k.outcome), attribute.String("fault_code", k.fault)))
}

func (k durationKey) option() metric.RecordOption {
	return metric.WithAttributeSet(attribute.NewSet(attribute.String("operation", k.operation), attribute.Bool("send_bound", k.sendBound)))
}

func sourceOption(s positions.FeeSource) metric.AddOption {
	return metric.WithAttributeSet(attribute.NewSet(attribute.String("source", string(s))))
}

func receiptOption(outcome string) metric.AddOption {
	return metric.WithAttributeSet(attribute.NewSet(attribute.String("outcome", outcome)))
}

// observe counts and logs one answer, once.
func (h *Handler) observe(r *http.Request, x *exchange) {
	ctx, m, res := r.Context(), h.meters, &x.result
	took := h.Now().Sub(x.arrived)
	ctx = traced(ctx, x, took)
	m.answers.Add(ctx, 1, m.answerSets.of(answerKey{res.operation, res.outcome, res.fault}, answerKey.option)...)
	sendBound := res.quote != nil && res.quote.Notice.Option.SendBound
	m.duration.Record(ctx, took.Seconds(), m.durationSets.of(durationKey{res.operation, sendBound}, durationKey.option)...)
	if res.quote != nil && res.quote.Source != "" {
		m.fees.Add(ctx, 1, m.sourceSets.of(res.quote.Source, sourceOption)...)
	}
	m.charge(ctx, x)
	h.compare(ctx, x)
	if x.request.Operation.IsReceipt() {
		m.receipts.Add(ctx, 1, m.receiptSets.of(res.outcome, receiptOption)...)
	}
	h.log(ctx, r, x, took)
}

// log writes one line for each answer, with what ModI asks of an interface's log:
// instant, URI, method, outcome, address of the caller, consumer (the station) and
// identifier of the request ("Raccomandazioni di implementazione", RAC_GEN_LOG). The
// notice number is there to trace a payment; names and tax codes of people never are.
func (h *Handler) log(ctx context.Context, r *http.Request, x *exchange, took time.Duration) {
	if !h.Logger.Enabled(ctx, slog.LevelInfo) {
		return
	}
	res, q := &x.result, &x.request
	attrs := make([]slog.Attr, 0, 18)
	attrs = append(attrs, slog.String("operation", res.operation), slog.String("outcome", res.outcome),
		slog.String("method", r.Method), slog.String("uri", Path), slog.Int("status", x.status), slog.String("address", h.Proxies.Of(r)),
		slog.Float64("ms", float64(took.Microseconds())/1000), slog.String("organization", organizationOf(q)), slog.String("station", stationOf(q)))
	if res.fault != "" {
		attrs = append(attrs, slog.String("fault", res.fault))
	}
	attrs = append(attrs, slog.String("nav", x.notice()))
	if res.quote != nil && res.outcome == "OK" {
		attrs = append(attrs, slog.Int64("amount", int64(res.quote.Amount)), slog.String("source", string(res.quote.Source)))
	}
	if id := requestID(r); id != "" {
		attrs = append(attrs, slog.String("requestId", id))
	}
	if said := saidAction(r); said != "" && said != res.operation {
		attrs = append(attrs, slog.String("soapAction", said)) // logged, not refused: the payload decides
	}
	level := slog.LevelInfo
	if res.problem != "" {
		attrs = append(attrs, slog.String("problem", res.problem))
	}
	if res.outcome == "REFUSED" || res.problem != "" && q.Operation.IsReceipt() {
		level = slog.LevelWarn // a receipt may have been among them, and will not come again
	}
	h.Logger.LogAttrs(ctx, level, "answered the Nodo", attrs...)
}

// organizationOf and stationOf are what a request says, when it has the form of a tax
// code of an administration and of a station: anything else may be a person's.
func organizationOf(q *pafornode.Request) string {
	if q.IDPA == "" || isDigits(q.IDPA, 11) {
		return q.IDPA
	}
	return "malformed"
}

func stationOf(q *pafornode.Request) string {
	broker, number, ok := strings.Cut(q.IDStation, "_")
	if q.IDStation == "" || ok && isDigits(broker, 11) && isDigits(number, 2) {
		return q.IDStation
	}
	return "malformed"
}

func isDigits(s string, n int) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return len(s) == n
}

// requestID is the forwarder's X-Request-Id, when it is one that a log can hold.
func requestID(r *http.Request) string { return printable(r.Header.Get("X-Request-Id")) }

// saidAction is the SOAPAction without its quotes; it may be absent or empty.
func saidAction(r *http.Request) string {
	said := r.Header.Get("SOAPAction")
	if len(said) >= 2 && said[0] == '"' && said[len(said)-1] == '"' {
		said = said[1 : len(said)-1]
	}
	return printable(said)
}

func printable(s string) string {
	if len(s) > 100 {
		s = s[:100]
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return "unprintable"
		}
	}
	return s
}
