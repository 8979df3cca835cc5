package sendclient

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/internal/sandbox"
)

// paidAtNoon is noon in Rome, in summer.
var paidAtNoon = time.Date(2026, 7, 14, 12, 0, 0, 0, time.FixedZone("", 2*3600))

func eventOf(nav string) PaymentEvent {
	return PaymentEvent{NoticeCode: nav, CreditorTaxID: org, PaidAt: paidAtNoon, Amount: 10200}
}

// simulator is SEND's, with one notification that org sent about notice.
func simulator(t *testing.T, cfg Config) (*sandbox.Sandbox, *Client, sandbox.Notification) {
	t.Helper()
	sim := sandbox.New(sandbox.Options{})
	server := httptest.NewServer(sim.Handler())
	t.Cleanup(func() { sim.Close(); server.Close() })
	for _, k := range []sandbox.APIKey{
		{Name: "with a voucher", Value: "the-pdnd-key", SenderTaxID: org, PDND: sandbox.VoucherRequired},
		{Name: "alone", Value: "the-api-key", SenderTaxID: org, PDND: sandbox.VoucherForbidden},
		{Name: "another's", Value: "the-other-key", SenderTaxID: "80099999999", PDND: sandbox.VoucherForbidden},
	} {
		if err := sim.RegisterKey(k); err != nil {
			t.Fatal(err)
		}
	}
	if err := sim.RegisterClient(sandbox.Client{
		ID: "client-1", Purposes: []string{"purpose-1"}, Keys: map[string]*rsa.PublicKey{"kid-1": &signingKey().PublicKey},
	}); err != nil {
		t.Fatal(err)
	}
	n, err := sim.Notify(sandbox.Request{SenderTaxID: org, Script: "digital-viewed", Recipients: []sandbox.RecipientRequest{
		{Payments: []sandbox.Payment{{CreditorTaxID: org, NoticeCode: notice}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if n, err = sim.Next(n.IUN); err != nil { // accepted
		t.Fatal(err)
	}
	cfg.BaseURL, cfg.TokenURL, cfg.Audience = server.URL, server.URL+"/token.oauth2", "auth.uat.interop.pagopa.it/client-assertion"
	return sim, newClient(t, cfg), n
}

// paymentsOf reads what SEND has noted of the payments of a notification.
func paymentsOf(t *testing.T, sim *sandbox.Sandbox, iun string) (noted []sandbox.Element) {
	t.Helper()
	n, err := sim.Notification(iun)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range n.Timeline {
		if e.Category == sandbox.PaymentReceived {
			noted = append(noted, e)
		}
	}
	return noted
}

func TestSENDHearsOfAPaymentOnceHoweverOftenItIsTold(t *testing.T) {
	for name, cred := range map[string]*Credential{
		"by a key alone":        apiKeyOnly,
		"by a key with voucher": {OrganizationFiscalCode: org, APIKey: "the-pdnd-key", PDND: withPDND().PDND},
	} {
		t.Run(name, func(t *testing.T) {
			sim, c, n := simulator(t, Config{})
			for range 2 {
				if err := c.ReportPayment(t.Context(), cred, eventOf(notice)); err != nil {
					t.Fatal(err)
				}
			}
			noted := paymentsOf(t, sim, n.IUN)
			if len(noted) != 1 || *noted[0].Details.Amount != 10200 || noted[0].Details.NoticeCode != notice || !noted[0].EventTimestamp.Equal(paidAtNoon) {
				t.Errorf("noted is %+v", noted)
			}
		})
	}
}

func TestAPaymentIsToldInTheWordsOfTheAPI(t *testing.T) {
	var seen *http.Request
	var body string
	c := serve(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
		content, _ := io.ReadAll(r.Body)
		seen, body = r, string(content)
		w.WriteHeader(http.StatusNoContent)
	})
	for _, tt := range []struct {
		at   time.Time
		want string
	}{
		{paidAtNoon, "2026-07-14T10:00:00Z"},
		{time.Date(2026, 1, 7, 0, 30, 0, 123_456_789, time.FixedZone("", 3600)), "2026-01-06T23:30:00.123456789Z"},
	} {
		event := eventOf(notice)
		event.PaidAt, event.Amount = tt.at, math.MaxInt32
		if err := c.ReportPayment(t.Context(), apiKeyOnly, event); err != nil {
			t.Fatal(err)
		}
		want := `{"events":[{"noticeCode":"302012345678901234","creditorTaxId":"80012345678","paymentDate":"` + tt.want + `","amount":2147483647}]}`
		if diff := cmp.Diff(want, body); diff != "" {
			t.Error(diff)
		}
	}
	if seen.Method != "POST" || seen.URL.Path != "/delivery/events/payment/pagopa" || seen.Header.Get("X-Api-Key") != "the-api-key" ||
		seen.Header.Get("Content-Type") != "application/json" || seen.Header.Get("X-Request-Id") == "" {
		t.Errorf("asked %s %s with %v", seen.Method, seen.URL, seen.Header)
	}
	if _, sent := seen.Header["Authorization"]; sent {
		t.Error("a voucher was sent with a key that does not want one")
	}
}

func TestWhatSENDCannotHoldIsRefusedWithoutACall(t *testing.T) {
	c := serve(t, Config{}, func(w http.ResponseWriter, r *http.Request) { t.Error("SEND was asked") })
	relay := &Credential{OrganizationFiscalCode: org, Relay: &Relay{Kind: RelayNative, URL: "https://atti.example", Token: "t"}}
	for name, tt := range map[string]struct {
		cred   *Credential
		change func(*PaymentEvent)
	}{
		"an amount beyond 32 bits":          {apiKeyOnly, func(e *PaymentEvent) { e.Amount = math.MaxInt32 + 1 }},
		"a negative amount":                 {apiKeyOnly, func(e *PaymentEvent) { e.Amount = -1 }},
		"no date":                           {apiKeyOnly, func(e *PaymentEvent) { e.PaidAt = time.Time{} }},
		"a year of five digits":             {apiKeyOnly, func(e *PaymentEvent) { e.PaidAt = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }},
		"a notice number of 17 digits":      {apiKeyOnly, func(e *PaymentEvent) { e.NoticeCode = e.NoticeCode[1:] }},
		"a tax code with a letter":          {apiKeyOnly, func(e *PaymentEvent) { e.CreditorTaxID = "8001234567A" }},
		"the credential of a relay":         {relay, func(*PaymentEvent) {}},
		"a credential without its API key":  {&Credential{OrganizationFiscalCode: org}, func(*PaymentEvent) {}},
		"no organization's payment at all":  {apiKeyOnly, func(e *PaymentEvent) { *e = PaymentEvent{} }},
		"an amount far beyond what is paid": {apiKeyOnly, func(e *PaymentEvent) { e.Amount = money.Cents(math.MaxInt64) }},
	} {
		t.Run(name, func(t *testing.T) {
			event := eventOf(notice)
			tt.change(&event)
			failure := wantKind(t, c.ReportPayment(t.Context(), tt.cred, event), KindBadRequest)
			if failure.Exchange.Asked() || !strings.HasPrefix(failure.Error(), "payment of notice") {
				t.Errorf("%v, %+v", failure, failure.Exchange)
			}
		})
	}
}

// One that ends the matter, all others are tried again later by the caller.
func TestWhatSENDSaysOfAPaymentIsToldApart(t *testing.T) {
	status := func(n int, code string) *sandbox.Fault {
		return &sandbox.Fault{Kind: sandbox.WithStatus, Status: n, Code: code}
	}
	anotherKey := &Credential{OrganizationFiscalCode: "80099999999", APIKey: "the-other-key"}
	revokedKey := &Credential{OrganizationFiscalCode: org, APIKey: "revoked"}
	bareKey := &Credential{OrganizationFiscalCode: org, APIKey: "the-pdnd-key"}
	for name, tt := range map[string]struct {
		cred  *Credential
		nav   string
		fault *sandbox.Fault
		want  ErrorKind
		ends  bool
	}{
		"a notice that was never notified": {cred: apiKeyOnly, nav: "302012345678909999", want: KindNotNotified, ends: true},
		"a key that is not the sender's":   {cred: anotherKey, nav: notice, want: KindNotNotified, ends: true},
		"a key that SEND does not know":    {cred: revokedKey, nav: notice, want: KindDenied},
		"a key without its voucher":        {cred: bareKey, nav: notice, want: KindDenied},
		"a 404 of the gateway":             {cred: apiKeyOnly, nav: notice, fault: status(404, "PN_GENERIC_ERROR"), want: KindAnomaly},
		"a 400":                            {cred: apiKeyOnly, nav: notice, fault: status(400, "PN_GENERIC_INVALIDPARAMETER_PATTERN"), want: KindBadRequest},
		"a 403":                            {cred: apiKeyOnly, nav: notice, fault: status(403, ""), want: KindDenied},
		"a 429":                            {cred: apiKeyOnly, nav: notice, fault: status(429, ""), want: KindThrottled},
		"a 500":                            {cred: apiKeyOnly, nav: notice, fault: status(500, "PN_GENERIC_ERROR"), want: KindServerError},
		"a 504 of the gateway":             {cred: apiKeyOnly, nav: notice, fault: status(504, ""), want: KindServerError},
		"a 200 is no acknowledgement":      {cred: apiKeyOnly, nav: notice, fault: &sandbox.Fault{Kind: sandbox.Malformed}, want: KindUnreadable},
		"a connection that breaks":         {cred: apiKeyOnly, nav: notice, fault: &sandbox.Fault{Kind: sandbox.Reset}, want: KindTransport},
		"a 404 of an unknown notification": {cred: apiKeyOnly, nav: notice, fault: status(404, "PN_DELIVERY_NOTIFICATIONNOTFOUND"), want: KindNotNotified, ends: true},
	} {
		t.Run(name, func(t *testing.T) {
			sim, c, n := simulator(t, Config{})
			if tt.fault != nil {
				tt.fault.Endpoint = sandbox.EndpointPaymentEvents
				if _, err := sim.Inject(*tt.fault); err != nil {
					t.Fatal(err)
				}
			}
			err := c.ReportPayment(t.Context(), tt.cred, eventOf(tt.nav))
			failure := wantKind(t, err, tt.want)
			if errors.Is(err, ErrNotNotified) != tt.ends {
				t.Errorf("%v ends the matter: %v", err, !tt.ends)
			}
			if !failure.Exchange.Asked() || failure.Notice != tt.nav || strings.Contains(err.Error(), tt.cred.APIKey) {
				t.Errorf("%v, %+v", err, failure.Exchange)
			}
			if noted := paymentsOf(t, sim, n.IUN); len(noted) != 0 {
				t.Errorf("noted is %+v", noted)
			}
		})
	}
}

func TestAPaymentIsGivenUpWithItsCallerOrAfterTenSeconds(t *testing.T) {
	t.Run("cut by the caller's deadline", func(t *testing.T) {
		sim, c, _ := simulator(t, Config{})
		if _, err := sim.Inject(sandbox.Fault{Endpoint: sandbox.EndpointPaymentEvents, Kind: sandbox.Hang}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		began := time.Now()
		wantKind(t, c.ReportPayment(ctx, apiKeyOnly, eventOf(notice)), KindTimeout)
		within(t, began, 2*time.Second)

		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		wantKind(t, c.ReportPayment(ctx, apiKeyOnly, eventOf(notice)), KindCancelled)
	})
	t.Run("by its own limit, which is not that of prices", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newClient(t, Config{BaseURL: "https://send.example", Timeout: time.Second, Transport: roundTripper(hang)})
			began := time.Now()
			wantKind(t, c.ReportPayment(t.Context(), apiKeyOnly, eventOf(notice)), KindTimeout)
			if took := time.Since(began); took != PaymentEventTimeout {
				t.Errorf("took %s", took)
			}
		})
	})
	t.Run("a body that never ends is not read to its end", func(t *testing.T) {
		c := serve(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			for {
				if _, err := io.WriteString(w, strings.Repeat(" ", 4096)); err != nil {
					return
				}
			}
		})
		wantKind(t, c.ReportPayment(t.Context(), apiKeyOnly, eventOf(notice)), KindUnreadable)
	})
}

func TestPaymentsAndPricesHoldEachOtherBackOneWayOnly(t *testing.T) {
	ask := func(t *testing.T, c *Client) error {
		_, err := c.Price(t.Context(), apiKeyOnly, org, notice)
		return err
	}
	t.Run("a denial of prices holds payments back", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			asked := 0
			c := newClient(t, Config{BaseURL: "https://send.example", Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				asked++
				if r.Method == "GET" {
					return reply(403, ""), nil
				}
				return reply(204, ""), nil
			})})
			wantKind(t, ask(t, c), KindDenied)
			failure := wantKind(t, c.ReportPayment(t.Context(), apiKeyOnly, eventOf(notice)), KindDenied)
			if !failure.Held || asked != 1 {
				t.Fatalf("held is %v, SEND was asked %d times", failure.Held, asked)
			}
			// The hold of prices is over, but prices have the first word about it.
			time.Sleep(denialLasts)
			if err := c.ReportPayment(t.Context(), apiKeyOnly, eventOf(notice)); err != nil {
				t.Fatal(err)
			}
			if failure := wantKind(t, ask(t, c), KindDenied); failure.Held {
				t.Error("the payment took the place of the price that tries again")
			}
		})
	})
	t.Run("a denial of payments holds payments back, never prices", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			asked, status := 0, 403
			c := newClient(t, Config{BaseURL: "https://send.example", Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				if r.Method == "GET" {
					return reply(200, digital), nil
				}
				asked++
				return reply(status, ""), nil
			})})
			for range 5 {
				wantKind(t, c.ReportPayment(t.Context(), apiKeyOnly, eventOf(notice)), KindDenied)
			}
			if asked != 1 {
				t.Errorf("SEND was asked %d times", asked)
			}
			if err := ask(t, c); err != nil {
				t.Error(err)
			}
			status = 204
			time.Sleep(denialLasts)
			for range 2 {
				if err := c.ReportPayment(t.Context(), apiKeyOnly, eventOf(notice)); err != nil {
					t.Error(err)
				}
			}
		})
	})
	t.Run("failing payments do not open the breaker of prices", func(t *testing.T) {
		sim, c, _ := simulator(t, Config{})
		if _, err := sim.Inject(sandbox.Fault{Endpoint: sandbox.EndpointPaymentEvents, Kind: sandbox.WithStatus, Status: 500}); err != nil {
			t.Fatal(err)
		}
		for range 3 * failuresInARow {
			wantKind(t, c.ReportPayment(t.Context(), apiKeyOnly, eventOf(notice)), KindServerError)
		}
		if err := ask(t, c); err != nil {
			t.Error(err)
		}
	})
	t.Run("an open breaker of prices does not keep payments from being told", func(t *testing.T) {
		sim, c, n := simulator(t, Config{})
		if _, err := sim.Inject(sandbox.Fault{Kind: sandbox.WithStatus, Status: 500}); err != nil {
			t.Fatal(err)
		}
		for range 2 * failuresInARow {
			_ = ask(t, c)
		}
		wantKind(t, ask(t, c), KindBreakerOpen)
		if err := c.ReportPayment(t.Context(), apiKeyOnly, eventOf(notice)); err != nil {
			t.Error(err)
		}
		if len(paymentsOf(t, sim, n.IUN)) != 1 {
			t.Error("SEND has not noted it")
		}
	})
}

