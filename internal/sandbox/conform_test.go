package sandbox

import (
	"bytes"
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"go.uber.org/goleak"
)

// contracts are the descriptions that every undisturbed answer is held
// against: ours always, SEND's own when it lies beside the repository.
var contracts []contract

type contract struct {
	name   string
	router routers.Router
	strict bool // also refuses statuses that it does not describe
}

func TestMain(m *testing.M) {
	own, err := openapi3.NewLoader().LoadFromData(openAPI)
	if err == nil {
		err = addContract("send.yaml", own, true)
	}
	if err != nil {
		log.Fatal("send.yaml: ", err)
	}
	path, given := referencePath()
	if path != "" {
		err := addReference(path)
		if err != nil {
			log.Fatal(path, ": ", err)
		}
	} else if given {
		log.Fatal("ATTUALIZZA_REFERENCE holds no ", referenceName)
	}
	for _, c := range contracts {
		log.Print("answers are validated against ", c.name)
	}
	goleak.VerifyTestMain(m)
}

const referenceName = "send-b2b-subset.yaml"

// referencePath finds SEND's description in ATTUALIZZA_REFERENCE, or in
// shared/reference beside a directory above this one.
func referencePath() (path string, given bool) {
	exists := func(p string) bool { _, err := os.Stat(p); return err == nil }
	if dir := os.Getenv("ATTUALIZZA_REFERENCE"); dir != "" {
		if path := filepath.Join(dir, referenceName); exists(path) {
			return path, true
		}
		return "", true
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", false
	}
	for parent := filepath.Dir(dir); parent != dir; dir, parent = parent, filepath.Dir(parent) {
		if path := filepath.Join(parent, "shared", "reference", referenceName); exists(path) {
			return path, false
		}
	}
	return "", false
}

// addReference reads SEND's description. Go's regular expressions repeat at
// most 1000 times; the one pattern beyond that only repeats a maxLength. The kinds
// of details are told apart by the category, which the schema does not say: most
// details are of several kinds at once, which oneOf forbids.
func addReference(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	doc, err := openapi3.NewLoader().LoadFromData(bytes.ReplaceAll(text, []byte("pattern: ^.{0,4096}$"), nil))
	if err != nil {
		return err
	}
	if details := doc.Components.Schemas["TimelineElementDetailsV28"]; details != nil {
		details.Value.OneOf = nil
	}
	return addContract(path, doc, false)
}

func addContract(name string, doc *openapi3.T, strict bool) error {
	doc.Servers = nil // any host
	if err := doc.Validate(context.Background(), openapi3.DisableExamplesValidation()); err != nil {
		return err
	}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		return err
	}
	contracts = append(contracts, contract{name, router, strict})
	return nil
}

// conforms fails the test when an answer is not one that the contracts know.
func conforms(t *testing.T, r *http.Request, status int, header http.Header, body []byte) {
	t.Helper()
	held := 0
	for _, c := range contracts {
		route, params, err := c.router.FindRoute(r)
		if err != nil {
			if c.strict {
				t.Errorf("%s does not know %s %s: %v", c.name, r.Method, r.URL.Path, err)
			}
			continue
		}
		held++
		if status == http.StatusForbidden && !c.strict {
			continue // the gateway's, which is not the application's that SEND describes
		}
		input := &openapi3filter.ResponseValidationInput{
			RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route},
			Status:                 status,
			Header:                 header,
			Options:                &openapi3filter.Options{IncludeResponseStatus: c.strict},
		}
		input.SetBodyBytes(body)
		if err := openapi3filter.ValidateResponse(t.Context(), input); err != nil {
			t.Errorf("%s %s answered %d, which %s refuses: %v\n%s", r.Method, r.URL.Path, status, c.name, err, body)
		}
	}
	if held == 0 {
		t.Errorf("no contract knows %s %s", r.Method, r.URL.Path)
	}
}

const (
	creditor = "77777777777"
	sender   = "80000000001"
	notice   = "302000100000019421"
	plainKey = "key-without-voucher"
)

// bench is a sandbox served on a real socket, with a key that wants no
// voucher.
type bench struct {
	*Sandbox
	t      *testing.T
	url    string
	client *http.Client
	clock  *clock
}

// clock stands still until it is moved.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func newBench(t *testing.T, o Options) *bench {
	t.Helper()
	// A winter morning in Rome.
	c := &clock{time.Date(2026, time.February, 10, 9, 15, 30, 0, time.UTC)}
	if o.Clock == nil {
		o.Clock = c.Now
	}
	o.Seed = 7
	s := New(o)
	server := httptest.NewServer(s.Handler())
	transport := &http.Transport{}
	t.Cleanup(func() {
		s.Close()
		transport.CloseIdleConnections()
		server.Close()
	})
	b := &bench{s, t, server.URL, &http.Client{Transport: transport, Timeout: 20 * time.Second}, c}
	b.must(s.RegisterKey(APIKey{Name: "plain", Value: plainKey, SenderTaxID: sender, PDND: VoucherForbidden}))
	return b
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// response is an answer read to its end.
type response struct {
	status int
	header http.Header
	body   string
}

// send makes a request that must be answered, and holds the answer against the
// contracts.
func (b *bench) send(method, path string, header map[string]string, body string) response {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.url+path, strings.NewReader(body))
	b.must(err)
	for k, v := range header {
		r.Header.Set(k, v)
	}
	answer, err := b.client.Do(r)
	b.must(err)
	defer answer.Body.Close()
	read, err := io.ReadAll(answer.Body)
	b.must(err)
	if !strings.HasPrefix(path, "/sandbox/") {
		conforms(b.t, r, answer.StatusCode, answer.Header, bytes.Clone(read))
	}
	return response{answer.StatusCode, answer.Header, string(read)}
}

// ask asks for a price with the plain key.
func (b *bench) ask(creditor, notice string) response {
	b.t.Helper()
	return b.send("GET", "/delivery/v2.3/price/"+creditor+"/"+notice, map[string]string{"X-Api-Key": plainKey}, "")
}

// one deposits a notification with one recipient and one notice.
func (b *bench) one(script string) Notification {
	b.t.Helper()
	n, err := b.Notify(Request{
		SenderTaxID: sender, Script: script,
		Recipients: []RecipientRequest{{Payments: []Payment{{CreditorTaxID: creditor, NoticeCode: notice}}}},
	})
	b.must(err)
	return n
}

func (b *bench) do(iun string, steps ...Step) Notification {
	b.t.Helper()
	var n Notification
	for _, step := range steps {
		var err error
		n, err = b.Advance(iun, step)
		b.must(err)
	}
	return n
}
