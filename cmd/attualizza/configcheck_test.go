package main

import (
	"fmt"
	"path/filepath"
	"strings"
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
