package sandbox

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

// post asks the act-management system, whose contracts are not SEND's.
func (b *bench) post(path, bearer, body string, header map[string]string) response {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.url+path, strings.NewReader(body))
	b.must(err)
	r.Header.Set("Content-Type", typeJSON)
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	for k, v := range header {
		r.Header.Set(k, v)
	}
	answer, err := b.client.Do(r)
	b.must(err)
	defer answer.Body.Close()
	read, err := io.ReadAll(answer.Body)
	b.must(err)
	return response{answer.StatusCode, answer.Header, string(read)}
}

func relayBench(t *testing.T) *bench {
	t.Helper()
	b := newBench(t, Options{})
	b.must(b.RegisterRelayAccount(RelayAccount{
		Name: "acts", CreditorTaxID: creditor, Token: "native-token", Username: "user", Password: "secret", Retention: Duration(10 * time.Minute),
	}))
	return b
}

func (b *bench) amountUpdate(nav string) response {
	return b.post("/relay/native/amount-update", "native-token", `{"orgFiscalCode":"`+creditor+`","nav":"`+nav+`"}`, nil)
}

func (b *bench) login() string {
	b.t.Helper()
	r := b.post("/relay/legacy/login", "", `{"username":"user","password":"secret"}`, nil)
	var reply loginAnswer
	if err := json.Unmarshal([]byte(r.body), &reply); err != nil || r.status != 200 || reply.Token == "" || reply.Outcome != "OK" {
		b.t.Fatalf("%d %s", r.status, r.body)
	}
	return reply.Token
}

func (b *bench) notificationPrice(token, nav string) response {
	return b.post("/relay/legacy/notification-price", token, `{"cfEnteCreditore":"`+creditor+`","importoPosizione":"S","numeroAvviso":"`+nav+`"}`, nil)
}

func TestBothContractsFollowTheNotification(t *testing.T) {
	b := relayBench(t)
	token := b.login()
	step := func(nav, native string, nativeStatus int, legacy string) {
		t.Helper()
		if r := b.amountUpdate(nav); r.status != nativeStatus || !strings.Contains(r.body, native) {
			t.Errorf("native: %d %s, want %d and %s", r.status, r.body, nativeStatus, native)
		}
		if r := b.notificationPrice(token, nav); r.status != 200 || !strings.Contains(r.body, legacy) {
			t.Errorf("legacy: %d %s, want %s", r.status, r.body, legacy)
		}
	}
	n := b.one("")
	step(notice, `"code":"003"`, 404, `"codice":"003"`)
	b.do(n.IUN, Step{Event: Accept}, Step{Event: DigitalSend})
	// A price, but neither date: the legacy contract has no price yet.
	step(notice, `"amountCents":12545`, 200, `"codice":"003"`)
	b.do(n.IUN, Step{Event: DigitalDeliver})
	step(notice, `"notificationFeeCents":200,"notificationDate":"2026-02-17T23:59:59.999999999+01:00"`, 200,
		`"speseNotifica":200,"dataVisualizzazione":"","importoPosizione":12545,"dataPerfezionamentoDecorrenzaTermini":"2026-02-17T23:59:59.999999999+01:00"`)
	b.do(n.IUN, Step{Event: View})
	step(notice, `"notificationDate":"2026-02-10T23:59:59.999999999+01:00","balance":"[]","retentionDate":"2026-02-10T09:25:30Z"`, 200,
		`"dataVisualizzazione":"2026-02-10T23:59:59.999999999+01:00"`)
	b.do(n.IUN, Step{Event: Pay})
	step(notice, `"code":"004"`, 422, `"codice":"004"`)
	step("302000000000000099", `"notificationFeeCents":200`, 200, `"codice":"003"`)
	step("302990000000000099", `"notificationFeeCents":200`, 200, `"speseNotifica":200`)
	step("302100000000000099", `"code":"003"`, 404, `"codice":"003"`)
	step("302110000000000099", `"code":"004"`, 422, `"codice":"004"`)
	step("302950000000000099", `"code":"004"`, 422, `"codice":"004"`)
	step("302310000000000099", `"code":"002"`, 404, `"codice":"002"`)
	if n := b.Calls(creditor, notice); n != 0 {
		t.Errorf("SEND is said to have been asked %d times", n)
	}
	if n := len(b.Requests(Filter{Endpoint: EndpointRelay, CreditorTaxID: creditor, NoticeCode: notice})); n != 10 {
		t.Errorf("%d requests on record", n)
	}
}

