package main

import (
	"encoding/base64"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/mutualtls/mutualtlstest"
	"github.com/attualizza/attualizza/soap"
	"github.com/attualizza/attualizza/soap/pafornode"
)

// certifying is a proxy's side of a connection: it adds the header.
type certifying struct{ header string }

func (c certifying) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if c.header != "" {
		r.Header.Set("Client-Cert", c.header)
	}
	return http.DefaultTransport.RoundTrip(r)
}

// forwarding is a proxy's side of a connection to the REST API.
type forwarding struct{ header string }

func (f forwarding) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-Forwarded-For", f.header)
	return http.DefaultTransport.RoundTrip(r)
}

func TestAProxyOfTheAPIHandsOnTheCallersAddress(t *testing.T) {
	t.Parallel()
	sim := newSimulator(t)
	cfg, err := stageConfig(sim, "sqlite:"+filepath.Join(t.TempDir(), "proxy.db"), "")
	if err != nil {
		t.Fatal(err)
	}
	cfg.APIProxies = []string{"127.0.0.0/8"}
	h := begun(t, newHouseWith(t, sim, cfg))
	client := &http.Client{Transport: forwarding{"198.51.100.7, 192.0.2.1"}, Timeout: 5 * time.Second}
	response, err := client.Get("http://" + h.address("api") + "/status")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	eventually(t, 5*time.Second, "the request is on record", func() bool {
		return strings.Contains(h.logs.String(), `"address":"192.0.2.1"`)
	})
	if strings.Contains(h.logs.String(), "198.51.100.7") {
		t.Error("an address that the caller wrote is on record")
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

func TestAProxyHandsOnTheNodosCertificate(t *testing.T) {
	t.Parallel()
	sim := newSimulator(t)
	cfg, err := stageConfig(sim, "sqlite:"+filepath.Join(t.TempDir(), "proxy.db"), "")
	if err != nil {
		t.Fatal(err)
	}
	cfg.NodoProxies = []string{"127.0.0.1"}
	h := begun(t, newHouseWith(t, sim, cfg))
	e := h.ente(t)
	d := e.publish(t, digital)
	message := string(pafornode.AppendRequest(nil, e.request(pafornode.VerifyPaymentNotice, d.nav)))
	good := mutualtlstest.New(t, "pagoPA's CA").Client(t, nil).Certificate[0]
	for header, want := range map[string]int{":" + base64.StdEncoding.EncodeToString(good) + ":": http.StatusOK, "": http.StatusForbidden} {
		client := &http.Client{Transport: certifying{header}, Timeout: 5 * time.Second}
		response, err := client.Post("http://"+h.address("nodo")+soap.Path, "text/xml", strings.NewReader(message))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("with the header %.20q: HTTP %d, want %d", header, response.StatusCode, want)
		}
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}
