package main

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/rest"
	"github.com/attualizza/attualizza/internal/sandbox"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/sendclient"
	"github.com/attualizza/attualizza/soap/pafornode"
)

var bothContracts = []string{positions.RelayNative, positions.RelayLegacy}

// relayed registers an organization whose act-management system, simulated too,
// is asked in SEND's place. SEND is nowhere in its registration.
func (h *house) relayed(t testing.TB, kind string, account sandbox.RelayAccount, changes ...func(object)) *ente {
	t.Helper()
	e := h.ente(t, changes...)
	account.Name, account.CreditorTaxID = e.fiscalCode, e.fiscalCode
	send, relay := object{"route": "RELAY", "apiKey": nil}, object{"kind": kind}
	if kind == positions.RelayNative {
		account.Token = rand.Text()
		relay["url"], relay["token"] = h.sim.URL+sandbox.RelayNativePath, account.Token
	} else {
		account.Username, account.Password = "user-"+e.fiscalCode, rand.Text()
		relay["url"], relay["username"], relay["password"] = h.sim.URL+sandbox.RelayLegacyPath, account.Username, account.Password
	}
	if account.PublicKey != "" {
		_, private := pdndKey(t)
		send["pdnd"] = object{"mode": "FORBIDDEN", "clientId": "client", "keyId": "kid", "privateKey": private}
	}
	if err := h.sim.RegisterRelayAccount(account); err != nil {
		t.Fatal(err)
	}
	e.body["send"], e.body["relay"] = send, relay
	e.register(t, http.StatusOK)
	return e
}

