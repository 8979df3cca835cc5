package mutualtls

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/attualizza/attualizza/internal/mutualtls/mutualtlstest"
)

func guard(t *testing.T, from string, log io.Writer) string {
	t.Helper()
	p, err := NewProxy(ProxyConfig{
		From: []netip.Prefix{netip.MustParsePrefix(from)}, Header: "Client-Cert", Names: []string{"forwarder.platform.pagopa.it"},
		Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	must(t, err)
	server := httptest.NewServer(p.Guard(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "let in") })))
	t.Cleanup(server.Close)
	return server.URL
}

func TestWhoIsLetInBehindAProxy(t *testing.T) {
	clients := mutualtlstest.New(t, "pagoPA CA")
	der := func(change func(*x509.Certificate)) []byte { return clients.Client(t, change).Certificate[0] }
	rfc := func(der []byte) string { return ":" + base64.StdEncoding.EncodeToString(der) + ":" }
	nginx := func(der []byte) string {
		return url.PathEscape(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	}
	good := der(nil)
	for _, tt := range []struct {
		name    string
		from    string // the proxies; the caller is 127.0.0.1
		headers []string
		want    int
		logged  string
	}{
		{"the Nodo, as RFC 9440 writes it", "127.0.0.0/8", []string{rfc(good)}, 200, ""},
		{"the Nodo, as nginx writes it", "127.0.0.1/32", []string{nginx(good)}, 200, ""},
		{"somebody who is no proxy writes the same header", "10.0.0.0/8", []string{rfc(good)}, 403, "127.0.0.1 is none of ATTUALIZZA_NODO_PROXIES"},
		{"a proxy that saw no certificate", "127.0.0.0/8", nil, 403, "0 headers Client-Cert"},
		{"a proxy that hands an empty one on", "127.0.0.0/8", []string{""}, 403, "instead of one"},
		{"a caller who adds a header to that of the proxy", "127.0.0.0/8", []string{rfc(good), rfc(good)}, 403, "2 headers"},
		{"a header that is none", "127.0.0.0/8", []string{"CN=forwarder.platform.pagopa.it"}, 403, "neither RFC 9440"},
		{"base64 that is damaged", "127.0.0.0/8", []string{":MIIB*:"}, 403, "no certificate"},
		{"another name", "127.0.0.0/8", []string{rfc(der(func(c *x509.Certificate) { c.Subject.CommonName = "somebody.example" }))}, 403, "somebody.example"},
		{"a certificate that has ended", "127.0.0.0/8", []string{rfc(der(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Hour) }))}, 403, "certificate is of"},
		{"one that has not begun", "127.0.0.0/8", []string{rfc(der(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) }))}, 403, "certificate is of"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log lockedLog
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, guard(t, tt.from, &log), http.NoBody)
			must(t, err)
			request.Header["Client-Cert"] = tt.headers
			response, err := http.DefaultClient.Do(request)
			must(t, err)
			defer response.Body.Close()
			if response.StatusCode != tt.want || (log.String() == "") != (tt.logged == "") || !strings.Contains(log.String(), tt.logged) {
				t.Errorf("HTTP %d, logged %q", response.StatusCode, log.String())
			}
		})
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestWhoAProxyHandsOnIsCountedFromZero(t *testing.T) {
	r := &room{t: t, metrics: sdkmetric.NewManualReader()}
	p, err := NewProxy(ProxyConfig{
		From: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Header: "Client-Cert", Names: []string{"forwarder.platform.pagopa.it"},
		Logger: slog.New(slog.DiscardHandler), Meter: sdkmetric.NewMeterProvider(sdkmetric.WithReader(r.metrics)).Meter("test"),
	})
	must(t, err)
	want := map[string]int64{"not_a_proxy": 0, "no_certificate": 0, "expired": 0, "not_named": 0}
	if got := r.refusals(); !maps.Equal(got, want) {
		t.Errorf("at the start %v", got)
	}
	request := httptest.NewRequest(http.MethodPost, "/", http.NoBody)
	p.Guard(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), request)
	want["not_a_proxy"] = 1
	if got := r.refusals(); !maps.Equal(got, want) {
		t.Errorf("after one %v", got)
	}
}

func FuzzTheHeaderOfAProxy(f *testing.F) {
	f.Add(":MIIB:")
	f.Add("-----BEGIN%20CERTIFICATE-----%0AMIIB%0A-----END%20CERTIFICATE-----%0A")
	f.Fuzz(func(t *testing.T, header string) {
		if c, err := certificateIn(header); (c == nil) == (err == nil) {
			t.Errorf("%q: %v %v", header, c, err)
		}
	})
}
