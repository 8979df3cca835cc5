package mutualtls

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/attualizza/attualizza/internal/mutualtls/mutualtlstest"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// files writes what a door is opened with into a folder of the test's.
func files(t *testing.T, cert, key, clientCA []byte) Files {
	t.Helper()
	dir := t.TempDir()
	f := Files{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem"), ClientCA: filepath.Join(dir, "ca.pem")}
	f.write(t, cert, key, clientCA)
	return f
}

func (f Files) write(t *testing.T, cert, key, clientCA []byte) {
	t.Helper()
	must(t, os.WriteFile(f.Cert, cert, 0o600))
	must(t, os.WriteFile(f.Key, key, 0o600))
	must(t, os.WriteFile(f.ClientCA, clientCA, 0o600))
}

// room is a door on loopback with somebody behind it.
type room struct {
	*Door
	t       *testing.T
	files   Files
	server  *mutualtlstest.Authority
	clients *mutualtlstest.Authority
	address string
	log     lockedLog
	metrics *sdkmetric.ManualReader
	now     time.Time
}

type lockedLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

const year = 365 * 24 * time.Hour

func openRoom(t *testing.T, ends time.Duration) *room {
	t.Helper()
	r := &room{t: t, server: mutualtlstest.New(t, "server CA"), clients: mutualtlstest.New(t, "pagoPA CA"), metrics: sdkmetric.NewManualReader(), now: time.Now()}
	cert, key := r.server.Server(t, time.Now().Add(ends))
	r.files = files(t, cert, key, r.clients.PEM)
	var err error
	r.Door, err = New(Config{
		Files: r.files, Names: []string{"forwarder.platform.pagopa.it", "forwarder.uat.platform.pagopa.it"}, Logger: slog.New(slog.NewTextHandler(&r.log, nil)),
		Meter: sdkmetric.NewMeterProvider(sdkmetric.WithReader(r.metrics)).Meter("test"), Now: func() time.Time { return r.now },
	})
	must(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	r.address = listener.Addr().String()
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		_, _ = io.WriteString(w, q.TLS.PeerCertificates[0].Subject.CommonName+" "+q.Proto)
	}), ReadHeaderTimeout: time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(tls.NewListener(listener, r.TLS()))
	}()
	t.Cleanup(func() {
		must(t, server.Close())
		<-done
		must(t, r.Close())
	})
	return r
}

// call asks over a connection of its own, and tells what was said and which serial
// number the door showed.
func (r *room) call(with ...tls.Certificate) (said string, shown string, err error) {
	r.t.Helper()
	return ask(r.caller(tls.VersionTLS12, tls.VersionTLS13, with...), r.address)
}

func (r *room) caller(least, most uint16, with ...tls.Certificate) *http.Client {
	roots := x509.NewCertPool()
	roots.AddCert(r.server.Certificate)
	transport := &http.Transport{TLSClientConfig: &tls.Config{
		RootCAs: roots, ServerName: mutualtlstest.ServerName, MinVersion: least, MaxVersion: most,
		// Shown whoever is accepted: of Certificates only one of those authorities would be.
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if len(with) == 0 {
				return &tls.Certificate{}, nil
			}
			return &with[0], nil
		},
	}}
	r.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 5 * time.Second}
}

