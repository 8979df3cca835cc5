package rest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/attualizza/attualizza/internal/modi"
)

const (
	issuerName   = "interop.example"
	ourAudience  = "https://ente.example/attualizza"
	pdndClient   = "9b361d49-33f4-4f1e-a88b-4e12661f2309"
	boundNav     = "301000000000000177" // published, SEND-bound, 120.00
	boundBody    = `{"orgFiscalCode":"` + ente + `","nav":"` + boundNav + `"}`
	legacyBody   = `{"cfEnteCreditore":"` + ente + `","importoPosizione":"S","numeroAvviso":"` + boundNav + `"}`
	viewedPrice  = `{"iun":"ABCD-EFGH-ILMN-202611-A-1","totalPrice":710,"notificationViewDate":"2026-02-06T23:59:59.999999999+01:00","refinementDate":"2026-02-20T23:59:59.999999999+01:00"}`
	pendingPrice = `{"iun":"ABCD-EFGH-ILMN-202611-A-1","totalPrice":710,"refinementDate":"2099-02-20T23:59:59.999999999+01:00"}`
)

var (
	pdndKey   = sync.OnceValue(newRSAKey)
	systemKey = sync.OnceValue(newRSAKey)
	otherKey  = sync.OnceValue(newRSAKey)
	curveKey  = sync.OnceValue(func() *ecdsa.PrivateKey {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			panic(err)
		}
		return key
	})
)

func newRSAKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
}

func jwkJSON(id string, key crypto.PublicKey) string {
	b64 := base64.RawURLEncoding.EncodeToString
	switch k := key.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf(`{"kty":"RSA","kid":%q,"use":"sig","n":%q,"e":%q}`, id, b64(k.N.Bytes()), b64(big.NewInt(int64(k.E)).Bytes()))
	case *ecdsa.PublicKey:
		point, err := k.Bytes()
		if err != nil {
			panic(err)
		}
		return fmt.Sprintf(`{"kty":"EC","crv":"P-256","kid":%q,"x":%q,"y":%q}`, id, b64(point[1:33]), b64(point[33:]))
	}
	panic("no such key")
}

// platform is a house that PDND and callers who sign are known to: key "signer"
// with a secret, and key id "client" for the PDND client.
type platform struct {
	*house
	ids  map[string]string
	jwks atomic.Value // http.HandlerFunc
}

