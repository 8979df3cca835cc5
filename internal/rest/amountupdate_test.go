package rest

import (
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func TestAmountUpdate(t *testing.T) {
	p := openPlatform(t)
	a := p.want(t, 200, p.ask(boundBody))
	a.wantMembers(t, map[string]any{"nav": boundNav, "amountCents": 12710, "notificationFeeCents": 710, "iun": "ABCD-EFGH-ILMN-202611-A-1"})
	if until := a.instant(t, "retentionDate"); !near(until, p.now().Add(15*time.Minute)) {
		t.Errorf("a fresh answer is valid until %v", until)
	}
	for _, absent := range []string{"notificationDate", "balance"} {
		if _, there := a.json(t)[absent]; there {
			t.Errorf("%s is told: %s", absent, a.body)
		}
	}
	p.clock.Add(int64(10 * time.Minute))
	a = p.want(t, 200, p.ask(boundBody))
	if until := a.instant(t, "retentionDate"); !near(until, p.now().Add(5*time.Minute)) || p.sendCalls.Load() != 1 {
		t.Errorf("an answer of the cache is valid until %v, after %d price requests", until, p.sendCalls.Load())
	}
	p.clock.Add(int64(time.Hour))
	p.send.Store(sendAnswers(500, ""))
	a = p.want(t, 200, p.ask(boundBody))
	a.wantMembers(t, map[string]any{"amountCents": 12710, "notificationFeeCents": 710})
	if until := a.instant(t, "retentionDate"); !near(until, p.now()) {
		t.Errorf("a degraded answer is valid until %v", until)
	}
	p.clock.Add(int64(time.Hour))
	p.send.Store(sendAnswers(200, pendingPrice))
	a = p.want(t, 200, p.ask(boundBody))
	if _, there := a.json(t)["notificationDate"]; there {
		t.Errorf("terms that are still running give a date: %s", a.body)
	}
	p.clock.Add(int64(time.Hour))
	p.send.Store(sendAnswers(200, viewedPrice))
	a = p.want(t, 200, p.ask(boundBody))
	a.wantMembers(t, map[string]any{"notificationDate": "2026-02-06T23:59:59.999+01:00"})
	p.clock.Add(int64(time.Hour))
	a = p.want(t, 200, p.ask(boundBody)) // final
	if until := a.instant(t, "retentionDate"); !near(until, p.now().Add(15*time.Minute)) {
		t.Errorf("a final answer is valid until %v", until)
	}
}

func TestAmountUpdateTellsWhatSendSaysOfNoCost(t *testing.T) {
	p := openPlatform(t)
	p.send.Store(sendAnswers(404, `{"status":404,"errors":[{"code":"PN_DELIVERY_NOTIFICATIONCOSTNOTFOUND"}]}`))
	a := p.want(t, 200, p.ask(boundBody))
	a.wantMembers(t, map[string]any{"amountCents": 12000, "notificationFeeCents": 0, "iun": nil})
	if until := a.instant(t, "retentionDate"); !near(until, p.now().Add(time.Minute)) {
		t.Errorf("no cost is valid until %v", until)
	}
}

func TestAmountUpdateOfANoticeThatSendDoesNotNotify(t *testing.T) {
	p := openPlatform(t)
	p.want(t, 201, call{method: "POST", path: base + "/debtpositions?toPublish=true", key: "writer", body: strings.Replace(positionJSON("P-3", "01000000000000300"), `"sendBound": true,`, "", 1)})
	body := strings.Replace(boundBody, boundNav, "301000000000000300", 1)
	a := p.want(t, 200, p.ask(body))
	a.wantMembers(t, map[string]any{"amountCents": 12000, "notificationFeeCents": 0})
	if until := a.instant(t, "retentionDate"); !near(until, p.now()) || p.sendCalls.Load() != 0 {
		t.Errorf("valid until %v, after %d price requests", until, p.sendCalls.Load())
	}
}

func TestAmountUpdateRefusals(t *testing.T) {
	p := openPlatform(t)
	p.issue(t, "office", ente, `{"name":"ufficio","role":"READER","segregationCodes":["02"],"signatureKeys":[`+jwkJSON("s-1", &systemKey().PublicKey)+`]}`)
	p.issue(t, "abroad", other, `{"name":"altri","role":"WRITER","signatureKeys":[`+jwkJSON("s-1", &systemKey().PublicKey)+`]}`)
	p.want(t, 201, call{method: "POST", path: base + "/debtpositions", key: "writer", body: positionJSON("P-draft", "01000000000000500")})
	p.want(t, 201, call{method: "POST", path: base + "/debtpositions?toPublish=true", key: "writer", body: positionJSON("P-gone", "01000000000000600")})
	p.want(t, 200, call{method: "POST", path: base + "/debtpositions/P-gone/invalidate", key: "writer"})
	as := func(key, body string) call {
		return call{method: "POST", path: "/amount-update", body: body, header: p.signed(p.keys[key], p.ids[key], body, nil)}
	}
	with := func(old, text string) call { return p.ask(strings.Replace(boundBody, old, text, 1)) }
	without := func(name string) call {
		c := p.ask(boundBody)
		c.header.Del(name)
		return c
	}
	text := p.ask(boundBody)
	text.header = p.signed(p.keys["signer"], p.ids["signer"], boundBody, func(j *jws) {
		j.claims["signed_headers"] = []map[string]string{{"digest": digestOf(boundBody)}, {"content-type": "text/plain"}}
	})
	text.header.Set("Content-Type", "text/plain")
	unsigned := call{method: "POST", path: "/amount-update", key: "reader", body: boundBody}
	p.play(t, []scenario{
		{"a notice that nobody knows", with(boundNav, "301000000000099999"), 404, []string{`"code":"NOT_FOUND"`}, nil},
		{"a notice number that cannot be", with(boundNav, "901000000000000177"), 404, nil, nil},
		{"the notice by which pagoPA probes", with(boundNav, "000000000000000000"), 404, nil, nil},
		{"a draft", with(boundNav, "301000000000000500"), 404, nil, nil},
		{"another organization, by its right key", with(ente, other), 404, []string{"no such notice"}, nil},
		{"this organization, by another's key", as("abroad", boundBody), 404, []string{"no such notice"}, nil},
		{"an organization that nobody knows", with(ente, "12345678901"), 404, []string{"no such notice"}, nil},
		{"outside of the segregation codes", as("office", boundBody), 404, nil, nil},
		{"a withdrawn notice", with(boundNav, "301000000000000600"), 409, []string{"PAA_PAGAMENTO_ANNULLATO"}, nil},
		{"a notice of 17 digits", with(boundNav, boundNav[1:]), 400, []string{`"code":"INVALID"`, "/nav must be 18 digits"}, nil},
		{"no notice", p.ask(`{"orgFiscalCode":"` + ente + `"}`), 400, []string{"/nav is needed"}, nil},
		{"no JSON", p.ask(`nav=1`), 400, []string{"not JSON"}, nil},
		{"a number for a text", p.ask(`{"orgFiscalCode":77777777777,"nav":"` + boundNav + `"}`), 400, []string{"/orgFiscalCode"}, nil},
		{"not said to be JSON", text, 415, []string{`"code":"UNSUPPORTED_MEDIA_TYPE"`}, nil},
		{"no credential", call{method: "POST", path: "/amount-update", body: boundBody}, 401, []string{`"code":"UNAUTHORIZED"`}, nil},
		{"a credential that may not sign", unsigned, 403, []string{`"code":"FORBIDDEN"`, "signatureKeys"}, nil},
		{"the operator", call{method: "POST", path: "/amount-update", body: boundBody, header: p.signed(adminKey, "operator", boundBody, nil)}, 403, nil, nil},
		{"no signature", without("Agid-Jwt-Signature"), 401, []string{"Agid-JWT-Signature", "missing"}, nil},
		{"no digest", without("Digest"), 401, []string{"Digest"}, nil},
		{"another method", call{method: "GET", path: "/amount-update", header: p.ask("").header}, 405, []string{`"code":"METHOD_NOT_ALLOWED"`}, nil},
		{"a query that is none", call{method: "POST", path: "/amount-update?%zz", body: boundBody}, 400, []string{`"code":"INVALID"`}, nil},
	})
	if n := p.sendCalls.Load(); n != 0 {
		t.Errorf("SEND was asked %d times for refused requests", n)
	}
}

func TestAmountUpdateNeedsThisBodysSignature(t *testing.T) {
	p := openPlatform(t)
	elsewhere := strings.Replace(boundBody, "177", "178", 1)
	type change func(*jws)
	try := func(name string, status int, says string, c call) {
		t.Helper()
		if a := p.do(t, c); a.status != status || !strings.Contains(string(a.body), says) {
			t.Errorf("%s: %d %s, want %d that says %q", name, a.status, a.body, status, says)
		}
	}
	signed := func(f change) call {
		return call{method: "POST", path: "/amount-update", body: boundBody, header: p.signed(p.keys["signer"], p.ids["signer"], boundBody, f)}
	}
	try("a right one", 200, "12710", signed(nil))
	try("a right one of the second key", 200, "12710", signed(func(j *jws) { j.method, j.key, j.header["kid"] = jwt.SigningMethodES256, curveKey(), "s-2" }))
	try("of a voucher's client", 200, "12710", call{method: "POST", path: "/amount-update", body: boundBody, header: p.signed(p.voucher(nil), pdndClient, boundBody, nil)})
	try("of another client", 401, "issuer", call{method: "POST", path: "/amount-update", body: boundBody, header: p.signed(p.voucher(nil), p.ids["signer"], boundBody, nil)})

	other := signed(nil)
	other.body = elsewhere
	try("of another body", 401, "SHA-256 of the body", other)
	other = signed(nil)
	other.body = elsewhere
	other.header.Set("Digest", digestOf(elsewhere))
	try("of another body whose digest is told", 401, "other headers", other)
	mismatch := signed(nil)
	mismatch.header.Set("Digest", digestOf("x"))
	try("with a digest of something else", 401, "SHA-256 of the body", mismatch)
	again := signed(nil)
	try("once", 200, "12710", again)
	try("twice", 401, "used before", again)
	try("of somebody else", 401, "not signed", signed(func(j *jws) { j.key = otherKey() }))
	try("of a key that is not registered", 401, "kid", signed(func(j *jws) { j.header["kid"] = "x" }))
	try("that is old", 401, "older", signed(func(j *jws) {
		j.claims["iat"], j.claims["exp"] = p.now().Add(-6*time.Minute).Unix(), p.now().Add(time.Hour).Unix()
	}))
	try("for somebody else", 401, "audience", signed(func(j *jws) { j.claims["aud"] = "x" }))
	try("of alg none", 401, "not signed", signed(func(j *jws) { j.method, j.key = jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType }))
	try("of HS256", 401, "not signed", signed(func(j *jws) { j.method, j.key = jwt.SigningMethodHS256, systemKey().N.Bytes() }))
	if n := p.sendCalls.Load(); n != 1 {
		t.Errorf("SEND was asked %d times", n)
	}
}

func TestAmountUpdateWithoutAnAudience(t *testing.T) {
	configured := openPlatform(t)
	a := configured.want(t, 201, call{method: "POST", path: base + "/api-keys", key: "admin", body: `{"name":"x","role":"READER","signatureKeys":[` + jwkJSON("s-1", &systemKey().PublicKey) + `]}`})
	handler, err := New(Config{Store: configured.store, Quoter: nobodyAsks{}, Directory: configured.directory})
	must(t, err)
	h := &house{url: serve(t, handler)}
	refused := h.do(t, call{method: "POST", path: "/amount-update", body: boundBody, header: configured.signed(a.text(t, "key"), a.text(t, "id"), boundBody, nil)})
	if refused.status != 403 || !strings.Contains(string(refused.body), "ATTUALIZZA_PDND_TOKEN_AUDIENCE") {
		t.Errorf("%d %s", refused.status, refused.body)
	}
}

func TestAmountUpdateBodiesAreBounded(t *testing.T) {
	p := openPlatform(t, func(c *Config) { c.MaxBody = 4096 })
	body := boundBody + strings.Repeat(" ", 5000)
	if a := p.do(t, p.ask(body)); a.status != 413 || !strings.Contains(string(a.body), `"code":"TOO_LARGE"`) {
		t.Errorf("%d %s", a.status, a.body)
	}
}
