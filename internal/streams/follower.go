package streams

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/attualizza/attualizza/internal/registry"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/sendclient"
)

// Store is what is needed of the positions' store.
type Store interface {
	positions.Leases
	positions.Streams
	Notice(ctx context.Context, fiscalCode string, nav positions.NoticeNumber) (*positions.Notice, error)
	Deliveries(ctx context.Context, f positions.DeliveryFilter) ([]positions.Delivery, int, error)
	ReplayDeliveries(ctx context.Context, f positions.DeliveryFilter, now time.Time, limit int) (int, error)
}

// Directory knows the registered organizations. The same registration is always
// the same pointer.
type Directory interface {
	Organizations() []*registry.Organization
	Organization(fiscalCode string) (*registry.Organization, bool)
}

// Platform is SEND; see [sendclient.Client].
type Platform interface {
	Streams(ctx context.Context, cred *sendclient.Credential) ([]sendclient.Stream, error)
	Stream(ctx context.Context, cred *sendclient.Credential, id string) (sendclient.Stream, error)
	CreateStream(ctx context.Context, cred *sendclient.Credential) (sendclient.Stream, error)
	Consume(ctx context.Context, cred *sendclient.Credential, streamID, lastEventID string) (sendclient.Progress, error)
	SentNotification(ctx context.Context, cred *sendclient.Credential, iun string) ([]sendclient.NotifiedPayment, error)
}

// Prices keeps the prices of notices; see package actualize.
type Prices interface {
	Reopen(ctx context.Context, fiscalCode string, nav positions.NoticeNumber, at time.Time) error
	Refresh(ctx context.Context, org *registry.Organization, nav positions.NoticeNumber) (*positions.Price, error)
}

// Config is what a [Follower] is made of.
type Config struct {
	Store     Store
	Directory Directory
	Platform  Platform
	Prices    Prices
	Logger    *slog.Logger // nil: none
	Meter     metric.Meter // nil: none
	// Now is the clock that events and prices are dated by, the one of Prices; nil:
	// time.Now.
	Now func() time.Time
}

// Follower reads the streams when it leads, and carries out events whether it
// leads or not. It is safe for concurrent use.
type Follower struct {
	Config
	holder string // this replica, in the lease
	terms  terms
	meters *meters
	slots  chan struct{} // calls to SEND under way
}

// maxCalls bounds the streams that are read at once, so that the payments keep the
// connections.
const maxCalls = 8

// New returns a Follower. Every field of cfg but Logger, Meter and Now is needed.
func New(cfg Config) (*Follower, error) {
	if cfg.Store == nil || cfg.Directory == nil || cfg.Platform == nil || cfg.Prices == nil {
		return nil, errors.New("streams: something is missing")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Meter == nil {
		cfg.Meter = noop.Meter{}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	f := &Follower{Config: cfg, holder: uuid.NewString(), terms: usual, slots: make(chan struct{}, maxCalls)}
	var err error
	f.meters, err = newMeters(cfg.Meter)
	return f, err
}

// Close ends the metrics, after Run has ended.
func (f *Follower) Close() error { return f.meters.close() }
