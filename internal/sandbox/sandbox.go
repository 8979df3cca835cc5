package sandbox

import (
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// Options configure a [Sandbox]. The zero value is the strict simulator:
// registered keys only, vouchers as each key wants them, real terms.
type Options struct {
	// Clock tells the time; nil means time.Now. It must be the clock of the
	// system under test, because vouchers and assertions expire by it.
	Clock func() time.Time
	// Logger receives what the operator of the sandbox should know; nil
	// discards. Keys, vouchers and assertions are never logged.
	Logger *slog.Logger
	// Seed makes the IUNs reproducible; 0 draws them at random.
	Seed uint64
	// UnknownKeys is how an API key that was never registered is treated:
	// empty denies it, as SEND does; otherwise it is accepted, with or
	// without voucher. A request without any key is always refused.
	UnknownKeys VoucherRule
	// DenialMemory is how long a denial of the authorizer sticks to its API
	// key: 0 means 60 s, as SEND's gateway is configured; negative switches
	// the memory off.
	DenialMemory time.Duration
	// Terms of refinement; the zero value means the real ones.
	Terms Terms
	// AssertionAudience is the aud that client assertions must carry; empty
	// means PDND's UAT value, auth.uat.interop.pagopa.it/client-assertion.
	AssertionAudience string
	// VoucherIssuer and VoucherAudience are iss and aud of the vouchers;
	// empty means uat.interop.pagopa.it and [DefaultVoucherAudience].
	VoucherIssuer, VoucherAudience string
	// MaxNotifications bounds the registered notifications; 0 means 100,000.
	MaxNotifications int
	// StreamPause is how long a stream without news asks to wait before it is read
	// again; 0 means 250 ms, less than SEND's.
	StreamPause time.Duration
	// LogSize is how many requests the log remembers; 0 means 10,000.
	LogSize int
}

// DefaultVoucherAudience is the audience of the vouchers unless
// [Options.VoucherAudience] names another. The real one is known to PDND only.
const DefaultVoucherAudience = "send.sandbox.attualizza"

const (
	maxControlBody = 1 << 20
	maxEventsBody  = 1 << 20
	maxTokenBody   = 16 << 10
)

// Sandbox is the simulator. All its methods may be called concurrently.
type Sandbox struct {
	options Options
	clock   func() time.Time
	log     *slog.Logger
	handler http.Handler

	mu            sync.Mutex // guards what follows
	random        *rand.Rand
	notifications map[string]*Notification // by IUN; a published value is never changed, only replaced
	order         []string                 // IUNs in order of deposit
	rows          map[noticeKey]string     // creditorTaxId##noticeCode -> IUN
	deposits      map[noticeKey]int        // registered notifications, dead ones included, that carry or carried a notice
	sequence      int64                    // of the last timeline element, over all notifications
	streams       map[string]*Stream

	keys     authorizer
	pdnd     pdnd
	relay    relay
	faults   faults
	requests requestLog

	closing sync.Once
	closed  chan struct{}
}

// noticeKey is the pair that SEND keeps unique over live notifications.
type noticeKey struct{ creditor, notice string }

// New returns a sandbox that knows no key, no client and no notification.
func New(o Options) *Sandbox {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if o.Seed == 0 {
		o.Seed = rand.Uint64()
	}
	if o.DenialMemory == 0 {
		o.DenialMemory = time.Minute
	}
	if o.AssertionAudience == "" {
		o.AssertionAudience = "auth.uat.interop.pagopa.it/client-assertion"
	}
	if o.VoucherIssuer == "" {
		o.VoucherIssuer = "uat.interop.pagopa.it"
	}
	if o.VoucherAudience == "" {
		o.VoucherAudience = DefaultVoucherAudience
	}
	if o.MaxNotifications == 0 {
		o.MaxNotifications = 100_000
	}
	if o.StreamPause == 0 {
		o.StreamPause = 250 * time.Millisecond
	}
	if o.LogSize == 0 {
		o.LogSize = 10_000
	}
	if o.Terms == (Terms{}) {
		o.Terms = RealTerms
	}
	s := &Sandbox{
		options:       o,
		clock:         o.Clock,
		log:           o.Logger,
		random:        rand.New(rand.NewPCG(o.Seed, 0x5e4d)),
		notifications: map[string]*Notification{},
		rows:          map[noticeKey]string{},
		deposits:      map[noticeKey]int{},
		streams:       map[string]*Stream{},
		closed:        make(chan struct{}),
	}
	s.keys.init(o)
	s.pdnd.init(o)
	s.relay.init(o)
	s.requests.init(o.LogSize)
	s.handler = s.routes()
	return s
}

// Handler returns the one handler with every route: SEND's, PDND's, the
// act-management system's and the control API. It may be served by any http.Server; connection resets need
// HTTP/1.1, over HTTP/2 they become stream resets.
func (s *Sandbox) Handler() http.Handler { return s.handler }

// Close releases the requests that a fault keeps waiting, so that a server
// can be shut down at once. The sandbox goes on answering, without waits.
func (s *Sandbox) Close() { s.closing.Do(func() { close(s.closed) }) }

// Reset forgets notifications, streams, keys, clients, accounts, denials, faults and the request
// log. The voucher signing key stays.
func (s *Sandbox) Reset() {
	s.mu.Lock()
	clear(s.notifications)
	clear(s.rows)
	clear(s.deposits)
	clear(s.streams)
	s.order = nil
	s.mu.Unlock()
	s.keys.init(s.options)
	s.pdnd.forget()
	s.relay.init(s.options)
	s.faults.clear()
	s.requests.init(s.options.LogSize)
}

func (s *Sandbox) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /delivery/v2.3/price/{paTaxId}/{noticeCode}", s.servePrice)
	mux.HandleFunc("POST /delivery/events/payment/pagopa", s.servePaymentEvents)
	mux.HandleFunc("POST /token.oauth2", s.serveToken)
	mux.HandleFunc("GET /.well-known/jwks.json", s.serveKeySet)
	s.streamRoutes(mux)
	s.relayRoutes(mux)
	mux.Handle("/sandbox/", s.control())
	// What API Gateway answers to a path or method it does not know.
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusForbidden, gatewayMessage{"Missing Authentication Token"})
	})
	return mux
}

// ErrFull is returned when something that the sandbox remembers has reached
// its bound; forget some of it, or reset.
var ErrFull = errors.New("the sandbox is full")
