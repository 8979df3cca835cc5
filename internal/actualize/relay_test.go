package actualize

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions"
)

// relayDesk is a desk whose organization asks a native relay.
func relayDesk(t *testing.T, policy func(*positions.Policy)) *desk {
	t.Helper()
	d := newDesk(t, policy)
	o := d.org.Organization
	o.Send = &positions.Send{Route: positions.RouteRelay}
	o.Relay = &positions.Relay{Kind: positions.RelayNative, URL: d.url}
	d.register(t, &o, positions.SecretRelayToken)
	return d
}

// updated is what the relay answers: a fee and, by the desk's clock, until when
// it holds and when the notification took effect; zero: it says nothing.
func (d *desk) updated(fee money.Cents, retention, notified time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var asked struct {
			NAV string `json:"nav"`
		}
		_ = json.NewDecoder(r.Body).Decode(&asked)
		body := map[string]any{"nav": asked.NAV, "amountCents": 99999 + fee, "notificationFeeCents": fee}
		if retention != 0 {
			body["retentionDate"] = d.now().Add(retention)
		}
		if notified != 0 {
			body["notificationDate"] = d.now().Add(notified)
		}
		_ = json.NewEncoder(w).Encode(body)
	}
}

func refusing(status int, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		io.WriteString(w, `{"code":"`+code+`","message":"?"}`)
	}
}

func TestWhereTheFeeOfARelayComesFrom(t *testing.T) {
	type step struct {
		after   time.Duration
		relay   func(*desk) http.HandlerFunc // nil: it must not be asked
		source  positions.FeeSource
		fee     money.Cents
		refused bool
	}
	says := func(fee money.Cents, retention, notified time.Duration) func(*desk) http.HandlerFunc {
		return func(d *desk) http.HandlerFunc { return d.updated(fee, retention, notified) }
	}
	refuses := func(status int, code string) func(*desk) http.HandlerFunc {
		return func(*desk) http.HandlerFunc { return refusing(status, code) }
	}
	down := refuses(500, "x")
	base := func(p *positions.Policy) { p.OnSendUnavailable = positions.OnUnavailableBase }
	refuse := func(p *positions.Policy) { p.OnSendUnavailable = positions.OnUnavailableRefuse }
	never := func(p *positions.Policy) { p.PriceFreshFor = 0 }
	for name, c := range map[string]struct {
		policy func(*positions.Policy)
		steps  []step
	}{
		"the retention counts, not the policy": {steps: []step{
			{relay: says(200, 2*time.Hour, 0), source: positions.SourceLive, fee: 200},
			{after: 119 * time.Minute, source: positions.SourceCache, fee: 200},
			{after: 2 * time.Minute, relay: says(201, 2*time.Hour, 0), source: positions.SourceLive, fee: 201},
		}},
		"nor a policy of asking every time": {policy: never, steps: []step{
			{relay: says(200, 2*time.Hour, 0), source: positions.SourceLive, fee: 200},
			{after: 119 * time.Minute, source: positions.SourceCache, fee: 200},
		}},
		"a retention is bounded": {steps: []step{
			{relay: says(200, 1000*time.Hour, 0), source: positions.SourceLive, fee: 200},
			{after: positions.MaxFresh - time.Minute, source: positions.SourceCache, fee: 200},
			{after: 2 * time.Minute, relay: says(201, 0, 0), source: positions.SourceLive, fee: 201},
		}},
		"past: asked every time, and still the last price": {steps: []step{
			{relay: says(200, -time.Hour, 0), source: positions.SourceLive, fee: 200},
			{relay: says(201, -time.Hour, 0), source: positions.SourceLive, fee: 201},
			{relay: down, source: positions.SourceLastKnown, fee: 201},
		}},
		"none: valid at its own moment only": {steps: []step{
			{relay: says(200, 0, 0), source: positions.SourceLive, fee: 200},
			{relay: says(201, 0, 0), source: positions.SourceLive, fee: 201},
		}},
		"frozen when the date of the notification is past": {steps: []step{
			{relay: says(200, -time.Hour, -time.Hour), source: positions.SourceLive, fee: 200},
			{after: 1000 * time.Hour, source: positions.SourceFinal, fee: 200},
		}},
		"not while it lies ahead": {steps: []step{
			{relay: says(200, -time.Hour, time.Hour), source: positions.SourceLive, fee: 200},
			{after: 2 * time.Hour, relay: says(201, -time.Hour, -time.Hour), source: positions.SourceLive, fee: 201},
		}},
		"002 and 003 cost nothing, for a minute": {steps: []step{
			{relay: refuses(404, "002"), source: positions.SourceNoCost},
			{after: 50 * time.Second, source: positions.SourceNoCost},
			{after: 15 * time.Second, relay: refuses(404, "003"), source: positions.SourceNoCost},
			{after: time.Hour, relay: down, source: positions.SourceLastKnown},
		}},
		"004 refuses, for a minute, and can be taken back": {steps: []step{
			{relay: says(200, -time.Hour, 0), source: positions.SourceLive, fee: 200},
			{relay: refuses(422, "004"), source: positions.SourceNoCost, refused: true},
			{after: 50 * time.Second, source: positions.SourceNoCost, refused: true},
			{after: 15 * time.Second, relay: says(300, 0, 0), source: positions.SourceLive, fee: 300},
		}},
		"004 and then down: the last answer stands": {steps: []step{
			{relay: refuses(422, "004"), source: positions.SourceNoCost, refused: true},
			{after: time.Hour, relay: down, source: positions.SourceLastKnown, refused: true},
		}},
		"whatever the policy": {policy: base, steps: []step{
			{relay: refuses(422, "004"), source: positions.SourceNoCost, refused: true},
			{after: time.Hour, relay: down, source: positions.SourceLastKnown, refused: true},
		}},
		"down, never an old fee": {policy: base, steps: []step{
			{relay: says(200, 0, 0), source: positions.SourceLive, fee: 200},
			{relay: down, source: positions.SourceBase},
		}},
		"down, refusing but with a last price": {policy: refuse, steps: []step{
			{relay: says(200, 0, 0), source: positions.SourceLive, fee: 200},
			{relay: down, source: positions.SourceLastKnown, fee: 200},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			d := relayDesk(t, c.policy)
			nav := d.position(t, 1, func(p *positions.Position) { p.Options[0].DueDate = time.Now().AddDate(1, 0, 0) })
			for i, s := range c.steps {
				d.advance(s.after)
				asked := d.calls.Load()
				if s.relay == nil {
					d.answer(func(http.ResponseWriter, *http.Request) { t.Errorf("step %d asked the relay", i) })
				} else {
					d.answer(s.relay(d))
				}
				q := d.quote(t, nav)
				if q.Source != s.source || q.NotificationFee != s.fee {
					t.Fatalf("step %d: %s, fee %d; want %s, %d", i, q.Source, q.NotificationFee, s.source, s.fee)
				}
				if s.refused != (q.Refusal == positions.RefusedCancelled) || s.refused && (q.Amount != 0 || q.Transfers != nil || Fault(q, nil) != "PAA_PAGAMENTO_ANNULLATO") {
					t.Fatalf("step %d: refusal %q, amount %d", i, q.Refusal, q.Amount)
				}
				if !s.refused && q.Amount != q.BaseAmount+s.fee {
					t.Fatalf("step %d: the relay's amount is taken: %d", i, q.Amount)
				}
				if s.relay != nil && (d.calls.Load() == asked || q.Send == nil) {
					t.Fatalf("step %d: the relay was not asked, or the exchange is not told: %+v", i, q.Send)
				}
				known, err := d.QuoteAt(t.Context(), d.org, nav, d.now())
				if err != nil || known.Refusal != q.Refusal {
					t.Fatalf("step %d: what is known says %q, %v", i, known.Refusal, err)
				}
			}
		})
	}
}

