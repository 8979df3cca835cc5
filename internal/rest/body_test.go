package rest

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/attualizza/attualizza/positions/rules"
)

// pemKey is a fresh RSA key as PEM inside a JSON string.
func pemKey(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	return strings.ReplaceAll(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), "\n", `\n`)
}

func TestHostileBodies(t *testing.T) {
	h := openHouse(t, func(c *Config) { c.MaxBody = 64 << 10 }).furnish(t)
	good := positionJSON("P-1", "01000000000000177")
	post := func(body string) call {
		return call{method: "POST", path: base + "/debtpositions", key: "writer", body: body}
	}
	edit := func(old, new string) call { return post(strings.Replace(good, old, new, 1)) }
	typed := func(contentType string) call {
		c := post(good)
		c.header = http.Header{"Content-Type": {contentType}}
		return c
	}
	encoded := func(encoding string) call {
		c := post(good)
		c.header = http.Header{"Content-Encoding": {encoding}}
		return c
	}
	h.play(t, []scenario{
		{"no JSON", post("hello"), 400, []string{"not JSON"}, []string{"hello"}},
		{"half a JSON", post(good[:200]), 400, []string{"not JSON, from byte"}, nil},
		{"two documents", post(good + good), 400, []string{"not JSON"}, nil},
		{"a list", post("[]"), 400, []string{"object"}, nil},
		{"null", post("null"), 400, []string{"object"}, nil},
		{"nothing but space", post("   "), 400, []string{"the body is empty"}, []string{"byte"}},
		{"nothing at all", call{method: "POST", path: base + "/debtpositions", key: "writer", header: http.Header{"Content-Type": {"application/json"}}}, 400, []string{"the body is empty"}, []string{"byte"}},
		{"NaN", edit("12000", "NaN"), 400, []string{"not JSON"}, nil},
		{"Infinity", edit("12000", "-Infinity"), 400, []string{"not JSON"}, nil},
		{"a fraction of a cent", edit("12000", "12000.5"), 400, []string{"/paymentOption/0/amount", "whole number"}, nil},
		{"an exponent", edit("12000", "12e3"), 400, []string{"whole number"}, nil},
		{"more than 64 bits", edit("12000", "99999999999999999999"), 400, []string{"whole number"}, nil},
		{"more than the Nodo carries", edit("12000", "100000000000"), 400, []string{"99999999999"}, nil},
		{"a negative amount", edit("12000", "-1"), 400, []string{"/paymentOption/0/amount"}, nil},
		{"invalid UTF-8", edit("Luca", "\xff\xfe"), 400, []string{"UTF-8"}, nil},
		{"half of a surrogate pair", edit("Luca", `\ud83d`), 400, []string{"/fullName"}, nil},
		{"a NUL", edit("Luca", `Lu\u0000ca`), 400, []string{"/fullName", "U+0000"}, nil},
		{"a member of ours twice", edit(`"amount": 12000`, `"amount": 1, "amount": 12000`), 400, []string{"/paymentOption/0/amount", "twice"}, nil},
		{"a member of ours twice, once in disguise", edit(`"amount": 12000`, `"amount": 1, "\u0061mount": 12000`), 400, []string{"twice"}, nil},
		{"a thousand levels", edit(`"type"`, `"x":`+strings.Repeat(`{"a":`, 1000)+"1"+strings.Repeat("}", 1000)+`,"type"`), 400, []string{"deeper"}, nil},
		{"thirty thousand brackets", post(strings.Repeat("[", 30_000)), 400, []string{"deeper"}, nil},
		{"a list where an object belongs", edit(`"paymentOption": [{`, `"paymentOption": [[], null, 5, {`), 400, []string{"/paymentOption/0", "/paymentOption/1", "/paymentOption/2"}, nil},
		{"text where a list belongs", post(`{"paymentOption":"x"}`), 400, []string{`"/paymentOption"`, "list"}, nil},
		{"ten thousand items", call{method: "POST", path: base + "/api-keys", key: "admin", body: `{"name":"x","role":"READER","segregationCodes":[` + strings.Repeat(`"01",`, 10_000) + `"01"]}`}, 400, []string{"1000 items"}, nil},
		{"a broken query where there is none", call{method: "GET", path: "/info?%zz"}, 400, nil, nil},
		{"a body where none belongs", call{method: "GET", path: base + "/receipts", key: "reader", body: strings.Repeat("x", 70<<10)}, 200, nil, nil},
		{"a hundred and one options", post(`{"paymentOption":[` + strings.Repeat("{},", 100) + `{}]}`), 400, []string{`"errors"`}, nil},
		{"a pointer with separators in it", edit(`"iuv"`, `"send/Bound~":1,"iuv"`), 400, []string{"/paymentOption/0/send~1Bound~0"}, nil},
		{"text that is too long", edit("Luca Verdi", strings.Repeat("è", 256)), 400, []string{"/fullName", "256 characters"}, nil},
		{"a form", typed("application/x-www-form-urlencoded"), 415, nil, nil},
		{"XML", typed("text/xml"), 415, nil, nil},
		{"a broken media type", typed(";;"), 415, nil, nil},
		{"a compressed body", encoded("gzip"), 415, []string{"Content-Encoding"}, nil},
		{"two marks of UTF-8", post("\ufeff\ufeff" + good), 400, []string{"not JSON"}, nil},
		{"a mark of UTF-8 and nothing", post("\ufeff"), 400, []string{"empty"}, nil},
		{"a mark of UTF-8, as of GPD's clients on Windows", call{method: "POST", path: base + "/debtpositions", key: "writer", body: "\ufeff" + good, lenient: true}, 201, nil, nil},
		{"a body that is said not to be compressed", encoded("identity"), 409, []string{"P-1"}, nil},
		{"a body above the limit", post(`{"x":"` + strings.Repeat("a", 65<<10) + `"}`), 413, []string{"65536"}, nil},
		{"a NUL in the path", call{method: "GET", path: base + "/debtpositions/a%00b", key: "reader"}, 404, nil, nil},
		{"invalid UTF-8 in the path", call{method: "GET", path: base + "/debtpositions/%ff", key: "reader"}, 404, nil, nil},
		{"an endless iupd", call{method: "GET", path: base + "/debtpositions/" + strings.Repeat("a", 5000), key: "reader"}, 404, nil, nil},
		{"a broken query", call{method: "GET", path: base + "/receipts?from=%zz", key: "reader"}, 400, nil, nil},
		{"a NUL in the query", call{method: "GET", path: base + "/receipts?nav=%00", key: "reader"}, 400, nil, nil},
		{"a page that overflows", call{method: "GET", path: base + "/receipts?page=2147483647&limit=50", key: "reader"}, 400, []string{`"pointer":"page"`}, nil},
		{"a page below zero", call{method: "GET", path: base + "/receipts?page=-1", key: "reader"}, 400, nil, nil},
		{"a path up", call{method: "GET", path: "/v1/organizations/../info"}, 404, nil, nil},
	})
	// A body of unannounced length is stopped at the limit too.
	r, err := http.NewRequestWithContext(t.Context(), "POST", h.url+base+"/debtpositions", io.MultiReader(strings.NewReader(`{"x":"`), strings.NewReader(strings.Repeat("a", 100<<10))))
	must(t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Api-Key", h.keys["writer"])
	w, err := http.DefaultClient.Do(r)
	must(t, err)
	_ = w.Body.Close()
	if w.StatusCode != 413 {
		t.Errorf("a chunked body above the limit: %d", w.StatusCode)
	}
}

func FuzzDecodeBody(f *testing.F) {
	f.Add([]byte(positionJSON("P-1", "01000000000000177")))
	f.Add([]byte(`{"paymentOption":[{"amount":1e3,"transfer":[{"stamp":{}}]}],"type":null}`))
	f.Add([]byte(`{"iupd":"\ud83d\ude00 \ufffd","a":{"b":[[[]]]}}`))
	f.Add([]byte(ruledJSON("P-1", "01000000000000177", everyPart, everyRule)))
	f.Add([]byte(`{"paymentOption":[{"components":[{"code":"FINE","amount":1,"idTransfer":"9"}],"amountRules":[{"anchor":"DATE","date":"2026-02-30","from":{"days":1,"months":2},"until":{"days":-0,"roll":""},"effect":{"type":"SET","value":-0.50,"annualRate":"+2.5000","plus":"4/2","amount":0,"max":null,"to":" "}}]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var in PaymentPositionInput
		problems, err := decodeBody(data, &in)
		if err != nil {
			return
		}
		data = bytes.TrimPrefix(data, []byte("\ufeff")) // which encoding/json does not skip
		if !json.Valid(data) || !utf8.Valid(data) {
			t.Error("something else than JSON is accepted")
		}
		if raw := bytes.TrimSpace(data); skipValue(raw, 0) != len(raw) {
			t.Errorf("the value does not end where it ends: %s", raw)
		}
		// What encoding/json reads into the same members, in their own spelling.
		var members map[string]json.RawMessage
		must(t, json.Unmarshal(data, &members))
		var text *string
		if len(problems) == 0 && json.Unmarshal(members["iupd"], &text) == nil && text != nil && *text != in.Iupd {
			t.Errorf("iupd is %q, encoding/json says %q", in.Iupd, *text)
		}
		if len(problems) == 0 {
			// What was read is text that can be stored.
			if !storable(in.Iupd) || !storable(in.FullName) {
				t.Errorf("%q cannot be stored", in.Iupd)
			}
			for i := range in.PaymentOption {
				rulesReadBack(t, &in.PaymentOption[i])
			}
		}
	})
}

// rulesReadBack wants rules that were understood to say the same when they are
// sent back as they read.
func rulesReadBack(t *testing.T, in *PaymentOptionInput) {
	t.Helper()
	option, problems := in.option(time.Time{})
	if len(problems) > 0 {
		return
	}
	text, err := json.Marshal(map[string]any{"components": componentBodies(option.Components), "amountRules": ruleBodies(option.AmountRules)})
	must(t, err)
	var again PaymentOptionInput
	wrong, err := decodeBody(text, &again)
	must(t, err)
	for _, p := range wrong {
		if strings.HasPrefix(p.Pointer, "/components") || strings.HasPrefix(p.Pointer, "/amountRules") {
			t.Errorf("%s: %s: in %s", p.Pointer, p.Detail, text)
		}
	}
	same, problems := again.option(time.Time{})
	opaque := cmp.Comparer(func(a, b rules.Rate) bool { return a == b })
	if diff := cmp.Diff(option.AmountRules, same.AmountRules, opaque, cmpopts.EquateEmpty()); diff != "" || len(problems) > 1 { // no IUV is one
		t.Errorf("%v, rules (-sent +read):\n%s", problems, diff)
	}
	if diff := cmp.Diff(option.Components, same.Components, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("components (-sent +read):\n%s", diff)
	}
}

func TestTyposOfOurs(t *testing.T) {
	for name, want := range map[string]bool{
		"sendBound": true, "SENDBOUND": true, "send_bound": true, "sendBond": true, "sendBund": true, "send-bound": true,
		"senderFiscalcode": true, "senderFiscalCod": true, "component": true, "amountrules": true, "amountRule": true,
		"fee": false, "amount": false, "price": false, "lifecycle": false, "warnings": false, "sendDate": false, "": false,
		strings.Repeat("sendBound", 1000): false,
	} {
		f := &fields{gpd: true}
		if got := f.mistyped(name) != ""; got != want {
			t.Errorf("%q taken for a typo: %v", name, got)
		}
	}
}

func TestIBANs(t *testing.T) {
	for iban, want := range map[string]bool{
		"IT60X0542811101000000123456": true, "it60x0542811101000000123456": true, "DE89370400440532013000": true, "GB82WEST12345698765432": true,
		"IT61X0542811101000000123456": false, "IT60X054281110100000012345": false, "DE89370400440532013001": false, "X": false,
		"IT60X05428111010000001234567": false, strings.Repeat("0", 35): false,
	} {
		if got := ibanRight(iban); got != want {
			t.Errorf("%s: %v", iban, got)
		}
	}
}

// TestTheGeneratedCodeIsOfToday fails when api.yaml was changed and go generate
// was not run.
func TestTheGeneratedCodeIsOfToday(t *testing.T) {
	out := filepath.Join(t.TempDir(), "api.gen.go")
	tool := exec.CommandContext(t.Context(), "go", "tool", "-modfile=../tools/oapi/go.mod", "oapi-codegen", "-config", "oapi.yaml", "-o", out, "api.yaml")
	if text, err := tool.CombinedOutput(); err != nil {
		t.Fatalf("oapi-codegen: %v\n%s", err, text)
	}
	fresh, err := os.ReadFile(out)
	must(t, err)
	stored, err := os.ReadFile("api.gen.go")
	must(t, err)
	if string(fresh) != string(stored) {
		t.Error("api.gen.go is not what api.yaml generates: run go generate ./internal/rest")
	}
}

// counted is a body that tells how much of it was read.
type counted struct {
	io.Reader
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}

func TestABodyAboveTheLimitIsNotReadFurther(t *testing.T) {
	h := openHouse(t).furnish(t)
	handler, err := New(h.cfg)
	must(t, err)
	const size = 10 << 20
	for name, header := range map[string]http.Header{"plain": {}, "with an Idempotency-Key": {"Idempotency-Key": {"k"}}} {
		for announced, atMost := range map[int64]int64{size: 0, -1: DefaultMaxBody + 1} {
			body := &counted{Reader: io.LimitReader(zeros{}, size)}
			r := httptest.NewRequest("POST", base+"/debtpositions", io.MultiReader(strings.NewReader(`{"x":"`), body))
			r.ContentLength = announced
			r.Header = header.Clone()
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("X-Api-Key", h.keys["writer"])
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != 413 || body.n > atMost {
				t.Errorf("%s, announced %d: status %d after %d bytes", name, announced, w.Code, body.n)
			}
		}
	}
	// And over a socket, where who is refused early may not have sent it all.
	h.want(t, 413, call{method: "POST", path: base + "/debtpositions", key: "writer", body: strings.Repeat(" ", size)})
	h.want(t, 201, keyed("k", creating("P-1", "01000000000000177"))) // no key was used up
}

// zeros is a text without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}
