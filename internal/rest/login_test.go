package rest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/actualize"
	"github.com/attualizza/attualizza/internal/registry"
	"github.com/attualizza/attualizza/internal/secrets"
	"github.com/attualizza/attualizza/positions"
)

func serve(t *testing.T, handler http.Handler) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// nobodyAsks is for servers on which nothing is quoted.
type nobodyAsks struct{ Quoter }

func (nobodyAsks) Quote(context.Context, *registry.Organization, positions.NoticeNumber, ...func(*positions.Notice) error) (*actualize.Quote, error) {
	return nil, positions.Errorf(positions.Internal, "asked")
}

func loginCall(username, password string) call {
	return call{method: "POST", path: "/login", body: `{"username":"` + username + `","password":"` + password + `"}`}
}

// login returns a token for a key.
func (h *house) login(t *testing.T, key string) string {
	t.Helper()
	id, secret, _ := strings.Cut(h.keys[key], ".")
	a := h.want(t, 200, loginCall(id, secret))
	a.wantMembers(t, map[string]any{"esito": "OK", "descrizioneErrore": nil})
	return a.text(t, "token")
}

func TestLogin(t *testing.T) {
	p := openPlatform(t)
	id, secret, _ := strings.Cut(p.keys["reader"], ".")
	foreignID, foreignSecret, _ := strings.Cut(p.keys["foreign"], ".")
	ko := []string{`"esito":"KO"`, `"descrizioneErrore":"Credenziali non valide"`}
	p.play(t, []scenario{
		{"the secret part opens", loginCall(id, secret), 200, []string{`"esito":"OK"`, `"token"`}, []string{"descrizioneErrore"}},
		{"and so does the whole key", loginCall(id, id+"."+secret), 200, []string{`"esito":"OK"`}, nil},
		{"a wrong password", loginCall(id, secret+"x"), 200, ko, []string{"token"}},
		{"no password", loginCall(id, ""), 200, ko, nil},
		{"another key's password", loginCall(id, foreignSecret), 200, ko, nil},
		{"another whole key", loginCall(id, foreignID+"."+foreignSecret), 200, ko, nil},
		{"a key that was never issued", loginCall("abcdefghijklmnop", secret), 200, ko, nil},
		{"no key", loginCall("", ""), 200, ko, nil},
		{"a client of PDND, which has no secret", loginCall(p.ids["client"], ""), 200, ko, nil},
		{"the operator", loginCall("operator", adminKey), 200, ko, nil},
		{"no password at all", call{method: "POST", path: "/login", body: `{"username":"x"}`}, 400, []string{`"esito":"KO"`, "username e password"}, nil},
		{"no JSON", call{method: "POST", path: "/login", body: `x`}, 400, []string{`"esito":"KO"`}, nil},
		{"another method", call{method: "GET", path: "/login"}, 405, []string{`"esito":"KO"`}, nil},
	})
}

func TestTheTokenOfALoginIsGoodForAnHourOnEveryReplica(t *testing.T) {
	p := openPlatform(t)
	token := p.login(t, "reader")
	if len(token) > 200 || strings.Contains(token, p.keys["reader"]) {
		t.Errorf("the token is %q", token)
	}
	p.want(t, 200, legacy(token, legacyBody))
	get := call{method: "GET", path: base + "/debtpositions/P-1", header: http.Header{"Authorization": {"Bearer " + token}}}
	p.want(t, 200, get)
	p.want(t, 403, call{method: "POST", path: base + "/debtpositions/P-1/invalidate", header: get.header})
	p.want(t, 404, call{method: "GET", path: "/v1/organizations/" + other + "/receipts", header: get.header})

	handler, err := New(Config{Store: p.store, Quoter: nobodyAsks{}, Directory: p.directory, Box: p.cfg.Box, Now: p.now})
	must(t, err)
	replica := &house{url: serve(t, handler)}
	replica.want(t, 200, get)

	p.clock.Add(int64(time.Hour - time.Minute))
	p.want(t, 200, get)
	p.clock.Add(int64(time.Minute))
	if a := p.want(t, 401, get); !strings.Contains(string(a.body), "expired") {
		t.Errorf("an expired token: %s", a.body)
	}
	if a := p.want(t, 401, legacy(token, legacyBody)); !strings.Contains(string(a.body), `"code":"UNAUTHORIZED"`) {
		t.Errorf("an expired token: %s", a.body)
	}
}

func TestATokenEndsWithItsKey(t *testing.T) {
	p := openPlatform(t)
	token := p.login(t, "reader")
	p.want(t, 200, legacy(token, legacyBody))
	id, _, _ := strings.Cut(p.keys["reader"], ".")
	p.want(t, 204, call{method: "DELETE", path: base + "/api-keys/" + id, key: "admin"})
	p.want(t, 401, legacy(token, legacyBody))
	p.want(t, 401, call{method: "GET", path: base + "/debtpositions/P-1", header: http.Header{"Authorization": {"Bearer " + token}}})
}