func ask(client *http.Client, address string) (said string, shown string, err error) {
	response, err := client.Get("https://" + address + "/")
	if err != nil {
		return "", "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), response.TLS.PeerCertificates[0].SerialNumber.String(), err
}

func TestWhoIsLetInByTheirCertificateAndWhyOthersAreNot(t *testing.T) {
	r := openRoom(t, year)
	others := mutualtlstest.New(t, "another CA")
	client := func(change func(*x509.Certificate)) []tls.Certificate {
		return []tls.Certificate{r.clients.Client(t, change)}
	}
	for _, why := range []string{"no_certificate", "authority", "expired", "not_named"} {
		if n, there := r.refusals()[why]; n != 0 || !there {
			t.Errorf("%d were refused for %s at the start, told %v", n, why, there)
		}
	}
	for _, tt := range []struct {
		name   string
		with   []tls.Certificate
		said   string // empty: refused
		why    string // of the refusal
		logged string
	}{
		{"the Nodo of production", client(nil), "forwarder.platform.pagopa.it HTTP/1.1", "", ""},
		{"the Nodo of UAT, by a DNS name", client(func(c *x509.Certificate) {
			c.Subject.CommonName, c.DNSNames = "pagoPA S.p.A.", []string{"forwarder.uat.platform.pagopa.it"}
		}), "pagoPA S.p.A. HTTP/1.1", "", ""},
		{"nobody: no certificate", nil, "", "no_certificate", "showed no certificate"},
		{"another name of the same authority", client(func(c *x509.Certificate) { c.Subject.CommonName = "somebody.pagopa.it" }), "", "not_named", "somebody.pagopa.it"},
		{"the name of another authority", []tls.Certificate{others.Client(t, nil)}, "", "authority", "another CA"},
		{"a certificate of another authority that has ended", []tls.Certificate{others.Client(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Hour) })}, "", "authority", "another CA"},
		{"a certificate that has ended", client(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Hour) }), "", "expired", "certificate is of"},
		{"a certificate that has not begun", client(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) }), "", "expired", "certificate is of"},
		{"a certificate of a server", client(func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		}), "", "authority", "incompatible key usage"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
				r.now = r.now.Add(time.Minute) // the log is told of each reason once a minute
				before, logged := r.refusals(), len(r.log.String())
				said, _, err := ask(r.caller(version, version, tt.with...), r.address)
				if said != tt.said || (err == nil) != (tt.said != "") {
					t.Errorf("%s: said %q, %v", tls.VersionName(version), said, err)
				}
				if tt.why != "" {
					before[tt.why]++
					if !strings.Contains(err.Error(), "remote error: tls: ") {
						t.Errorf("%s: who is refused hears %v", tls.VersionName(version), err)
					}
				}
				if after := r.refusals(); !maps.Equal(before, after) {
					t.Errorf("%s: counted %v, want %v", tls.VersionName(version), after, before)
				}
				line := r.log.String()[logged:]
				if (line == "") != (tt.logged == "") || !strings.Contains(line, tt.logged) || tt.logged != "" && !strings.Contains(line, "127.0.0.1") {
					t.Errorf("%s: the log says %q", tls.VersionName(version), line)
				}
			}
		})
	}
}

func TestWhoShowsTheNodosCertificateWithoutItsKeyIsRefused(t *testing.T) {
	r := openRoom(t, year)
	shown := r.clients.Client(t, nil)
	shown.PrivateKey = r.clients.Client(t, nil).PrivateKey
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		if said, _, err := ask(r.caller(version, version, shown), r.address); err == nil {
			t.Errorf("%s: let in: %s", tls.VersionName(version), said)
		}
	}
}

func TestScannersOfTheDoorAreNotRefusalsOfCertificates(t *testing.T) {
	r := openRoom(t, year)
	before := r.refusals()
	if _, _, err := ask(r.caller(tls.VersionTLS10, tls.VersionTLS11, r.clients.Client(t, nil)), r.address); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	connection, err := net.Dial("tcp", r.address)
	must(t, err)
	must(t, connection.Close())
	if after := r.refusals(); !maps.Equal(before, after) || r.log.String() != "" {
		t.Errorf("counted %v, logged %s", after, r.log.String())
	}
}

func TestARefusalThatLastsDoesNotFillTheLog(t *testing.T) {
	r := openRoom(t, year)
	for range 5 {
		if _, _, err := r.call(); err == nil {
			t.Fatal("let in without a certificate")
		}
	}
	if n := strings.Count(r.log.String(), "was not let in"); n != 1 || r.refusals()["no_certificate"] != 5 {
		t.Errorf("%d lines, counted %v", n, r.refusals())
	}
}

