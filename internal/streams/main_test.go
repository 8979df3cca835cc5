package streams

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/attualizza/attualizza/cache"
	"github.com/attualizza/attualizza/internal/actualize"
	"github.com/attualizza/attualizza/internal/registry"
	"github.com/attualizza/attualizza/internal/sandbox"
	"github.com/attualizza/attualizza/internal/secrets"
	"github.com/attualizza/attualizza/internal/testservers"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/postgres"
	"github.com/attualizza/attualizza/positions/sqlite"
	"github.com/attualizza/attualizza/sendclient"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	comune    = "77777777777"
	provincia = "88888888888"
)

// quick are terms that tests need not wait long for, in the proportions of the
// usual ones.
var quick = terms{
	lease: 1500 * time.Millisecond, every: 300 * time.Millisecond, margin: 400 * time.Millisecond, look: 500 * time.Millisecond,
	notice: 100 * time.Millisecond, idle: 20 * time.Millisecond, firstPause: 50 * time.Millisecond, lastPause: 200 * time.Millisecond, verify: time.Hour,
}

// onBothStores runs a test on a store of either kind.
func onBothStores(t *testing.T, test func(t *testing.T, c *country)) {
	t.Run("SQLite", func(t *testing.T) {
		s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "streams.db"))
		if err != nil {
			t.Fatal(err)
		}
		test(t, newCountry(t, s))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		s, err := postgres.Open(t.Context(), testservers.Postgres(t)+"&connect_timeout=30&statement_timeout=30000&lock_timeout=10000")
		if err != nil {
			t.Fatal(err)
		}
		test(t, newCountry(t, s))
	})
}

// onSQLite is for what does not hang on the store.
func onSQLite(t *testing.T) *country {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "streams.db"))
	if err != nil {
		t.Fatal(err)
	}
	return newCountry(t, s)
}

// country is a database with organizations in it, and a SEND on loopback.
type country struct {
	t        *testing.T
	send     *sandbox.Sandbox
	url      string
	store    positions.Store
	box      *secrets.Box
	registry *registry.Registry
	logs     *logs
}

// logs is a log that may be written by many.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newCountry(t *testing.T, store positions.Store) *country {
	t.Helper()
	t.Cleanup(func() { store.Close() })
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := &country{t: t, store: store, logs: &logs{}}
	c.serve(30 * time.Millisecond)
	var err error
	if c.box, err = secrets.New(make([]byte, 32)); err != nil {
		t.Fatal(err)
	}
	c.registry = registry.New(store, c.box, slog.New(slog.DiscardHandler), nil)
	for _, code := range []string{comune, provincia} {
		c.must(c.send.RegisterKey(sandbox.APIKey{Name: code, Value: "key-" + code, SenderTaxID: code, PDND: sandbox.VoucherForbidden}))
		c.register(code, code == comune)
	}
	return c
}

// serve starts a SEND whose streams ask to wait so long.
func (c *country) serve(pause time.Duration) {
	c.send = sandbox.New(sandbox.Options{StreamPause: pause})
	server := httptest.NewServer(c.send.Handler())
	c.url = server.URL
	c.t.Cleanup(func() {
		c.send.Close()
		server.CloseClientConnections()
		server.Close()
	})
}

func (c *country) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// register puts an organization in force.
func (c *country) register(code string, streams bool) {
	c.t.Helper()
	sealed, err := c.box.Seal(code, string(positions.SecretSendAPIKey), []byte("key-"+code))
	c.must(err)
	_, err = c.store.PutOrganization(c.t.Context(), &positions.Organization{
		FiscalCode: code, CompanyName: "Ente di Prova", BrokerCode: "15376371009", Stations: []positions.Station{{Code: "15376371009_01"}},
		Send: &positions.Send{Route: positions.RouteDirect, Streams: streams}, Policy: positions.DefaultPolicy(),
		Sealed: map[positions.Secret][]byte{positions.SecretSendAPIKey: sealed},
	})
	c.must(err)
	c.must(c.registry.Reload(c.t.Context()))
}

// owes stores a notice of 100 euro that SEND notifies.
func (c *country) owes(code string, base int64) positions.NoticeNumber {
	c.t.Helper()
	nav, err := positions.NewNoticeNumber(1, base)
	c.must(err)
	c.must(c.store.CreatePosition(c.t.Context(), &positions.Position{
		OrganizationFiscalCode: code, IUPD: string(nav), CompanyName: "Ente di Prova", Status: positions.Valid, Lifecycle: positions.Open,
		Debtor: positions.Debtor{Type: "F", FiscalCode: "ANONIMO", FullName: "Prova"},
		Options: []positions.PaymentOption{{
			NAV: nav, IUV: nav.IUV(), Amount: 10000, Description: "Prova", DueDate: time.Now().AddDate(0, 1, 0), SendBound: true, Status: positions.OptionUnpaid,
			Transfers: []positions.Transfer{{ID: 1, Amount: 10000, RemittanceInformation: "a", Category: "b", IBAN: "IT60X0542811101000000123456"}},
		}},
	}, positions.Change{Action: "CREATE", At: time.Now()}))
	return nav
}

// notify deposits a notification of the comune's, one recipient per list of
// payments.
func (c *country) notify(recipients ...[]sandbox.Payment) string {
	c.t.Helper()
	r := sandbox.Request{SenderTaxID: comune}
	for _, p := range recipients {
		r.Recipients = append(r.Recipients, sandbox.RecipientRequest{Payments: p})
	}
	n, err := c.send.Notify(r)
	c.must(err)
	return n.IUN
}

