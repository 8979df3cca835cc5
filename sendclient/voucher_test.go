package sendclient

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// pdnd is an authorization server that believes nothing.
type pdnd struct {
	t        testing.TB
	audience string
	life     int // seconds

	mu      sync.Mutex
	jtis    map[string]bool
	fetches atomic.Int32
	broken  atomic.Pointer[http.HandlerFunc]
}

func newPDND(t testing.TB) *pdnd {
	return &pdnd{t: t, audience: "pdnd/client-assertion", life: 600, jtis: make(map[string]bool)}
}

func (p *pdnd) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := p.fetches.Add(1)
	if broken := p.broken.Load(); broken != nil {
		(*broken)(w, r)
		return
	}
	if err := p.check(r); err != nil {
		p.t.Errorf("client assertion: %v", err)
		w.WriteHeader(400)
		io.WriteString(w, `{"error":"invalid_client"}`)
		return
	}
	json.NewEncoder(w).Encode(map[string]any{"access_token": fmt.Sprintf("voucher-%d", n), "expires_in": p.life, "token_type": "Bearer"})
}

func (p *pdnd) check(r *http.Request) error {
	if r.Method != "POST" || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		return fmt.Errorf("%s with %s", r.Method, r.Header.Get("Content-Type"))
	}
	if err := r.ParseForm(); err != nil {
		return err
	}
	if r.PostForm.Get("client_id") != "client-1" || r.PostForm.Get("grant_type") != "client_credentials" ||
		r.PostForm.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
		return fmt.Errorf("form %v", r.PostForm)
	}
	claims := jwt.MapClaims{}
	token, err := jwt.ParseWithClaims(r.PostForm.Get("client_assertion"), claims,
		func(*jwt.Token) (any, error) { return &signingKey().PublicKey, nil },
		jwt.WithValidMethods([]string{"RS256"}), jwt.WithAudience(p.audience), jwt.WithIssuer("client-1"),
		jwt.WithSubject("client-1"), jwt.WithIssuedAt(), jwt.WithExpirationRequired())
	if err != nil {
		return err
	}
	if token.Header["kid"] != "kid-1" || token.Header["typ"] != "JWT" || claims["purposeId"] != "purpose-1" {
		return fmt.Errorf("header %v, claims %v", token.Header, claims)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	jti, _ := claims["jti"].(string)
	if len(jti) != 36 || p.jtis[jti] {
		return fmt.Errorf("jti %q is no uuid or was used before", jti)
	}
	p.jtis[jti] = true
	return nil
}

// both is a transport in memory to PDND and SEND; SEND notes the vouchers.
type both struct {
	pdnd  *pdnd
	delay time.Duration
	send  scripted

	mu   sync.Mutex
	seen []string
}

func (b *both) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host == "pdnd.example" {
		select {
		case <-time.After(b.delay):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
		w := httptest.NewRecorder()
		b.pdnd.ServeHTTP(w, r)
		return w.Result(), nil
	}
	b.mu.Lock()
	b.seen = append(b.seen, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	b.mu.Unlock()
	return b.send.RoundTrip(r)
}

func (b *both) last() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.seen) == 0 {
		return ""
	}
	return b.seen[len(b.seen)-1]
}

func withVouchers(t *testing.T, store VoucherStore, test func(t *testing.T, c *Client, b *both, log *bytes.Buffer)) {
	t.Helper()
	signingKey()
	synctest.Test(t, func(t *testing.T) {
		b, log := &both{pdnd: newPDND(t)}, &bytes.Buffer{}
		b.send.become(answering(200, digital))
		c := newClient(t, Config{
			BaseURL: "https://send.example", TokenURL: "https://pdnd.example/token.oauth2", Audience: b.pdnd.audience,
			Transport: b, Vouchers: store, Logger: slog.New(slog.NewTextHandler(log, nil)),
		})
		test(t, c, b, log)
	})
}

