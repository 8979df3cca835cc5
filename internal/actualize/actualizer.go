package actualize

import (
	"context"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	"golang.org/x/sync/singleflight"

	"github.com/attualizza/attualizza/cache"
	"github.com/attualizza/attualizza/internal/telemetry"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/rules"
	"github.com/attualizza/attualizza/sendclient"
)

// Prices is where a price is asked for: SEND, or the relay of the credential.
type Prices interface {
	Price(ctx context.Context, cred *sendclient.Credential, paTaxID, noticeCode string) (sendclient.Answer, error)
}

// Config is what an [Actualizer] is made of.
type Config struct {
	Store  Store
	Prices Prices
	Cache  *cache.Cache[positions.Price]
	Logger *slog.Logger
	// Tracer makes the spans; nil: none.
	Tracer trace.Tracer
	// SendTimeout is the longest that one price request may take.
	SendTimeout time.Duration
	// Legal are the legal interest rates; nil: as published with this program.
	Legal *rules.LegalRates
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Actualizer answers what a notice costs. It is safe for concurrent use. Close
// ends what it does in the background.
type Actualizer struct {
	store       Store
	prices      Prices
	cache       *cache.Cache[positions.Price]
	logger      *slog.Logger
	tracer      trace.Tracer
	sendTimeout time.Duration
	legal       *rules.LegalRates
	now         func() time.Time
	flights     singleflight.Group
	unsaved     *unsaved
	// uncredentialed are the organizations without a credential, as told to the log.
	uncredentialed telemetry.Complaints
}

// Reserve is the part of a request's budget that is kept for adding up,
// encoding and recording: nobody waits for SEND beyond the deadline less this.
const Reserve = 200 * time.Millisecond

// New returns an Actualizer. Every field of cfg but Now, Tracer and Logger is needed.
func New(cfg Config) *Actualizer {
	a := &Actualizer{
		store: cfg.Store, prices: cfg.Prices, cache: cfg.Cache, logger: cfg.Logger, tracer: cfg.Tracer,
		sendTimeout: cfg.SendTimeout, legal: cfg.Legal, now: cfg.Now,
	}
	if a.now == nil {
		a.now = time.Now
	}
	if a.logger == nil {
		a.logger = slog.New(slog.DiscardHandler)
	}
	if a.tracer == nil {
		a.tracer = noop.Tracer{}
	}
	a.unsaved = newUnsaved(a.store, a.logger)
	return a
}

// Close gives the store the prices that it did not take so far, for as long as
// ctx lasts. A price fetched after it is saved at once or not at all.
func (a *Actualizer) Close(ctx context.Context) { a.unsaved.close(ctx) }
