// Package registry keeps the registered organizations in memory, with their
// credentials opened, so that checking a request's broker, station and
// organization costs no round trip and works while the store is down.
//
// A change made through this process is in force at once ([Registry.Reload]);
// other replicas notice it within [Interval], by a revision number.
package registry

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/attualizza/attualizza/internal/secrets"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/sendclient"
)

// Interval is how often the revision is looked at; the contract promises that
// other replicas follow within 5 s.
const Interval = 2 * time.Second

// loadTimeout bounds one look at the store.
const loadTimeout = 2 * time.Second

// Source is what the registry needs of the store.
type Source interface {
	Organizations(ctx context.Context) ([]positions.Organization, int64, error)
	OrganizationsRevision(ctx context.Context) (int64, error)
}

// Organization is a registered organization with its credentials. It is never
// changed after it was published: a new registration makes a new one.
type Organization struct {
	positions.Organization
	price, send opened // the same where prices are asked of SEND itself
}

// opened is a credential, or why there is none.
type opened struct {
	credential *sendclient.Credential
	err        error
}

// ErrNoCredential means that an organization has no key for SEND or its relay,
// or that its secrets cannot be opened with this master key.
var ErrNoCredential = errors.New("the organization has no usable credential for SEND or its relay")

// Credential returns what prices are asked with, SEND's credential or the
// relay's, or an error that wraps [ErrNoCredential]. The same registration
// always gives the same pointer.
func (o *Organization) Credential() (*sendclient.Credential, error) {
	return o.price.credential, o.price.err
}

// SENDCredential returns what the organization authenticates to SEND itself
// with, whoever is asked for its prices, or an error that wraps
// [ErrNoCredential]. The same registration always gives the same pointer.
func (o *Organization) SENDCredential() (*sendclient.Credential, error) {
	return o.send.credential, o.send.err
}

// Registry is safe for concurrent use.
type Registry struct {
	source   Source
	box      *secrets.Box
	logger   *slog.Logger
	opened   func(*sendclient.Credential)
	failing  atomic.Bool // the last look at the store failed
	snapshot atomic.Pointer[snapshot]
	reload   sync.Mutex // one load at a time, so that an older one cannot win
	loaded   chan struct{}
	stop     context.CancelFunc
	done     chan struct{}
}

type snapshot struct {
	revision      int64
	organizations map[string]*Organization
	stations      map[string]map[string]bool // by broker
}

// New returns an empty registry. box opens the organizations' secrets and may
// be nil when there is no master key. opened is told of every credential for
// prices that comes into force, once, and must not block; it may be nil.
func New(source Source, box *secrets.Box, logger *slog.Logger, opened func(*sendclient.Credential)) *Registry {
	if opened == nil {
		opened = func(*sendclient.Credential) {}
	}
	r := &Registry{source: source, box: box, logger: logger, opened: opened, loaded: make(chan struct{})}
	r.snapshot.Store(&snapshot{revision: -1})
	return r
}

// Start loads the organizations and follows changes until Close. A store that
// does not answer is no error: the registry stays empty until it does.
func (r *Registry) Start(ctx context.Context) {
	if err := r.Reload(ctx); err != nil {
		r.logger.WarnContext(ctx, "organizations not loaded yet", "error", err)
	}
	ctx, r.stop = context.WithCancel(context.WithoutCancel(ctx))
	r.done = make(chan struct{})
	go r.follow(ctx)
}

// Close ends what Start began.
func (r *Registry) Close() {
	if r.stop != nil {
		r.stop()
		<-r.done
	}
}

func (r *Registry) follow(ctx context.Context) {
	defer close(r.done)
	tick := time.NewTicker(Interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := r.refresh(ctx)
		if ctx.Err() == nil && r.failing.Swap(err != nil) != (err != nil) { // say it once when it begins and once when it ends
			if err != nil {
				r.logger.WarnContext(ctx, "organizations may be out of date: the store does not answer", "error", err)
			} else {
				r.logger.InfoContext(ctx, "organizations are up to date again")
			}
		}
	}
}

func (r *Registry) refresh(ctx context.Context) error {
	look, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	revision, err := r.source.OrganizationsRevision(look)
	if err != nil || revision == r.snapshot.Load().revision {
		return err
	}
	return r.Reload(ctx)
}

