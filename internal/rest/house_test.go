package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/attualizza/attualizza/cache"
	"github.com/attualizza/attualizza/internal/actualize"
	"github.com/attualizza/attualizza/internal/registry"
	"github.com/attualizza/attualizza/internal/secrets"
	"github.com/attualizza/attualizza/internal/testservers"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/postgres"
	"github.com/attualizza/attualizza/positions/sqlite"
	"github.com/attualizza/attualizza/sendclient"
)

const (
	ente     = "77777777777"
	other    = "88888888888"
	adminKey = "the-operator-s-own-key"
	base     = "/v1/organizations/" + ente
)

// house is the API over real HTTP on a real store, with a scripted SEND and two
// registered organizations.
type house struct {
	url       string
	store     positions.Store
	directory *registry.Registry
	keys      map[string]string // by name: admin, writer, reader, segregated, foreign
	log       *lockedBuffer
	sendCalls atomic.Int64
	send      atomic.Value // http.HandlerFunc
	clock     atomic.Int64 // what is added to the time of day
	cfg       Config
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func (h *house) now() time.Time { return time.Now().Add(time.Duration(h.clock.Load())) }

const sendPrice = `{"iun":"ABCD-EFGH-ILMN-202611-A-1","partialPrice":500,"totalPrice":710,"vat":22,"paFee":100,"sendFee":100,"analogCost":418}`

func sendAnswers(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// stores opens an empty store of each kind that a house can stand on.
var stores = map[string]func(*testing.T) positions.Store{
	"sqlite": func(t *testing.T) positions.Store {
		s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"))
		must(t, err)
		return s
	},
	"postgres": func(t *testing.T) positions.Store {
		s, err := postgres.Open(t.Context(), migrated(t))
		must(t, err)
		return s
	},
}

// migrated is a database with the store's tables.
var migrated = testservers.PostgresCopies(func(url string) error {
	s, err := postgres.Open(context.Background(), url)
	if err != nil {
		return err
	}
	return errors.Join(s.Migrate(context.Background()), s.Close())
})

// openHouse opens a house on SQLite.
func openHouse(t *testing.T, adjust ...func(*Config)) *house {
	t.Helper()
	return openHouseOn(t, stores["sqlite"], adjust...)
}

func openHouseOn(t *testing.T, open func(*testing.T) positions.Store, adjust ...func(*Config)) *house {
	t.Helper()
	ctx := t.Context()
	h := &house{log: &lockedBuffer{}, keys: map[string]string{"admin": adminKey, "": ""}}
	h.send.Store(sendAnswers(200, sendPrice))
	send := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.sendCalls.Add(1)
		h.send.Load().(http.HandlerFunc)(w, r)
	}))
	t.Cleanup(send.Close)

	h.store = open(t)
	t.Cleanup(func() { _ = h.store.Close() })
	must(t, h.store.Migrate(ctx))
	box, err := secrets.New(bytes.Repeat([]byte{7}, secrets.KeySize))
	must(t, err)
	logger := slog.New(slog.NewJSONHandler(h.log, nil))
	h.directory = registry.New(h.store, box, logger, nil)
	client, err := sendclient.New(sendclient.Config{BaseURL: send.URL, TokenURL: send.URL, Audience: "test", Timeout: 300 * time.Millisecond})
	must(t, err)
	t.Cleanup(func() { _ = client.Close() })
	prices := cache.New[positions.Price](cache.Options{Prefix: "test"})
	t.Cleanup(prices.Close)

	cfg := Config{
		Store: h.store, Directory: h.directory, Box: box, AdminKey: adminKey, RateLimit: 10_000, Logger: logger, Now: h.now,
		Quoter:   actualize.New(actualize.Config{Store: h.store, Prices: client, Cache: prices, SendTimeout: 300 * time.Millisecond, Now: h.now}),
		Audience: ourAudience,
		Name:     "attualizza", Version: "1.2.3", Environment: "test",
	}
	h.cfg = cfg
	h.url = h.again(t, adjust...)
	return h
}

