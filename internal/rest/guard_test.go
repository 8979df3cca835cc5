package rest

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/attualizza/attualizza/positions"
)

func TestTheDocumentMustSayWhoMayCall(t *testing.T) {
	for name, edit := range map[string][2]string{
		"an operation without x-access":      {"x-access: WRITER\n", "\n"},
		"a word that is none":                {"x-access: READER", "x-access: EVERYBODY"},
		"a public operation with a key":      {"x-access: READER", "x-access: PUBLIC"},
		"a key's operation without security": {"x-access: PUBLIC", "x-access: READER"},
	} {
		if _, err := readContract([]byte(strings.Replace(string(source), edit[0], edit[1], 1))); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	c, err := readContract(source)
	must(t, err)
	e := echo.New()
	RegisterHandlers(e, NewStrictHandler(&server{}, nil))
	must(t, c.covers(e.Routes()))
	e.GET("/v1/secret", func(echo.Context) error { return nil })
	if c.covers(e.Routes()) == nil {
		t.Error("a route beside the document is accepted")
	}
	if c.covers(nil) == nil {
		t.Error("an operation without a route is accepted")
	}
}

func TestLimitsPerKey(t *testing.T) {
	h := openHouse(t, func(c *Config) { c.RateLimit = 8 }).furnish(t)
	get := func(key string) answer {
		return h.do(t, call{method: "GET", path: base + "/debtpositions/none", key: key})
	}
	first := get("reader")
	if first.status != 404 || first.header.Get("X-Ratelimit-Limit") != "8" || first.header.Get("X-Ratelimit-Remaining") != "7" || first.header.Get("X-Ratelimit-Reset") != "1" {
		t.Errorf("the first answer: %d %v", first.status, first.header)
	}
	refused := 0
	for range 30 {
		if a := get("reader"); a.status == 429 {
			refused++
			if a.header.Get("Retry-After") != "1" || a.header.Get("X-Ratelimit-Remaining") != "0" {
				t.Errorf("a 429 with %v", a.header)
			}
		}
	}
	if refused < 15 {
		t.Errorf("%d of 31 quick requests were refused, at 8 a second", refused)
	}
	if a := get("writer"); a.status != 404 {
		t.Errorf("another key of the same address: %d", a.status)
	}
	for _, path := range []string{"/info", "/nothing"} {
		if a := h.do(t, call{method: "GET", path: path}); a.header.Get("X-Ratelimit-Limit") != "8" {
			t.Errorf("%s: no limits on the answer", path)
		}
	}
}

func TestGuessingKeysIsLimitedByAddress(t *testing.T) {
	began := time.Now()
	var clock, lookups atomic.Int64 // the clock stands still: nothing grows back by itself
	var broken atomic.Bool
	h := openHouse(t, func(c *Config) {
		c.RateLimit = 8
		c.Now = func() time.Time { return began.Add(time.Duration(clock.Load())) }
		c.Store = faulty{Store: c.Store, key: func() error {
			lookups.Add(1)
			if broken.Load() {
				return positions.Errorf(positions.Unavailable, "the database does not answer")
			}
			return nil
		}}
	}).furnish(t)
	get := func(key string) answer {
		return h.do(t, call{method: "GET", path: base + "/debtpositions/none", key: key})
	}
	want := func(what, key string, times, status int) {
		t.Helper()
		for i := range times {
			if a := get(key); a.status != status {
				t.Fatalf("%s, request %d: %d, want %d: %s", what, i+1, a.status, status, a.body)
			}
		}
	}
	// None of this is guessing.
	for range 30 {
		h.do(t, call{method: "GET", path: "/info"})
	}
	want("a right key", "reader", 8, 404)
	want("a right key used too much", "reader", 8, 429)
	broken.Store(true)
	want("a key that cannot be looked up", "writer", 16, 503)
	broken.Store(false)
	want("another right key", "writer", 4, 404)

	const guess = "abcdefghijklmnop.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	want("a guess", guess, 7, 401)
	want("a right key beside guesses", "writer", 1, 404)
	want("the last guess", guess, 1, 401)
	before := lookups.Load()
	want("one guess too many", guess, 20, 429)
	want("no key either", "", 1, 429)
	want("a right key that is new", "segregated", 1, 429)
	a := get(guess)
	if a.header.Get("Retry-After") != "1" || a.header.Get("X-Ratelimit-Limit") != "8" || a.header.Get("X-Ratelimit-Remaining") != "0" {
		t.Errorf("a 429 with %v", a.header)
	}
	if n := lookups.Load() - before; n != 0 {
		t.Errorf("the store was asked %d times for an address that guessed too much", n)
	}
	// Others at the same address, a proxy's for example, go on with their keys …
	want("a right key that is known", "writer", 2, 404)
	if n := lookups.Load() - before; n != 2 {
		t.Errorf("the store was asked %d times for two right keys", n)
	}
	// … until these are right no more: that is found out once.
	id, _, _ := strings.Cut(h.keys["writer"], ".")
	must(t, h.store.DeleteKey(t.Context(), ente, id))
	want("a key that was revoked", "writer", 3, 429)
	if n := lookups.Load() - before; n != 3 {
		t.Errorf("the store was asked %d times for a key that was revoked", n-2)
	}
	clock.Add(int64(time.Second))
	want("a right key a second later", "segregated", 1, 404)
	want("a guess a second later", guess, 8, 401)
}

func TestLimitsForgetWhoWasNotSeenLongest(t *testing.T) {
	l := newLimits(1)
	for i := range maxLimited + 100 {
		l.of(strconv.Itoa(i))
		l.of("0")
	}
	if l.recent.Len() != maxLimited || len(l.byName) != maxLimited {
		t.Errorf("%d callers are remembered, %d by name", l.recent.Len(), len(l.byName))
	}
	if l.byName["0"] == nil || l.byName["1"] != nil {
		t.Error("not the one seen longest ago was forgotten")
	}
}

func TestRequestIDs(t *testing.T) {
	h := openHouse(t)
	for sent, echoed := range map[string]bool{
		"abc-DEF_123.4": true, strings.Repeat("x", 64): true,
		strings.Repeat("x", 65): false, "a b": false, "a\tb": false, "<script>": false, "": false, "è": false,
	} {
		a := h.do(t, call{method: "GET", path: "/nothing", header: http.Header{"X-Request-Id": {sent}}})
		got := a.header.Get("X-Request-Id")
		if (got == sent) != echoed || got == "" {
			t.Errorf("%q came back as %q", sent, got)
		}
		if !strings.Contains(string(a.body), `"instance":"urn:request:`+got+`"`) {
			t.Errorf("the problem does not carry %q: %s", got, a.body)
		}
	}
}

func TestTheLogTellsNoPersonalData(t *testing.T) {
	h := openHouse(t).furnish(t)
	const nav = "301000000000000177"
	h.want(t, 201, call{method: "POST", path: base + "/debtpositions?toPublish=true&token=sensibile", key: "writer", body: positionJSON("VRDLCU80A01H501X", nav[1:])})
	h.want(t, 200, call{method: "GET", path: base + "/debtpositions/VRDLCU80A01H501X", key: "reader"})
	h.want(t, 409, call{method: "POST", path: base + "/debtpositions", key: "writer", body: positionJSON("VRDLCU80A01H501X", nav[1:])})
	h.want(t, 404, call{method: "GET", path: "/Luca/Verdi"})
	log := h.log.String()
	for _, unwanted := range []string{"VRDLCU", "Verdi", "sensibile", "luca@", "segreto", h.keys["writer"], adminKey} {
		if strings.Contains(log, unwanted) {
			t.Errorf("the log holds %s", unwanted)
		}
	}
	id, _, _ := strings.Cut(h.keys["reader"], ".")
	for _, want := range []string{`"route":"/v1/organizations/:organizationFiscalCode/debtpositions/:iupd"`, `"status":200`, `"key":"` + id + `"`, `"route":"unmatched"`, `"ms"`, `"request"`} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %s", want)
		}
	}
}