func pays(creditor string, nav positions.NoticeNumber) []sandbox.Payment {
	return []sandbox.Payment{{CreditorTaxID: creditor, NoticeCode: string(nav)}}
}

func (c *country) do(iun string, steps ...sandbox.Step) {
	c.t.Helper()
	for _, s := range steps {
		_, err := c.send.Advance(iun, s)
		c.must(err)
	}
}

// replica is one process of the service.
type replica struct {
	*Follower
	c      *country
	prices *actualize.Actualizer
	queue  *queue
	client *sendclient.Client
	ahead  atomic.Int64 // ns that its clock is ahead of this machine's
}

func (r *replica) now() time.Time { return time.Now().Add(time.Duration(r.ahead.Load())) }

// queue is the plain one: it carries out what it is given at once, when it is to,
// and remembers it.
type queue struct {
	mu      sync.Mutex
	batches [][]Event
	handle  func(context.Context, Event) error // nil: nothing is carried out
	fail    error
}

func (q *queue) Enqueue(ctx context.Context, events []Event) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.fail != nil {
		return q.fail
	}
	if q.handle != nil {
		for _, e := range events {
			if err := q.handle(ctx, e); err != nil {
				return err
			}
		}
	}
	q.batches = append(q.batches, events)
	return nil
}

func (q *queue) failing(err error) { q.mu.Lock(); q.fail = err; q.mu.Unlock() }

func (q *queue) taken() (batches []int, events []Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, b := range q.batches {
		batches = append(batches, len(b))
		events = append(events, b...)
	}
	return batches, events
}

// replica makes a process that does not run yet.
func (c *country) replica(change ...func(*Config)) *replica {
	c.t.Helper()
	client, err := sendclient.New(sendclient.Config{BaseURL: c.url})
	c.must(err)
	c.t.Cleanup(func() { client.Close() })
	known := cache.New[positions.Price](cache.Options{Prefix: "test"})
	c.t.Cleanup(known.Close)
	r := &replica{c: c, queue: &queue{}, client: client}
	r.prices = actualize.New(actualize.Config{Store: c.store, Prices: client, Cache: known, SendTimeout: time.Second, Now: r.now})
	c.t.Cleanup(func() { r.prices.Close(context.Background()) })
	cfg := Config{
		Store: c.store, Directory: c.registry, Platform: client, Prices: r.prices, Now: r.now,
		Logger: slog.New(slog.NewTextHandler(c.logs, nil)),
	}
	for _, f := range change {
		f(&cfg)
	}
	r.Follower, err = New(cfg)
	c.must(err)
	r.terms = quick
	r.queue.handle = r.Handle
	c.t.Cleanup(func() { r.Follower.Close() })
	return r
}

// start lets the process follow, until the test or stop ends it.
func (r *replica) start() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); r.Run(ctx, r.queue) }()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	r.c.t.Cleanup(stop)
	return stop
}

// following is a process that follows and has a stream already.
func (c *country) following() *replica {
	c.t.Helper()
	r := c.replica()
	r.start()
	c.eventually("a stream is there", func() bool { return len(c.send.Streams(comune)) == 1 })
	return r
}

func (c *country) eventually(what string, is func() bool) {
	c.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			c.t.Fatalf("it never came about that %s\n%s", what, c.logs)
		}
	}
}

// price is the last one stored for a notice.
func (c *country) price(code string, nav positions.NoticeNumber) *positions.Price {
	c.t.Helper()
	n, err := c.store.Notice(c.t.Context(), code, nav)
	c.must(err)
	return n.Price
}

// learns waits for a price of a notice.
func (c *country) learns(code string, nav positions.NoticeNumber, total int64, noCost string) {
	c.t.Helper()
	c.eventually("the price is known", func() bool {
		p := c.price(code, nav)
		return p != nil && !p.Outdated() && int64(p.TotalPrice) == total && p.NoCost == noCost
	})
}

// activates asks what a notice costs, which must not be asked of SEND.
func (r *replica) activates(code string, nav positions.NoticeNumber, source positions.FeeSource, fee int64) {
	r.c.t.Helper()
	calls := r.c.send.Calls(code, string(nav))
	org, _ := r.c.registry.Organization(code)
	q, err := r.prices.Quote(r.c.t.Context(), org, nav)
	if err != nil || q.Source != source || int64(q.NotificationFee) != fee {
		r.c.t.Fatalf("%v: %s %d, want %s %d", err, q.Source, q.NotificationFee, source, fee)
	}
	if now := r.c.send.Calls(code, string(nav)); now != calls {
		r.c.t.Fatalf("the activation made %d calls", now-calls)
	}
}

// readings is how often the streams were read, by status.
func (c *country) readings() (all int, refused int) {
	for _, e := range c.send.Requests(sandbox.Filter{Endpoint: sandbox.EndpointStreamEvents}) {
		all++
		if e.Status == http.StatusTooManyRequests {
			refused++
		}
	}
	return all, refused
}

var errBroken = errors.New("broken by the test")

// ask calls SEND with the comune's key.
func (c *country) ask(method, path string) {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, http.NoBody)
	c.must(err)
	r.Header.Set("X-Api-Key", "key-"+comune)
	transport := &http.Transport{DisableKeepAlives: true}
	answer, err := transport.RoundTrip(r)
	c.must(err)
	answer.Body.Close()
	if answer.StatusCode >= 300 {
		c.t.Fatal(method, path, answer.Status)
	}
}
