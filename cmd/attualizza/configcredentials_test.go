package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/attualizza/attualizza/internal/registry"
	"github.com/attualizza/attualizza/internal/sandbox"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/sendclient"
)

func TestConfigCheckTriesEveryCredentialAndSaysWhatToDo(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "sqlite:"+filepath.Join(t.TempDir(), "e2e.db"), "")
	check := configCheckCommand{Config: *h.cfg}
	tried := func() string {
		t.Helper()
		said, err := check.tryCredentials(t.Context())
		if err != nil {
			said = "failed: " + err.Error()
		}
		return said
	}
	if said := tried(); said != "no organization has one" {
		t.Error(said)
	}
	right, withVoucher := h.ente(t), h.ente(t, h.withVoucher(t))
	native, legacy := h.relayed(t, positions.RelayNative, sandbox.RelayAccount{}), h.relayed(t, positions.RelayLegacy, sandbox.RelayAccount{})
	if said := tried(); said != "4 of 4 accepted" {
		t.Error(said)
	}

	for _, key := range h.sim.Keys() {
		if key.Name == right.fiscalCode {
			key.Value, key.Blocked = right.sendKey, true
			if err := h.sim.RegisterKey(key); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := h.sim.RemoveRelayAccount(native.fiscalCode); err != nil {
		t.Fatal(err)
	}
	if err := h.sim.RemoveRelayAccount(legacy.fiscalCode); err != nil {
		t.Fatal(err)
	}
	mend := pdndFails(t, h, sandbox.Fault{Kind: sandbox.WithStatus, Status: 400})
	said := tried()
	for _, want := range []string{
		"failed: 0 of 4 accepted", "pdnd.mode that the key does not want: put the right one in", "wait a minute before trying again): " + right.fiscalCode + " [HTTP 403]",
		"refused by the relay", native.fiscalCode, legacy.fiscalCode, "given no voucher by PDND", withVoucher.fiscalCode + " [PDND answered HTTP 400",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not in: %s", want, said)
		}
	}
	for _, e := range []*ente{right, withVoucher} {
		if strings.Contains(said, e.sendKey) {
			t.Error("a key is shown")
		}
	}
	mend()
	mend = pdndFails(t, h, sandbox.Fault{Kind: sandbox.Reset})
	if said := tried(); !strings.Contains(said, "check address, name server, proxy and firewall, and try again): "+withVoucher.fiscalCode) {
		t.Error(said)
	}
	mend()

	asked := h.sim.Requests(sandbox.Filter{Endpoint: sandbox.EndpointPrice})
	if len(asked) == 0 {
		t.Fatal("SEND was not asked")
	}
	for _, r := range asked {
		if r.NoticeCode != noNotice || r.Status == 200 {
			t.Errorf("SEND was asked for a notice that may exist: %s", r.NoticeCode)
		}
	}
	check.SkipCredentials = true
	before := len(h.sim.Requests(sandbox.Filter{}))
	if said := tried(); !strings.HasPrefix(said, "skipped") || len(h.sim.Requests(sandbox.Filter{})) != before {
		t.Error(said)
	}
	check.SkipCredentials, check.MasterKey = false, ""
	if said := tried(); !strings.HasPrefix(said, "not tried: without the master key") {
		t.Error(said)
	}
}

func TestWhyThereIsNoVoucherIsToldApart(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want finding
	}{
		"an unknown client":   {fmt.Errorf("x: %w", &sendclient.VoucherRefusal{Status: 401, Code: "invalid_client"}), refusedByPDND},
		"PDND in trouble":     {&sendclient.VoucherRefusal{Status: 503}, failing},
		"a redirect":          {&sendclient.VoucherRefusal{Status: 302}, strange},
		"nobody there":        {fmt.Errorf("voucher: %w", &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}), unreachable},
		"a name nobody knows": {fmt.Errorf("voucher: %w", &net.DNSError{}), unreachable},
		"too late":            {context.DeadlineExceeded, unreachable},
		"hung up":             {fmt.Errorf("voucher: %w", io.EOF), unreachable},
		"no token in it":      {errors.New("voucher: PDND's answer holds no token"), strange},
	} {
		if got := voucherless(c.err); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestAKeyThatWasRefusedIsNotShownAgainByAnotherOrganization(t *testing.T) {
	t.Parallel()
	sim := newSimulator(t)
	client, err := sendclient.New(sendclient.Config{BaseURL: sim.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	trials := []*trial{
		{organization: "80000000001", finding: untried, credential: &sendclient.Credential{OrganizationFiscalCode: "80000000001", APIKey: "unknown"}},
		{organization: "80000000002", finding: untried, credential: &sendclient.Credential{OrganizationFiscalCode: "80000000002", APIKey: "unknown"}},
		{organization: "80000000003", finding: unopened},
	}
	tryAll(t.Context(), client, trials)
	if trials[0].finding != refusedBySEND || trials[1].finding != untried || trials[2].finding != unopened {
		t.Errorf("found %d, %d and %d", trials[0].finding, trials[1].finding, trials[2].finding)
	}
	if n := len(sim.Requests(sandbox.Filter{Endpoint: sandbox.EndpointPrice})); n != 1 {
		t.Errorf("SEND was asked %d times", n)
	}
	if _, err := report(trials, 7); err == nil || !strings.HasSuffix(err.Error(), "; 7 organizations more were left out") || !strings.Contains(err.Error(), "0 of 3 accepted") {
		t.Error(err)
	}
}

func TestOnlyTheFirstOrganizationsAreTried(t *testing.T) {
	var all []*registry.Organization
	for i := range mostTried + 3 {
		o := &registry.Organization{Organization: positions.Organization{
			FiscalCode: strings.Repeat("9", 8) + string(rune('0'+i/100)) + string(rune('0'+i/10%10)) + string(rune('0'+i%10)),
			Send:       &positions.Send{}, Sealed: map[positions.Secret][]byte{positions.SecretSendAPIKey: {1}},
		}}
		all = append(all, o)
	}
	if trials, left := credentialsOf(all); len(trials) != mostTried || left != 3 {
		t.Errorf("%d are tried and %d left out", len(trials), left)
	}
}