func TestAVoucherIsObtainedFromARealEndpointAndSent(t *testing.T) {
	p := newPDND(t)
	tokens := httptest.NewServer(p)
	defer tokens.Close()
	var voucher string
	c := serve(t, Config{TokenURL: tokens.URL + "/token.oauth2", Audience: p.audience}, func(w http.ResponseWriter, r *http.Request) {
		voucher = r.Header.Get("Authorization")
		io.WriteString(w, digital)
	})
	for range 3 {
		if _, err := c.Price(t.Context(), withPDND(), org, notice); err != nil {
			t.Fatal(err)
		}
	}
	if voucher != "Bearer voucher-1" || p.fetches.Load() != 1 {
		t.Errorf("sent %q after %d fetches", voucher, p.fetches.Load())
	}
}

func TestManyAskersShareTheFirstVoucher(t *testing.T) {
	withVouchers(t, nil, func(t *testing.T, c *Client, b *both, _ *bytes.Buffer) {
		b.delay = 300 * time.Millisecond
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				cred := withPDND()
				cred.OrganizationFiscalCode = fmt.Sprintf("%011d", i)
				if _, err := c.Price(t.Context(), cred, org, notice); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := b.pdnd.fetches.Load(); n != 1 {
			t.Errorf("%d fetches", n)
		}
	})
}

func TestAnImpatientCallerDoesNotCostTheNextOneItsVoucher(t *testing.T) {
	withVouchers(t, nil, func(t *testing.T, c *Client, b *both, _ *bytes.Buffer) {
		b.delay = time.Second
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		began := time.Now()
		_, err := c.Price(ctx, withPDND(), org, notice)
		failure := wantKind(t, err, KindNoVoucher)
		if failure.Exchange.Asked() || time.Since(began) != 100*time.Millisecond {
			t.Errorf("%+v after %s", failure, time.Since(began))
		}
		time.Sleep(time.Second)
		began = time.Now()
		if _, err := c.Price(t.Context(), withPDND(), org, notice); err != nil || time.Since(began) != 0 {
			t.Errorf("the next caller: %v after %s", err, time.Since(began))
		}
		if n := b.pdnd.fetches.Load(); n != 1 {
			t.Errorf("%d fetches", n)
		}
	})
}

func TestAWarmVoucherIsThereBeforeTheFirstPayment(t *testing.T) {
	withVouchers(t, nil, func(t *testing.T, c *Client, b *both, _ *bytes.Buffer) {
		b.delay = 2 * time.Second
		c.Warm(withPDND(), apiKeyOnly)
		time.Sleep(3 * time.Second)
		began := time.Now()
		if _, err := c.Price(t.Context(), withPDND(), org, notice); err != nil || time.Since(began) != 0 {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

// A day of payments every ten seconds, against an endpoint that takes a second
// and is down for a quarter of an hour.
func TestPaymentsNeverWaitForARenewalNorUseAnOldVoucher(t *testing.T) {
	withVouchers(t, nil, func(t *testing.T, c *Client, b *both, log *bytes.Buffer) {
		b.delay = time.Second
		born := map[string]time.Time{}
		c.Warm(withPDND())
		time.Sleep(2 * time.Second)
		without := 0
		for tick := range 24 * 360 {
			if tick == 3000 {
				down := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) })
				b.pdnd.broken.Store(&down)
			}
			if tick == 3090 {
				b.pdnd.broken.Store(nil)
			}
			began := time.Now()
			_, err := c.Price(t.Context(), withPDND(), org, notice)
			if took := time.Since(began); took != 0 {
				t.Fatalf("tick %d waited %s", tick, took)
			}
			if err != nil {
				wantKind(t, err, KindNoVoucher)
				if tick < 3000 || tick > 3097 {
					t.Fatalf("tick %d: %v", tick, err)
				}
				without++
			} else {
				token := b.last()
				if born[token].IsZero() {
					born[token] = time.Now()
				}
				if age := time.Since(born[token]); age > 541*time.Second {
					t.Fatalf("a voucher of 600 s used %s after its first use", age)
				}
			}
			time.Sleep(10 * time.Second)
		}
		// A voucher in hand outlives the outage for 4 to 9 minutes of its 15.
		if without < 30 || without > 75 {
			t.Errorf("%d payments without a voucher", without)
		}
		// Half of the usable 540 s, ±10 %: 290 to 360 renewals in 24 h, and a few failed ones.
		if n := b.pdnd.fetches.Load(); n < 285 || n > 385 {
			t.Errorf("%d fetches in a day", n)
		}
		if n := strings.Count(log.String(), "PDND gives"); n != 2 {
			t.Errorf("want one line when it breaks and one when it is well, got:\n%s", log)
		}
	})
}

func TestShortVouchersGiveUpAQuarter(t *testing.T) {
	withVouchers(t, nil, func(t *testing.T, c *Client, b *both, _ *bytes.Buffer) {
		b.pdnd.life = 40
		if _, err := c.Price(t.Context(), withPDND(), org, notice); err != nil {
			t.Fatal(err)
		}
		down := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) })
		b.pdnd.broken.Store(&down)
		time.Sleep(29 * time.Second)
		if _, err := c.Price(t.Context(), withPDND(), org, notice); err != nil {
			t.Errorf("after 29 s of 40: %v", err)
		}
		time.Sleep(2 * time.Second)
		_, err := c.Price(t.Context(), withPDND(), org, notice)
		wantKind(t, err, KindNoVoucher)
	})
}

