package rest

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attualizza/attualizza/positions"
)

// keyed is a request with an Idempotency-Key.
func keyed(key string, c call) call {
	header := http.Header{"Idempotency-Key": {key}}
	for name, values := range c.header {
		header[name] = values
	}
	c.header = header
	return c
}

func creating(iupd, iuv string) call {
	return call{method: "POST", path: base + "/debtpositions", key: "writer", body: positionJSON(iupd, iuv)}
}

// isReplay holds an answer to the first one.
func isReplay(t *testing.T, first, again answer) {
	t.Helper()
	if again.status != first.status || string(again.body) != string(first.body) {
		t.Errorf("first %d %s\nagain %d %s", first.status, first.body, again.status, again.body)
	}
	for _, name := range []string{"Etag", "Content-Type"} {
		if first.header.Get(name) != again.header.Get(name) {
			t.Errorf("%s was %q and is %q", name, first.header.Get(name), again.header.Get(name))
		}
	}
	if again.header.Get("Idempotent-Replayed") != "true" || first.header.Get("Idempotent-Replayed") != "" {
		t.Errorf("which one is the replay: %v, %v", first.header, again.header)
	}
	if first.header.Get("X-Request-Id") == again.header.Get("X-Request-Id") {
		t.Error("the replay has the request id of the first")
	}
}

func TestTheFirstAnswerIsReplayedForADay(t *testing.T) {
	h := openHouse(t).furnish(t)
	create := keyed("8e03978e-40d5", creating("P-1", "01000000000000177"))
	first := h.want(t, 201, create)
	if first.header.Get("ETag") == "" {
		t.Error("the first answer has no ETag")
	}
	isReplay(t, first, h.do(t, create))
	h.want(t, 200, call{method: "POST", path: base + "/debtpositions/P-1/publish", key: "writer"})
	h.clock.Store(int64(24*time.Hour - time.Minute))
	isReplay(t, first, h.do(t, create)) // as it was, not as it is
	h.clock.Store(int64(24 * time.Hour))
	late := h.want(t, 409, create)
	if late.header.Get("Idempotent-Replayed") != "" {
		t.Error("the answer of yesterday is still replayed")
	}
}

func TestARefusalBecauseOfTheStateIsReplayed(t *testing.T) {
	h := openHouse(t).furnish(t)
	publish := call{method: "POST", path: base + "/debtpositions/P-1/publish", key: "writer"}
	missing := h.want(t, 404, keyed("missing", publish))
	h.want(t, 201, creating("P-1", "01000000000000177"))
	isReplay(t, missing, h.do(t, keyed("missing", publish)))
	taken := h.want(t, 409, keyed("taken", creating("P-1", "01000000000000278")))
	isReplay(t, taken, h.do(t, keyed("taken", creating("P-1", "01000000000000278"))))
	h.want(t, 200, keyed("another", publish))
}

func TestARefusalThatSaysWhatToMendFreesItsKey(t *testing.T) {
	failures := map[string]error{}
	h := openHouse(t, func(c *Config) {
		c.Store = faulty{Store: c.Store, create: func(context.Context) error {
			for name, err := range failures {
				delete(failures, name)
				return err
			}
			return nil
		}}
	}).furnish(t)
	good := creating("P-1", "01000000000000177")
	wrong, form := good, good
	wrong.body = strings.Replace(wrong.body, "12000", "12001", 1)
	form.header = http.Header{"Content-Type": {"text/plain"}}
	h.want(t, 400, keyed("k", wrong))
	h.want(t, 415, keyed("k", form))
	failures["unavailable"] = positions.Errorf(positions.Unavailable, "the database does not answer")
	h.want(t, 503, keyed("k", good))
	failures["defect"] = http.ErrBodyNotAllowed
	h.want(t, 500, keyed("k", good))
	h.want(t, 201, keyed("k", good))
	stale := call{method: "POST", path: base + "/debtpositions/P-1/publish", key: "writer", header: http.Header{"If-Match": {`"7"`}}}
	h.want(t, 412, keyed("p", stale))
	stale.header = http.Header{"If-Match": {`"1"`}}
	h.want(t, 200, keyed("p", stale))
}

