package sandbox

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"maps"
	"math/big"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	clientID   = "6c1a0c3e-client"
	purposeID  = "91d0-purpose"
	keyID      = "kid-1"
	voucherKey = "key-with-voucher"
	price      = "/delivery/v2.3/price/" + creditor + "/302300100000019421"
)

// Generating RSA keys is slow: tests share these.
var (
	ourKey   = sync.OnceValue(newKey)
	otherKey = sync.OnceValue(newKey)
)

func newKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
}

// access registers a PDND client and a key that wants its vouchers.
func (b *bench) access() {
	b.t.Helper()
	b.must(b.RegisterClient(Client{ID: clientID, Purposes: []string{purposeID}, Keys: map[string]*rsa.PublicKey{keyID: &ourKey().PublicKey}}))
	b.must(b.RegisterKey(APIKey{Name: "pdnd", Value: voucherKey, SenderTaxID: sender}))
}

// assertion is a client assertion before it is signed.
type assertion struct {
	header map[string]any
	claims jwt.MapClaims
	key    any
	method jwt.SigningMethod
}

func (b *bench) assertion() *assertion {
	return &assertion{
		header: map[string]any{"kid": keyID, "typ": "JWT"},
		claims: jwt.MapClaims{
			"iss": clientID, "sub": clientID, "aud": "auth.uat.interop.pagopa.it/client-assertion", "purposeId": purposeID,
			"jti": rand.Text(), "iat": b.clock.now.Unix(), "exp": b.clock.now.Add(10 * time.Minute).Unix(),
		},
		key: ourKey(), method: jwt.SigningMethodRS256,
	}
}

func (a *assertion) form(t *testing.T) url.Values {
	t.Helper()
	token := jwt.NewWithClaims(a.method, a.claims)
	maps.Copy(token.Header, a.header)
	signed, err := token.SignedString(a.key)
	if err != nil {
		t.Fatal(err)
	}
	return url.Values{
		"client_id": {clientID}, "client_assertion": {signed}, "grant_type": {"client_credentials"},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	}
}

func (b *bench) token(form url.Values) response {
	b.t.Helper()
	return b.send("POST", "/token.oauth2", map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, form.Encode())
}

func (b *bench) askAs(key, voucher string) response {
	b.t.Helper()
	header := map[string]string{}
	if key != "" {
		header["X-Api-Key"] = key
	}
	if voucher != "" {
		header["Authorization"] = voucher
	}
	return b.send("GET", price, header, "")
}

const deny = `{"Message":"User is not authorized to access this resource with an explicit deny"}`