func TestARelaysWordDoesNotOutliveTheRelay(t *testing.T) {
	d := relayDesk(t, nil)
	kept, refused := d.position(t, 1, nil), d.position(t, 2, nil)
	d.answer(d.updated(200, 10*time.Hour, 0))
	d.quote(t, kept)
	d.answer(refusing(422, "004"))
	if q := d.quote(t, refused); q.Refusal != positions.RefusedCancelled {
		t.Fatalf("%+v", q)
	}
	o := d.org.Organization
	o.Send, o.Relay = &positions.Send{Route: positions.RouteDirect}, nil
	d.register(t, &o, positions.SecretSendAPIKey)
	d.advance(20 * time.Minute)
	d.answer(priced(`{"totalPrice":1421}`))
	for _, nav := range []positions.NoticeNumber{kept, refused} {
		if q := d.quote(t, nav); q.Source != positions.SourceLive || q.NotificationFee != 1421 || q.Refusal != positions.Payable {
			t.Errorf("%s: %s %d %q", nav, q.Source, q.NotificationFee, q.Refusal)
		}
	}
}

func TestWhatTheOtherRouteSaidIsOnlyTheLastKnownPrice(t *testing.T) {
	d := relayDesk(t, nil)
	nav := d.position(t, 1, nil)
	viewed := d.now().AddDate(0, 0, -1)
	for _, relayed := range []bool{false, true} {
		last := &positions.Price{TotalPrice: 300, Relayed: relayed, FetchedAt: d.now(), NotificationViewDate: viewed}
		last.Freeze()
		if err := d.store.SavePrice(t.Context(), ente, nav, last); err != nil || !last.Final {
			t.Fatal(err, last.Final)
		}
		d.answer(problem(http.StatusInternalServerError, "GENERIC"))
		want := positions.SourceLastKnown
		if relayed {
			want = positions.SourceFinal
		}
		if q := d.quote(t, nav); q.Source != want || q.NotificationFee != 300 {
			t.Errorf("relayed %v: got %d from %s, want %s", relayed, q.NotificationFee, q.Source, want)
		}
	}
}
