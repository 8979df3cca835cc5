package sendclient

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"
)

func TestTheLogTellsDurationsInWords(t *testing.T) {
	for status, want := range map[int]string{
		http.StatusForbidden:       `"askedAgainIn":"1m0s"`,
		http.StatusTooManyRequests: `"askedAgainIn":"3s"`,
	} {
		for route, cred := range map[string]*Credential{
			"SEND":    apiKeyOnly,
			"a relay": {OrganizationFiscalCode: org, Relay: &Relay{Kind: RelayNative, Token: "t"}},
		} {
			var log bytes.Buffer
			refuse := func(*http.Request) (*http.Response, error) {
				r := reply(status, "")
				r.Header.Set("Retry-After", "3")
				return r, nil
			}
			c := newClient(t, Config{
				BaseURL: "https://send.example", TokenURL: "https://pdnd.example", Audience: "a",
				Transport: roundTripper(refuse), Logger: slog.New(slog.NewJSONHandler(&log, nil)),
			})
			if cred.Relay != nil {
				cred.Relay.URL = "https://relay.example"
			}
			if _, err := c.Price(t.Context(), cred, org, notice); err == nil || !strings.Contains(log.String(), want) {
				t.Errorf("%d of %s: %v; the log says %s, want %s", status, route, err, log.String(), want)
			}
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