func openPlatform(t *testing.T, adjust ...func(*Config)) *platform {
	t.Helper()
	p := &platform{ids: map[string]string{}}
	p.jwks.Store(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"keys":[` + jwkJSON("pdnd-1", &pdndKey().PublicKey) + `]}`))
	}))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.jwks.Load().(http.HandlerFunc)(w, r) }))
	t.Cleanup(server.Close)
	p.house = openHouse(t, append([]func(*Config){func(c *Config) {
		vouchers := modi.NewVouchers(modi.VoucherConfig{Issuer: issuerName, KeysURL: server.URL, Audience: ourAudience, Now: c.Now, Logger: c.Logger})
		t.Cleanup(vouchers.Close)
		c.Vouchers, c.Audience = vouchers, ourAudience
	}}, adjust...)...).furnish(t)
	p.want(t, 201, call{method: "POST", path: base + "/debtpositions?toPublish=true", key: "writer", body: positionJSON("P-1", boundNav[1:])})
	p.issue(t, "signer", ente, `{"name":"firma","role":"READER","signatureKeys":[`+jwkJSON("s-1", &systemKey().PublicKey)+`,`+jwkJSON("s-2", &curveKey().PublicKey)+`]}`)
	p.issue(t, "client", ente, `{"name":"piattaforma","role":"READER","pdndClientId":"`+pdndClient+`","signatureKeys":{"keys":[`+jwkJSON("s-1", &systemKey().PublicKey)+`]}}`)
	return p
}

func (p *platform) issue(t *testing.T, name, organization, body string) {
	t.Helper()
	a := p.want(t, 201, call{method: "POST", path: "/v1/organizations/" + organization + "/api-keys", key: "admin", body: body})
	p.ids[name] = a.text(t, "id")
	if key, ok := a.json(t)["key"].(string); ok {
		p.keys[name] = key
	}
}

type jws struct {
	method jwt.SigningMethod
	key    any
	header map[string]any
	claims jwt.MapClaims
}

func (j *jws) text() string {
	token := jwt.NewWithClaims(j.method, j.claims)
	for name, value := range j.header {
		token.Header[name] = value
	}
	text, err := token.SignedString(j.key)
	if err != nil {
		panic(err)
	}
	return text
}

// voucher is one as PDND issues them to our client, then changed.
func (p *platform) voucher(change func(*jws)) string {
	now := p.now()
	j := &jws{jwt.SigningMethodRS256, pdndKey(), map[string]any{"typ": "at+jwt", "kid": "pdnd-1"}, jwt.MapClaims{
		"iss": issuerName, "aud": ourAudience, "sub": pdndClient, "client_id": pdndClient, "jti": rand.Text(),
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(10 * time.Minute).Unix(),
	}}
	if change != nil {
		change(j)
	}
	return j.text()
}

func digestOf(body string) string {
	sum := sha256.Sum256([]byte(body))
	return "SHA-256=" + base64.StdEncoding.EncodeToString(sum[:])
}

// signed makes the headers of a request with a signature of issuer's, then
// changed, beside a bearer credential.
func (h *house) signed(bearer, issuer, body string, change func(*jws)) http.Header {
	now := h.now()
	j := &jws{jwt.SigningMethodRS256, systemKey(), map[string]any{"kid": "s-1"}, jwt.MapClaims{
		"iss": issuer, "aud": ourAudience, "jti": rand.Text(), "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Minute).Unix(),
		"signed_headers": []map[string]string{{"digest": digestOf(body)}, {"content-type": "application/json"}},
	}}
	if change != nil {
		change(j)
	}
	return http.Header{"Authorization": {"Bearer " + bearer}, "Digest": {digestOf(body)}, "Agid-Jwt-Signature": {j.text()}}
}

// ask calls /amount-update with a key that may sign.
func (p *platform) ask(body string) call {
	return call{method: "POST", path: "/amount-update", body: body, header: p.signed(p.keys["signer"], p.ids["signer"], body, nil)}
}

// legacy calls /notification-price.
func legacy(bearer, body string) call {
	return call{method: "POST", path: "/notification-price", body: body, header: http.Header{"Authorization": {"Bearer " + bearer}}}
}

// instant reads a member that is a date.
func (a answer) instant(t *testing.T, member string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, a.text(t, member))
	must(t, err)
	return at
}

func (a answer) wantMembers(t *testing.T, want map[string]any) {
	t.Helper()
	got := a.json(t)
	for name, value := range want {
		if fmt.Sprint(got[name]) != fmt.Sprint(value) {
			t.Errorf("%s is %v, want %v: %s", name, got[name], value, a.body)
		}
	}
}

func near(got, want time.Time) bool { return got.Sub(want).Abs() < 5*time.Second }

func TestRegisteringAClientOfPDND(t *testing.T) {
	p := openPlatform(t)
	key := func(body string) call {
		return call{method: "POST", path: base + "/api-keys", key: "admin", body: body, lenient: true}
	}
	good := jwkJSON("k", &systemKey().PublicKey)
	var six []string
	for n := range 6 {
		six = append(six, strings.Replace(good, `"k"`, fmt.Sprintf(`"k%d"`, n), 1))
	}
	private := strings.Replace(good, `"kty"`, `"d":"AQAB","kty"`, 1)
	p.play(t, []scenario{
		{"a client gets an id and no key", key(`{"name":"a","role":"WRITER","pdndClientId":"another"}`), 201, []string{`"id"`}, []string{`"key"`}},
		{"a client is registered once", key(`{"name":"a","role":"READER","pdndClientId":"` + pdndClient + `"}`), 409, []string{pdndClient}, nil},
		{"also from another organization", call{method: "POST", path: "/v1/organizations/" + other + "/api-keys", key: "admin", body: `{"name":"a","role":"READER","pdndClientId":"` + pdndClient + `"}`}, 409, nil, []string{ente}},
		{"a key with a secret may sign too", key(`{"name":"a","role":"READER","signatureKeys":[` + good + `]}`), 201, []string{`"key"`}, nil},
		{"an empty list is none", key(`{"name":"a","role":"READER","signatureKeys":[]}`), 201, nil, nil},
		{"a private key is refused, and not quoted", key(`{"name":"a","role":"READER","signatureKeys":[` + private + `]}`), 400, []string{`"/signatureKeys/0"`, "private"}, []string{"AQAB"}},
		{"each key has a kid of its own", key(`{"name":"a","role":"READER","signatureKeys":{"keys":[` + good + `,` + good + `]}}`), 400, []string{`"/signatureKeys/keys/1"`, "kid"}, nil},
		{"five are enough", key(`{"name":"a","role":"READER","signatureKeys":[` + strings.Join(six, ",") + `]}`), 400, []string{`"/signatureKeys"`, "5"}, nil},
		{"keys are JWKs", key(`{"name":"a","role":"READER","signatureKeys":["-----BEGIN PUBLIC KEY-----"]}`), 400, []string{`"/signatureKeys/0"`, "JWK"}, nil},
		{"in a list or a set", key(`{"name":"a","role":"READER","signatureKeys":"x"}`), 400, []string{`"/signatureKeys"`, "JWK set"}, nil},
		{"a set has keys", key(`{"name":"a","role":"READER","signatureKeys":{}}`), 400, []string{`"/signatureKeys"`}, nil},
		{"everything wrong is told at once", key(`{"role":"READER","pdndClientId":"` + strings.Repeat("x", 201) + `","signatureKeys":[1],"segregationCodes":["x"]}`), 400, []string{`"/name"`, `"/pdndClientId"`, `"/signatureKeys/0"`, `"/segregationCodes/0"`}, nil},
		{"keys are listed without what they are made of", call{method: "GET", path: base + "/api-keys?limit=50", key: "admin"}, 200, []string{`"pdndClientId":"` + pdndClient + `"`, `"signatureKeyIds":["s-1","s-2"]`}, []string{`"n"`, `"der"`}},
	})
	bare := openHouse(t, func(c *Config) { c.Audience = "" }).furnish(t)
	bare.play(t, []scenario{
		{"without PDND configured a client could never come in", key(`{"name":"a","role":"READER","pdndClientId":"x"}`), 422, []string{`"/pdndClientId"`, "ATTUALIZZA_PDND_ISSUER"}, nil},
		{"without an audience no signature could be judged", key(`{"name":"a","role":"READER","signatureKeys":[` + good + `]}`), 422, []string{`"/signatureKeys"`, "ATTUALIZZA_PDND_TOKEN_AUDIENCE"}, nil},
		{"a token is refused then", call{method: "GET", path: base + "/debtpositions/P-1", key: p.voucher(nil)}, 401, []string{"no tokens of PDND"}, nil},
	})
}

func TestVouchersOpenWhatTheirClientMayDo(t *testing.T) {
	p := openPlatform(t)
	bearer := func(method, path, body string, change func(*jws)) call {
		return call{method: method, path: path, body: body, header: http.Header{"Authorization": {"Bearer " + p.voucher(change)}}}
	}
	position := base + "/debtpositions/P-1"
	p.want(t, 200, bearer("GET", position, "", nil))
	if a := p.want(t, 200, call{method: "GET", path: base + "/api-keys?limit=50", key: "admin"}); !strings.Contains(string(a.body), `"lastUsedAt"`) {
		t.Errorf("the use is not recorded: %s", a.body)
	}
	p.want(t, 403, bearer("POST", position+"/invalidate", "", nil))                // a READER
	p.want(t, 404, bearer("GET", "/v1/organizations/"+other+"/receipts", "", nil)) // another's
	p.want(t, 403, bearer("GET", base, "", nil))                                   // the operator's

	public, err := json.Marshal(pdndKey().PublicKey.N)
	must(t, err)
	for name, c := range map[string]struct {
		change func(*jws)
		says   string
	}{
		"expired":            {func(j *jws) { j.claims["exp"] = p.now().Add(-time.Minute).Unix() }, "expired"},
		"for somebody else":  {func(j *jws) { j.claims["aud"] = "https://other.example" }, "audience"},
		"of somebody else":   {func(j *jws) { j.claims["iss"] = "evil.example" }, "issuer"},
		"forged":             {func(j *jws) { j.key = otherKey() }, "not signed"},
		"of alg none":        {func(j *jws) { j.method, j.key = jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType }, "not signed"},
		"of the public key":  {func(j *jws) { j.method, j.key = jwt.SigningMethodHS256, public }, "not signed"},
		"of a made-up kid":   {func(j *jws) { j.header["kid"] = "x" }, "publish"},
		"of a stranger":      {func(j *jws) { j.claims["sub"], j.claims["client_id"] = "stranger", "stranger" }, "not registered"},
		"that is no voucher": {func(j *jws) { j.header["typ"] = "JWT" }, "typ"},
	} {
		a := p.want(t, 401, bearer("GET", position, "", c.change))
		if !strings.Contains(string(a.body), c.says) || a.header.Get("WWW-Authenticate") == "" {
			t.Errorf("a voucher %s: %s", name, a.body)
		}
	}
	p.want(t, 401, call{method: "GET", path: position, header: http.Header{"Authorization": {"Bearer " + p.voucher(nil)}, "X-Api-Key": {p.keys["reader"]}}})

	p.want(t, 204, call{method: "DELETE", path: base + "/api-keys/" + p.ids["client"], key: "admin"})
	p.want(t, 401, bearer("GET", position, "", nil))
	p.issue(t, "client", ente, `{"name":"di nuovo","role":"WRITER","pdndClientId":"`+pdndClient+`","segregationCodes":["02"]}`)
	p.want(t, 404, bearer("GET", position, "", nil)) // outside of its segregation codes
	p.want(t, 201, bearer("POST", base+"/debtpositions", positionJSON("P-2", "02000000000000178"), nil))
}

func TestVouchersWhileTheKeysOfPDNDChangeOrAreGone(t *testing.T) {
	p := openPlatform(t)
	keys := p.jwks.Load()
	hang := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	get := func(change func(*jws)) answer {
		return p.do(t, call{method: "GET", path: base + "/debtpositions/P-1", header: http.Header{"Authorization": {"Bearer " + p.voucher(change)}}})
	}
	p.jwks.Store(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }))
	if a := get(nil); a.status != 503 || a.header.Get("Retry-After") == "" {
		t.Errorf("keys that were never had: %d %s", a.status, a.body)
	}
	p.jwks.Store(keys)
	p.clock.Add(int64(time.Minute))
	if a := get(nil); a.status != 200 {
		t.Fatalf("keys that are back: %d %s", a.status, a.body)
	}
	p.jwks.Store(hang)
	p.clock.Add(int64(time.Hour))
	if a := get(nil); a.status != 200 {
		t.Errorf("keys that hang: %d %s", a.status, a.body)
	}
	p.jwks.Store(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"keys":[` + jwkJSON("pdnd-2", &otherKey().PublicKey) + `]}`))
	}))
	rotated := func(j *jws) { j.key, j.header["kid"] = otherKey(), "pdnd-2" }
	status := 0
	for range 40 { // until the fetch that hangs has ended by itself
		p.clock.Add(int64(11 * time.Second))
		if status = get(rotated).status; status == 200 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if status != 200 {
		t.Errorf("rotated keys: %d", status)
	}
	if status := get(nil).status; status != 401 {
		t.Errorf("the key before the rotation: %d", status)
	}
}