// Reload reads all organizations now. After a successful registration it puts
// it in force before the answer leaves.
func (r *Registry) Reload(ctx context.Context) error {
	r.reload.Lock()
	defer r.reload.Unlock()
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	all, revision, err := r.source.Organizations(ctx)
	if err != nil {
		return fmt.Errorf("load organizations: %w", err)
	}
	old := r.snapshot.Load().organizations
	next := &snapshot{revision: revision, organizations: make(map[string]*Organization, len(all)), stations: map[string]map[string]bool{}}
	for i := range all {
		o := &all[i]
		if was := old[o.FiscalCode]; was != nil && was.UpdatedAt.Equal(o.UpdatedAt) {
			next.organizations[o.FiscalCode] = was // keeps the credential's identity, and with it its breaker and voucher
		} else {
			next.organizations[o.FiscalCode] = r.open(o)
		}
		if next.stations[o.BrokerCode] == nil {
			next.stations[o.BrokerCode] = map[string]bool{}
		}
		for _, s := range o.Stations {
			next.stations[o.BrokerCode][s.Code] = true
		}
	}
	if r.snapshot.Swap(next).revision < 0 {
		close(r.loaded)
	}
	return nil
}

// open opens the credentials of an organization. What goes wrong is kept for who
// asks: it concerns this organization only.
func (r *Registry) open(o *positions.Organization) *Organization {
	entry := &Organization{Organization: *o}
	entry.send.credential, entry.send.err = r.openSEND(o)
	entry.price = entry.send
	if o.Relays() {
		entry.price.credential, entry.price.err = r.openRelay(o)
	}
	switch {
	case entry.price.err == nil:
		r.opened(entry.price.credential)
	case o.HasCredential():
		r.logger.Error("the credential of an organization for SEND or its relay cannot be opened: its notices get no fresh price until it is mended",
			"organization", o.FiscalCode, "error", entry.price.err)
	}
	if o.Relays() && entry.send.err != nil && entry.TellsSEND() {
		r.logger.Error("the SEND credential of an organization with a relay cannot be opened: SEND does not hear of its payments until it is mended",
			"organization", o.FiscalCode, "error", entry.send.err)
	}
	return entry
}

// openSEND makes SEND's own credential of an organization.
func (r *Registry) openSEND(o *positions.Organization) (*sendclient.Credential, error) {
	sealed, ok := o.Sealed[positions.SecretSendAPIKey]
	if o.Send == nil || !ok {
		return nil, fmt.Errorf("%w: no send.apiKey is registered", ErrNoCredential)
	}
	key, err := r.box.Open(o.FiscalCode, string(positions.SecretSendAPIKey), sealed)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoCredential, err)
	}
	credential := &sendclient.Credential{OrganizationFiscalCode: o.FiscalCode, APIKey: string(key)}
	if pdnd := o.Send.PDND; pdnd != nil && pdnd.Mode == positions.PDNDRequired {
		private, err := r.privateKey(o)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNoCredential, err)
		}
		credential.PDND = &sendclient.PDND{ClientID: pdnd.ClientID, KeyID: pdnd.KeyID, PurposeID: pdnd.PurposeID, PrivateKey: private}
	}
	return credential, nil
}

// privateKey opens the key of an organization's client on PDND.
func (r *Registry) privateKey(o *positions.Organization) (*rsa.PrivateKey, error) {
	pem, err := r.box.Open(o.FiscalCode, string(positions.SecretPDNDPrivateKey), o.Sealed[positions.SecretPDNDPrivateKey])
	if err != nil {
		return nil, err
	}
	return sendclient.ParsePrivateKey(string(pem))
}

// Loaded reports whether the organizations were ever read.
func (r *Registry) Loaded() bool { return r.snapshot.Load().revision >= 0 }

// FirstLoaded is closed once they were.
func (r *Registry) FirstLoaded() <-chan struct{} { return r.loaded }

// Current reports whether who is not found here is really unknown: the
// organizations were read, and the last look for changes went well.
func (r *Registry) Current() bool { return r.Loaded() && !r.failing.Load() }

// Organization returns a registered organization.
func (r *Registry) Organization(fiscalCode string) (*Organization, bool) {
	o, ok := r.snapshot.Load().organizations[fiscalCode]
	return o, ok
}

// HasBroker reports whether any organization works through a broker.
func (r *Registry) HasBroker(broker string) bool {
	return r.snapshot.Load().stations[broker] != nil
}

// HasStation reports whether a station is one of the broker's.
func (r *Registry) HasStation(broker, station string) bool {
	return r.snapshot.Load().stations[broker][station]
}

// Organizations returns all registered organizations, in no order.
func (r *Registry) Organizations() []*Organization {
	all := r.snapshot.Load().organizations
	list := make([]*Organization, 0, len(all))
	for _, o := range all {
		list = append(list, o)
	}
	return list
}
