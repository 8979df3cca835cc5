package sendclient

import (
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	org    = "80012345678"
	notice = "302012345678901234"
)

var apiKeyOnly = &Credential{OrganizationFiscalCode: org, APIKey: "the-api-key"}

// signingKey is made once: a key costs more than all the tests that use it.
var signingKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func withPDND() *Credential {
	return &Credential{OrganizationFiscalCode: org, APIKey: "the-api-key", PDND: &PDND{
		ClientID: "client-1", KeyID: "kid-1", PurposeID: "purpose-1", PrivateKey: signingKey(),
	}}
}

// serve starts a SEND on loopback and a client towards it.
func serve(t testing.TB, cfg Config, handler http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	cfg.BaseURL = server.URL
	return newClient(t, cfg)
}

func newClient(t testing.TB, cfg Config) *Client {
	t.Helper()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func reply(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

// hang answers nothing until the client gives up.
func hang(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

const digital = `{"iun":"ABCD-EFGH-IJKL-202611-M-1","partialPrice":100,"totalPrice":200,"vat":22,"paFee":100,"sendFee":100,"analogCost":0}`

func problem(status int, code string) string {
	return fmt.Sprintf(`{"type":"GENERIC_ERROR","status":%d,"title":"Handled error","errors":[{"code":%q,"detail":"none"}]}`, status, code)
}

func failureOf(t testing.TB, err error) *Error {
	t.Helper()
	failure, ok := err.(*Error)
	if !ok {
		t.Fatalf("got %T %v, want *Error", err, err)
	}
	return failure
}

func wantKind(t testing.TB, err error, kind ErrorKind) *Error {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %s", kind)
	}
	failure := failureOf(t, err)
	if failure.Kind != kind {
		t.Fatalf("got %s (%v), want %s", failure.Kind, err, kind)
	}
	return failure
}

func within(t testing.TB, began time.Time, limit time.Duration) {
	t.Helper()
	if took := time.Since(began); took > limit {
		t.Errorf("took %s, want at most %s", took, limit)
	}
}