func TestAKeyStandsForOneRequestOfOneCaller(t *testing.T) {
	h := openHouse(t).furnish(t)
	h.want(t, 201, keyed("k", creating("P-1", "01000000000000177")))
	published := creating("P-1", "01000000000000177")
	published.path += "?toPublish=true"
	spaced := creating("P-1", "01000000000000177")
	spaced.body += " "
	h.play(t, []scenario{
		{"another body is another request", keyed("k", creating("P-2", "01000000000000278")), 422, []string{"Idempotency-Key"}, nil},
		{"even by a space", keyed("k", spaced), 422, nil, nil},
		{"another query is", keyed("k", published), 422, nil, nil},
		{"another path is", keyed("k", call{method: "POST", path: base + "/debtpositions/P-1/publish", key: "writer"}), 422, nil, nil},
		{"who may not call learns nothing of the key", keyed("k", call{method: "POST", path: base + "/debtpositions", key: "reader", body: positionJSON("P-1", "01000000000000177")}), 403, nil, []string{"Verdi"}},
		{"another caller of the organization has its own keys", keyed("k", call{method: "POST", path: base + "/debtpositions", key: "segregated", body: positionJSON("P-9", "02000000000000178")}), 201, nil, nil},
		{"another organization too", keyed("k", call{method: "POST", path: "/v1/organizations/" + other + "/debtpositions", key: "foreign", body: positionJSON("P-1", "01000000000000177")}), 201, nil, nil},
		{"an empty key is none", keyed("", creating("P-3", "01000000000000379")), 400, []string{`"pointer":"Idempotency-Key"`}, nil},
		{"a key is visible ASCII", keyed("chiave è", creating("P-3", "01000000000000379")), 400, nil, nil},
		{"256 characters are too many", keyed(strings.Repeat("k", 256), creating("P-3", "01000000000000379")), 400, []string{"255"}, nil},
		{"255 are not", keyed(strings.Repeat("k", 255), creating("P-3", "01000000000000379")), 201, nil, nil},
		{"a quoted key is a key", keyed(`"k"`, creating("P-4", "01000000000000480")), 201, nil, nil},
		{"a GET does not look at it", keyed("k", call{method: "GET", path: base + "/debtpositions/P-4", key: "writer"}), 200, nil, nil},
	})
	two := creating("P-5", "01000000000000581")
	two.header = http.Header{"Idempotency-Key": {"a", "b"}}
	h.want(t, 400, two)
}

func TestAnIssuedKeyIsNeverKept(t *testing.T) {
	h := openHouse(t).furnish(t)
	issue := keyed("k", call{method: "POST", path: base + "/api-keys", key: "admin", body: `{"name":"x","role":"READER"}`})
	a := h.want(t, 409, issue)
	if !strings.Contains(string(a.body), "once") {
		t.Errorf("the refusal does not say why: %s", a.body)
	}
	if keys, err := h.store.Keys(t.Context(), ente); err != nil || len(keys) != 3 {
		t.Errorf("%d keys, %v", len(keys), err)
	}
}

// TestOfManyRetriesOneIsCarriedOut sends the same request many times at once to
// two replicas on one database.
func TestOfManyRetriesOneIsCarriedOut(t *testing.T) {
	var created atomic.Int64
	hold := make(chan struct{})
	slow := func(c *Config) {
		c.Store = faulty{Store: c.Store, create: func(context.Context) error {
			created.Add(1)
			<-hold
			return nil
		}}
	}
	h := openHouse(t, slow).furnish(t)
	replica := &house{url: h.again(t, slow), keys: h.keys}
	create := keyed("k", creating("P-1", "01000000000000177"))
	const many = 24
	answers := make([]answer, many)
	var waiting, group sync.WaitGroup
	waiting.Add(many - 1) // all but the one that is carried out
	for i := range many {
		group.Go(func() {
			house := []*house{h, replica}[i%2]
			if answers[i] = house.do(t, create); answers[i].status == 409 {
				waiting.Done()
			}
		})
	}
	waiting.Wait()
	close(hold)
	group.Wait()
	counts := map[int]int{}
	var first answer
	for _, a := range answers {
		counts[a.status]++
		switch {
		case a.status == 201:
			first = a
		case a.header.Get("Retry-After") == "" || !strings.Contains(string(a.body), `"TRY_AGAIN"`):
			t.Errorf("who came too early is told %v %s", a.header, a.body)
		}
	}
	if counts[201] != 1 || counts[409] != many-1 || created.Load() != 1 {
		t.Fatalf("statuses %v, created %d times", counts, created.Load())
	}
	isReplay(t, first, replica.do(t, create))
	isReplay(t, first, h.do(t, create))
}