func TestOldVersionsOfTLSAreRefused(t *testing.T) {
	r := openRoom(t, year)
	with := r.clients.Client(t, nil)
	for version, want := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		_, _, err := ask(r.caller(version, version, with), r.address)
		if (err == nil) != want {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
	}
	connection, err := net.Dial("tcp", r.address)
	must(t, err)
	defer connection.Close()
	_, err = io.WriteString(connection, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	must(t, err)
	answer, _ := io.ReadAll(connection)
	if !strings.HasPrefix(string(answer), "HTTP/1.0 400") {
		t.Errorf("who speaks plain HTTP hears %q", answer)
	}
}

func TestACertificateIsRenewedWithoutARestart(t *testing.T) {
	r := openRoom(t, year)
	with := r.clients.Client(t, nil)
	kept := r.caller(tls.VersionTLS12, tls.VersionTLS13, with)
	_, first, err := ask(kept, r.address)
	must(t, err)
	cert, key := r.server.Server(t, time.Now().Add(2*year))
	r.files.write(t, cert, key, r.clients.PEM)
	r.Reload(t.Context())
	_, second, err := r.call(with)
	must(t, err)
	if first == second {
		t.Fatal("the door still shows the old certificate")
	}
	if _, shown, err := ask(kept, r.address); err != nil || shown != first {
		t.Errorf("a connection that was open is disturbed: %s %v", shown, err)
	}
	if got, want := r.counted("attualizza_certificate_not_after_timestamp_seconds", "nodo"), time.Now().Add(2*year).Unix(); got < want-60 || got > want {
		t.Errorf("the metric says it ends at %d, not %d", got, want)
	}

	// An authority is replaced: its callers are let in, those of the old one no more.
	another := mutualtlstest.New(t, "pagoPA's next CA")
	r.files.write(t, cert, key, another.PEM)
	r.Reload(t.Context())
	if _, _, err := r.call(with); err == nil {
		t.Error("who comes with the old authority's certificate is let in")
	}
	if _, _, err := r.call(another.Client(t, nil)); err != nil {
		t.Error(err)
	}
}

// An authority is replaced by putting the new one beside the old.
func TestTheFirstAndTheLastAuthorityToEndAreTold(t *testing.T) {
	r := openRoom(t, year)
	old, other := mutualtlstest.NewUntil(t, "old CA", time.Now().Add(time.Hour)), mutualtlstest.NewUntil(t, "another CA", time.Now().Add(year))
	cert, key := r.server.Server(t, time.Now().Add(year))
	r.files.write(t, cert, key, slices.Concat(r.clients.PEM, old.PEM, other.PEM))
	r.Reload(t.Context())
	for certificate, want := range map[string]time.Time{"nodo_client_ca_first": old.Certificate.NotAfter, "nodo_client_ca_last": r.clients.Certificate.NotAfter} {
		if got := r.counted("attualizza_certificate_not_after_timestamp_seconds", certificate); got != want.Unix() {
			t.Errorf("%s ends at %d, not %d", certificate, got, want.Unix())
		}
	}
	if _, first, last := r.Ends(); !first.Equal(old.Certificate.NotAfter) || !last.Equal(r.clients.Certificate.NotAfter) {
		t.Errorf("the authorities end at %s and %s", first, last)
	}

	// The old one ends: its callers are refused, those of the others are not.
	old = mutualtlstest.NewUntil(t, "old CA", time.Now().Add(-time.Hour))
	r.files.write(t, cert, key, slices.Concat(r.clients.PEM, old.PEM))
	r.Reload(t.Context())
	if _, _, err := r.call(r.clients.Client(t, nil)); err != nil {
		t.Errorf("beside an authority that has ended: %v", err)
	}
	if _, _, err := r.call(old.Client(t, nil)); err == nil || r.refusals()["authority"] != 1 {
		t.Errorf("of an authority that has ended: %v, counted %v", err, r.refusals())
	}
}

func TestFilesThatCannotBeUsedChangeNothing(t *testing.T) {
	r := openRoom(t, year)
	with := r.clients.Client(t, nil)
	_, before, err := r.call(with)
	must(t, err)
	cert, key := r.server.Server(t, time.Now().Add(year))
	_, otherKey := r.server.Server(t, time.Now().Add(year))
	ended, endedKey := r.server.Server(t, time.Now().Add(-time.Minute))
	for name, write := range map[string]func(){
		"a key of another certificate":  func() { r.files.write(t, cert, otherKey, r.clients.PEM) },
		"half a certificate":            func() { r.files.write(t, cert[:100], key, r.clients.PEM) },
		"a certificate that has ended":  func() { r.files.write(t, ended, endedKey, r.clients.PEM) },
		"no authority":                  func() { r.files.write(t, cert, key, []byte("\n")) },
		"an authority that is damaged":  func() { r.files.write(t, cert, key, append(bytes.Clone(r.clients.PEM), damaged...)) },
		"a file that is not there":      func() { must(t, os.Remove(r.files.Cert)) },
		"a file that is much too large": func() { must(t, os.WriteFile(r.files.Cert, make([]byte, maxFile+1), 0o600)) },
	} {
		write()
		r.now = r.now.Add(2 * time.Minute)
		logged := len(r.log.String())
		r.Reload(t.Context())
		if _, shown, err := r.call(with); err != nil || shown != before {
			t.Errorf("%s: the door shows %s: %v", name, shown, err)
		}
		if !strings.Contains(r.log.String()[logged:], "cannot be used") {
			t.Errorf("%s: nobody is told", name)
		}
		if _, err := New(r.Config); err == nil {
			t.Errorf("%s: a door would be opened with it", name)
		}
	}
	r.files.write(t, cert, key, r.clients.PEM)
	r.Reload(t.Context())
	if _, shown, err := r.call(with); err != nil || shown == before {
		t.Errorf("once they are mended the door still shows %s: %v", shown, err)
	}
}

var damaged = []byte("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")

func TestACertificateThatEndsSoonIsWarnedOfTwiceADay(t *testing.T) {
	r := openRoom(t, 29*24*time.Hour)
	for range 3 {
		r.Reload(t.Context())
	}
	if got := strings.Count(r.log.String(), "ends soon"); got != 1 {
		t.Errorf("%d warnings at once", got)
	}
	r.now = r.now.Add(warnEvery)
	r.Reload(t.Context())
	if got := strings.Count(r.log.String(), "ends soon"); got != 2 {
		t.Errorf("%d warnings half a day later", got)
	}
	long := openRoom(t, 31*24*time.Hour)
	if long.Reload(t.Context()); long.log.String() != "" {
		t.Errorf("one with a month left is warned of: %s", long.log.String())
	}
}

func TestTheFilesAreWatchedUntilTheEnd(t *testing.T) {
	r := openRoom(t, year)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Watch(ctx)
	}()
	cancel()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Fatal("it watches on")
	}
}

// refusals are how many were refused, by why.
func (r *room) refusals() map[string]int64 {
	r.t.Helper()
	var all metricdata.ResourceMetrics
	must(r.t, r.metrics.Collect(r.t.Context(), &all))
	told := map[string]int64{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if data, ok := m.Data.(metricdata.Sum[int64]); ok && m.Name == "attualizza_nodo_tls_refused" {
				for _, p := range data.DataPoints {
					why, _ := p.Attributes.Value("result")
					told[why.AsString()] = p.Value
				}
			}
		}
	}
	return told
}

// counted is the value of a metric of a certificate.
func (r *room) counted(name, certificate string) int64 {
	r.t.Helper()
	var all metricdata.ResourceMetrics
	must(r.t, r.metrics.Collect(r.t.Context(), &all))
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name != name {
				continue
			}
			for _, p := range m.Data.(metricdata.Gauge[int64]).DataPoints {
				if v, _ := p.Attributes.Value(attribute.Key("certificate")); v.AsString() == certificate {
					return p.Value
				}
			}
		}
	}
	return 0
}