// faulty is a store with one thing wrong.
type faulty struct {
	Store
	position func(ctx context.Context) error
	update   func() error
	key      func() error
	create   func(ctx context.Context) error // before the position is created
	created  func(ctx context.Context) error // after it was
	finish   func() error
}

func (f faulty) CreatePosition(ctx context.Context, p *positions.Position, c positions.Change) error {
	if f.create != nil {
		if err := f.create(ctx); err != nil {
			return err
		}
	}
	err := f.Store.CreatePosition(ctx, p, c)
	if err == nil && f.created != nil {
		err = f.created(ctx)
	}
	return err
}

func (f faulty) FinishAttempt(ctx context.Context, a *positions.Attempt, answer *positions.KeptAnswer) error {
	if f.finish != nil {
		if err := f.finish(); err != nil {
			return err
		}
	}
	return f.Store.FinishAttempt(ctx, a, answer)
}

func (f faulty) Key(ctx context.Context, id string) (*positions.Key, error) {
	if f.key != nil {
		if err := f.key(); err != nil {
			return nil, err
		}
	}
	return f.Store.Key(ctx, id)
}

func (f faulty) Position(ctx context.Context, organization, iupd string) (*positions.Position, error) {
	if f.position != nil {
		if err := f.position(ctx); err != nil {
			return nil, err
		}
	}
	return f.Store.Position(ctx, organization, iupd)
}

