package main

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/attualizza/attualizza/positions"
)

// TestCommands runs the scripts of testdata: the program as its users type it.
func TestCommands(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "sqlite:"+filepath.Join(t.TempDir(), "scripts.db"), "")
	e := h.ente(t)
	noticeOf := func(kind int64) string { return string(e.publish(t, kind).nav) }
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("ENDPOINT", h.endpoint())
			env.Setenv("API", "http://"+h.address("api"))
			env.Setenv("KEY", e.key)
			env.Setenv("SEND", h.sim.URL)
			env.Setenv("ENTE", e.fiscalCode)
			env.Setenv("BROKER", demoBroker)
			env.Setenv("STATION", demoStation)
			env.Setenv("NOTICE", noticeOf(oneLetter))
			env.Setenv("NOTIFIED", noticeOf(viewed))
			env.Setenv("FREE", freeAddress(t))
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exits,
			"await": await,
			"aged":  aged(t),
			// registered DATABASE prepares a database in which an organization is registered.
			"registered": func(ts *testscript.TestScript, neg bool, args []string) {
				if neg || len(args) != 1 {
					ts.Fatalf("usage: registered sqlite:FILE")
				}
				registered(t, "sqlite:"+ts.MkAbs(strings.TrimPrefix(args[0], "sqlite:")))
			},
			// parked DATABASE ORGANIZATION RECEIPT... stores receipts whose delivery was given up.
			"parked": func(ts *testscript.TestScript, neg bool, args []string) {
				if neg || len(args) < 3 {
					ts.Fatalf("usage: parked sqlite:FILE ORGANIZATION RECEIPT...")
				}
				for _, receipt := range args[2:] {
					parked(t, "sqlite:"+ts.MkAbs(strings.TrimPrefix(args[0], "sqlite:")), args[1], receipt)
				}
			},
			// reconciled DATABASE stores an answer without SEND's price of each kind.
			"reconciled": func(ts *testscript.TestScript, neg bool, args []string) {
				if neg || len(args) != 1 {
					ts.Fatalf("usage: reconciled sqlite:FILE")
				}
				reconciled(t, "sqlite:"+ts.MkAbs(strings.TrimPrefix(args[0], "sqlite:")))
			},
			"cmpcrlf": cmpCRLF,
		},
	})
}

// parked stores a receipt, of 21 November at noon, whose delivery was given up.
func parked(t *testing.T, database, organization, receipt string) {
	t.Helper()
	store := opened(t, database)
	nav, at := positions.NoticeNumber("302000000000000184"), time.Date(2026, 11, 21, 11, 0, 0, 0, time.UTC)
	_, err := store.SaveReceipt(t.Context(), &positions.Receipt{
		OrganizationFiscalCode: organization, CreditorFiscalCode: organization, ReceiptID: receipt, NAV: nav, ReceivedAt: at,
		Outgoing: positions.Outgoing{Receipt: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	d, err := store.ClaimDelivery(t.Context(), positions.DeliveryLane{Kind: positions.DeliverReceipt, OrganizationFiscalCode: organization}, at, at.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	d.State, d.LastStatus, d.LastError, d.EndedAt = positions.DeliveryParked, http.StatusBadGateway, "the receiver answered 502", at
	if err := errors.Join(store.SettleDelivery(t.Context(), d), store.Close()); err != nil {
		t.Fatal(err)
	}
}

// cmpCRLF is cmp for lines that end with CR LF, which a script cannot hold.
func cmpCRLF(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: cmpcrlf FILE FILE")
	}
	got, want := ts.ReadFile(args[0]), strings.ReplaceAll(ts.ReadFile(args[1]), "\n", "\r\n")
	if got != want {
		ts.Fatalf("%s is\n%q\nand not\n%q", args[0], got, want)
	}
}

// exits CODE PROGRAM ARGS runs a program that must end with the exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM [ARG...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%s: %v", args[1], err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// await URL [TEXT] asks until the page is there and holds the text.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: await URL [TEXT]")
	}
	for began := time.Now(); time.Since(began) < 15*time.Second; time.Sleep(50 * time.Millisecond) {
		response, err := http.Get(args[0])
		if err != nil {
			continue
		}
		page := make([]byte, 1<<16)
		n, _ := response.Body.Read(page)
		response.Body.Close()
		if response.StatusCode == http.StatusOK && (len(args) == 1 || strings.Contains(string(page[:n]), args[1])) {
			return
		}
	}
	ts.Fatalf("%s is not there", args[0])
}

// freeAddress is an address of loopback that nobody listens on, below the ports
// that the system hands out by itself, so that nobody gets it by accident.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		listener, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(20_000+rand.IntN(10_000)))
		if err != nil {
			continue
		}
		defer listener.Close()
		return listener.Addr().String()
	}
	t.Fatal("no port of 100 is free")
	return ""
}