func TestARequestGoesOnWhenItsSenderGoesAway(t *testing.T) {
	started, hold := make(chan struct{}), make(chan struct{})
	h := openHouse(t, func(c *Config) {
		c.Store = faulty{Store: c.Store, create: func(ctx context.Context) error {
			close(started)
			<-hold
			return ctx.Err()
		}}
	}).furnish(t)
	create := keyed("k", creating("P-1", "01000000000000177"))
	ctx, hangUp := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, create.method, h.url+create.path, strings.NewReader(create.body))
	must(t, err)
	r.Header = http.Header{"Content-Type": {"application/json"}, "X-Api-Key": {h.keys["writer"]}, "Idempotency-Key": {"k"}}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		if w, err := http.DefaultClient.Do(r); err == nil {
			_ = w.Body.Close()
			t.Errorf("an answer to nobody: %d", w.StatusCode)
		}
	}()
	<-started
	hangUp()
	<-gone
	time.Sleep(20 * time.Millisecond) // the server notices
	h.want(t, 409, create)
	close(hold)
	for range 200 {
		if a := h.do(t, create); a.status != 409 {
			if a.status != 201 || a.header.Get("Idempotent-Replayed") == "" {
				t.Errorf("the retry got %d %s", a.status, a.body)
			}
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("the request never ended")
}

// TestWhatACrashLeavesBehind lets the answer not be kept, as if the process had
// died after its commit.
func TestWhatACrashLeavesBehind(t *testing.T) {
	crashed := true
	h := openHouse(t, func(c *Config) {
		c.Store = faulty{Store: c.Store, finish: func() error {
			if crashed {
				return positions.Errorf(positions.Unavailable, "the database does not answer")
			}
			return nil
		}}
	}).furnish(t)
	create := keyed("k", creating("P-1", "01000000000000177"))
	h.want(t, 201, create)
	if log := h.log.String(); !strings.Contains(log, "not settled") || strings.Contains(log, "Verdi") {
		t.Errorf("the log: %s", log)
	}
	crashed = false
	a := h.want(t, 409, create)
	if !strings.Contains(string(a.body), `"TRY_AGAIN"`) {
		t.Errorf("while the reservation lasts: %s", a.body)
	}
	h.clock.Store(int64(reservationOutlives + DefaultTimeout))
	first := h.want(t, 409, create)
	if !strings.Contains(string(first.body), `"CONFLICT"`) || !strings.Contains(string(first.body), "/iupd") && !strings.Contains(string(first.body), "P-1") {
		t.Errorf("carried out anew: %s", first.body)
	}
	isReplay(t, first, h.do(t, create))
}

func TestAPanicGivesItsKeyBack(t *testing.T) {
	panics := true
	h := openHouse(t, func(c *Config) {
		c.Store = faulty{Store: c.Store, create: func(context.Context) error {
			if panics {
				panics = false
				panic("Luca Verdi")
			}
			return nil
		}}
	}).furnish(t)
	create := keyed("k", creating("P-1", "01000000000000177"))
	h.want(t, 500, create)
	h.want(t, 201, create)
}

func TestAnAnswerTooLargeToKeepIsNotCarriedOutAgain(t *testing.T) {
	h := openHouse(t).furnish(t)
	var options []string
	long := strings.Repeat("à", 140)
	for i := range 100 {
		var transfers []string
		for id := 1; id <= 5; id++ {
			var metadata []string
			for m := range 10 {
				metadata = append(metadata, fmt.Sprintf(`{"key":"%s%d","value":"%s"}`, long[:100], m, long[:120]))
			}
			transfers = append(transfers, fmt.Sprintf(`{"idTransfer":"%d","amount":1,"remittanceInformation":"%s","category":"9/0101100IM/","iban":"IT60X0542811101000000123456","transferMetadata":[%s]}`,
				id, long, strings.Join(metadata, ",")))
		}
		options = append(options, fmt.Sprintf(`{"iuv":"010000000000%05d","amount":5,"description":"x","isPartialPayment":true,"dueDate":"2031-01-31T10:00:00Z","transfer":[%s]}`, i, strings.Join(transfers, ",")))
	}
	create := creating("P-1", "01000000000000177")
	create.body = `{"iupd":"P-1","type":"F","fiscalCode":"X","fullName":"Luca Verdi","companyName":"C","switchToExpired":false,"paymentOption":[` + strings.Join(options, ",") + `]}`
	a := h.want(t, 201, keyed("k", create))
	if len(a.body) <= maxKeptAnswer {
		t.Fatalf("an answer of %d bytes is no test", len(a.body))
	}
	again := h.want(t, 409, keyed("k", create))
	if !strings.Contains(string(again.body), "too large") {
		t.Errorf("the retry is told %s", again.body)
	}
}

// TestEveryPOSTCanBeSentAgain keeps the document to the rule: a POST takes the
// parameter, or says why an answer may not be kept.
func TestEveryPOSTCanBeSentAgain(t *testing.T) {
	doc, _ := theContract()
	for path, item := range doc.Paths.Map() {
		op := item.Post
		if op == nil {
			continue
		}
		never := op.Extensions["x-idempotency"] == neverIdempotent
		takes := op.Parameters.GetByInAndName("header", idempotencyKey) != nil || item.Parameters.GetByInAndName("header", idempotencyKey) != nil
		if never == takes {
			t.Errorf("POST %s: it needs either #/components/parameters/IdempotencyKey or x-idempotency: NEVER", path)
		}
		if takes && (op.Responses.Status(409) == nil || op.Responses.Status(422) == nil) || op.Responses.Status(409) == nil && op.Extensions["x-access"] != "PUBLIC" {
			t.Errorf("POST %s: an Idempotency-Key can be answered 409 and 422", path)
		}
	}
}