func TestAVoucherNobodyWantsIsNotRenewed(t *testing.T) {
	withVouchers(t, nil, func(t *testing.T, c *Client, b *both, _ *bytes.Buffer) {
		if _, err := c.Price(t.Context(), withPDND(), org, notice); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * 24 * time.Hour)
		if n := b.pdnd.fetches.Load(); n < 800 {
			t.Errorf("%d fetches: a payment after some quiet days would wait for PDND", n)
		}
		time.Sleep(12 * 24 * time.Hour)
		n := b.pdnd.fetches.Load()
		time.Sleep(24 * time.Hour)
		if again := b.pdnd.fetches.Load(); again != n {
			t.Errorf("%d more fetches for nobody", again-n)
		}
		if sourcesOf(c) != 0 {
			t.Error("the source is still there")
		}
		if _, err := c.Price(t.Context(), withPDND(), org, notice); err != nil {
			t.Errorf("after the pause: %v", err)
		}
	})
}

func sourcesOf(c *Client) int {
	c.vouchers.mu.Lock()
	defer c.vouchers.mu.Unlock()
	return len(c.vouchers.sources)
}

func TestFailedRenewalsBackOff(t *testing.T) {
	withVouchers(t, nil, func(t *testing.T, c *Client, b *both, log *bytes.Buffer) {
		refuse := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(400)
			io.WriteString(w, `{"error":"invalid_client","error_description":"key of `+"the-api-key"+`"}`)
		})
		b.pdnd.broken.Store(&refuse)
		_, err := c.Price(t.Context(), withPDND(), org, notice)
		if failure := wantKind(t, err, KindNoVoucher); !strings.Contains(failure.Error(), "HTTP 400 invalid_client") {
			t.Errorf("the reason is lost: %v", err)
		}
		began := time.Now()
		for range 1000 { // an hour of payments
			_, err := c.Price(t.Context(), withPDND(), org, notice)
			wantKind(t, err, KindNoVoucher)
			time.Sleep(3600 * time.Millisecond)
		}
		if n := b.pdnd.fetches.Load(); n < 60 || n > 90 {
			t.Errorf("%d fetches in %s", n, time.Since(began))
		}
		if len(b.seen) != 0 {
			t.Error("SEND was asked without a voucher")
		}
		if n := strings.Count(log.String(), "\n"); n != 1 || strings.Contains(log.String(), "the-api-key") {
			t.Errorf("want one line without secrets:\n%s", log)
		}
	})
}