func TestVouchersThatAreGuessedCount(t *testing.T) {
	began := time.Now()
	p := openPlatform(t, func(c *Config) {
		c.RateLimit = 20
		c.Now = func() time.Time { return began }
	})
	for n := range 25 {
		want := 401
		if n >= 20 {
			want = 429
		}
		a := p.do(t, call{method: "GET", path: base + "/debtpositions/P-1", header: http.Header{"Authorization": {"Bearer " + p.voucher(func(j *jws) { j.key = otherKey() })}}})
		if a.status != want {
			t.Fatalf("guess %d: %d, want %d: %s", n+1, a.status, want, a.body)
		}
	}
	a := p.want(t, 429, legacy("x", legacyBody))
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

func TestFacadesLogNothingOfTheirCallers(t *testing.T) {
	p := openPlatform(t)
	voucher := p.voucher(nil)
	p.want(t, 200, call{method: "POST", path: "/amount-update", body: boundBody, header: p.signed(voucher, pdndClient, boundBody, nil)})
	p.want(t, 200, p.ask(boundBody))
	secret := strings.Split(p.keys["reader"], ".")
	token := p.want(t, 200, call{method: "POST", path: "/login", body: `{"username":"` + secret[0] + `","password":"` + secret[1] + `"}`}).text(t, "token")
	p.want(t, 200, legacy(token, legacyBody))
	p.want(t, 200, call{method: "POST", path: "/login", body: `{"username":"` + secret[0] + `","password":"sbagliata"}`})
	p.want(t, 401, legacy("sbagliata", legacyBody))
	log := p.log.String()
	for _, unwanted := range []string{voucher, strings.Split(voucher, ".")[1], secret[1], token, "sbagliata", "VRDLCU", "Verdi"} {
		if strings.Contains(log, unwanted) {
			t.Errorf("the log holds %s", unwanted)
		}
	}
	for _, want := range []string{`"route":"/amount-update"`, `"route":"/login"`, `"route":"/notification-price"`, `"key":"` + p.ids["client"] + `"`, `"client":"` + pdndClient + `"`} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %s", want)
		}
	}
}
