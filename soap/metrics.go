package soap

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/attualizza/attualizza/internal/telemetry"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/soap/pafornode"
)

// meters are the metrics that a dashboard may rely on.
type meters struct {
	answers, fees, receipts metric.Int64Counter
	duration                metric.Float64Histogram
	answerSets              telemetry.Sets[answerKey, metric.AddOption]
	sourceSets              telemetry.Sets[positions.FeeSource, metric.AddOption]
	receiptSets             telemetry.Sets[string, metric.AddOption]
	durationSets            telemetry.Sets[durationKey, metric.RecordOption]
	feeCents                metric.Int64Counter
	compared, drift         metric.Int64Counter
	comparedSets, driftSets telemetry.Sets[string, metric.AddOption]
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
	m.answers.Add(ctx, 1, m.answerSets.Of(answerKey{res.operation, res.outcome, res.fault}, answerKey.option)...)
	sendBound := res.quote != nil && res.quote.Notice.Option.SendBound
	m.duration.Record(ctx, took.Seconds(), m.durationSets.Of(durationKey{res.operation, sendBound}, durationKey.option)...)
	if res.quote != nil && res.quote.Source != "" {
		m.fees.Add(ctx, 1, m.sourceSets.Of(res.quote.Source, sourceOption)...)
	}
	m.charge(ctx, x)
	h.compare(ctx, x)
	if x.request.Operation.IsReceipt() {
		m.receipts.Add(ctx, 1, m.receiptSets.Of(res.outcome, receiptOption)...)
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
	if q.IDPA == "" || positions.FiscalCodePA(q.IDPA) {
		return q.IDPA
	}
	return "malformed"
}

func stationOf(q *pafornode.Request) string {
	digit := func(b byte) bool { return b >= '0' && b <= '9' }
	broker, number, _ := strings.Cut(q.IDStation, "_")
	if q.IDStation == "" || positions.FiscalCodePA(broker) && len(number) == 2 && digit(number[0]) && digit(number[1]) {
		return q.IDStation
	}
	return "malformed"
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