func TestForgedTokens(t *testing.T) {
	p := openPlatform(t)
	token := p.login(t, "reader")
	claim, proof, _ := strings.Cut(token, ".")
	id, secret, _ := strings.Cut(p.keys["reader"], ".")
	foreignID, _, _ := strings.Cut(p.keys["foreign"], ".")
	encode := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	forever := func(id string) string { return encode(id + ".99999999999") }
	empty := &positions.Key{ID: p.ids["client"]}
	tokenKey, err := newTokenKey(p.cfg.Box)
	must(t, err)
	inside := &server{tokenKey: tokenKey} // makes genuine tokens, for keys that have none
	for name, forged := range map[string]string{
		"a later end":              forever(id) + "." + proof,
		"another key":              encode(foreignID+strings.TrimPrefix(string(unbase64(t, claim)), id)) + "." + proof,
		"no proof":                 claim + ".",
		"half a proof":             claim + "." + proof[:20],
		"the secret as proof":      forever(id) + "." + secret,
		"no key":                   encode(".99999999999") + "." + proof,
		"no end":                   encode(id+".") + "." + proof,
		"a client without secret":  inside.newToken(empty, time.Now().Add(time.Hour)),
		"the proof of no secret":   inside.newToken(&positions.Key{ID: id}, time.Now().Add(time.Hour)),
		"the other way to base64":  strings.TrimRight(claim, "=") + "=." + proof,
		"a token of three parts":   token + ".x",
		"a token without its head": "." + proof,
	} {
		if a := p.do(t, legacy(forged, legacyBody)); a.status != 401 {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	p.want(t, 200, legacy(token, legacyBody))
}

// A copy of the database, a backup for example, has the hash of every key. It
// must not be enough to log in as one of them.
func TestWhatTheDatabaseHoldsMakesNoToken(t *testing.T) {
	p := openPlatform(t)
	id, _, _ := strings.Cut(p.keys["writer"], ".")
	key, err := p.store.Key(t.Context(), id)
	must(t, err)
	claim := id + ".99999999999"
	proof := func(key []byte, text string) string {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(text))
		return base64.RawURLEncoding.EncodeToString([]byte(claim)) + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	ownBox, err := secrets.New(bytes.Repeat([]byte{8}, secrets.KeySize))
	must(t, err)
	ownKey, err := newTokenKey(ownBox)
	must(t, err)
	for name, forged := range map[string]string{
		"the hash as the key":           proof(key.Hash, tokenPurpose+claim),
		"the purpose with its newline":  proof(key.Hash, tokenPurpose+"\n"+claim),
		"the hash as the key, no words": proof(key.Hash, claim),
		"no key at all":                 proof(nil, string(key.Hash)+claim),
		"a master key of one's own":     (&server{tokenKey: ownKey}).newToken(key, time.Now().Add(time.Hour)),
	} {
		if a := p.do(t, call{method: "GET", path: base + "/debtpositions/P-1", header: http.Header{"Authorization": {"Bearer " + forged}}}); a.status != 401 {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
}

func TestWithoutAMasterKeyATokenIsGoodWhereItWasGiven(t *testing.T) {
	h := openHouse(t).furnish(t)
	h.url = h.again(t, func(c *Config) { c.Box = nil })
	token := h.login(t, "reader")
	get := call{method: "GET", path: base + "/debtpositions/none", header: http.Header{"Authorization": {"Bearer " + token}}}
	h.want(t, 404, get)
	h.url = h.again(t, func(c *Config) { c.Box = nil })
	h.want(t, 401, get)
}

func unbase64(t *testing.T, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	must(t, err)
	return b
}

func TestAKeyWhoseIDReadsLikeATokenIsAKey(t *testing.T) {
	h := openHouse(t).furnish(t)
	const id = "aaaaaaaaaaaaai42" // in base64url the bytes end with ".6"
	if claim := unbase64(t, id); !strings.HasSuffix(string(claim), ".6") {
		t.Fatalf("%q", claim)
	}
	must(t, h.store.CreateKey(t.Context(), &positions.Key{ID: id, OrganizationFiscalCode: ente, Role: positions.Reader, Hash: hashSecret("password")}))
	h.want(t, 404, call{method: "GET", path: base + "/debtpositions/none", key: id + ".password"})
}

func TestLoginRecordsTheUseOfAKey(t *testing.T) {
	h := openHouse(t).furnish(t)
	h.login(t, "segregated")
	id, _, _ := strings.Cut(h.keys["segregated"], ".")
	key, err := h.store.Key(t.Context(), id)
	must(t, err)
	if key.LastUsedAt.IsZero() {
		t.Error("a login is no use")
	}
}

func TestGuessingPasswordsIsLimitedLikeGuessingKeys(t *testing.T) {
	began := time.Now()
	h := openHouse(t, func(c *Config) {
		c.RateLimit = 30
		c.Now = func() time.Time { return began } // nothing grows back
	}).furnish(t)
	id, secret, _ := strings.Cut(h.keys["reader"], ".")
	for range 10 {
		h.want(t, 200, loginCall(id, secret)) // right ones are no guesses
	}
	for range 10 {
		h.want(t, 200, loginCall(id, "x"))
	}
	for range 20 { // the rest of the same allowance
		h.want(t, 401, call{method: "GET", path: base + "/receipts", key: "abcdefghijklmnop.AAAA"})
	}
	a := h.want(t, 429, loginCall(id, secret))
	if !strings.Contains(string(a.body), `"esito":"KO"`) || !strings.Contains(string(a.body), "Troppe richieste") || a.header.Get("Retry-After") == "" {
		t.Errorf("%v %s", a.header, a.body)
	}
}