func TestTheActManagementSystemKnowsWhoAsks(t *testing.T) {
	b := relayBench(t)
	ask := `{"orgFiscalCode":"` + creditor + `","nav":"302000000000000099"}`
	token := b.login()
	for name, c := range map[string]struct {
		got  response
		want int
	}{
		"no token":             {b.post("/relay/native/amount-update", "", ask, nil), 401},
		"a wrong token":        {b.post("/relay/native/amount-update", "x", ask, nil), 401},
		"a login's token":      {b.post("/relay/native/amount-update", token, ask, nil), 401},
		"a native token":       {b.notificationPrice("native-token", "302990000000000099"), 401},
		"another organization": {b.post("/relay/native/amount-update", "native-token", `{"orgFiscalCode":"80000000009","nav":"302000000000000099"}`, nil), 403},
		"no notice":            {b.post("/relay/native/amount-update", "native-token", `{"orgFiscalCode":"`+creditor+`"}`, nil), 400},
		"no JSON":              {b.post("/relay/native/amount-update", "native-token", `x`, nil), 400},
		"a wrong password":     {b.post("/relay/legacy/login", "", `{"username":"user","password":"x"}`, nil), 401},
		"amount not wanted":    {b.post("/relay/legacy/notification-price", token, `{"cfEnteCreditore":"`+creditor+`","importoPosizione":"N","numeroAvviso":"302990000000000099"}`, nil), 400},
		"a path of nobody":     {b.post("/relay/native/login", "", `{}`, nil), 404},
		"a good one":           {b.notificationPrice(token, "302990000000000099"), 200},
	} {
		if c.got.status != c.want {
			t.Errorf("%s: %d %s, want %d", name, c.got.status, c.got.body, c.want)
		}
	}
	b.clock.now = b.clock.now.Add(time.Hour)
	if r := b.notificationPrice(token, "302990000000000099"); r.status != 401 {
		t.Errorf("an expired token: %d", r.status)
	}
	token = b.login()
	b.must(b.ExpireRelayTokens("acts"))
	if r := b.notificationPrice(token, "302990000000000099"); r.status != 401 {
		t.Errorf("a token that was ended: %d", r.status)
	}
	open := newBench(t, Options{UnknownKeys: VoucherForbidden})
	if r := open.amountUpdate("302000000000000099"); r.status != 200 || strings.Contains(r.body, "retentionDate") {
		t.Errorf("open to all: %d %s", r.status, r.body)
	}
	if r := open.notificationPrice(open.login(), "302990000000000099"); r.status != 200 {
		t.Errorf("open to all: %d %s", r.status, r.body)
	}
}

func TestFaultsStrikeTheRelay(t *testing.T) {
	b := relayBench(t)
	token := b.login()
	const nav = "302990000000000099"
	inject := func(f Fault) {
		f.Requests = 1
		_, err := b.Inject(f)
		b.must(err)
	}
	inject(Fault{Endpoint: EndpointRelay, CreditorTaxID: creditor, Kind: NoTotalPrice})
	if r := b.amountUpdate(nav); r.status != 200 || strings.Contains(r.body, "notificationFeeCents") || !json.Valid([]byte(r.body)) {
		t.Errorf("%d %s", r.status, r.body)
	}
	inject(Fault{Endpoint: EndpointRelay, NoticeCode: nav, Kind: NoTotalPrice})
	if r := b.notificationPrice(token, nav); strings.Contains(r.body, "speseNotifica") || !json.Valid([]byte(r.body)) {
		t.Errorf("%d %s", r.status, r.body)
	}
	inject(Fault{Endpoint: EndpointRelay, Kind: WithStatus, Status: 503})
	if r := b.amountUpdate(nav); r.status != 503 {
		t.Errorf("%d %s", r.status, r.body)
	}
	inject(Fault{Endpoint: EndpointRelay, Kind: WithStatus, Status: 404, Code: "002"})
	if r := b.notificationPrice(token, nav); r.status != 404 || !strings.Contains(r.body, `"codice":"002"`) {
		t.Errorf("%d %s", r.status, r.body)
	}
	inject(Fault{Endpoint: EndpointRelayLogin, CreditorTaxID: creditor, Kind: WithStatus, Status: 500})
	if r := b.post("/relay/legacy/login", "", `{"username":"user","password":"secret"}`, nil); r.status != 500 {
		t.Errorf("%d %s", r.status, r.body)
	}
	inject(Fault{Endpoint: EndpointRelay, Kind: Malformed})
	if r := b.amountUpdate(nav); r.status != 200 || json.Valid([]byte(r.body)) {
		t.Errorf("%d %s", r.status, r.body)
	}
	inject(Fault{Endpoint: EndpointRelay, Kind: Reset})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url+"/relay/native/amount-update", strings.NewReader("{}"))
	b.must(err)
	if answer, err := b.client.Do(r); err == nil {
		answer.Body.Close()
		t.Error("an answer over a connection that was reset")
	}
	for _, bad := range []Fault{
		{Endpoint: EndpointRelayLogin, NoticeCode: nav, Kind: Hang},
		{Endpoint: EndpointToken, CreditorTaxID: creditor, Kind: Hang},
		{Endpoint: "relays", Kind: Hang},
	} {
		if _, err := b.Inject(bad); err == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
}

