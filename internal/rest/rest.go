package rest

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/attualizza/attualizza/internal/actualize"
	"github.com/attualizza/attualizza/internal/modi"
	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/internal/origin"
	"github.com/attualizza/attualizza/internal/registry"
	"github.com/attualizza/attualizza/internal/secrets"
	"github.com/attualizza/attualizza/positions"
)

// Store is what the API needs of the positions' store; see [positions.Store].
type Store interface {
	PutOrganization(ctx context.Context, o *positions.Organization) (created bool, err error)
	Organization(ctx context.Context, fiscalCode string) (*positions.Organization, error)
	Organizations(ctx context.Context) ([]positions.Organization, int64, error)
	DeleteOrganization(ctx context.Context, fiscalCode string) error

	CreateKey(ctx context.Context, k *positions.Key) error
	Keys(ctx context.Context, fiscalCode string) ([]positions.Key, error)
	Key(ctx context.Context, id string) (*positions.Key, error)
	KeyOfPDNDClient(ctx context.Context, clientID string) (*positions.Key, error)
	DeleteKey(ctx context.Context, fiscalCode, id string) error
	TouchKey(ctx context.Context, id string, at time.Time) error

	CreatePosition(ctx context.Context, p *positions.Position, c positions.Change) error
	Position(ctx context.Context, fiscalCode, iupd string) (*positions.Position, error)
	UpdatePosition(ctx context.Context, p *positions.Position, c positions.Change) error
	CreatePositions(ctx context.Context, ps []*positions.Position, c positions.Change) error
	UpdatePositions(ctx context.Context, ps []*positions.Position, c positions.Change) error
	DeletePositions(ctx context.Context, ps []*positions.Position, c positions.Change) error
	Positions(ctx context.Context, f positions.PositionFilter) ([]positions.Position, int, error)
	PositionsPaidTo(ctx context.Context, f positions.AccountFilter) (ps []positions.Position, next int64, err error)
	Versions(ctx context.Context, fiscalCode, iupd string) ([]positions.VersionInfo, error)
	Version(ctx context.Context, fiscalCode, iupd string, version int64) (*positions.Position, positions.VersionInfo, error)

	Notice(ctx context.Context, fiscalCode string, nav positions.NoticeNumber) (*positions.Notice, error)
	SavePrice(ctx context.Context, fiscalCode string, nav positions.NoticeNumber, p *positions.Price) error
	Prices(ctx context.Context, fiscalCode string, navs []positions.NoticeNumber) (map[positions.NoticeNumber]*positions.Price, error)
	Answers(ctx context.Context, fiscalCode string, nav positions.NoticeNumber, page positions.Page) ([]positions.Answer, int, error)
	Receipts(ctx context.Context, f positions.ReceiptFilter) ([]positions.Receipt, int, error)
	Receipt(ctx context.Context, fiscalCode, receiptID string) (*positions.Receipt, error)
	positions.MissingReceipts

	Deliveries(ctx context.Context, f positions.DeliveryFilter) ([]positions.Delivery, int, error)
	ReplayDeliveries(ctx context.Context, f positions.DeliveryFilter, now time.Time, limit int) (int, error)

	Reconciliations(ctx context.Context, f positions.ReconciliationFilter) ([]positions.Reconciliation, error)
	ReconciliationTotals(ctx context.Context, f positions.ReconciliationFilter) (positions.ReconciliationTotals, error)

	BeginAttempt(ctx context.Context, a *positions.Attempt, now time.Time) (*positions.KeptAnswer, error)
	FinishAttempt(ctx context.Context, a *positions.Attempt, answer *positions.KeptAnswer) error
	AbandonAttempt(ctx context.Context, a *positions.Attempt) error

	Ping(ctx context.Context) error
}

// Quoter tells what a notice costs; see [actualize.Actualizer].
type Quoter interface {
	Quote(ctx context.Context, org *registry.Organization, nav positions.NoticeNumber, accept ...func(*positions.Notice) error) (*actualize.Quote, error)
	QuoteAt(ctx context.Context, org *registry.Organization, nav positions.NoticeNumber, at time.Time) (*actualize.Quote, error)
	Owed(org *registry.Organization, n *positions.Notice, at time.Time) money.Cents
}

// Directory knows the registered organizations; see [registry.Registry].
type Directory interface {
	Organization(fiscalCode string) (*registry.Organization, bool)
	Reload(ctx context.Context) error
}

// Vouchers verifies bearer tokens of PDND; see [modi.Vouchers].
type Vouchers interface {
	Client(ctx context.Context, voucher string) (clientID string, err error)
}