func (f faulty) UpdatePosition(ctx context.Context, p *positions.Position, c positions.Change) error {
	if f.update != nil {
		if err := f.update(); err != nil {
			return err
		}
	}
	return f.Store.UpdatePosition(ctx, p, c)
}

// slowRegistrar lets something happen between the reading and the writing of a
// registration.
type slowRegistrar struct {
	Store
	between *func()
}

func (s slowRegistrar) PutOrganization(ctx context.Context, o *positions.Organization) (bool, error) {
	if f := *s.between; f != nil {
		f()
	}
	return s.Store.PutOrganization(ctx, o)
}

func TestDefectsStayInside(t *testing.T) {
	what := ""
	h := openHouse(t, func(c *Config) {
		c.Timeout = 200_000_000
		c.Store = faulty{Store: c.Store, position: func(ctx context.Context) error {
			switch what {
			case "panic":
				panic("Luca Verdi")
			case "hang":
				<-ctx.Done()
				return ctx.Err()
			case "strange":
				return context.Canceled
			}
			return http.ErrBodyNotAllowed
		}}
	}).furnish(t)
	get := call{method: "GET", path: base + "/debtpositions/x", key: "reader"}
	for what = range map[string]bool{"panic": true, "other": true} {
		a := h.want(t, 500, get)
		if strings.Contains(string(a.body), "Verdi") || strings.Contains(string(a.body), "http:") {
			t.Errorf("the answer tells the cause: %s", a.body)
		}
	}
	if !strings.Contains(h.log.String(), "panic: Luca Verdi") || !strings.Contains(h.log.String(), http.ErrBodyNotAllowed.Error()) {
		t.Error("the log does not tell the cause")
	}
	for what = range map[string]bool{"hang": true, "strange": true} {
		h.want(t, 503, get)
	}
}

func TestConcurrentWritersLoseNothing(t *testing.T) {
	h := openHouse(t).furnish(t)
	h.want(t, 201, call{method: "POST", path: base + "/debtpositions?toPublish=true", key: "writer", body: positionJSON("P-1", "01000000000000177")})
	var done, refused, stale atomic.Int64
	var group sync.WaitGroup
	for i := range 32 {
		group.Go(func() {
			c := call{method: "POST", path: base + "/debtpositions/P-1/invalidate", key: "writer"}
			if i%2 == 0 {
				c.header = http.Header{"If-Match": {`"1"`}}
			}
			switch a := h.do(t, c); a.status {
			case 200:
				done.Add(1)
			case 409:
				refused.Add(1)
			case 412:
				stale.Add(1)
			default:
				t.Errorf("status %d: %s", a.status, a.body)
			}
		})
	}
	group.Wait()
	if done.Load() != 1 || refused.Load()+stale.Load() != 31 {
		t.Errorf("%d won, %d refused, %d stale", done.Load(), refused.Load(), stale.Load())
	}
}

func TestAWriterTriesAgainWhenSomebodyWasFaster(t *testing.T) {
	failures := 0
	h := openHouse(t, func(c *Config) {
		c.Store = faulty{Store: c.Store, update: func() error {
			if failures > 0 {
				failures--
				return positions.Errorf(positions.Stale, "somebody was faster")
			}
			return nil
		}}
	}).furnish(t)
	h.want(t, 201, call{method: "POST", path: base + "/debtpositions", key: "writer", body: positionJSON("P-1", "01000000000000177")})
	publish := call{method: "POST", path: base + "/debtpositions/P-1/publish", key: "writer"}
	failures = maxAttempts
	if a := h.want(t, 409, publish); strings.Contains(string(a.body), "not in publishable state") {
		t.Errorf("GPD's words tell of a state that it is not in: %s", a.body)
	}
	failures = 1
	withTag := publish
	withTag.header = http.Header{"If-Match": {`"1"`}}
	h.want(t, 412, withTag)
	failures = maxAttempts - 1
	h.want(t, 200, publish)
}