func TestADenialForcesOneRenewal(t *testing.T) {
	withVouchers(t, nil, func(t *testing.T, c *Client, b *both, log *bytes.Buffer) {
		b.send.become(func(r *http.Request) (*http.Response, error) {
			if r.Header.Get("Authorization") == "Bearer voucher-1" {
				return reply(403, `{"Message":"explicit deny"}`), nil
			}
			return reply(200, digital), nil
		})
		_, err := c.Price(t.Context(), withPDND(), org, notice)
		wantKind(t, err, KindDenied)
		synctest.Wait()
		if n := b.pdnd.fetches.Load(); n != 2 {
			t.Errorf("%d fetches, want one more", n)
		}
		time.Sleep(60 * time.Second)
		if _, err := c.Price(t.Context(), withPDND(), org, notice); err != nil {
			t.Errorf("after the hold: %v", err)
		}
		if n := b.pdnd.fetches.Load(); n != 2 {
			t.Errorf("%d fetches in all", n)
		}
		// The news of an old voucher's refusal comes too late to matter.
		c.vouchers.replace(withPDND().PDND, "voucher-1")
		synctest.Wait()
		if n := b.pdnd.fetches.Load(); n != 2 {
			t.Errorf("%d fetches after the late news", n)
		}
		for _, secret := range []string{"voucher-1", "the-api-key"} {
			if strings.Contains(log.String(), secret) {
				t.Errorf("the log holds %q", secret)
			}
		}
	})
}

func TestARefusedClientNobodyAsksForIsSoonLeftAlone(t *testing.T) {
	withVouchers(t, nil, func(t *testing.T, c *Client, b *both, _ *bytes.Buffer) {
		b.pdnd.broken.Store(new(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(401) })))
		_, err := c.Price(t.Context(), withPDND(), org, notice)
		wantKind(t, err, KindNoVoucher)
		time.Sleep(time.Hour + 2*time.Minute)
		if sourcesOf(c) != 0 {
			t.Error("PDND is still asked for a client it refuses")
		}
	})
}

// shared is a store in memory.
type shared struct {
	mu     sync.Mutex
	tokens map[string]voucher
}

func (s *shared) Get(_ context.Context, key string) (string, time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.tokens[key]
	return v.token, v.until, ok
}

func (s *shared) Put(_ context.Context, key, token string, expiresAt time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[key] = voucher{token, expiresAt}
}

func TestReplicasShareVouchers(t *testing.T) {
	store := &shared{tokens: make(map[string]voucher)}
	withVouchers(t, store, func(t *testing.T, c *Client, b *both, _ *bytes.Buffer) {
		replicas := []*Client{c}
		for range 3 {
			replicas = append(replicas, newClient(t, Config{
				BaseURL: "https://send.example", TokenURL: "https://pdnd.example/token.oauth2", Audience: b.pdnd.audience,
				Transport: b, Vouchers: store,
			}))
		}
		b.delay = time.Second
		for i := range 360 { // an hour
			for _, r := range replicas {
				began := time.Now()
				if _, err := r.Price(t.Context(), withPDND(), org, notice); err != nil {
					t.Fatal(err)
				}
				if i > 0 && time.Since(began) > 0 {
					t.Fatalf("a payment waited %s for a voucher", time.Since(began))
				}
			}
			time.Sleep(10 * time.Second)
		}
		// Alone, each replica would fetch some 14 times.
		if n := b.pdnd.fetches.Load(); n > 28 {
			t.Errorf("four replicas fetched %d vouchers in an hour", n)
		}
	})
}

func TestARefusedVoucherIsNotTakenFromTheStoreAgain(t *testing.T) {
	store := &shared{tokens: make(map[string]voucher)}
	withVouchers(t, store, func(t *testing.T, c *Client, b *both, _ *bytes.Buffer) {
		bad := hexKey(c)
		store.Put(t.Context(), bad, "stale", time.Now().Add(time.Hour))
		b.send.become(func(r *http.Request) (*http.Response, error) {
			if r.Header.Get("Authorization") == "Bearer stale" {
				return reply(403, ""), nil
			}
			return reply(200, digital), nil
		})
		_, err := c.Price(t.Context(), withPDND(), org, notice)
		wantKind(t, err, KindDenied)
		time.Sleep(time.Minute)
		if _, err := c.Price(t.Context(), withPDND(), org, notice); err != nil {
			t.Error(err)
		}
		if token, _, _ := store.Get(t.Context(), bad); token != "voucher-1" {
			t.Errorf("the store holds %q", token)
		}
	})
}

