package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/config"
	"github.com/attualizza/attualizza/internal/mutualtls/mutualtlstest"
	"github.com/attualizza/attualizza/internal/nodo"
	"github.com/attualizza/attualizza/soap"
	"github.com/attualizza/attualizza/soap/pafornode"
)

// certified is a service whose SOAP door speaks mutual TLS.
type certified struct {
	*house
	ours, theirs *mutualtlstest.Authority // of the service, of the Nodo
}

// certify writes the files of a configuration.
func certify(t *testing.T, cfg *config.Config, ours, theirs *mutualtlstest.Authority, until time.Time) {
	t.Helper()
	if cfg.NodoTLSCert == "" {
		dir := t.TempDir()
		cfg.NodoTLSCert, cfg.NodoTLSKey, cfg.NodoTLSClientCA = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), filepath.Join(dir, "ca.pem")
	}
	cert, key := ours.Server(t, until)
	for path, content := range map[string][]byte{cfg.NodoTLSCert: cert, cfg.NodoTLSKey: key, cfg.NodoTLSClientCA: theirs.PEM} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// as is the Nodo with a certificate, or without one, over connections of its own.
func (h *certified) as(t *testing.T, with ...tls.Certificate) *nodo.Client {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(h.ours.Certificate)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: mutualtlstest.ServerName, Certificates: with}}
	t.Cleanup(transport.CloseIdleConnections)
	return &nodo.Client{Endpoint: "https://" + h.address("nodo") + soap.Path, HTTP: &http.Client{Transport: transport, Timeout: 10 * time.Second}}
}

// shown is the serial number of the certificate that the door shows.
func (h *certified) shown(t *testing.T, with tls.Certificate) string {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(h.ours.Certificate)
	connection, err := tls.Dial("tcp", h.address("nodo"), &tls.Config{RootCAs: roots, ServerName: mutualtlstest.ServerName, Certificates: []tls.Certificate{with}})
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	return connection.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

func TestTheNodoComesByMutualTLS(t *testing.T) {
	t.Parallel()
	sim := newSimulator(t)
	cfg, err := stageConfig(sim, "sqlite:"+filepath.Join(t.TempDir(), "tls.db"), "")
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := mutualtlstest.New(t, "our CA"), mutualtlstest.New(t, "pagoPA's CA")
	certify(t, cfg, ours, theirs, time.Now().Add(20*24*time.Hour))
	h := &certified{begun(t, newHouseWith(t, sim, cfg)), ours, theirs}
	e := h.ente(t)
	d := e.publish(t, digital)
	question := e.request(pafornode.VerifyPaymentNotice, d.nav)
	good := theirs.Client(t, nil)

	reply, err := h.as(t, good).Send(t.Context(), question)
	if err != nil {
		t.Fatal(err)
	}
	wants(t, reply, d.amount+200)
	for name, with := range map[string][]tls.Certificate{
		"no certificate":       nil,
		"another name":         {theirs.Client(t, func(c *x509.Certificate) { c.Subject.CommonName = "somebody.example" })},
		"another authority":    {mutualtlstest.New(t, "another CA").Client(t, nil)},
		"a certificate of old": {theirs.Client(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Hour) })},
	} {
		if reply, err := h.as(t, with...).Send(t.Context(), question); err == nil {
			t.Errorf("%s: %+v", name, reply)
		}
	}
	if response, err := h.client.Get("http://" + h.address("nodo") + soap.Path + "?wsdl"); err == nil {
		if response.Body.Close(); response.StatusCode == http.StatusOK {
			t.Error("plain HTTP is answered")
		}
	}
	eventually(t, 20*time.Second, "a certificate that ends within a month is warned of", func() bool {
		return strings.Contains(h.logs.String(), "ends soon")
	})

	before := h.shown(t, good)
	certify(t, cfg, ours, theirs, time.Now().Add(365*24*time.Hour))
	eventually(t, 20*time.Second, "the new certificate is shown", func() bool { return h.shown(t, good) != before })
	if reply, err = h.as(t, good).Send(t.Context(), question); err != nil {
		t.Fatal(err)
	}
	wants(t, reply, d.amount+200)
	_, page := h.get(t, "ops", "/metrics")
	if !strings.Contains(page, `attualizza_certificate_not_after_timestamp_seconds{certificate="nodo"}`) {
		t.Error("nothing tells when the certificate ends")
	}
	// A client of Go's has no certificate for who does not accept its authority.
	for why, times := range map[string]int{"no_certificate": 2, "authority": 0, "expired": 1, "not_named": 1} {
		if line := fmt.Sprintf("attualizza_nodo_tls_refused_total{result=%q} %d\n", why, times); !strings.Contains(page, line) {
			t.Errorf("the page lacks %s", line)
		}
	}
	if !strings.Contains(h.logs.String(), "somebody was not let in at the Nodo's door") {
		t.Error("the log says nothing of those who were not let in")
	}
}

func TestACertificateThatEndedStopsTheStart(t *testing.T) {
	t.Parallel()
	sim := newSimulator(t)
	cfg, err := stageConfig(sim, "sqlite:"+filepath.Join(t.TempDir(), "tls.db"), "")
	if err != nil {
		t.Fatal(err)
	}
	certify(t, cfg, mutualtlstest.New(t, "our CA"), mutualtlstest.New(t, "pagoPA's CA"), time.Now().Add(-time.Minute))
	s, err := start(t.Context(), cfg, slog.New(slog.DiscardHandler), true)
	if err == nil {
		s.Close()
		t.Fatal("it starts")
	}
	var usage *usageError
	if !errors.As(err, &usage) || !strings.Contains(err.Error(), "ATTUALIZZA_NODO_TLS") || !strings.Contains(err.Error(), "ended at") {
		t.Errorf("the start says %v", err)
	}
}