func TestPaymentsUnderWayAreBounded(t *testing.T) {
	entered, release := make(chan struct{}, 2*bulkhead), make(chan struct{})
	c := serve(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		<-release
		w.WriteHeader(http.StatusNoContent)
	})
	var all sync.WaitGroup
	for range bulkhead {
		all.Go(func() {
			if err := c.ReportPayment(t.Context(), apiKeyOnly, eventOf(notice)); err != nil {
				t.Error(err)
			}
		})
	}
	for range bulkhead {
		<-entered
	}
	wantKind(t, c.ReportPayment(t.Context(), apiKeyOnly, eventOf(notice)), KindSaturated)
	close(release)
	all.Wait()
	if err := c.ReportPayment(t.Context(), apiKeyOnly, eventOf(notice)); err != nil {
		t.Error(err)
	}
}

// Whoever adds a field to the request has to look at SEND's description again.
func TestAPaymentEventIsTheOneObjectThatSENDDescribes(t *testing.T) {
	body, failure := eventOf(notice).body()
	if failure != nil {
		t.Fatal(failure)
	}
	var got struct{ Events []map[string]any }
	if err := json.Unmarshal(body, &got); err != nil || len(got.Events) != 1 || len(got.Events[0]) != 4 {
		t.Errorf("%s: %v", body, err)
	}
}
