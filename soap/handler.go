package soap

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/attualizza/attualizza/internal/actualize"
	"github.com/attualizza/attualizza/internal/origin"
	"github.com/attualizza/attualizza/internal/registry"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/soap/pafornode"
)

// Path is where the endpoint is served.
const Path = "/soap/paForNode"

// MaxBody is the largest request that is read, in bytes; a larger one gets HTTP
// 413.
const MaxBody = 256 << 10

// Directory knows the registered organizations. While it is not current, who is
// not found may be registered all the same.
type Directory interface {
	Current() bool
	HasBroker(broker string) bool
	HasStation(broker, station string) bool
	Organization(fiscalCode string) (*registry.Organization, bool)
}

// Quoter tells what a notice costs now; see [actualize.Actualizer.Quote].
type Quoter interface {
	Quote(ctx context.Context, org *registry.Organization, nav positions.NoticeNumber, accept ...func(*positions.Notice) error) (*actualize.Quote, error)
}

// Recorder makes an answer durable, and counts those whose reply left first; see
// [actualize.Recorder.Record].
type Recorder interface {
	Record(ctx context.Context, answer positions.Answer) (durable bool)
}

// Receipts keeps receipts; see [positions.Store].
type Receipts interface {
	SaveReceipt(ctx context.Context, r *positions.Receipt) (duplicate bool, err error)
}

// Config is what a [Handler] is made of. All of it but Proxies, Meter, Tracer, Logger and Now is
// needed.
type Config struct {
	Directory Directory
	Quoter    Quoter
	Recorder  Recorder
	Receipts  Receipts
	// Budget is the time from the arrival of a request to its answer.
	Budget time.Duration
	// MaxInFlight is how many answers are prepared at once. Receipts have a
	// quarter as much again, of their own.
	MaxInFlight int
	// Proxies stand before the endpoint; the log tells the address of who called them.
	Proxies origin.Proxies
	Meter   metric.Meter
	Tracer  trace.Tracer
	Logger  *slog.Logger
	Now     func() time.Time
}

// Handler serves the six operations of paForNode and, on GET, the contract.
// It is safe for concurrent use.
type Handler struct {
	Config
	admission *admission
	meters    *meters
	told      told
}

// New returns a Handler.
func New(cfg Config) *Handler {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Tracer == nil {
		cfg.Tracer = noop.Tracer{}
	}
	admission := newAdmission(cfg.MaxInFlight)
	if cfg.Meter != nil {
		admission.observe(cfg.Meter)
	}
	return &Handler{Config: cfg, admission: admission, meters: newMeters(cfg.Meter)}
}

// writeReserve is left of the budget for writing the reply, come what may.
const writeReserve = 50 * time.Millisecond

// ServeHTTP answers one request of the Nodo.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	arrived := h.Now()
	switch r.Method {
	case http.MethodPost:
	case http.MethodGet, http.MethodHead:
		serveContract(w, r)
		return
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		http.Error(w, "paForNode is asked by POST; GET ?wsdl shows the contract", http.StatusMethodNotAllowed)
		return
	}
	x := exchanges.Get().(*exchange)
	defer x.free()
	x.arrived = arrived
	ctx, span := h.span(r)
	defer span.End()
	r = r.WithContext(ctx)
	if !h.admission.enter() {
		h.turnAway(w, r, x)
		return
	}
	defer h.admission.leave()
	_ = http.NewResponseController(w).SetReadDeadline(arrived.Add(h.Budget)) // servers in tests may not support it
	if status := x.read(w, r); status != 0 {
		x.status = status
		x.result = result{operation: "unknown", outcome: "REFUSED", fault: "HTTP " + strconv.Itoa(status)}
		h.observe(r, x)
		w.Header().Set("Connection", "close")
		http.Error(w, http.StatusText(status), status)
		return
	}
	h.answer(r, x)
	x.write(w)
}

// turnAway answers when so many requests are being read that this one is not:
// by what its SOAPAction says it is, and with 503 where that could be a receipt.
func (h *Handler) turnAway(w http.ResponseWriter, r *http.Request, x *exchange) {
	x.status = http.StatusServiceUnavailable
	x.result = result{operation: "unknown", outcome: "RESUBMIT"}
	for _, op := range pafornode.Operations() {
		if said := saidAction(r); said == op.String() && !op.IsReceipt() {
			x.request.Operation, x.result.operation = op, said
			h.overloaded(x)
		}
	}
	h.observe(r, x)
	w.Header().Set("Connection", "close") // its body is still on the way
	x.write(w)
}

// answer fills x.reply and x.status.
func (h *Handler) answer(r *http.Request, x *exchange) {
	x.status = http.StatusOK
	request, err := pafornode.DecodeRequest(x.body.String())
	var envelope *pafornode.EnvelopeError
	if errors.As(err, &envelope) {
		x.status = http.StatusInternalServerError
		x.reply = pafornode.AppendSOAPFault(x.reply[:0], envelope.Reason)
		x.result = result{operation: "unknown", outcome: "KO", fault: "soapenv:Client"}
		h.observe(r, x)
		return
	}
	x.request = request
	var content *pafornode.ContentError
	if errors.As(err, &content) {
		x.request.Operation, x.request.IDPA = content.Operation, content.IDPA
	}
	x.result.operation = x.request.Operation.String()
	defer h.observe(r, x)
	defer h.survive(r.Context(), x)

	operation := x.request.Operation
	if !h.admission.admit(operation) {
		h.overloaded(x)
		return
	}
	defer h.admission.release(operation)

	// A payer who gives up needs no answer, but a receipt is kept all the same.
	parent := r.Context()
	if operation.IsReceipt() {
		parent = context.WithoutCancel(parent)
	}
	ctx, cancel := context.WithDeadline(parent, x.arrived.Add(h.Budget-writeReserve))
	defer cancel()
	switch {
	case content != nil:
		x.result.problem = content.Path + " " + content.Problem
		h.refuse(x, syntaxFault(operation), "Il messaggio non rispetta lo schema nell'elemento "+content.Path+".")
	case operation.IsReceipt():
		h.receipt(ctx, x)
	case operation == pafornode.DemandPaymentNotice:
		h.demand(x)
	default:
		h.payment(ctx, x)
	}
}

// survive turns a defect of ours into the quick refusal that does not count
// against the station, or, for a receipt, into a request to send it again.
func (h *Handler) survive(ctx context.Context, x *exchange) {
	if defect := recover(); defect != nil {
		h.Logger.ErrorContext(ctx, "defect while answering the Nodo", "operation", x.result.operation, "defect", defect, "stack", string(debug.Stack()))
		h.overloaded(x)
	}
}

// overloaded answers at once what could not be worked on.
func (h *Handler) overloaded(x *exchange) {
	if x.request.Operation.IsReceipt() {
		x.resubmit()
		return
	}
	h.refuse(x, faultSystem, "Il servizio non può rispondere in questo momento: riprovare.")
}

// refuse answers KO with HTTP 200. description is read by operators, in
// Italian, and holds no personal data.
func (h *Handler) refuse(x *exchange, code, description string) {
	x.status = http.StatusOK
	x.result.outcome, x.result.fault = "KO", code
	x.reply = pafornode.AppendKO(x.reply[:0], x.request.Operation, &pafornode.Fault{
		Code: code, String: faultStrings[code], ID: x.request.IDPA, Description: description,
	})
}