func TestAVoucherOpensAKeyThatRequiresIt(t *testing.T) {
	b := newBench(t, Options{})
	b.access()
	got := b.token(b.assertion().form(t))
	var body tokenResponse
	b.must(json.Unmarshal([]byte(got.body), &body))
	if got.status != 200 || body.ExpiresIn != 600 || body.TokenType != "Bearer" {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if r := b.askAs(voucherKey, "Bearer "+body.AccessToken); r.status != 404 {
		t.Errorf("%d %s", r.status, r.body)
	}
	// Verified as a stranger would, with the published key set.
	var set struct{ Keys []struct{ Kid, N, E string } }
	b.must(json.Unmarshal([]byte(b.send("GET", "/.well-known/jwks.json", nil, "").body), &set))
	n, err := base64.RawURLEncoding.DecodeString(set.Keys[0].N)
	b.must(err)
	e, err := base64.RawURLEncoding.DecodeString(set.Keys[0].E)
	b.must(err)
	public := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
	parsed, err := jwt.Parse(body.AccessToken, func(*jwt.Token) (any, error) { return public, nil }, jwt.WithTimeFunc(b.clock.Now))
	b.must(err)
	claims := parsed.Claims.(jwt.MapClaims)
	if parsed.Header["typ"] != "at+jwt" || parsed.Header["kid"] != set.Keys[0].Kid || claims["client_id"] != clientID ||
		claims["purposeId"] != purposeID || claims["iss"] != "uat.interop.pagopa.it" || claims["exp"].(float64)-claims["iat"].(float64) != 600 {
		t.Errorf("%v %v", parsed.Header, claims)
	}
	b.clock.now = b.clock.now.Add(10 * time.Minute)
	if r := b.askAs(voucherKey, "Bearer "+body.AccessToken); r.status != 403 || r.body != deny {
		t.Errorf("expired: %d %s", r.status, r.body)
	}
}

func TestTheAuthorizerDenies(t *testing.T) {
	b := newBench(t, Options{DenialMemory: -1})
	b.access()
	b.must(b.RegisterKey(APIKey{Name: "blocked", Value: "blocked", SenderTaxID: sender, PDND: VoucherForbidden, Blocked: true}))
	good, err := b.IssueVoucher(clientID, purposeID, time.Minute)
	b.must(err)
	expired, err := b.IssueVoucher(clientID, purposeID, -time.Second)
	b.must(err)
	stranger := New(Options{Clock: b.clock.Now})
	foreign, err := stranger.IssueVoucher(clientID, purposeID, time.Minute)
	b.must(err)
	sign := func(change func(header map[string]any, claims jwt.MapClaims)) string {
		key, kid, err := b.pdnd.signer()
		b.must(err)
		token := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{
			"iss": "uat.interop.pagopa.it", "aud": DefaultVoucherAudience, "exp": b.clock.now.Add(time.Minute).Unix(),
		})
		token.Header["typ"], token.Header["kid"] = "at+jwt", kid
		change(token.Header, token.Claims.(jwt.MapClaims))
		signed, err := token.SignedString(key)
		b.must(err)
		return "Bearer " + signed
	}
	for _, c := range []struct {
		name, key, voucher string
		status             int
	}{
		{"no key", "", "Bearer " + good, 401},
		{"unknown key", "nobody's", "", 403},
		{"blocked key", "blocked", "", 403},
		{"a voucher with a key that forbids it", plainKey, "Bearer " + good, 403},
		{"no voucher with a key that requires it", voucherKey, "", 403},
		{"an expired voucher", voucherKey, "Bearer " + expired, 403},
		{"another issuer's signature", voucherKey, "Bearer " + foreign, 403},
		{"another scheme", voucherKey, "DPoP " + good, 403},
		{"a lower-case scheme", voucherKey, "bearer " + good, 403},
		{"not a token", voucherKey, "Bearer x", 403},
		{"typ JWT", voucherKey, sign(func(h map[string]any, _ jwt.MapClaims) { h["typ"] = "JWT" }), 403},
		{"typ dpop+jwt", voucherKey, sign(func(h map[string]any, _ jwt.MapClaims) { h["typ"] = "dpop+jwt" }), 403},
		{"another issuer", voucherKey, sign(func(_ map[string]any, c jwt.MapClaims) { c["iss"] = "interop.pagopa.it" }), 403},
		{"another audience", voucherKey, sign(func(_ map[string]any, c jwt.MapClaims) { c["aud"] = "elsewhere" }), 403},
		{"no expiry", voucherKey, sign(func(_ map[string]any, c jwt.MapClaims) { delete(c, "exp") }), 403},
		{"a good voucher", voucherKey, "Bearer " + good, 404},
		{"a good key", plainKey, "", 404},
	} {
		r := b.askAs(c.key, c.voucher)
		if r.status != c.status || c.status == 403 && r.body != deny || c.status == 401 && r.body != `{"message":"Unauthorized"}` {
			t.Errorf("%s: got %d %s, want %d", c.name, r.status, r.body, c.status)
		}
	}
}