func TestASignedRequestIsHeldToItsSignature(t *testing.T) {
	b := newBench(t, Options{})
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	b.must(err)
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	b.must(err)
	b.must(b.RegisterRelayAccount(RelayAccount{
		Name: "acts", CreditorTaxID: creditor, Token: "native-token",
		PublicKey: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
	}))
	body := `{"orgFiscalCode":"` + creditor + `","nav":"302000000000000099"}`
	sum := sha256.Sum256([]byte(body))
	digest := "SHA-256=" + base64.StdEncoding.EncodeToString(sum[:])
	sign := func(change func(jwt.MapClaims)) string {
		now := time.Now()
		claims := jwt.MapClaims{
			"iss": "c", "sub": "c", "aud": b.url + "/relay/native", "jti": uuid.NewString(), "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Minute).Unix(),
			"signed_headers": []map[string]string{{"digest": digest}, {"content-type": typeJSON}},
		}
		change(claims)
		token := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
		token.Header["kid"] = "kid"
		signed, err := token.SignedString(key)
		b.must(err)
		return signed
	}
	for name, c := range map[string]struct {
		header map[string]string
		want   int
	}{
		"signed":               {map[string]string{"Digest": digest, "Agid-JWT-Signature": sign(func(jwt.MapClaims) {})}, 200},
		"not signed":           {nil, 401},
		"another body":         {map[string]string{"Digest": "SHA-256=x", "Agid-JWT-Signature": sign(func(jwt.MapClaims) {})}, 401},
		"no signature":         {map[string]string{"Digest": digest}, 401},
		"for another address":  {map[string]string{"Digest": digest, "Agid-JWT-Signature": sign(func(c jwt.MapClaims) { c["aud"] = "https://x" })}, 401},
		"expired":              {map[string]string{"Digest": digest, "Agid-JWT-Signature": sign(func(c jwt.MapClaims) { c["exp"] = 1 })}, 401},
		"another digest in it": {map[string]string{"Digest": digest, "Agid-JWT-Signature": sign(func(c jwt.MapClaims) { c["signed_headers"] = []map[string]string{{"digest": "x"}} })}, 401},
		"nothing signed":       {map[string]string{"Digest": digest, "Agid-JWT-Signature": sign(func(c jwt.MapClaims) { delete(c, "signed_headers") })}, 401},
		"without a jti":        {map[string]string{"Digest": digest, "Agid-JWT-Signature": sign(func(c jwt.MapClaims) { delete(c, "jti") })}, 401},
	} {
		if r := b.post("/relay/native/amount-update", "native-token", body, c.header); r.status != c.want {
			t.Errorf("%s: %d %s, want %d", name, r.status, r.body, c.want)
		}
	}
}

func TestAccountsAreControlledByHTTP(t *testing.T) {
	b := newBench(t, Options{})
	control := map[string]string{"Content-Type": typeJSON}
	for _, c := range []struct {
		method, path, body string
		status             int
		contains           string
	}{
		{"POST", "relay-accounts", `{"name":"a","creditorTaxId":"` + creditor + `","token":"tt","retention":"-1m"}`, 204, ""},
		{"GET", "relay-accounts", ``, 200, `"retention":"-1m0s"`},
		{"POST", "relay-accounts", `{"name":"a"}`, 422, "creditorTaxId"},
		{"POST", "relay-accounts", `{"name":"a","creditorTaxId":"` + creditor + `"}`, 422, "token"},
		{"POST", "relay-accounts", `{"name":"a","creditorTaxId":"` + creditor + `","token":"t","retention":"1000h"}`, 422, "retention"},
		{"POST", "relay-accounts", `{"name":"a","creditorTaxId":"` + creditor + `","token":"t","tokenLife":"-1s"}`, 422, "tokenLife"},
		{"POST", "relay-accounts", `{"name":"a","creditorTaxId":"` + creditor + `","token":"t","publicKey":"x"}`, 422, "PEM"},
		{"DELETE", "relay-accounts/a/tokens", ``, 204, ""},
		{"DELETE", "relay-accounts/a", ``, 204, ""},
		{"DELETE", "relay-accounts/a", ``, 404, "not found"},
	} {
		r := b.send(c.method, "/sandbox/"+c.path, control, c.body)
		if r.status != c.status || !strings.Contains(r.body, c.contains) || strings.Contains(r.body, `"tt"`) {
			t.Errorf("%s %s: %d %s, want %d and %s", c.method, c.path, r.status, r.body, c.status, c.contains)
		}
	}
}