// hexKey is the name of the voucher in the store. Asking the client for its source
// would already set out for a voucher.
func hexKey(c *Client) string {
	id := withPDND().PDND.fingerprint(c.vouchers.pdnd.url, c.vouchers.pdnd.audience)
	return hex.EncodeToString(id[:])
}

func TestAnotherKeyDoesNotGetTheVoucher(t *testing.T) {
	p := withPDND().PDND
	other := *p
	other.PrivateKey = nil
	if p.fingerprint("u", "a") == other.fingerprint("u", "a") {
		t.Error("a client without the private key shares the voucher")
	}
	if p.fingerprint("uat", "a") == p.fingerprint("prod", "a") {
		t.Error("two environments share a voucher")
	}
}

func TestVoucherSourcesAreBounded(t *testing.T) {
	withVouchers(t, nil, func(t *testing.T, c *Client, b *both, _ *bytes.Buffer) {
		b.pdnd.broken.Store(new(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) })))
		first := c.vouchers.source(&PDND{ClientID: "first"})
		synctest.Wait()
		time.Sleep(time.Millisecond)
		for i := range maxSources {
			c.vouchers.source(&PDND{ClientID: fmt.Sprint(i)})
		}
		synctest.Wait()
		if n := sourcesOf(c); n != maxSources {
			t.Errorf("%d sources, want %d", n, maxSources)
		}
		if _, err := first.wait(t.Context()); err != errDropped {
			t.Errorf("the oldest: %v", err)
		}
	})
}

func TestAClosedClientWaitsForNobody(t *testing.T) {
	withVouchers(t, nil, func(t *testing.T, c *Client, b *both, _ *bytes.Buffer) {
		b.delay = time.Hour
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := c.Price(t.Context(), withPDND(), org, notice)
			wantKind(t, err, KindNoVoucher)
		})
		synctest.Wait()
		c.vouchers.close()
		wg.Wait()
		_, err := c.Price(t.Context(), withPDND(), org, notice)
		wantKind(t, err, KindNoVoucher)
	})
}

func TestPDNDsAnswerIsReadWithSuspicion(t *testing.T) {
	asked := time.Now()
	for _, tt := range []struct {
		name, body string
		life       time.Duration // 0: refused
	}{
		{"seconds, not minutes", `{"access_token":"t","expires_in":600,"token_type":"Bearer"}`, 540 * time.Second},
		{"without a type", `{"access_token":"t","expires_in":600}`, 540 * time.Second},
		{"a short life", `{"access_token":"t","expires_in":100,"token_type":"bearer"}`, 75 * time.Second},
		{"an endless life", `{"access_token":"t","expires_in":9223372036854775807}`, 24*time.Hour - time.Minute},
		{"no life", `{"access_token":"t","token_type":"Bearer"}`, 0},
		{"a negative life", `{"access_token":"t","expires_in":-1}`, 0},
		{"no token", `{"expires_in":600}`, 0},
		{"a token that breaks the header", `{"access_token":"t\r\nX-Api-Key: other","expires_in":600}`, 0},
		{"DPoP", `{"access_token":"t","expires_in":600,"token_type":"DPoP"}`, 0},
		{"a page", `<html>`, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := readVoucher([]byte(tt.body), asked)
			if (err == nil) != (tt.life > 0) {
				t.Fatal(err)
			}
			if err == nil && got.until.Sub(asked) != tt.life {
				t.Errorf("used for %s, want %s", got.until.Sub(asked), tt.life)
			}
		})
	}
}
