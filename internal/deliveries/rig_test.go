package deliveries

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/riverqueue/river"
	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/attualizza/attualizza/internal/jobs"
	"github.com/attualizza/attualizza/internal/registry"
	"github.com/attualizza/attualizza/internal/sandbox"
	"github.com/attualizza/attualizza/internal/secrets"
	"github.com/attualizza/attualizza/internal/testservers"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/postgres"
	"github.com/attualizza/attualizza/positions/sqlite"
	"github.com/attualizza/attualizza/sendclient"
)

// clock runs like the real one, ahead of it by as much as the test says.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())).Round(0) }
func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// NowUTC and NowUTCOrNil make the clock River's too.
func (c *clock) NowUTC() time.Time { return c.now().UTC() }

func (c *clock) NowUTCOrNil() *time.Time {
	t := c.NowUTC()
	return &t
}

// database is a store and the engine of its jobs.
type database struct {
	store  positions.Store
	engine jobs.Engine
}

// onBoth runs a test on both stores. open may be called again, for another
// replica; SQLite gives the same.
func onBoth(t *testing.T, test func(t *testing.T, open func(t *testing.T) database)) {
	t.Run("SQLite", func(t *testing.T) {
		store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"))
		must(t, err)
		t.Cleanup(func() { must(t, store.Close()) })
		db := database{store, jobs.SQLite(store.Writer())}
		migrate(t, db)
		test(t, func(*testing.T) database { return db })
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		url := testservers.Postgres(t)
		test(t, func(t *testing.T) database {
			store, err := postgres.Open(t.Context(), url)
			must(t, err)
			t.Cleanup(func() { must(t, store.Close()) })
			engine, err := jobs.Postgres(t.Context(), url)
			must(t, err)
			t.Cleanup(func() { engine.Close(10 * time.Second) })
			db := database{store, engine}
			migrate(t, db)
			return db
		})
	})
}

