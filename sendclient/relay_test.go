package sendclient

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/attualizza/attualizza/internal/money"
)

// actSystem is a scripted act-management system on loopback, with the credential
// to ask it by each contract.
type actSystem struct {
	url            string
	native, legacy *Credential
	logins, prices atomic.Int32
	seen           chan *http.Request // the last requests, bodies read
	bodies         chan string
	login, price   atomic.Pointer[http.HandlerFunc]
}

func (s *actSystem) loginIs(h http.HandlerFunc) { s.login.Store(&h) }
func (s *actSystem) priceIs(h http.HandlerFunc) { s.price.Store(&h) }

func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

const (
	nativePrice = `{"nav":"` + notice + `","amountCents":10200,"iun":"ABCD-EFGH-IJKL-202611-M-1","notificationFeeCents":200,"balance":"[]"}`
	legacyPrice = `{"numeroAvviso":"` + notice + `","iun":"ABCD-EFGH-IJKL-202611-M-1","speseNotifica":200,"importoPosizione":10200,"stato":"200",` +
		`"dataVisualizzazione":"","dataPerfezionamentoDecorrenzaTermini":"2026-02-06T23:59:59.999+01:00"}`
)

// relaying starts an act-management system whose login gives the tokens
// "token-1", "token-2", and a client.
func relaying(t *testing.T, cfg Config) (*actSystem, *Client) {
	t.Helper()
	s := &actSystem{seen: make(chan *http.Request, 100), bodies: make(chan string, 100)}
	s.loginIs(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"token":"token-%d","esito":"OK"}`, s.logins.Load())
	})
	s.priceIs(says(200, nativePrice))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		select {
		case s.seen <- r:
			s.bodies <- string(body)
		default:
		}
		if strings.HasSuffix(r.URL.Path, "/login") {
			s.logins.Add(1)
			(*s.login.Load())(w, r)
			return
		}
		s.prices.Add(1)
		(*s.price.Load())(w, r)
	}))
	t.Cleanup(server.Close)
	s.url = server.URL + "/atti"
	s.native = &Credential{OrganizationFiscalCode: org, Relay: &Relay{Kind: RelayNative, URL: s.url + "/", Token: "the-token"}}
	s.legacy = &Credential{OrganizationFiscalCode: org, Relay: &Relay{Kind: RelayLegacy, URL: s.url, Username: "the-user", Password: "the-password"}}
	cfg.BaseURL = "http://127.0.0.1:1" // SEND is never asked
	return s, newClient(t, cfg)
}

func TestANativeRelayIsAskedAsTheContractSays(t *testing.T) {
	s, c := relaying(t, Config{})
	for _, signed := range []bool{false, true} {
		if signed {
			s.native.Relay.Signature = &Signature{ClientID: "client-1", KeyID: "kid-1", PrivateKey: signingKey()}
		}
		answer, err := c.Price(t.Context(), s.native, org, notice)
		if err != nil {
			t.Fatal(err)
		}
		want := Price{IUN: "ABCD-EFGH-IJKL-202611-M-1", TotalPrice: 200, FreshUntil: answer.Exchange.AnsweredAt}
		if diff := cmp.Diff(want, answer.Price); diff != "" || answer.Exchange.Status != 200 || !answer.Exchange.Asked() {
			t.Errorf("%+v %s", answer, diff)
		}
		r, body := <-s.seen, <-s.bodies
		if r.Method != "POST" || r.URL.Path != "/atti/amount-update" || r.Header.Get("Authorization") != "Bearer the-token" ||
			r.Header.Get("Content-Type") != "application/json" || r.Header.Get("X-Request-Id") != answer.Exchange.RequestID ||
			body != `{"orgFiscalCode":"`+org+`","nav":"`+notice+`"}` {
			t.Errorf("%s %s %v %s", r.Method, r.URL, r.Header, body)
		}
		if _, sent := r.Header["Idempotency-Key"]; sent || r.Header.Get("X-Api-Key") != "" {
			t.Errorf("headers that are not the contract's: %v", r.Header)
		}
		if !signed {
			if r.Header.Get("Digest") != "" || r.Header.Get("Agid-JWT-Signature") != "" {
				t.Error("signed without a key")
			}
			continue
		}
		sum := sha256.Sum256([]byte(body))
		digest := "SHA-256=" + base64.StdEncoding.EncodeToString(sum[:])
		token, err := jwt.Parse(r.Header.Get("Agid-JWT-Signature"), func(*jwt.Token) (any, error) { return &signingKey().PublicKey, nil },
			jwt.WithValidMethods([]string{"RS256"}), jwt.WithAudience(s.url), jwt.WithIssuer("client-1"), jwt.WithSubject("client-1"),
			jwt.WithExpirationRequired(), jwt.WithIssuedAt())
		if err != nil {
			t.Fatal(err)
		}
		claims := token.Claims.(jwt.MapClaims)
		wantSigned := []any{map[string]any{"digest": digest}, map[string]any{"content-type": "application/json"}}
		if diff := cmp.Diff(wantSigned, claims["signed_headers"]); diff != "" || r.Header.Get("Digest") != digest ||
			token.Header["kid"] != "kid-1" || claims["jti"] == "" || claims["nbf"] == nil {
			t.Errorf("%s %v %v", diff, token.Header, claims)
		}
	}
}

func TestALegacyRelayIsAskedAsTheContractSays(t *testing.T) {
	s, c := relaying(t, Config{})
	s.priceIs(says(200, legacyPrice))
	for i := range 2 {
		answer, err := c.Price(t.Context(), s.legacy, org, notice)
		if err != nil {
			t.Fatal(err)
		}
		if p := answer.Price; p.TotalPrice != 200 || !p.FreshUntil.IsZero() || !p.NotificationViewDate.IsZero() ||
			!p.RefinementDate.Equal(time.Date(2026, 2, 6, 22, 59, 59, 999e6, time.UTC)) {
			t.Errorf("%+v", p)
		}
		if i == 0 {
			if r, body := <-s.seen, <-s.bodies; r.URL.Path != "/atti/login" || r.Header.Get("Authorization") != "" || body != `{"username":"the-user","password":"the-password"}` {
				t.Errorf("%s %v %s", r.URL, r.Header, body)
			}
		}
		if r, body := <-s.seen, <-s.bodies; r.Method != "POST" || r.URL.Path != "/atti/notification-price" || r.Header.Get("Authorization") != "Bearer token-1" ||
			body != `{"cfEnteCreditore":"`+org+`","importoPosizione":"S","numeroAvviso":"`+notice+`"}` {
			t.Errorf("%s %v %s", r.URL, r.Header, body)
		}
	}
	if s.logins.Load() != 1 {
		t.Errorf("%d logins for two prices", s.logins.Load())
	}
}

func TestWhatARelaySaysIsToldApart(t *testing.T) {
	native := func(members string) string { return `{"nav":"` + notice + `","amountCents":10200` + members + `}` }
	legacy := func(members string) string { return `{"numeroAvviso":"` + notice + `","stato":"200"` + members + `}` }
	const n, l = RelayNative, RelayLegacy
	for _, tt := range []struct {
		name   string
		kind   RelayKind
		status int
		body   string
		want   string // "fee", a NoCostReason or an ErrorKind
		fee    money.Cents
		code   string
	}{
		{"a fee", n, 200, native(`,"notificationFeeCents":1421`), "fee", 1421, ""},
		{"no fee to pay", n, 200, native(`,"notificationFeeCents":0`), "fee", 0, ""},
		{"a fee in quotes", n, 200, native(`,"notificationFeeCents":"1421"`), "fee", 1421, ""},
		{"no fee said", n, 200, native(``), "anomaly", 0, ""},
		{"a null fee", n, 200, native(`,"notificationFeeCents":null`), "anomaly", 0, ""},
		{"a negative fee", n, 200, native(`,"notificationFeeCents":-1`), "anomaly", 0, ""},
		{"a fee in euro", n, 200, native(`,"notificationFeeCents":14.21`), "anomaly", 0, ""},
		{"an absurd fee", n, 200, `{"nav":"` + notice + `","amountCents":99999999,"notificationFeeCents":100001}`, "anomaly", 0, ""},
		{"a fee above the amount that includes it", n, 200, native(`,"notificationFeeCents":10201`), "anomaly", 0, ""},
		{"a date that is none", n, 200, native(`,"notificationFeeCents":1,"notificationDate":"domani"`), "anomaly", 0, ""},
		{"a retention that cannot be read", n, 200, native(`,"notificationFeeCents":1,"retentionDate":"domani"`), "fee", 1, ""},
		{"another notice", n, 200, `{"nav":"302012345678901235","notificationFeeCents":1}`, "anomaly", 0, ""},
		{"no notice", n, 200, `{"notificationFeeCents":1}`, "anomaly", 0, ""},
		{"not JSON", n, 200, `<html>`, "unreadable", 0, ""},
		{"a list", n, 200, `[]`, "unreadable", 0, ""},
		{"a bare 404", n, 404, " ", "NOT_FOUND", 0, ""},
		{"a 404 with the contract's error", n, 404, `{"code":"NOTICE_UNKNOWN","message":"?"}`, "NOT_FOUND", 0, "NOTICE_UNKNOWN"},
		{"a 404 of nobody", n, 404, `<html>nginx</html>`, "anomaly", 0, ""},
		{"a 404 of a framework", n, 404, `{"timestamp":1,"status":404,"error":"Not Found","path":"/x"}`, "anomaly", 0, ""},
		{"code 002", n, 404, `{"code":"002","message":"?"}`, "NOT_FOUND", 0, "002"},
		{"code 003", n, 409, `{"code":"003","message":"?"}`, "NOT_ACCEPTED", 0, "003"},
		{"code 004", n, 422, `{"code":"004","message":"?"}`, "NOT_PAYABLE", 0, "004"},
		{"code 004 with 200", n, 200, `{"code":"004","message":"?"}`, "NOT_PAYABLE", 0, "004"},
		{"code 004 in a failure", n, 500, `{"code":"004","message":"?"}`, "server_error", 0, "004"},
		{"a wrong token", n, 401, ``, "denied", 0, ""},
		{"not allowed", n, 403, `{"code":"004"}`, "denied", 0, "004"},
		{"too many", n, 429, ``, "throttled", 0, ""},
		{"a request timeout", n, 408, ``, "timeout", 0, ""},
		{"a bad request", n, 400, `{"code":"nav","message":"?"}`, "bad_request", 0, "nav"},
		{"a redirect", n, 302, ``, "unreadable", 0, ""},
		{"too much", n, 200, `{"nav":"` + strings.Repeat("x", maxBody) + `"}`, "unreadable", 0, ""},

		{"a fee", l, 200, legacy(`,"speseNotifica":1421,"importoPosizione":5621,"bilancio":[{"capitolo":"1"}],"codice":null`), "fee", 1421, ""},
		{"the IUV for the notice", l, 200, `{"numeroAvviso":"` + notice[1:] + `","speseNotifica":1421}`, "fee", 1421, ""},
		{"an empty code", l, 200, legacy(`,"speseNotifica":1421,"codice":" "`), "fee", 1421, ""},
		{"no fee said", l, 200, legacy(`,"importoPosizione":5621`), "anomaly", 0, ""},
		{"an empty fee", l, 200, legacy(`,"speseNotifica":""`), "anomaly", 0, ""},
		{"a fee above the amount", l, 200, legacy(`,"speseNotifica":200,"importoPosizione":100`), "anomaly", 0, ""},
		{"code 002", l, 200, legacy(`,"codice":"002","dettaglio":"?"`), "NOT_FOUND", 0, "002"},
		{"code 003 wins over a fee", l, 200, legacy(`,"codice":"003","speseNotifica":100`), "NOT_ACCEPTED", 0, "003"},
		{"code 004", l, 200, `{"codice":"004"}`, "NOT_PAYABLE", 0, "004"},
		{"code 002 with the status that means it", l, 404, `{"codice":"002"}`, "NOT_FOUND", 0, "002"},
		{"another code", l, 200, legacy(`,"codice":"001","speseNotifica":1`), "anomaly", 0, "001"},
		{"a code that is a number", l, 200, legacy(`,"codice":4,"speseNotifica":1`), "anomaly", 0, ""},
		{"a bare 404 is a wrong address", l, 404, ``, "anomaly", 0, ""},
		{"a failure", l, 502, `<html>`, "server_error", 0, ""},
		{"too many", l, 429, ``, "throttled", 0, ""},
	} {
		t.Run(string(tt.kind)+": "+tt.name, func(t *testing.T) {
			s, c := relaying(t, Config{})
			s.priceIs(says(tt.status, tt.body))
			cred := s.native
			if tt.kind == l {
				cred = s.legacy
			}
			answer, err := c.Price(t.Context(), cred, org, notice)
			got, code, status := "fee", answer.Exchange.Code, answer.Exchange.Status
			switch {
			case err != nil:
				failure := failureOf(t, err)
				got, code, status = string(failure.Kind), failure.Code, failure.Exchange.Status
			case answer.NoCost != "":
				got = string(answer.NoCost)
			}
			if got != tt.want || answer.Price.TotalPrice != tt.fee || code != tt.code || status != tt.status {
				t.Errorf("%s of %d, code %q, status %d: %v", got, answer.Price.TotalPrice, code, status, err)
			}
		})
	}
}

func TestDatesOfARelay(t *testing.T) {
	at := func(value string) time.Time {
		d, err := time.Parse(time.RFC3339Nano, value)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for raw, want := range map[string]time.Time{
		`null`: {}, `""`: {}, `" "`: {}, ``: {},
		`"2026-02-06T23:59:59.999+01:00"`:       at("2026-02-06T22:59:59.999Z"),
		`"2026-02-06T23:59:59.999999999+01:00"`: at("2026-02-06T22:59:59.999999999Z"),
		`"2026-02-06T22:59:59Z"`:                at("2026-02-06T22:59:59Z"),
		`"2026-02-06T23:59:59.999+0100"`:        at("2026-02-06T22:59:59.999Z"),
		`"2026-02-06T23:59:59+01"`:              at("2026-02-06T22:59:59Z"),
		`"2026-02-06T10:00+01:00"`:              at("2026-02-06T09:00:00Z"),
		`"2026-02-06T10:00:00"`:                 at("2026-02-06T09:00:00Z"),
		`"2026-07-06T10:00:00.5"`:               at("2026-07-06T08:00:00.5Z"),
		`"2026-02-06T10:00"`:                    at("2026-02-06T09:00:00Z"),
		`"2026-02-06 10:00:00"`:                 at("2026-02-06T09:00:00Z"),
		`"2026-02-06"`:                          at("2026-02-06T22:59:59.999999999Z"),
	} {
		if got, err := relayDate(json.RawMessage(raw)); err != nil || !got.Equal(want) {
			t.Errorf("%s: %s %v, want %s", raw, got, err, want)
		}
	}
	for _, raw := range []string{`1770418799999`, `"06/02/2026"`, `"2026-02-30"`, `"2026-02-06T25:00:00"`, `"domani"`, `{}`, `"2026-02-06T10:00:00+23:00"`} {
		if got, err := relayDate(json.RawMessage(raw)); err == nil || !got.IsZero() {
			t.Errorf("%s is read as %s", raw, got)
		}
	}
}

func TestTheDatesOfBothContractsMeanWhatOursDo(t *testing.T) {
	s, c := relaying(t, Config{})
	viewed, refined := time.Date(2026, 2, 6, 10, 0, 0, 0, time.UTC), time.Date(2026, 2, 9, 10, 0, 0, 0, time.UTC)
	s.priceIs(says(200, `{"nav":"`+notice+`","notificationFeeCents":200,"notificationDate":"2026-02-09T10:00:00Z","retentionDate":"2026-03-01T00:00:00Z"}`))
	answer, err := c.Price(t.Context(), s.native, org, notice)
	if p := answer.Price; err != nil || !p.RefinementDate.Equal(refined) || !p.NotificationViewDate.IsZero() || !p.FreshUntil.Equal(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("native: %+v %v", p, err)
	}
	s.priceIs(says(200, `{"numeroAvviso":"`+notice+`","speseNotifica":200,"dataVisualizzazione":"2026-02-06T10:00:00Z","dataPerfezionamentoDecorrenzaTermini":"2026-02-09T10:00:00Z"}`))
	answer, err = c.Price(t.Context(), s.legacy, org, notice)
	if p := answer.Price; err != nil || !p.RefinementDate.Equal(refined) || !p.NotificationViewDate.Equal(viewed) || !p.FreshUntil.IsZero() {
		t.Errorf("legacy: %+v %v", p, err)
	}
}

func TestARelayIsNotAskedWhereItsAddressWouldLeakTheToken(t *testing.T) {
	s, c := relaying(t, Config{})
	for _, bad := range []string{"http://atti.example", "ftp://127.0.0.1", "", s.url + "?x=1", s.url + "/amount-update", s.url + "/login/"} {
		for _, cred := range []*Credential{s.native, s.legacy} {
			relay := *cred.Relay
			relay.URL = bad
			_, err := c.Price(t.Context(), &Credential{OrganizationFiscalCode: org, Relay: &relay}, org, notice)
			if failure := wantKind(t, err, KindBadRequest); failure.Exchange.Asked() {
				t.Errorf("%q was asked", bad)
			}
		}
	}
	stolen := s.native.Relay
	s.priceIs(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, s.url+"/elsewhere", http.StatusPermanentRedirect)
	})
	_, err := c.Price(t.Context(), s.native, org, notice)
	wantKind(t, err, KindUnreadable)
	if s.prices.Load() != 1 {
		t.Errorf("the redirect was followed with %s", stolen.Kind)
	}
}

func TestARelaysFailureSaysNothingOfItsSecrets(t *testing.T) {
	s, c := relaying(t, Config{})
	s.loginIs(says(200, `{"esito":"KO","descrizioneErrore":"the-password of Mario Rossi is wrong"}`))
	_, err := c.Price(t.Context(), s.legacy, org, notice)
	if failure := wantKind(t, err, KindDenied); strings.Contains(failure.Error(), "the-password") || strings.Contains(failure.Error(), "Rossi") || failure.Status != 200 {
		t.Errorf("%v", err)
	}
	if s.prices.Load() != 0 {
		t.Error("asked without a token")
	}
}

// Whatever a relay says, the fee is within bounds and stands in the body, and
// the answer can be stored.
func FuzzReadRelay(f *testing.F) {
	for _, body := range []string{
		nativePrice, legacyPrice, `{"code":"004"}`, `{"codice":"002"}`, `{}`, ``, `[`, `{"nav":"` + notice + `","notificationFeeCents":"9223372036854775808"}`,
		`{"nav":"` + notice + `","notificationFeeCents":1,"notificationDate":"9999-12-31","retentionDate":"0000-01-01T00:00:00+14:00"}`,
	} {
		for _, status := range []int{200, 404, 422, 500} {
			f.Add(status, []byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		for _, read := range []func(int, []byte) (Answer, *Error){readNative(notice), readLegacy(notice)} {
			answer, failure := read(status, body)
			switch {
			case failure != nil:
				if answer != (Answer{}) || strings.ContainsAny(failure.Code, " \r\n<>\"") {
					t.Fatalf("%+v %v", answer, failure)
				}
			case answer.NoCost != "":
			case status != 200:
				t.Fatalf("a price from HTTP %d", status)
			default:
				p := answer.Price
				if p.TotalPrice < 0 || p.TotalPrice > MaxPrice || !strings.Contains(string(body), fmt.Sprint(int64(p.TotalPrice))) {
					t.Fatalf("a fee of %d", p.TotalPrice)
				}
				if _, err := json.Marshal(answer); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}
