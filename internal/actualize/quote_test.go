package actualize

import (
	"context"
	"database/sql"
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

	"pgregory.net/rapid"

	"github.com/attualizza/attualizza/cache"
	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/internal/registry"
	"github.com/attualizza/attualizza/internal/secrets"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/sqlite"
	"github.com/attualizza/attualizza/sendclient"
)

const ente = "77777777777"

// desk is an Actualizer with a real store, a real client and a scripted SEND.
type desk struct {
	*Actualizer
	store *sqlite.Store
	file  string
	org   *registry.Organization
	clock atomic.Int64 // what is added to the time of day
	calls atomic.Int64
	mu    sync.Mutex
	send  http.HandlerFunc
	box   *secrets.Box
	url   string
}

func (d *desk) answer(h http.HandlerFunc) { d.mu.Lock(); d.send = h; d.mu.Unlock() }
func (d *desk) advance(by time.Duration)  { d.clock.Add(int64(by)) }

// lock keeps the store from writing, as another process would.
func (d *desk) lock(t *testing.T) (unlock func()) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+d.file+"?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	return sync.OnceFunc(func() { tx.Rollback(); db.Close() })
}

func priced(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, body)
	}
}

func problem(status int, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"status":%d,"errors":[{"code":%q,"detail":"none"}]}`, status, code)
	}
}

func newDesk(t *testing.T, policy func(*positions.Policy)) *desk {
	t.Helper()
	ctx := t.Context()
	d := &desk{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.calls.Add(1)
		d.mu.Lock()
		h := d.send
		d.mu.Unlock()
		h(w, r)
	}))
	t.Cleanup(server.Close)
	d.url = server.URL
	file := filepath.Join(t.TempDir(), "test.db")
	store, err := sqlite.Open(ctx, file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	if err := store.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	d.store, d.file = store, file
	client, err := sendclient.New(sendclient.Config{BaseURL: server.URL, TokenURL: server.URL, Audience: "test", Timeout: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	prices := cache.New[positions.Price](cache.Options{Prefix: "test"})
	t.Cleanup(prices.Close)
	if d.box, err = secrets.New(make([]byte, 32)); err != nil {
		t.Fatal(err)
	}
	o := &positions.Organization{
		FiscalCode: ente, CompanyName: "Comune di Prova", BrokerCode: "15376371009",
		Stations: []positions.Station{{Code: "15376371009_01"}}, Send: &positions.Send{Route: positions.RouteDirect},
		Policy: positions.DefaultPolicy(),
	}
	if policy != nil {
		policy(&o.Policy)
	}
	d.register(t, o, positions.SecretSendAPIKey)
	d.Actualizer = New(Config{
		Store: store, Prices: client, Cache: prices, SendTimeout: 300 * time.Millisecond,
		Now: func() time.Time { return time.Now().Add(time.Duration(d.clock.Load())) },
	})
	t.Cleanup(func() { d.Close(context.Background()) })
	return d
}

// register puts an organization with a secret in force.
func (d *desk) register(t *testing.T, o *positions.Organization, secret positions.Secret) {
	t.Helper()
	sealed, err := d.box.Seal(ente, string(secret), []byte("key"))
	if err != nil {
		t.Fatal(err)
	}
	o.Sealed = map[positions.Secret][]byte{secret: sealed}
	if _, err := d.store.PutOrganization(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	r := registry.New(d.store, d.box, slog.New(slog.DiscardHandler), nil)
	if err := r.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.org, _ = r.Organization(ente)
}

// position stores a valid SEND-bound position of one option, 100.00 to the ente
// in transfer 2 and 50.00 to another in transfer 1.
func (d *desk) position(t *testing.T, base int64, change func(*positions.Position)) positions.NoticeNumber {
	t.Helper()
	nav, err := positions.NewNoticeNumber(1, base)
	if err != nil {
		t.Fatal(err)
	}
	p := &positions.Position{
		OrganizationFiscalCode: ente, IUPD: string(nav), CompanyName: "Comune di Prova",
		Debtor: positions.Debtor{Type: "F", FiscalCode: "ANONIMO", FullName: "Prova"},
		Status: positions.Valid, Lifecycle: positions.Open,
		Options: []positions.PaymentOption{{
			NAV: nav, IUV: nav.IUV(), Amount: 15000, Description: "Prova", DueDate: time.Now().AddDate(0, 1, 0), SendBound: true, Status: positions.OptionUnpaid,
			Transfers: []positions.Transfer{
				{ID: 1, Amount: 5000, OrganizationFiscalCode: "88888888888", RemittanceInformation: "a", Category: "b", IBAN: "IT60X0542811101000000123456"},
				{ID: 2, Amount: 10000, RemittanceInformation: "a", Category: "b", IBAN: "IT60X0542811101000000123456"},
			},
		}},
	}
	if change != nil {
		change(p)
	}
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	if err := d.store.CreatePosition(t.Context(), p, positions.Change{Action: "CREATE", At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	return nav
}

func (d *desk) quote(t *testing.T, nav positions.NoticeNumber) *Quote {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 1800*time.Millisecond)
	defer cancel()
	q, err := d.Quote(ctx, d.org, nav)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func TestThePriceOfSendGoesOnTheOrganizationsOwnTransfer(t *testing.T) {
	d := newDesk(t, nil)
	d.answer(priced(`{"iun":"AAAA-BBBB-CCCC-202611-D-1","totalPrice":1421,"partialPrice":1101,"sendFee":100,"paFee":100,"vat":22,"analogCost":1001}`))
	nav := d.position(t, 1, nil)
	q := d.quote(t, nav)
	if q.Amount != 16421 || q.NotificationFee != 1421 || q.Source != positions.SourceLive || q.BaseAmount != 15000 {
		t.Fatalf("quote %+v", q)
	}
	if q.Transfers[0].Amount != 5000 || q.Transfers[1].Amount != 11421 {
		t.Fatalf("transfers %+v", q.Transfers)
	}
	if q.Send == nil || q.Send.Status != 200 || q.Price.IUN != "AAAA-BBBB-CCCC-202611-D-1" {
		t.Fatalf("evidence %+v, %+v", q.Send, q.Price)
	}
	if q := d.quote(t, nav); q.Source != positions.SourceCache || q.Amount != 16421 || d.calls.Load() != 1 {
		t.Fatalf("second quote from %s after %d calls", q.Source, d.calls.Load())
	}
	stored, err := d.store.Position(t.Context(), ente, string(nav))
	if err != nil || stored.Options[0].Amount != 15000 || stored.Options[0].Transfers[1].Amount != 10000 {
		t.Fatalf("the stored amounts must never contain the fee: %+v, %v", stored, err)
	}
}

func TestWhereTheFeeComesFrom(t *testing.T) {
	past, future := time.Now().Add(-24*time.Hour).Format(time.RFC3339Nano), time.Now().Add(24*time.Hour).Format(time.RFC3339Nano)
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	down := problem(500, "PN_GENERIC_ERROR")
	type step struct {
		send   http.HandlerFunc // nil: SEND must not be asked
		after  time.Duration
		source positions.FeeSource
		fee    money.Cents
	}
	for name, c := range map[string]struct {
		policy func(*positions.Policy)
		change func(*positions.Position)
		steps  []step
	}{
		"not SEND-bound": {change: func(p *positions.Position) { p.Options[0].SendBound = false }, steps: []step{{source: positions.SourceNotBound}}},
		"asked again when the price is no longer fresh": {steps: []step{
			{send: priced(`{"totalPrice":200}`), source: positions.SourceLive, fee: 200},
			{after: 14 * time.Minute, source: positions.SourceCache, fee: 200},
			{after: 2 * time.Minute, send: priced(`{"totalPrice":1421}`), source: positions.SourceLive, fee: 1421},
		}},
		"never fresh by policy": {policy: func(p *positions.Policy) { p.PriceFreshFor = 0 }, steps: []step{
			{send: priced(`{"totalPrice":200}`), source: positions.SourceLive, fee: 200},
			{send: priced(`{"totalPrice":201}`), source: positions.SourceLive, fee: 201},
		}},
		"frozen once viewed": {steps: []step{
			{send: priced(`{"totalPrice":200,"notificationViewDate":"` + past + `"}`), source: positions.SourceLive, fee: 200},
			{after: 1000 * time.Hour, source: positions.SourceFinal, fee: 200},
		}},
		"frozen once refined": {steps: []step{
			{send: priced(`{"totalPrice":200,"refinementDate":"` + past + `"}`), source: positions.SourceLive, fee: 200},
			{after: 1000 * time.Hour, source: positions.SourceFinal, fee: 200},
		}},
		"not frozen by a refinement still to come, even after it came": {steps: []step{
			{send: priced(`{"totalPrice":200,"refinementDate":"` + future + `"}`), source: positions.SourceLive, fee: 200},
			{after: 48 * time.Hour, send: priced(`{"totalPrice":1421,"refinementDate":"` + future + `"}`), source: positions.SourceLive, fee: 1421},
		}},
		"no cost is believed for a minute": {steps: []step{
			{send: problem(404, "PN_DELIVERY_PUSH_NOTIFICATION_NOT_ACCEPTED"), source: positions.SourceNoCost},
			{after: 50 * time.Second, source: positions.SourceNoCost},
			{after: 15 * time.Second, send: priced(`{"totalPrice":200}`), source: positions.SourceLive, fee: 200},
		}},
		"a cancellation clears price and freeze": {policy: func(p *positions.Policy) { p.PriceFreshFor = 0 }, steps: []step{
			{send: priced(`{"totalPrice":200}`), source: positions.SourceLive, fee: 200},
			{send: problem(404, "PN_DELIVERY_NOTIFICATION_CANCELLED"), source: positions.SourceNoCost},
			{send: down, source: positions.SourceLastKnown},
		}},
		"down with a last price": {steps: []step{
			{send: priced(`{"totalPrice":200}`), source: positions.SourceLive, fee: 200},
			{after: time.Hour, send: down, source: positions.SourceLastKnown, fee: 200},
			{send: priced(`{"totalPrice":1421}`), source: positions.SourceLive, fee: 1421},
		}},
		"down without one": {steps: []step{
			{send: down, source: positions.SourceNone},
			{send: priced(`{"totalPrice":200}`), source: positions.SourceLive, fee: 200},
		}},
		"down, last answer no cost": {steps: []step{
			{send: problem(404, "PN_DELIVERY_NOTIFICATIONCOSTNOTFOUND"), source: positions.SourceNoCost},
			{after: time.Hour, send: down, source: positions.SourceLastKnown},
		}},
		"down, never an old fee": {policy: func(p *positions.Policy) { p.OnSendUnavailable = positions.OnUnavailableBase }, steps: []step{
			{send: priced(`{"totalPrice":200}`), source: positions.SourceLive, fee: 200},
			{after: time.Hour, send: down, source: positions.SourceBase},
		}},
		"down, refusing but with a last price": {policy: func(p *positions.Policy) { p.OnSendUnavailable = positions.OnUnavailableRefuse }, steps: []step{
			{send: priced(`{"totalPrice":200}`), source: positions.SourceLive, fee: 200},
			{after: time.Hour, send: down, source: positions.SourceLastKnown, fee: 200},
		}},
		"hanging":                      {steps: []step{{send: hang, source: positions.SourceNone}}},
		"a price without totalPrice":   {steps: []step{{send: priced(`{"iun":"X","partialPrice":100,"sendFee":100}`), source: positions.SourceNone}}},
		"garbage":                      {steps: []step{{send: priced(`<html>`), source: positions.SourceNone}}},
		"a 404 that says nothing":      {steps: []step{{send: problem(404, "PN_DELIVERY_NOTIFICATIONNOTFOUND"), source: positions.SourceNone}}},
		"flat rate: a price of nought": {steps: []step{{send: priced(`{"totalPrice":0,"sendFee":100,"paFee":100}`), source: positions.SourceLive}}},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, c.policy)
			nav := d.position(t, 1, func(p *positions.Position) {
				p.Options[0].DueDate = time.Now().AddDate(1, 0, 0)
				if c.change != nil {
					c.change(p)
				}
			})
			for i, s := range c.steps {
				d.advance(s.after)
				asked := d.calls.Load()
				if s.send == nil {
					d.answer(func(http.ResponseWriter, *http.Request) { t.Errorf("step %d asked SEND", i) })
				} else {
					d.answer(s.send)
				}
				q := d.quote(t, nav)
				if q.Source != s.source || q.NotificationFee != s.fee || q.Amount != q.BaseAmount+s.fee {
					t.Fatalf("step %d: %s, fee %d, amount %d; want %s, %d", i, q.Source, q.NotificationFee, q.Amount, s.source, s.fee)
				}
				if s.send != nil && d.calls.Load() == asked {
					t.Fatalf("step %d: SEND was not asked", i)
				}
				degraded := q.Source == positions.SourceLastKnown || q.Source == positions.SourceBase || q.Source == positions.SourceNone
				if degraded && q.Send == nil {
					t.Fatalf("step %d: a degraded answer must tell of the exchange that failed", i)
				}
			}
		})
	}
}

func TestAPushedFeeIsSeenAtOnce(t *testing.T) {
	down := problem(500, "PN_GENERIC_ERROR")
	push := func(t *testing.T, d *desk, nav positions.NoticeNumber, fee money.Cents) {
		t.Helper()
		n, err := d.store.Notice(t.Context(), ente, nav)
		if err != nil {
			t.Fatal(err)
		}
		price, err := n.Option.Push(ente, fee, n.Price, d.now())
		if err == nil {
			err = d.store.SavePrice(t.Context(), ente, nav, price)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Run("of a notice that is not bound to SEND, which is never asked", func(t *testing.T) {
		d := newDesk(t, nil)
		d.answer(func(http.ResponseWriter, *http.Request) { t.Error("SEND was asked") })
		nav := d.position(t, 1, func(p *positions.Position) { p.Options[0].SendBound = false })
		for _, fee := range []money.Cents{300, 0, 250} {
			push(t, d, nav, fee)
			if q := d.quote(t, nav); q.Source != positions.SourcePushed || q.NotificationFee != fee || q.Amount != 15000+fee || q.Transfers[1].Amount != 10000+fee {
				t.Errorf("after %d: %s, fee %d, amount %d", fee, q.Source, q.NotificationFee, q.Amount)
			}
		}
	})
	t.Run("of a bound one, past every cached price, when SEND does not answer", func(t *testing.T) {
		d := newDesk(t, nil)
		nav := d.position(t, 1, nil)
		d.answer(priced(`{"totalPrice":710}`))
		d.quote(t, nav)
		d.answer(down)
		push(t, d, nav, 300)
		if q := d.quote(t, nav); q.Source != positions.SourceLastKnown || q.NotificationFee != 300 || d.calls.Load() < 2 {
			t.Errorf("%s, fee %d after %d calls of SEND", q.Source, q.NotificationFee, d.calls.Load())
		}
		d.answer(priced(`{"totalPrice":720}`))
		if q := d.quote(t, nav); q.Source != positions.SourceLive || q.NotificationFee != 720 {
			t.Errorf("SEND answers again: %s, fee %d", q.Source, q.NotificationFee)
		}
		if q := d.quote(t, nav); q.Source != positions.SourceCache || q.NotificationFee != 720 {
			t.Errorf("and is believed: %s, fee %d", q.Source, q.NotificationFee)
		}
	})
	t.Run("of a frozen one, whose price is asked again", func(t *testing.T) {
		d := newDesk(t, nil)
		nav := d.position(t, 1, nil)
		d.answer(priced(`{"totalPrice":710,"notificationViewDate":"2026-01-01T00:00:00Z"}`))
		d.quote(t, nav)
		push(t, d, nav, 300)
		if q := d.quote(t, nav); q.Source != positions.SourceLive || q.NotificationFee != 710 {
			t.Errorf("%s, fee %d", q.Source, q.NotificationFee)
		}
	})
}

func TestRefusingWithoutAPrice(t *testing.T) {
	d := newDesk(t, func(p *positions.Policy) { p.OnSendUnavailable = positions.OnUnavailableRefuse })
	d.answer(problem(500, "PN_GENERIC_ERROR"))
	nav := d.position(t, 1, nil)
	if q, err := d.Quote(t.Context(), d.org, nav); !errors.Is(err, ErrNoPrice) || q == nil || q.Source != positions.SourceNone || q.Amount != 0 || q.Send == nil || q.Send.Status != 500 {
		t.Fatalf("got %+v, %v", q, err)
	}
}

func TestAnExchangeThatWasNotMadeTellsWhyAndWhen(t *testing.T) {
	d := newDesk(t, nil)
	d.answer(problem(403, ""))
	nav := d.position(t, 1, nil)
	for range 2 { // the second is kept from asking by the first one's denial
		q := d.quote(t, nav)
		if x := q.Send; x == nil || x.RequestedAt.IsZero() || x.Status+len(x.Code) == 0 {
			t.Fatalf("got %+v", x)
		}
	}
	if n := d.calls.Load(); n != 1 {
		t.Fatalf("%d requests", n)
	}
}

func TestAnUnknownNoticeIsNotFoundAndAnInvalidOneIsNotAskedAbout(t *testing.T) {
	d := newDesk(t, nil)
	d.answer(func(http.ResponseWriter, *http.Request) { t.Error("SEND was asked") })
	if _, err := d.Quote(t.Context(), d.org, "301999999999999900"); positions.CodeOf(err) != positions.NotFound {
		t.Fatalf("got %v", err)
	}
	nav := d.position(t, 1, func(p *positions.Position) { p.Status = positions.Invalidated })
	if q := d.quote(t, nav); q.Refusal != positions.RefusedCancelled || q.Amount != 0 {
		t.Fatalf("got %+v", q)
	}
}

func TestWhatTheAskerCannotTakeIsNotAskedAbout(t *testing.T) {
	d := newDesk(t, nil)
	d.answer(func(http.ResponseWriter, *http.Request) { t.Error("SEND was asked") })
	nav := d.position(t, 1, nil)
	no := Unacceptable("not in this version")
	q, err := d.Quote(t.Context(), d.org, nav, func(*positions.Notice) error { return no })
	if !errors.Is(err, no) || Fault(q, err) != FaultSemantics {
		t.Fatalf("got %v, fault %s", err, Fault(q, err))
	}
}

func TestAnOldPriceOfAnotherReplicaIsNotTakenForFresh(t *testing.T) {
	d := newDesk(t, func(p *positions.Policy) { p.PriceFreshFor = 0 })
	d.answer(priced(`{"totalPrice":1421}`))
	nav := d.position(t, 1, nil)
	d.cache.Put(t.Context(), priceKey(ente, nav), positions.Price{TotalPrice: 200, FetchedAt: time.Now().Add(-time.Minute)}, time.Hour)
	if q := d.quote(t, nav); q.Source != positions.SourceLive || q.NotificationFee != 1421 {
		t.Fatalf("%d from %s", q.NotificationFee, q.Source)
	}
}

func TestATotalThatTheSchemaCannotCarryIsRefused(t *testing.T) {
	d := newDesk(t, nil)
	d.answer(priced(`{"totalPrice":200}`))
	nav := d.position(t, 1, func(p *positions.Position) {
		p.Options[0].Amount = money.Max
		p.Options[0].Transfers[1].Amount = money.Max - 5000
	})
	if _, err := d.Quote(t.Context(), d.org, nav); !errors.Is(err, ErrAmountTooLarge) {
		t.Fatalf("got %v", err)
	}
}

func TestFiftyWhoAskAtOnceShareOneRequest(t *testing.T) {
	d := newDesk(t, nil)
	nav := d.position(t, 1, nil)
	release := make(chan struct{})
	d.answer(func(w http.ResponseWriter, r *http.Request) {
		<-release
		priced(`{"totalPrice":200}`)(w, r)
	})
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if q := d.quote(t, nav); q.Amount != 15200 || q.Source != positions.SourceLive {
				t.Errorf("%d from %s", q.Amount, q.Source)
			}
		})
	}
	time.Sleep(100 * time.Millisecond) // all of them are waiting by now
	close(release)
	wg.Wait()
	if n := d.calls.Load(); n != 1 {
		t.Fatalf("%d requests", n)
	}
}

// An asker who looked in the cache before the answer came, and joined after the
// request was over, must not make another one.
func TestALateJoinerFindsTheAnswer(t *testing.T) {
	for fresh, calls := range map[positions.Duration]int64{positions.Duration(time.Minute): 1, 0: 2} {
		d := newDesk(t, func(p *positions.Policy) { p.PriceFreshFor = fresh })
		d.answer(priced(`{"totalPrice":200}`))
		nav := d.position(t, 1, nil)
		d.quote(t, nav)
		cred, err := d.org.Credential()
		if err != nil {
			t.Fatal(err)
		}
		got, err := d.fly(t.Context(), d.org, cred, nav, time.Time{})
		if err != nil || got.price.TotalPrice != 200 || got.exchange == nil || got.exchange.RequestedAt.IsZero() {
			t.Fatalf("got %+v, %v", got, err)
		}
		if n := d.calls.Load(); n != calls {
			t.Errorf("fresh for %s: %d requests, want %d", fresh, n, calls)
		}
	}
}

func TestWhoHasLittleTimeLeftLeavesTheOthersTheirRequest(t *testing.T) {
	d := newDesk(t, nil)
	nav := d.position(t, 1, nil)
	d.answer(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(200 * time.Millisecond)
		priced(`{"totalPrice":200}`)(w, r)
	})
	var wg sync.WaitGroup
	wg.Go(func() { // arrives first, with 50 ms to wait
		ctx, cancel := context.WithTimeout(t.Context(), Reserve+50*time.Millisecond)
		defer cancel()
		started := time.Now()
		q, err := d.Quote(ctx, d.org, nav)
		if err != nil || q.Source != positions.SourceNone || q.Send == nil {
			t.Errorf("the hurried one got %+v, %v", q, err)
		}
		if took := time.Since(started); took > 150*time.Millisecond {
			t.Errorf("the hurried one waited %s", took)
		}
	})
	time.Sleep(20 * time.Millisecond)
	if q := d.quote(t, nav); q.Source != positions.SourceLive || q.Amount != 15200 {
		t.Fatalf("the patient one got %d from %s", q.Amount, q.Source)
	}
	wg.Wait()
	if n := d.calls.Load(); n != 1 {
		t.Fatalf("%d requests", n)
	}
}

func TestQuoteAtAsksNobody(t *testing.T) {
	d := newDesk(t, nil)
	d.answer(func(http.ResponseWriter, *http.Request) { t.Error("SEND was asked") })
	nav := d.position(t, 1, nil)
	if q, err := d.QuoteAt(t.Context(), d.org, nav, time.Now().AddDate(0, 0, 10)); err != nil || q.Source != positions.SourceNone || q.Amount != 15000 {
		t.Fatalf("got %+v, %v", q, err)
	}
	if err := d.store.SavePrice(t.Context(), ente, nav, &positions.Price{TotalPrice: 300, FetchedAt: time.Now().Add(-time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if q, err := d.QuoteAt(t.Context(), d.org, nav, time.Now().AddDate(0, 0, 10)); err != nil || q.Source != positions.SourceLastKnown || q.Amount != 15300 {
		t.Fatalf("got %+v, %v", q, err)
	}
}

func TestAPriceThatTheStoreDidNotTakeInTimeIsNotForgotten(t *testing.T) {
	d := newDesk(t, func(p *positions.Policy) { p.PriceFreshFor = 0 }) // no cache to fall back on
	d.answer(priced(`{"totalPrice":200,"partialPrice":200,"vat":22,"paFee":100,"sendFee":100}`))
	nav := d.position(t, 1, nil)
	unlock := d.lock(t)
	if q := d.quote(t, nav); q.Source != positions.SourceLive || q.Amount != 15200 {
		t.Fatalf("got %d from %s", q.Amount, q.Source)
	}
	d.answer(problem(http.StatusInternalServerError, "GENERIC"))
	if q := d.quote(t, nav); q.Source != positions.SourceLastKnown || q.Amount != 15200 {
		t.Fatalf("while the store takes nothing: got %d from %s", q.Amount, q.Source)
	}
	unlock()
	for range 100 {
		if n, err := d.store.Notice(t.Context(), ente, nav); err != nil {
			t.Fatal(err)
		} else if n.Price != nil && n.Price.TotalPrice == 200 {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the store never got the price")
}

func TestClosingSavesThePricesThatWait(t *testing.T) {
	d := newDesk(t, nil)
	d.answer(priced(`{"totalPrice":200,"partialPrice":200,"vat":22,"paFee":100,"sendFee":100}`))
	nav := d.position(t, 1, nil)
	unlock := d.lock(t)
	d.quote(t, nav)
	unlock()
	d.Close(t.Context())
	if n, err := d.store.Notice(t.Context(), ente, nav); err != nil || n.Price == nil || n.Price.TotalPrice != 200 {
		t.Fatalf("got %+v, %v", n, err)
	}
}

func TestClosingWaitsForAStoreThatIsBusyAMoment(t *testing.T) {
	d := newDesk(t, nil)
	d.answer(priced(`{"totalPrice":200,"partialPrice":200,"vat":22,"paFee":100,"sendFee":100}`))
	nav := d.position(t, 1, nil)
	unlock := d.lock(t)
	d.quote(t, nav)
	const busy = againTimeout + 500*time.Millisecond // longer than one try
	time.AfterFunc(busy, unlock)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	d.Close(ctx)
	if n, err := d.store.Notice(t.Context(), ente, nav); err != nil || n.Price == nil || n.Price.TotalPrice != 200 {
		t.Fatalf("got %+v, %v", n, err)
	}
}

func TestTransfersAlwaysAddUpToTheAmount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := &Quote{Notice: &positions.Notice{Position: positions.Position{OrganizationFiscalCode: ente}}}
		o := &q.Notice.Option
		for i := range rapid.IntRange(1, 5).Draw(t, "transfers") {
			tr := positions.Transfer{ID: i + 1, Amount: money.Cents(rapid.Int64Range(1, int64(money.Max)/5).Draw(t, "amount"))}
			if i > 0 && rapid.Bool().Draw(t, "other") {
				tr.OrganizationFiscalCode = "88888888888"
			}
			o.Transfers = append(o.Transfers, tr)
			o.Amount += tr.Amount
		}
		q.BaseAmount, q.AmountByRules, q.Transfers = o.Amount, o.Amount, o.Transfers
		f := fee{amount: money.Cents(rapid.Int64Range(0, 1_000_000).Draw(t, "fee")), source: positions.SourceLive}
		if err := q.add(f); err != nil {
			if !errors.Is(err, ErrAmountTooLarge) || o.Amount+f.amount <= money.Max {
				t.Fatal(err)
			}
			return
		}
		var sum, base money.Cents
		for i := range q.Transfers {
			sum += q.Transfers[i].Amount
			base += o.Transfers[i].Amount
		}
		if sum != q.Amount || base != o.Amount || q.Amount != o.Amount+f.amount {
			t.Fatalf("sum %d, amount %d, base %d", sum, q.Amount, base)
		}
	})
}