func migrate(t *testing.T, db database) {
	t.Helper()
	must(t, db.store.Migrate(t.Context()))
	must(t, db.engine.Migrate(t.Context(), slog.New(slog.DiscardHandler)))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var masterKey = make([]byte, secrets.KeySize)

const webhookKey = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// replica is a courier at work.
type replica struct {
	database
	courier   *Courier
	directory *registry.Registry
	clock     *clock
	stop      func()
}

// start begins a replica; end of the test stops it.
func start(t *testing.T, db database, c *clock, send Reporter) *replica {
	t.Helper()
	box, err := secrets.New(masterKey)
	must(t, err)
	directory := registry.New(db.store, box, slog.New(slog.DiscardHandler), nil)
	directory.Start(t.Context())
	courier, err := New(Config{
		Outbox: db.store, Directory: directory, SEND: send, Secrets: box, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Now: c.now,
		Render: func(r *positions.Receipt) ([]byte, error) { return json.Marshal(r) },
	})
	must(t, err)
	workers := river.NewWorkers()
	courier.AddTo(workers)
	runner, err := jobs.New(jobs.Config{Engine: db.engine, Workers: workers, Queues: courier.Queues(), Logger: slog.New(slog.DiscardHandler), Clock: c})
	must(t, err)
	must(t, runner.Start(t.Context()))
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	work.Go(func() { courier.Run(ctx, runner) })
	r := &replica{database: db, courier: courier, directory: directory, clock: c}
	r.stop = sync.OnceFunc(func() {
		if err := stopJobs(t, db, runner); err != nil {
			t.Errorf("stop the jobs: %v", err)
		}
		cancel()
		work.Wait()
		directory.Close()
		must(t, courier.Close())
	})
	t.Cleanup(r.stop)
	return r
}

// stopJobs ends a runner as the service does. Jobs that are cancelled have half a
// second to put away what they hold; what a slow machine takes beyond it is waited for
// here, and is too long when it is not the machine.
func stopJobs(t *testing.T, db database, runner *jobs.Runner) error {
	soft, done := context.WithTimeout(context.Background(), 2*time.Second)
	defer done()
	err := runner.Stop(soft)
	if !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	began := time.Now()
	last, done := context.WithTimeout(context.Background(), eventual)
	defer done()
	if err := runner.Stop(last); err != nil {
		return err
	}
	if took, limit := time.Since(began), slack(t, db); took > limit {
		return fmt.Errorf("what was cancelled ended %v too late, and this machine is as slow as %v", took, limit)
	}
	return nil
}

// slack is what this machine may add to the time that something takes, as slow as
// it is just now: as long as it takes to store a hundred receipts, of which there is
// nothing to deliver. That is 0.1 s on an idle machine, and seconds on a busy one
// under the race detector, above all on SQLite: its statements are Go too, and all of
// them wait for one writer.
func slack(t testing.TB, db database) time.Duration {
	t.Helper()
	const samples, worth = 20, 100
	began := time.Now()
	for range samples {
		_, err := db.store.SaveReceipt(context.Background(), &positions.Receipt{
			OrganizationFiscalCode: "99999999999", CreditorFiscalCode: "99999999999", ReceiptID: rand.Text(), NAV: notice(0), Outcome: "OK",
		})
		if err != nil && positions.CodeOf(err) != positions.Unavailable {
			t.Error(err)
		}
	}
	return time.Since(began) * worth / samples
}

// register puts an organization in, with a receiver of its receipts ("" for none)
// and a key for SEND.
func register(t *testing.T, db database, code, url string) {
	t.Helper()
	box, err := secrets.New(masterKey)
	must(t, err)
	sealed := map[positions.Secret][]byte{}
	for name, plain := range map[positions.Secret]string{positions.SecretDelivery: webhookKey, positions.SecretSendAPIKey: "key-" + code} {
		sealed[name], err = box.Seal(code, string(name), []byte(plain))
		must(t, err)
	}
	o := &positions.Organization{
		FiscalCode: code, CompanyName: "Comune di Prova", BrokerCode: "15376371009", Stations: []positions.Station{{Code: "15376371009_01"}},
		Send: &positions.Send{Route: positions.RouteDirect, PDND: &positions.PDND{Mode: positions.PDNDForbidden}}, Policy: positions.DefaultPolicy(), Sealed: sealed,
	}
	if url != "" {
		o.Delivery = &positions.Receiver{URL: url}
	}
	_, err = db.store.PutOrganization(t.Context(), o)
	must(t, err)
}

// save stores a receipt as the Nodo's door does, and wakes the courier.
func (r *replica) save(t testing.TB, organization string, nav positions.NoticeNumber, id string) {
	t.Helper()
	receipt := &positions.Receipt{
		OrganizationFiscalCode: organization, ReceiptID: id, CreditorFiscalCode: organization, NAV: nav, Operation: "paSendRTV2", Outcome: "OK",
		PaymentAmount: 10_000, ReceivedAt: r.clock.now(), Message: []byte("<x/>"), Outgoing: positions.Outgoing{Receipt: true, SEND: true},
	}
	if _, err := (Receipts{r.store, r.courier}).SaveReceipt(t.Context(), receipt); err != nil {
		t.Fatal(err)
	}
}

func notice(i int) positions.NoticeNumber {
	return positions.NoticeNumber(fmt.Sprintf("302%015d", i))
}

// arrival is a receipt as its receiver got it.
type arrival struct {
	webhookID string
	receipt   positions.Receipt
	at        time.Time
}

// receiver is a debt system. What answer returns decides whether a receipt is
// taken: 200, another status, or 0 for a connection that breaks.
type receiver struct {
	*httptest.Server
	t        testing.TB
	mu       sync.Mutex
	answer   func(*http.Request) int
	taken    []arrival
	attempts int
}

func startReceiver(t testing.TB) *receiver {
	t.Helper()
	r := &receiver{t: t, answer: func(*http.Request) int { return http.StatusOK }}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) set(answer func(*http.Request) int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

func always(status int) func(*http.Request) int { return func(*http.Request) int { return status } }

// ServeHTTP checks every message's signature, also of those that it does not take.
func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return // the sender gave up
	}
	verifier, err := webhooks.NewWebhook(webhookKey)
	if err == nil {
		err = verifier.VerifyIgnoringTimestamp(body, request.Header)
	}
	var m struct {
		Type string
		Data positions.Receipt
	}
	if err == nil {
		err = json.Unmarshal(body, &m)
	}
	if err != nil || m.Type != "receipt.received" {
		r.t.Errorf("a message that cannot be believed: %v %s", err, body)
	}
	r.mu.Lock()
	r.attempts++
	answer := r.answer
	r.mu.Unlock()
	status := answer(request)
	if status == 0 {
		panic(http.ErrAbortHandler)
	}
	if status == http.StatusOK {
		r.mu.Lock()
		r.taken = append(r.taken, arrival{request.Header.Get(webhooks.HeaderWebhookID), m.Data, time.Now()})
		r.mu.Unlock()
	}
	w.WriteHeader(status)
}

