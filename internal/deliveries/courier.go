package deliveries

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/riverqueue/river"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/attualizza/attualizza/internal/registry"
	"github.com/attualizza/attualizza/internal/telemetry"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/sendclient"
)

// Bounds of the work, of one replica.
const (
	receiptQueue   = "receipts"
	receiptsAtOnce = 128 // lanes of receipts at work: of a receiver that hangs, mostly one attempt is under way
	sendQueue      = "send_payments"
	sendAtOnce     = 16
	storeAtOnce    = 4 // questions to the store at once: payments use the same connections
)

// GiveUpAfter is how long a delivery is tried before it is parked.
const GiveUpAfter = 7 * 24 * time.Hour

// Outbox is what the courier needs of the store.
type Outbox interface {
	positions.Deliveries
	Receipt(ctx context.Context, fiscalCode, receiptID string) (*positions.Receipt, error)
	Notice(ctx context.Context, fiscalCode string, nav positions.NoticeNumber) (*positions.Notice, error)
}

// Directory knows the registered organizations.
type Directory interface {
	Organization(fiscalCode string) (*registry.Organization, bool)
	// Current reports whether who is not found is really unknown.
	Current() bool
}

// Jobs is where jobs are put in; see [jobs.Runner].
type Jobs interface {
	Insert(ctx context.Context, jobs []river.InsertManyParams) error
}

// Reporter tells SEND of payments.
type Reporter interface {
	ReportPayment(ctx context.Context, cred *sendclient.Credential, p sendclient.PaymentEvent) error
}

// Opener opens the organizations' secrets; see [secrets.Box].
type Opener interface {
	Open(organization, field string, sealed []byte) ([]byte, error)
}

// Config is what a [Courier] is made of.
type Config struct {
	Outbox    Outbox
	Directory Directory
	SEND      Reporter
	Secrets   Opener
	// Render writes a receipt as its receiver reads it.
	Render func(*positions.Receipt) ([]byte, error)
	Logger *slog.Logger
	// Meter receives the metrics; nil for none.
	Meter metric.Meter
	// Tracer makes a span of each attempt, handed on to the receiver; nil: none.
	Tracer trace.Tracer
	// Transport carries the receipts; nil for one of its own.
	Transport http.RoundTripper
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Courier carries deliveries out. It is safe for concurrent use.
type Courier struct {
	Config
	client  *http.Client
	meters  *meters
	wake    chan struct{}
	lanes   lanes
	resting atomic.Bool
	replica string
	store   chan struct{} // places of who asks the store
	told    telemetry.Complaints
}

// New prepares a courier. Its worker must be added to those of a runner
// ([Courier.AddTo]), and [Courier.Run] keep finding what is due.
func New(cfg Config) (*Courier, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Meter == nil {
		cfg.Meter = noop.Meter{}
	}
	if cfg.Tracer == nil {
		cfg.Tracer = tracenoop.Tracer{}
	}
	if cfg.Transport == nil {
		cfg.Transport = newTransport()
	}
	c := &Courier{
		Config: cfg, replica: rand.Text(), wake: make(chan struct{}, 1), store: make(chan struct{}, storeAtOnce),
		client: &http.Client{
			Transport: cfg.Transport,
			// A receipt goes where it was registered to go.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	var err error
	c.meters, err = newMeters(cfg.Meter)
	return c, err
}

// AddTo adds the worker of the deliveries to a runner's.
func (c *Courier) AddTo(workers *river.Workers) { river.AddWorker(workers, &worker{courier: c}) }

// Queues are the queues of the courier's jobs, and how many of each this replica
// carries out at once.
func (c *Courier) Queues() map[string]int {
	return map[string]int{receiptQueue: receiptsAtOnce, sendQueue: sendAtOnce}
}

// Wake tells that something may be due. It never blocks; unheard, it costs a
// second.
func (c *Courier) Wake() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Retry is [Courier.Wake] by somebody who expects that an organization's receivers
// are up again: those that this replica leaves alone are tried at once.
func (c *Courier) Retry(fiscalCode string) {
	c.lanes.retry(fiscalCode)
	c.Wake()
}

// Rest begins nothing new in this replica: its jobs end after the attempt under way.
func (c *Courier) Rest() { c.resting.Store(true) }

// Close ends the kept connections. No job may be running any more.
func (c *Courier) Close() error {
	c.client.CloseIdleConnections()
	return c.meters.close()
}

// newTransport keeps connections to receivers warm. How many there are is bounded by
// the workers, not for each host: organizations whose receivers share one must not
// wait for each other.
func newTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConns, t.MaxIdleConnsPerHost = receiptsAtOnce, slots
	t.IdleConnTimeout = 50 * time.Second
	t.TLSHandshakeTimeout = 3 * time.Second
	t.MaxResponseHeaderBytes = 32 << 10
	return t
}

// enter waits for a place among those who ask the store; leave gives it back. It
// reports false when ctx ends first.
func (c *Courier) enter(ctx context.Context) bool {
	select {
	case c.store <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (c *Courier) leave() { <-c.store }
