package modi

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Keys are made once: RSA takes a while.
var (
	first  = sync.OnceValue(func() *rsa.PrivateKey { return newRSA(2048) })
	second = sync.OnceValue(func() *rsa.PrivateKey { return newRSA(2048) })
	short  = sync.OnceValue(func() *rsa.PrivateKey { return newRSA(1024) })
	curve  = sync.OnceValue(func() *ecdsa.PrivateKey { return newEC(elliptic.P256()) })
	longer = sync.OnceValue(func() *ecdsa.PrivateKey { return newEC(elliptic.P384()) })
)

func newRSA(bits int) *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return key
}

func newEC(c elliptic.Curve) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

type member = map[string]any

// jwkOf writes a JWK by hand, so that the parser is not tested by its own writer.
func jwkOf(id string, key crypto.PublicKey, more ...member) member {
	var m member
	switch k := key.(type) {
	case *rsa.PublicKey:
		m = member{"kty": "RSA", "n": b64(k.N.Bytes()), "e": b64(big.NewInt(int64(k.E)).Bytes())}
	case *ecdsa.PublicKey:
		point, err := k.Bytes()
		if err != nil {
			panic(err)
		}
		half := (len(point) - 1) / 2
		m = member{"kty": "EC", "crv": k.Params().Name, "x": b64(point[1 : 1+half]), "y": b64(point[1+half:])}
	}
	m["kid"] = id
	for _, extra := range more {
		for name, value := range extra {
			m[name] = value
		}
	}
	return m
}

func asJSON(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}

// issuer is a real server of a JWK set, with a clock that tests move.
type issuer struct {
	*httptest.Server
	clock   atomic.Int64
	fetches atomic.Int64
	mu      sync.Mutex
	answer  http.HandlerFunc
	log     bytes.Buffer
}

func (i *issuer) now() time.Time           { return time.Now().Add(time.Duration(i.clock.Load())) }
func (i *issuer) advance(by time.Duration) { i.clock.Add(int64(by)) }

func (i *issuer) publish(keys ...member) {
	i.serve(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(asJSON(member{"keys": keys})) })
}

func (i *issuer) serve(h http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.answer = h
}

// Write makes the issuer the sink of the log.
func (i *issuer) Write(p []byte) (int, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.log.Write(p)
}

func (i *issuer) logged() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.log.String()
}

const (
	issuerName = "interop.example"
	audience   = "https://ente.example/attualizza"
	client     = "9b361d49-33f4-4f1e-a88b-4e12661f2309"
)

func openIssuer(t *testing.T) (*issuer, *Vouchers) {
	t.Helper()
	i := &issuer{}
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.fetches.Add(1)
		i.mu.Lock()
		answer := i.answer
		i.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(i.Close)
	i.publish(jwkOf("one", &first().PublicKey, member{"use": "sig", "alg": "RS256"}))
	v := NewVouchers(VoucherConfig{
		Issuer: issuerName, KeysURL: i.URL + "/.well-known/jwks.json", Audience: audience,
		Now: i.now, Logger: slog.New(slog.NewTextHandler(i, nil)),
	})
	t.Cleanup(v.Close)
	return i, v
}

// voucher is one as PDND makes them, then changed.
type voucher struct {
	method jwt.SigningMethod
	key    any
	header member
	claims member
}

func (i *issuer) voucher(change func(*voucher)) string {
	now := i.now()
	v := voucher{
		method: jwt.SigningMethodRS256, key: first(), header: member{"typ": "at+jwt", "kid": "one", "use": "sig"},
		claims: member{
			"iss": issuerName, "aud": audience, "sub": client, "client_id": client, "purposeId": "p", "jti": rand.Text(),
			"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(10 * time.Minute).Unix(),
		},
	}
	if change != nil {
		change(&v)
	}
	return v.sign()
}

func (v *voucher) sign() string {
	token := jwt.NewWithClaims(v.method, jwt.MapClaims(v.claims))
	for name, value := range v.header {
		if value == nil {
			delete(token.Header, name)
			continue
		}
		token.Header[name] = value
	}
	text, err := token.SignedString(v.key)
	if err != nil {
		panic(err)
	}
	return text
}

// wantRejection checks that err is a rejection whose words hold a part.
func wantRejection(t *testing.T, err error, part string) {
	t.Helper()
	var r Rejection
	if !errors.As(err, &r) || !strings.Contains(string(r), part) {
		t.Errorf("error is %v, want a rejection that says %q", err, part)
	}
}