func TestADenialSticksToTheKeyForAMinute(t *testing.T) {
	b := newBench(t, Options{})
	b.access()
	good, err := b.IssueVoucher(clientID, purposeID, 10*time.Minute)
	b.must(err)
	for _, step := range []struct {
		after   time.Duration
		voucher string
		status  int
	}{
		{0, "Bearer " + good, 404},
		{0, "Bearer stale", 403},
		{0, "Bearer " + good, 403},
		{59 * time.Second, "Bearer " + good, 403},
		{time.Second, "Bearer " + good, 404},
	} {
		b.clock.now = b.clock.now.Add(step.after)
		if r := b.askAs(voucherKey, step.voucher); r.status != step.status {
			t.Errorf("%+v: got %d", step, r.status)
		}
		if r := b.askAs(plainKey, ""); r.status != 404 {
			t.Errorf("another key was denied: %d", r.status)
		}
	}
	b.askAs("new", "")
	b.must(b.RegisterKey(APIKey{Name: "new", Value: "new", SenderTaxID: sender, PDND: VoucherForbidden}))
	if r := b.askAs("new", ""); r.status != 403 {
		t.Errorf("registering a key forgot the denial: %d", r.status)
	}
	b.ForgetDenials()
	if r := b.askAs("new", ""); r.status != 404 {
		t.Errorf("got %d", r.status)
	}
}

func TestUnknownKeysMayBeWelcome(t *testing.T) {
	b := newBench(t, Options{UnknownKeys: VoucherForbidden})
	if r := b.askAs("whatever", ""); r.status != 404 {
		t.Errorf("got %d", r.status)
	}
	if r := b.askAs("", ""); r.status != 401 {
		t.Errorf("without any key: got %d", r.status)
	}
	strict := newBench(t, Options{UnknownKeys: VoucherRequired})
	if r := strict.askAs("whatever", ""); r.status != 403 {
		t.Errorf("without a voucher: got %d", r.status)
	}
}

func TestAWrongAssertionGetsNoVoucher(t *testing.T) {
	b := newBench(t, Options{})
	b.access()
	at := func(d time.Duration) int64 { return b.clock.now.Add(d).Unix() }
	for name, spoil := range map[string]func(*assertion){
		"HS256 with the public key as secret": func(a *assertion) {
			a.method, a.key = jwt.SigningMethodHS256, x509.MarshalPKCS1PublicKey(&ourKey().PublicKey)
		},
		"no signature":        func(a *assertion) { a.method, a.key = jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType },
		"RS512":               func(a *assertion) { a.method = jwt.SigningMethodRS512 },
		"PS256":               func(a *assertion) { a.method = jwt.SigningMethodPS256 },
		"another key":         func(a *assertion) { a.key = otherKey() },
		"unknown kid":         func(a *assertion) { a.header["kid"] = "kid-2" },
		"no kid":              func(a *assertion) { delete(a.header, "kid") },
		"typ at+jwt":          func(a *assertion) { a.header["typ"] = "at+jwt" },
		"another issuer":      func(a *assertion) { a.claims["iss"] = "someone" },
		"another subject":     func(a *assertion) { a.claims["sub"] = "someone" },
		"no subject":          func(a *assertion) { delete(a.claims, "sub") },
		"production audience": func(a *assertion) { a.claims["aud"] = "auth.interop.pagopa.it/client-assertion" },
		"no audience":         func(a *assertion) { delete(a.claims, "aud") },
		"another purpose":     func(a *assertion) { a.claims["purposeId"] = "other" },
		"no purpose":          func(a *assertion) { delete(a.claims, "purposeId") },
		"no jti":              func(a *assertion) { delete(a.claims, "jti") },
		"no iat":              func(a *assertion) { delete(a.claims, "iat") },
		"no exp":              func(a *assertion) { delete(a.claims, "exp") },
		"expired":             func(a *assertion) { a.claims["iat"], a.claims["exp"] = at(-time.Hour), at(0) },
		"issued in a minute":  func(a *assertion) { a.claims["iat"] = at(time.Minute) },
		"not yet valid":       func(a *assertion) { a.claims["nbf"] = at(time.Minute) },
		"exp before iat":      func(a *assertion) { a.claims["iat"], a.claims["exp"] = at(0), at(0) },
		"milliseconds for s":  func(a *assertion) { a.claims["iat"] = b.clock.now.UnixMilli() },
	} {
		a := b.assertion()
		spoil(a)
		if r := b.token(a.form(t)); r.status != 401 || !strings.Contains(r.body, `"error":"invalid_client"`) {
			t.Errorf("%s: got %d %s", name, r.status, r.body)
		}
	}
	again := b.assertion().form(t)
	if r := b.token(again); r.status != 200 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if r := b.token(again); r.status != 401 || !strings.Contains(r.body, "jti") {
		t.Errorf("used twice: got %d %s", r.status, r.body)
	}
}