// again starts another replica of the API on the same store and returns its
// address.
func (h *house) again(t testing.TB, adjust ...func(*Config)) string {
	t.Helper()
	cfg := h.cfg
	for _, f := range adjust {
		f(&cfg)
	}
	handler, err := New(cfg)
	must(t, err)
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// furnish registers two organizations and issues their keys, through the API.
func (h *house) furnish(t *testing.T) *house {
	t.Helper()
	for _, path := range []string{base, "/v1/organizations/" + other} {
		a := h.do(t, call{method: "PUT", path: path, key: "admin", body: organizationJSON})
		for try := 0; a.status == 503 && try < 5; try++ { // a busy machine: it is stored, or not, and says so
			a = h.do(t, call{method: "PUT", path: path, key: "admin", body: organizationJSON})
		}
		if a.status != 201 && a.status != 200 {
			t.Fatalf("PUT %s: status %d: %s", path, a.status, a.body)
		}
	}
	for name, issue := range map[string]struct{ organization, body string }{
		"writer":     {ente, `{"name":"gestionale","role":"WRITER"}`},
		"reader":     {ente, `{"name":"lettura","role":"READER"}`},
		"segregated": {ente, `{"name":"un ufficio","role":"WRITER","segregationCodes":["02"]}`},
		"foreign":    {other, `{"name":"altri","role":"WRITER"}`},
	} {
		a := h.want(t, 201, call{method: "POST", path: "/v1/organizations/" + issue.organization + "/api-keys", key: "admin", body: issue.body})
		h.keys[name] = a.text(t, "key")
	}
	return h
}

const organizationJSON = `{
	"companyName": "Comune di Esempio", "officeName": "Tributi", "brokerCode": "99999999990",
	"stations": [{"stationCode": "99999999990_01"}],
	"send": {"apiKey": "segreto-di-send", "pdnd": {"mode": "FORBIDDEN"}}
}`

// positionJSON is a SEND-bound position of two transfers, 100.00 to the ente and
// 20.00 to somebody else, in the segregation code 01.
func positionJSON(iupd, iuv string) string {
	return `{
	"iupd": "` + iupd + `", "type": "F", "fiscalCode": "VRDLCU80A01H501X", "fullName": "Luca Verdi", "email": "luca@example.it",
	"companyName": "Comune di Esempio", "switchToExpired": false,
	"paymentOption": [{
		"iuv": "` + iuv + `", "amount": 12000, "description": "Verbale 1", "isPartialPayment": false, "dueDate": "2031-01-31T10:00:00Z",
		"sendBound": true, "notificationFee": 999,
		"paymentOptionMetadata": [{"key": "pratica", "value": "12"}],
		"transfer": [
			{"idTransfer": "1", "amount": 2000, "organizationFiscalCode": "88888888888", "remittanceInformation": "quota", "category": "9/0101100IM/", "iban": "IT60X0542811101000000123456"},
			{"idTransfer": "2", "amount": 10000, "remittanceInformation": "verbale", "category": "9/0101100IM/", "iban": "IT60X0542811101000000123456"}
		]
	}]}`
}

// call is one request; key is a name of house.keys, or a whole key.
type call struct {
	method, path, key, body string
	header                  http.Header
	lenient                 bool // the service takes more than api.yaml promises
}

type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) json(t *testing.T) map[string]any {
	t.Helper()
	var m map[string]any
	d := json.NewDecoder(bytes.NewReader(a.body))
	d.UseNumber()
	must(t, d.Decode(&m))
	return m
}

func (a answer) text(t *testing.T, member string) string {
	t.Helper()
	s, ok := a.json(t)[member].(string)
	if !ok {
		t.Fatalf("no text %q in %s", member, a.body)
	}
	return s
}

// do makes a request and holds the answer to api.yaml.
func (h *house) do(t *testing.T, c call) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), c.method, h.url+c.path, strings.NewReader(c.body))
	must(t, err)
	if c.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if key, ok := h.keys[c.key]; ok {
		c.key = key
	}
	if c.key != "" {
		r.Header.Set("Ocp-Apim-Subscription-Key", c.key)
	}
	for name, values := range c.header {
		r.Header[name] = values
	}
	w, err := http.DefaultClient.Do(r)
	must(t, err)
	defer func() { _ = w.Body.Close() }()
	body, err := io.ReadAll(w.Body)
	must(t, err)
	a := answer{w.StatusCode, w.Header, body}
	holdToContract(t, r, c, a)
	return a
}

