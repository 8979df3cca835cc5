package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/attualizza/attualizza/internal/config"
	"github.com/attualizza/attualizza/internal/sandbox"
	"github.com/attualizza/attualizza/positions"
)

func TestConfigCheckCountsOneKeyAsOne(t *testing.T) {
	t.Parallel()
	check := configCheckCommand{Config: config.Config{
		PDNDIssuer: "pdnd", PDNDJWKSURL: newSimulator(t).URL + "/.well-known/jwks.json", PDNDTokenAudience: "us",
	}}
	if said, err := check.checkPDNDTokens(t.Context()); err != nil || said != "1 key of pdnd" {
		t.Errorf("%s %v", said, err)
	}
}

func TestConfigCheckNamesOrganizationsWithoutACredential(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "sqlite:"+filepath.Join(t.TempDir(), "e2e.db"), "")
	h.ente(t)
	e := h.relayed(t, positions.RelayNative, sandbox.RelayAccount{})
	check := configCheckCommand{Config: *h.cfg}
	if said, err := check.checkCredentials(t.Context()); err != nil || said != "every organization has one for SEND or its relay" {
		t.Errorf("%s %v", said, err)
	}
	o, err := h.store.Organization(t.Context(), e.fiscalCode)
	if err != nil {
		t.Fatal(err)
	}
	o.Sealed = nil
	if _, err := h.store.PutOrganization(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if said, err := check.checkCredentials(t.Context()); err != nil || !strings.HasSuffix(said, "cannot be asked: "+e.fiscalCode+" (relay.token)") {
		t.Errorf("%s %v", said, err)
	}
	for i := range maxNamed + 2 {
		o := &positions.Organization{FiscalCode: fmt.Sprintf("9%010d", i), CompanyName: "Comune", BrokerCode: "1", Version: positions.Unregistered}
		if _, err := h.store.PutOrganization(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	if said, err := check.checkCredentials(t.Context()); err != nil || strings.Count(said, "(") != maxNamed || !strings.HasSuffix(said, ", and 3 more") {
		t.Errorf("%s %v", said, err)
	}
}

func TestConfigCheckReachesEveryReceiverOnceAndShowsItNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "sqlite:"+filepath.Join(t.TempDir(), "e2e.db"), "")
	check := configCheckCommand{Config: *h.cfg}
	var asked atomic.Int64
	debts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		body, err := io.ReadAll(r.Body)
		if r.Method != http.MethodHead || len(body) > 0 || err != nil || r.Header.Get("Authorization") != "" || r.Header.Get("Webhook-Signature") != "" {
			t.Errorf("%s %v %q %v", r.Method, r.Header, body, err)
		}
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	t.Cleanup(debts.Close)
	to := func(url string) func(object) {
		return func(body object) { body["delivery"] = object{"url": url, "secret": webhookSecret} }
	}
	if said, err := check.checkReceivers(t.Context()); err != nil || said != "no organization has one" {
		t.Errorf("%s %v", said, err)
	}
	h.ente(t)
	h.ente(t, to(debts.URL+"/receipts?token=geheim"))
	h.ente(t, to(debts.URL+"/receipts?token=geheim"))
	if said, err := check.checkReceivers(t.Context()); err != nil || said != "reached (addresses: 1 of 1)" || asked.Load() != 1 {
		t.Errorf("%s %v, asked %d times", said, err, asked.Load())
	}
	gone := h.ente(t, to("http://"+freeAddress(t)+"/receipts?token=geheim"))
	said, err := check.checkReceivers(t.Context())
	if err == nil || said != "" || !strings.HasPrefix(err.Error(), "reached (addresses: 1 of 2); ") ||
		!strings.Contains(err.Error(), "the one of "+gone.fiscalCode+" cannot be reached") || !strings.HasSuffix(err.Error(), "connection refused") {
		t.Errorf("%s %v", said, err)
	}
	if strings.Contains(fmt.Sprint(err), "geheim") || strings.Contains(fmt.Sprint(err), "/receipts") {
		t.Errorf("a secret is shown: %v", err)
	}
}

func TestWhyAReceiverIsNotReachedIsToldWithoutItsAddress(t *testing.T) {
	t.Parallel()
	garbage, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { garbage.Close() })
	go func() {
		for {
			conn, err := garbage.Accept()
			if err != nil {
				return
			}
			fmt.Fprint(conn, "geheim\r\n\r\n")
			conn.Close()
		}
	}()
	untrusted := httptest.NewTLSServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(untrusted.Close)
	addresses := []string{
		"http://" + garbage.Addr().String() + "/geheim", untrusted.URL + "/geheim", "https://nowhere.invalid/geheim", "http://%zz/geheim",
	}
	want := []string{"does not answer in HTTP", "has a certificate that is not to be trusted", "has a name that cannot be looked up", "is no address that can be called"}
	for i, err := range headAll(t.Context(), addresses) {
		if err == nil || err.Error() != want[i] {
			t.Errorf("%v, want %s", err, want[i])
		}
	}
}

func TestAnAddressThatCannotBeListenedAtIsToldWithItsSetting(t *testing.T) {
	t.Parallel()
	for errno, want := range map[syscall.Errno]string{
		syscall.EADDRINUSE:    "is in use by another program",
		syscall.EACCES:        "above 1023",
		syscall.EADDRNOTAVAIL: "choose an address of this machine",
	} {
		said := unheard("--x-listen", "1.2.3.4:5", fmt.Errorf("listen: %w", errno)).Error()
		if !strings.HasPrefix(said, "--x-listen: ") || !strings.Contains(said, "1.2.3.4:5") || !strings.Contains(said, want) {
			t.Errorf("%v: %s", errno, said)
		}
	}
}