func TestAWrongTokenRequestIsRefused(t *testing.T) {
	b := newBench(t, Options{})
	b.access()
	for name, c := range map[string]struct {
		spoil  func(url.Values)
		status int
		code   string
	}{
		"no client":         {func(v url.Values) { v.Del("client_id") }, 400, "invalid_request"},
		"unknown client":    {func(v url.Values) { v.Set("client_id", "other") }, 401, "invalid_client"},
		"no assertion":      {func(v url.Values) { v.Del("client_assertion") }, 400, "invalid_request"},
		"two assertions":    {func(v url.Values) { v.Add("client_assertion", "x") }, 400, "invalid_request"},
		"garbage":           {func(v url.Values) { v.Set("client_assertion", "x.y.z") }, 401, "invalid_client"},
		"another grant":     {func(v url.Values) { v.Set("grant_type", "password") }, 400, "unsupported_grant_type"},
		"another assertion": {func(v url.Values) { v.Set("client_assertion_type", "saml") }, 400, "invalid_request"},
		"a body too large":  {func(v url.Values) { v.Set("x", strings.Repeat("x", 20_000)) }, 400, "invalid_request"},
	} {
		form := b.assertion().form(t)
		c.spoil(form)
		if r := b.token(form); r.status != c.status || !strings.Contains(r.body, `"error":"`+c.code+`"`) {
			t.Errorf("%s: got %d %s", name, r.status, r.body)
		}
	}
	if r := b.send("POST", "/token.oauth2", map[string]string{"Content-Type": "application/json"}, "{}"); r.status != 400 {
		t.Errorf("JSON: got %d", r.status)
	}
}

func TestTheMemoryOfAssertionsIsBounded(t *testing.T) {
	var p pdnd
	p.init(Options{})
	now := time.Now()
	for i := range maxAssertions + 10 {
		if !p.spend(fmt.Sprint(i), now.Add(time.Hour), now) {
			t.Fatalf("%d is new", i)
		}
	}
	if len(p.spent) != maxAssertions || len(p.oldest) != maxAssertions {
		t.Errorf("%d and %d remembered", len(p.spent), len(p.oldest))
	}
	if p.spend(fmt.Sprint(maxAssertions), now.Add(time.Hour), now) {
		t.Error("a recent assertion was forgotten")
	}
	if !p.spend("later", now.Add(3*time.Hour), now.Add(2*time.Hour)) || len(p.spent) != 1 {
		t.Errorf("%d remembered after all expired", len(p.spent))
	}
}

func TestSecretsAreNeverShown(t *testing.T) {
	var log strings.Builder
	b := newBench(t, Options{Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	b.access()
	form := b.assertion().form(t)
	b.token(form)
	b.token(form)
	voucher, err := b.IssueVoucher(clientID, purposeID, -time.Minute)
	b.must(err)
	b.askAs(voucherKey, "Bearer "+voucher)
	b.askAs(voucherKey, "Bearer "+voucher)
	b.askAs("an-unknown-key", "")
	shown := log.String() + b.send("GET", "/sandbox/requests", nil, "").body + b.send("GET", "/sandbox/api-keys", nil, "").body
	for _, secret := range []string{voucher, form.Get("client_assertion"), voucherKey, plainKey, "an-unknown-key"} {
		if strings.Contains(shown, secret) {
			t.Errorf("%.12s… is shown", secret)
		}
	}
	if !strings.Contains(shown, "token is expired") || !strings.Contains(shown, `"apiKey":"pdnd"`) {
		t.Errorf("the log does not say why:\n%s", shown)
	}
}

func TestPublicKeysArePEM(t *testing.T) {
	der, err := x509.MarshalPKIXPublicKey(&ourKey().PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	if key, err := ParsePublicKey(text); err != nil || !key.Equal(&ourKey().PublicKey) {
		t.Errorf("%v", err)
	}
	for _, text := range []string{"", "x", string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")}))} {
		if _, err := ParsePublicKey(text); err == nil {
			t.Errorf("%q is no key", text)
		}
	}
}