func (h *house) want(t *testing.T, status int, c call) answer {
	t.Helper()
	a := h.do(t, c)
	if a.status != status {
		t.Fatalf("%s %s: status %d, want %d: %s", c.method, c.path, a.status, status, a.body)
	}
	return a
}

var theContract = sync.OnceValues(func() (*openapi3.T, routers.Router) {
	doc, err := openapi3.NewLoader().LoadFromData(source)
	if err != nil {
		panic(err)
	}
	if err := doc.Validate(context.Background()); err != nil {
		panic(err)
	}
	doc.Servers = nil // the tests' installation is at an address of its own
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		panic(err)
	}
	return doc, router
})

// holdToContract checks an answer, and a request that was accepted, against
// api.yaml, and what every answer has.
func holdToContract(t *testing.T, r *http.Request, c call, a answer) {
	t.Helper()
	for _, name := range []string{"X-Request-Id", "X-Content-Type-Options", "Content-Security-Policy", "Cache-Control"} {
		if a.header.Get(name) == "" {
			t.Errorf("%s %s: the answer has no %s", r.Method, r.URL, name)
		}
	}
	if style := facades[r.URL.Path]; a.status >= 400 && style != asProblem {
		holdToFacade(t, r, style, a)
	} else if a.status >= 400 {
		var p Problem
		if err := json.Unmarshal(a.body, &p); err != nil || a.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: not a problem: %s %s", r.Method, r.URL, a.header.Get("Content-Type"), a.body)
		}
		if p.Status != a.status || p.Title == "" || p.Detail == "" || p.Code == "" || p.Instance == nil {
			t.Errorf("%s %s: a problem without its members: %s", r.Method, r.URL, a.body)
		}
	}
	_, router := theContract()
	route, params, err := router.FindRoute(r)
	if err != nil {
		if a.status != 404 && a.status != 405 && a.status != 429 {
			t.Errorf("%s %s is not in api.yaml and answers %d", r.Method, r.URL, a.status)
		}
		return
	}
	input := &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route}
	if a.status < 300 && c.body != "" && !c.lenient {
		// What is accepted is what the document promises to accept.
		again := r.Clone(t.Context())
		again.Body = io.NopCloser(strings.NewReader(c.body))
		err := openapi3filter.ValidateRequest(t.Context(), &openapi3filter.RequestValidationInput{
			Request: again, PathParams: params, Route: route,
			Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, MultiError: true},
		})
		if err != nil {
			t.Errorf("%s %s: accepted a request that breaks api.yaml: %v", r.Method, r.URL, err)
		}
	}
	err = openapi3filter.ValidateResponse(t.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: a.status, Header: a.header, Body: io.NopCloser(bytes.NewReader(a.body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
	})
	if err != nil {
		t.Errorf("%s %s: the answer breaks api.yaml: %v", r.Method, r.URL, err)
	}
}

// facades are the paths whose refusals have a form of their own.
var facades = map[string]errorStyle{"/amount-update": asCodeMessage, "/notification-price": asCodeMessage, "/login": asOutcome}

func holdToFacade(t *testing.T, r *http.Request, style errorStyle, a answer) {
	t.Helper()
	body := a.json(t)
	want := []string{"code", "message"}
	if style == asOutcome {
		want = []string{"esito", "descrizioneErrore"}
	}
	for _, name := range want {
		if text, _ := body[name].(string); text == "" {
			t.Errorf("%s %s: a refusal without %s: %s", r.Method, r.URL, name, a.body)
		}
	}
	if len(body) != len(want) || a.header.Get("Content-Type") != "application/json" {
		t.Errorf("%s %s: not this interface's refusal: %s %s", r.Method, r.URL, a.header.Get("Content-Type"), a.body)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