// perfecting publishes a notice whose notification will take effect in a week:
// there is a price, and one of the two dates without which the legacy contract
// has none.
func (e *ente) perfecting(t testing.TB) debt {
	t.Helper()
	d := e.publish(t, 31)
	n, err := e.h.sim.Notify(sandbox.Request{
		SenderTaxID: e.fiscalCode,
		Recipients:  []sandbox.RecipientRequest{{Payments: []sandbox.Payment{{CreditorTaxID: e.fiscalCode, NoticeCode: string(d.nav)}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, event := range []sandbox.Event{sandbox.Accept, sandbox.DigitalSend, sandbox.DigitalDeliver} {
		if _, err := e.h.sim.Advance(n.IUN, sandbox.Step{Event: event}); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// relayCalls is how many price requests the act-management system got.
func (e *ente) relayCalls(d debt) int {
	return len(e.h.sim.Requests(sandbox.Filter{Endpoint: sandbox.EndpointRelay, CreditorTaxID: e.fiscalCode, NoticeCode: string(d.nav)}))
}

func (e *ente) logins() int {
	return len(e.h.sim.Requests(sandbox.Filter{Endpoint: sandbox.EndpointRelayLogin, CreditorTaxID: e.fiscalCode}))
}

// breakRelay makes the act-management system fail for this ente alone.
func (e *ente) breakRelay(t testing.TB, f sandbox.Fault) (id string) {
	t.Helper()
	if f.Endpoint == "" {
		f.Endpoint = sandbox.EndpointRelay
	}
	return e.inject(t, f)
}

// relayFaults is what an act-management system can do wrong, and what the
// journal says about it.
var relayFaults = map[string]struct {
	fault  sandbox.Fault
	status int
	codes  []string
}{
	"hanging":                   {fault: sandbox.Fault{Kind: sandbox.Hang}, codes: kinds(sendclient.KindTimeout)},
	"resetting":                 {fault: sandbox.Fault{Kind: sandbox.Reset}, codes: kinds(sendclient.KindTransport)},
	"answering 500":             {fault: sandbox.Fault{Kind: sandbox.WithStatus, Status: 500}, status: 500},
	"answering what is no JSON": {fault: sandbox.Fault{Kind: sandbox.Malformed}, status: 200, codes: kinds(sendclient.KindUnreadable)},
	"leaving out the fee":       {fault: sandbox.Fault{Kind: sandbox.NoTotalPrice}, status: 200, codes: kinds(sendclient.KindAnomaly)},
}

func TestWithARelay(t *testing.T) {
	t.Parallel()
	scenarios := map[string]func(*testing.T, *house){
		"native: verify, activation, and a signature the relay holds us to": nativeRelay,
		"legacy: verify and activation with one login":                      legacyRelay,
		"the retention of an answer is honoured":                            retentionDate,
		"002 and 003 cost nothing, 004 refuses":                             relayCodes,
		"what was refused stays refused while the relay is down":            refusedThenDown,
		"one organization's dead relay is its own":                          deadRelay,
		"a token that expired is replaced within the answer":                expiredLogin,
		"a login that fails is the organization's own trouble":              failingLogin,
		"a relay that refuses connections":                                  relayNotListening,
	}
	for name, f := range relayFaults {
		scenarios["a relay "+name] = func(t *testing.T, h *house) {
			for i, p := range policies {
				kind := bothContracts[i%2]
				t.Run(string(p.policy), func(t *testing.T) {
					t.Parallel()
					e := h.relayed(t, kind, sandbox.RelayAccount{}, askEveryTime, policy("onSendUnavailable", p.policy))
					d := e.perfecting(t)
					if p.known {
						wants(t, e.ask(t, pafornode.VerifyPaymentNotice, d.nav), d.amount+200)
					}
					id := e.breakRelay(t, f.fault)
					for _, op := range bothWays {
						reply := e.ask(t, op, d.nav)
						degradedAs(t, reply, d, p.fee, p.fault)
						slowest.note("relay "+name, reply.Took)
						x := e.wantsSource(t, d.nav, reply, p.source, p.fee).Send
						if x == nil || f.status != 0 && (x.Status == nil || *x.Status != f.status) || f.codes != nil && (x.Code == nil || !slices.Contains(f.codes, *x.Code)) {
							t.Errorf("on record is %+v, want status %d and one of %v", show(x), f.status, f.codes)
						}
					}
					e.mend(t, id)
					reply := e.ask(t, pafornode.GetPaymentV2, d.nav)
					wants(t, reply, d.amount+200)
					e.wantsSource(t, d.nav, reply, positions.SourceLive, 200)
				})
			}
		}
	}
	onBoth(t, scenarios)
}

func nativeRelay(t *testing.T, h *house) {
	private, _ := pdndKey(t)
	der, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	public := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	e := h.relayed(t, positions.RelayNative, sandbox.RelayAccount{PublicKey: public, Retention: sandbox.Duration(time.Hour)}, policy("priceFreshFor", "0s"))
	d := e.publish(t, oneLetter)
	reply := e.ask(t, pafornode.VerifyPaymentNotice, d.nav)
	wants(t, reply, d.amount+1424) // the position's amount, which is not the relay's
	a := e.wantsSource(t, d.nav, reply, positions.SourceLive, 1424)
	if x := a.Send; x == nil || x.Status == nil || *x.Status != 200 || x.AnsweredAt == nil {
		t.Errorf("on record is %s", show(a.Send))
	}
	reply = e.ask(t, pafornode.GetPaymentV2, d.nav)
	wants(t, reply, d.amount+1424)
	e.wantsSource(t, d.nav, reply, positions.SourceCache, 1424)
	if n := e.relayCalls(d); n != 1 || e.calls(d) != 0 {
		t.Errorf("the relay was asked %d times, SEND %d", n, e.calls(d))
	}
	_, page := h.get(t, "ops", "/metrics")
	for _, want := range []string{
		`attualizza_send_requests_total{result="priced",route="RELAY"}`, `attualizza_send_request_duration_seconds_count{route="RELAY"}`,
		`attualizza_send_breaker_state{key="` + e.fiscalCode + `"} 0`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the metrics do not say %s", want)
		}
	}
}

func legacyRelay(t *testing.T, h *house) {
	e := h.relayed(t, positions.RelayLegacy, sandbox.RelayAccount{})
	d, other := e.perfecting(t), e.perfecting(t)
	for _, nav := range []debt{d, other} {
		reply := e.ask(t, pafornode.VerifyPaymentNotice, nav.nav)
		wants(t, reply, nav.amount+200)
		e.wantsSource(t, nav.nav, reply, positions.SourceLive, 200)
	}
	reply := e.ask(t, pafornode.GetPayment, d.nav)
	wants(t, reply, d.amount+200)
	e.wantsSource(t, d.nav, reply, positions.SourceCache, 200)
	if e.relayCalls(d) != 1 || e.logins() != 1 || e.calls(d) != 0 {
		t.Errorf("the relay was asked %d times after %d logins, SEND %d", e.relayCalls(d), e.logins(), e.calls(d))
	}
	refined := e.publish(t, 99)
	for _, source := range []positions.FeeSource{positions.SourceLive, positions.SourceFinal} {
		reply := e.ask(t, pafornode.GetPaymentV2, refined.nav)
		wants(t, reply, refined.amount+200)
		e.wantsSource(t, refined.nav, reply, source, 200)
	}
}

func retentionDate(t *testing.T, h *house) {
	const lasts = 3 * time.Second
	e := h.relayed(t, positions.RelayNative, sandbox.RelayAccount{Retention: sandbox.Duration(lasts)})
	d := e.publish(t, digital)
	asked := time.Now()
	wants(t, e.ask(t, pafornode.VerifyPaymentNotice, d.nav), d.amount+200)
	reply := e.ask(t, pafornode.GetPaymentV2, d.nav)
	wants(t, reply, d.amount+200)
	if fresh := time.Since(asked) < lasts; fresh && e.relayCalls(d) != 1 {
		t.Errorf("asked %d times while the answer held", e.relayCalls(d))
	}
	time.Sleep(lasts)
	reply = e.ask(t, pafornode.GetPaymentV2, d.nav)
	wants(t, reply, d.amount+200)
	e.wantsSource(t, d.nav, reply, positions.SourceLive, 200)
	if e.relayCalls(d) < 2 {
		t.Error("not asked again when the answer no longer held")
	}
	past := h.relayed(t, positions.RelayNative, sandbox.RelayAccount{Retention: sandbox.Duration(-time.Minute)})
	d = past.publish(t, digital)
	for range 2 {
		reply := past.ask(t, pafornode.VerifyPaymentNotice, d.nav)
		wants(t, reply, d.amount+200)
		past.wantsSource(t, d.nav, reply, positions.SourceLive, 200)
	}
	past.breakRelay(t, sandbox.Fault{Kind: sandbox.Reset})
	reply = past.ask(t, pafornode.VerifyPaymentNotice, d.nav)
	wants(t, reply, d.amount+200)
	past.wantsSource(t, d.nav, reply, positions.SourceLastKnown, 200)
}

func relayCodes(t *testing.T, h *house) {
	for _, kind := range bothContracts {
		e := h.relayed(t, kind, sandbox.RelayAccount{})
		for _, c := range []struct {
			prefix int64
			code   string
			fault  string
		}{{31, "002", ""}, {notAccepted, "003", ""}, {11, "004", "PAA_PAGAMENTO_ANNULLATO"}} {
			d := e.publish(t, c.prefix)
			reply := e.ask(t, pafornode.VerifyPaymentNotice, d.nav)
			degradedAs(t, reply, d, 0, c.fault)
			a := e.wantsSource(t, d.nav, reply, positions.SourceNoCost, 0)
			if x := a.Send; x == nil || x.Code == nil || *x.Code != c.code || x.Status == nil {
				t.Errorf("%s: on record is %s, want code %s", kind, show(x), c.code)
			}
			degradedAs(t, e.ask(t, pafornode.GetPaymentV2, d.nav), d, 0, c.fault)
			if n := e.relayCalls(d); n != 1 {
				t.Errorf("%s: asked %d times within a minute", kind, n)
			}
			var quote rest.Quote
			e.mustREST(t, http.MethodGet, "/notices/"+string(d.nav)+"/quote", e.key, nil, http.StatusOK, &quote)
			var notice rest.Notice
			e.mustREST(t, http.MethodGet, "/notices/"+string(d.nav), e.key, nil, http.StatusOK, &notice)
			if c.fault == "" {
				if !quote.Payable || quote.Fault != nil || !notice.Payable {
					t.Errorf("%s, %s: %+v", kind, c.code, quote)
				}
				continue
			}
			if quote.Payable || quote.Fault == nil || *quote.Fault != c.fault || notice.Payable || notice.Fault == nil || *notice.Fault != c.fault {
				t.Errorf("%s, %s: %+v %+v", kind, c.code, quote, notice)
			}
		}
	}
}

func refusedThenDown(t *testing.T, h *house) {
	for _, p := range []positions.SendUnavailable{positions.OnUnavailableLastKnown, positions.OnUnavailableBase} {
		e := h.relayed(t, positions.RelayLegacy, sandbox.RelayAccount{}, askEveryTime, policy("onSendUnavailable", p))
		d := e.publish(t, 11)
		wantsFault(t, e.ask(t, pafornode.VerifyPaymentNotice, d.nav), "PAA_PAGAMENTO_ANNULLATO")
		e.breakRelay(t, sandbox.Fault{Kind: sandbox.WithStatus, Status: 503})
		reply := e.ask(t, pafornode.GetPaymentV2, d.nav)
		wantsFault(t, reply, "PAA_PAGAMENTO_ANNULLATO")
		e.wantsSource(t, d.nav, reply, positions.SourceLastKnown, 0)
	}
}

func deadRelay(t *testing.T, h *house) {
	dead, alive := h.relayed(t, positions.RelayNative, sandbox.RelayAccount{}), h.relayed(t, positions.RelayNative, sandbox.RelayAccount{})
	dead.breakRelay(t, sandbox.Fault{Kind: sandbox.Hang})
	var together sync.WaitGroup
	for range 6 {
		d := dead.publish(t, digital)
		together.Go(func() { wants(t, dead.ask(t, pafornode.VerifyPaymentNotice, d.nav), d.amount) })
	}
	together.Wait()
	d := dead.publish(t, digital)
	reply := dead.ask(t, pafornode.VerifyPaymentNotice, d.nav)
	wants(t, reply, d.amount)
	a := dead.wantsSource(t, d.nav, reply, positions.SourceNone, 0)
	if a.Send == nil || *a.Send.Code != string(sendclient.KindBreakerOpen) || dead.relayCalls(d) != 0 || reply.Took > 500*time.Millisecond {
		t.Errorf("after %s: on record is %s", reply.Took, show(a.Send))
	}
	other := alive.publish(t, digital)
	reply = alive.ask(t, pafornode.VerifyPaymentNotice, other.nav)
	wants(t, reply, other.amount+200)
	alive.wantsSource(t, other.nav, reply, positions.SourceLive, 200)
	_, page := h.get(t, "ops", "/metrics")
	for key, state := range map[string]string{dead.fiscalCode: "2", alive.fiscalCode: "0"} {
		if want := `attualizza_send_breaker_state{key="` + key + `"} ` + state; !contains(page, want) {
			t.Errorf("the metrics do not say %s", want)
		}
	}
}

func expiredLogin(t *testing.T, h *house) {
	e := h.relayed(t, positions.RelayLegacy, sandbox.RelayAccount{}, askEveryTime)
	d := e.perfecting(t)
	wants(t, e.ask(t, pafornode.VerifyPaymentNotice, d.nav), d.amount+200)
	if err := h.sim.ExpireRelayTokens(e.fiscalCode); err != nil {
		t.Fatal(err)
	}
	reply := e.ask(t, pafornode.GetPaymentV2, d.nav)
	wants(t, reply, d.amount+200)
	e.wantsSource(t, d.nav, reply, positions.SourceLive, 200)
	if e.logins() != 2 || e.relayCalls(d) != 3 {
		t.Errorf("%d logins, %d requests; want 2, 3", e.logins(), e.relayCalls(d))
	}
}

func failingLogin(t *testing.T, h *house) {
	e := h.relayed(t, positions.RelayLegacy, sandbox.RelayAccount{})
	d := e.perfecting(t)
	id := e.breakRelay(t, sandbox.Fault{Endpoint: sandbox.EndpointRelayLogin, Kind: sandbox.Hang})
	reply := e.ask(t, pafornode.VerifyPaymentNotice, d.nav)
	wants(t, reply, d.amount)
	if x := e.wantsSource(t, d.nav, reply, positions.SourceNone, 0).Send; x == nil || *x.Code != string(sendclient.KindTimeout) {
		t.Errorf("on record is %s", show(x))
	}
	e.mend(t, id)
	wants(t, e.ask(t, pafornode.VerifyPaymentNotice, d.nav), d.amount+200)

	good := e.body["relay"].(object)["password"]
	e.body["relay"].(object)["password"] = "wrong"
	e.register(t, http.StatusOK)
	d = e.perfecting(t)
	for range 5 {
		reply = e.ask(t, pafornode.VerifyPaymentNotice, d.nav)
		wants(t, reply, d.amount)
	}
	if x := e.wantsSource(t, d.nav, reply, positions.SourceNone, 0).Send; x == nil || *x.Code != string(sendclient.KindDenied) {
		t.Errorf("on record is %s", show(x))
	}
	if e.logins() != 3 || e.relayCalls(d) != 0 {
		t.Errorf("%d logins in all, want one with the wrong password; %d requests", e.logins(), e.relayCalls(d))
	}
	e.body["relay"].(object)["password"] = good
	e.register(t, http.StatusOK)
	reply = e.ask(t, pafornode.VerifyPaymentNotice, d.nav)
	wants(t, reply, d.amount+200)
}

func relayNotListening(t *testing.T, h *house) {
	e := h.relayed(t, positions.RelayNative, sandbox.RelayAccount{}, askEveryTime)
	d := e.publish(t, digital)
	wants(t, e.ask(t, pafornode.VerifyPaymentNotice, d.nav), d.amount+200)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e.body["relay"].(object)["url"] = "http://" + free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	e.register(t, http.StatusOK)
	reply := e.ask(t, pafornode.GetPaymentV2, d.nav)
	wants(t, reply, d.amount+200)
	if x := e.wantsSource(t, d.nav, reply, positions.SourceLastKnown, 200).Send; x == nil || *x.Code != string(sendclient.KindTransport) {
		t.Errorf("on record is %s", show(x))
	}
}

func TestConfigCheckReachesTheRelays(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "sqlite:"+filepath.Join(t.TempDir(), "e2e.db"), "")
	h.relayed(t, positions.RelayNative, sandbox.RelayAccount{})
	e := h.relayed(t, positions.RelayNative, sandbox.RelayAccount{})
	check := configCheckCommand{Config: *h.cfg}
	if said, err := check.checkRelays(t.Context()); err != nil || !strings.Contains(said, "ask one: 2, addresses: 1") {
		t.Errorf("%s %v", said, err)
	}
	e.body["relay"].(object)["url"] = "http://127.0.0.1:1"
	e.register(t, http.StatusOK)
	if _, err := check.checkRelays(t.Context()); err == nil || !strings.Contains(err.Error(), e.fiscalCode) || !strings.Contains(err.Error(), "cannot be reached") {
		t.Errorf("%v", err)
	}
}