// Config is what the API is made of. Fields are needed unless they say
// otherwise.
type Config struct {
	Store     Store
	Quoter    Quoter
	Directory Directory
	// Box seals the secrets of organizations; nil when there is no master key:
	// storing a secret is then refused, and a token of the legacy login is good on
	// this replica alone.
	Box *secrets.Box
	// AdminKey is the operator's key; empty: operator calls answer 401.
	AdminKey string
	// Vouchers verifies PDND's tokens; nil: they are not accepted.
	Vouchers Vouchers
	// Audience is what signatures over requests must name, our e-service's on
	// PDND; empty: operations that need a signature are refused.
	Audience string
	// Waker is told when a request leaves something to be delivered; nil: nobody.
	Waker Waker
	// RateLimit is how many requests a second one key may make, and how many one
	// address may make without a key; 0: [DefaultRateLimit].
	RateLimit float64
	// Proxies are the networks of proxies whose X-Forwarded-For is believed; none: the
	// address of the connection is the caller's.
	Proxies []netip.Prefix
	// MaxBody is the largest request body in bytes; 0: [DefaultMaxBody].
	MaxBody int64
	// Timeout bounds one request, SEND's answer included; 0: [DefaultTimeout].
	Timeout time.Duration
	// Name, Version and Environment are what /info tells.
	Name, Version, Environment string
	// Tracer makes a span of each request; nil: none.
	Tracer trace.Tracer
	// Logger gets one line per request; nil: none.
	Logger *slog.Logger
	// Audit gets one line per administrative act that was tried; nil: none.
	Audit *slog.Logger
	// Meter receives the metrics; nil for none.
	Meter metric.Meter
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Defaults of [Config], those of the public contract.
const (
	DefaultRateLimit = 100             // requests a second
	DefaultMaxBody   = 4 << 20         // bytes
	DefaultTimeout   = 5 * time.Second // longer than the answer budget, so that a quote can use all of it
)

// server carries out the operations of api.yaml. It is safe for concurrent use.
type server struct {
	Config
	contract   *contract
	adminHash  []byte  // nil: no operator's key
	tokenKey   []byte  // proves the tokens of the login
	keyLimits  *limits // requests, by key
	addresses  *limits // requests that need no key, by address
	guesses    *limits // wrong keys, by address
	recognized recognized
	touched    touched
	meters     *meters
	signatures *modi.Signatures
	// registering lets one registration at a time read and replace the secrets
	// that it keeps.
	registering sync.Mutex
	surveying   sync.Mutex // one list of missing receipts at a time
}

// New returns the API as a handler, safe for concurrent use. It has no listener
// of its own and starts nothing. It fails when a needed field is missing or when
// api.yaml leaves open who may call an operation.
func New(cfg Config) (http.Handler, error) {
	if cfg.Store == nil || cfg.Quoter == nil || cfg.Directory == nil {
		return nil, errors.New("rest: Store, Quoter and Directory are needed")
	}
	if cfg.RateLimit <= 0 {
		cfg.RateLimit = DefaultRateLimit
	}
	if cfg.MaxBody <= 0 {
		cfg.MaxBody = DefaultMaxBody
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Tracer == nil {
		cfg.Tracer = noop.Tracer{}
	}
	if cfg.Audit == nil {
		cfg.Audit = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	clock := cfg.Now
	cfg.Now = func() time.Time { return clock().UTC().Truncate(time.Microsecond) } // what the stores keep
	contract, err := theOwnContract()
	if err != nil {
		return nil, err
	}
	tokenKey, err := newTokenKey(cfg.Box)
	if err != nil {
		return nil, err
	}
	meters, err := newMeters(cfg.Meter)
	if err != nil {
		return nil, err
	}
	cfg.Store = counting{cfg.Store, meters}
	s := &server{
		Config: cfg, meters: meters, contract: contract, tokenKey: tokenKey,
		keyLimits: newLimits(cfg.RateLimit), addresses: newLimits(cfg.RateLimit), guesses: newLimits(cfg.RateLimit),
		signatures: modi.NewSignatures(cfg.Audience, cfg.Now),
	}
	if cfg.AdminKey != "" {
		s.adminHash = hashSecret(cfg.AdminKey)
	}
	return s.routes()
}

func (s *server) routes() (http.Handler, error) {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.IPExtractor = origin.Proxies(s.Proxies).Of // limits, logs and audit go by it
	e.Binder = bodyBinder{}
	e.HTTPErrorHandler = s.refuse
	e.Use(s.identifyRequest, s.trace, s.audit, s.logRequest, s.recover, s.secure, s.bound, s.guard, s.knowParameters, s.limitBody, s.verifyIntegrity, s.carryOutOnce, s.tagAnswers)
	RegisterHandlers(e, NewStrictHandler(s, nil))
	return headAsGet(e), s.contract.covers(e.Routes())
}