func (r *receiver) arrivals() []arrival {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]arrival(nil), r.taken...)
}

func (r *receiver) attempted() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.attempts
}

// eventual is as long as a slow machine may need.
const eventual = time.Minute

// eventually waits for a condition.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(eventual); !condition(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", eventual, what)
		}
	}
}

// within holds what began at an instant to a limit, and the machine's slack.
func (r *replica) within(t testing.TB, what string, began time.Time, limit time.Duration) {
	t.Helper()
	if took := time.Since(began); took > limit {
		if more := slack(t, r.database); took > limit+more {
			t.Errorf("%s took %v, more than %v and what this machine is slower, %v", what, took, limit, more)
		}
	}
}

func (r *replica) list(t testing.TB, f positions.DeliveryFilter) []positions.Delivery {
	t.Helper()
	f.Page.Limit = 10_000
	all, _, err := r.store.Deliveries(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// settled waits until nothing that is due by now is left to be tried, save in lanes
// that are left alone.
func (r *replica) settled(t testing.TB) {
	defer func() {
		if t.Failed() {
			t.Logf("clock %v, deliveries %+v", r.clock.now(), r.list(t, positions.DeliveryFilter{}))
		}
	}()
	t.Helper()
	eventually(t, "what is due was tried", func() bool {
		now := r.clock.now()
		head := map[positions.NoticeNumber]bool{} // of each queue only the first is tried
		pending := r.list(t, positions.DeliveryFilter{State: positions.DeliveryPending})
		for i := len(pending) - 1; i >= 0; i-- {
			d := pending[i]
			if head[d.NAV] {
				continue
			}
			head[d.NAV] = true
			lane := positions.DeliveryLane{Kind: d.Kind, OrganizationFiscalCode: d.OrganizationFiscalCode}
			if !d.DueAt.After(now) && r.courier.lanes.open(lane, now) > 0 {
				return false
			}
		}
		return true
	})
}

// send is a client of a simulated SEND that knows some notices of an
// organization.
func send(t *testing.T, organization string, navs ...positions.NoticeNumber) (*sandbox.Sandbox, *sendclient.Client) {
	t.Helper()
	sim := sandbox.New(sandbox.Options{})
	server := httptest.NewServer(sim.Handler())
	t.Cleanup(func() { sim.Close(); server.Close() })
	must(t, sim.RegisterKey(sandbox.APIKey{Name: organization, Value: "key-" + organization, SenderTaxID: organization, PDND: sandbox.VoucherForbidden}))
	for _, nav := range navs {
		n, err := sim.Notify(sandbox.Request{SenderTaxID: organization, Script: "digital-viewed", Recipients: []sandbox.RecipientRequest{
			{Payments: []sandbox.Payment{{CreditorTaxID: organization, NoticeCode: string(nav)}}},
		}})
		must(t, err)
		_, err = sim.Next(n.IUN) // accepted
		must(t, err)
	}
	client, err := sendclient.New(sendclient.Config{BaseURL: server.URL})
	must(t, err)
	t.Cleanup(func() { must(t, client.Close()) })
	return sim, client
}
