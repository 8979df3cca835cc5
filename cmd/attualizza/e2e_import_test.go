package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/bulkload/loadtest"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/soap/pafornode"
)

// registered prepares a database in which the ente of the files is registered.
func registered(tb testing.TB, database string) {
	tb.Helper()
	store := opened(tb, database)
	if err := store.Migrate(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	o := &positions.Organization{FiscalCode: loadtest.Organization, CompanyName: "Comune di Prova", BrokerCode: demoBroker}
	if _, err := store.PutOrganization(tb.Context(), o); err != nil {
		tb.Fatal(err)
	}
	if err := store.Close(); err != nil {
		tb.Fatal(err)
	}
}

func opened(tb testing.TB, database string) positions.Store {
	tb.Helper()
	store, err := openStore(tb.Context(), database)
	if err != nil {
		tb.Fatal(err)
	}
	return store
}

// importing is `attualizza positions import` as a process of its own.
type importing struct {
	*exec.Cmd
	said bytes.Buffer
}

func startImport(t *testing.T, database, file string, flags ...string) *importing {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	c := &importing{Cmd: exec.Command(path, append([]string{"positions", "import", "--organization=" + loadtest.Organization, file}, flags...)...)}
	c.Env = append(os.Environ(), "ATTUALIZZA_DATABASE_URL="+database)
	c.Stdout, c.Stderr = &c.said, &c.said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c
}

// counts is what the store has.
func counts(t *testing.T, store positions.Store) int {
	t.Helper()
	_, n, err := store.Positions(t.Context(), positions.PositionFilter{OrganizationFiscalCode: loadtest.Organization, Page: positions.Page{Limit: 1}})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAnImportThatEndsInTheMiddleGoesOn(t *testing.T) {
	const all = 10_000
	file := filepath.Join(t.TempDir(), "tari.ndjson")
	writeFile(t, file, func(w io.Writer) error { return loadtest.WriteNDJSON(w, all) })
	for _, d := range deployments {
		for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
			t.Run(d.name+", "+signal.String(), func(t *testing.T) {
				database, _ := d.start(t)
				registered(t, database)
				store := opened(t, database)
				defer store.Close()

				c := startImport(t, database, file, "--batch=100")
				eventually(t, 30*time.Second, "something is stored", func() bool { return counts(t, store) > 300 })
				if err := c.Process.Signal(signal); err != nil {
					t.Fatal(err)
				}
				_ = c.Wait() // the exit code tells
				stored := counts(t, store)
				if stored == all || stored%100 != 0 {
					t.Fatalf("%d positions are stored: it was not in the middle of it, or a batch is torn", stored)
				}
				if code := c.ProcessState.ExitCode(); signal == syscall.SIGINT && (code != exitFailure ||
					!strings.Contains(c.said.String(), "run the same command again") || !regexp.MustCompile(`created +│ +`+strconv.Itoa(stored)+" ").MatchString(c.said.String())) {
					t.Errorf("exit code %d, with %d stored; it says:\n%s", code, stored, c.said.String())
				}

				c = startImport(t, database, file)
				if err := c.Wait(); err != nil || counts(t, store) != all {
					t.Fatalf("%d positions are stored, of %d: %v\n%s", counts(t, store), all, err, c.said.String())
				}
				if !regexp.MustCompile(`already there +│ +` + strconv.Itoa(stored) + " ").MatchString(c.said.String()) {
					t.Errorf("%d were there; it says:\n%s", stored, c.said.String())
				}
				// Every position is whole, and was written once.
				for n := range all {
					if n%97 != 0 && n > stored+200 {
						continue
					}
					versions, err := store.Versions(t.Context(), loadtest.Organization, loadtest.IUPD(n))
					if err != nil || len(versions) != 1 {
						t.Fatalf("position %d has %d versions: %v", n, len(versions), err)
					}
					if _, err := store.Notice(t.Context(), loadtest.Organization, loadtest.Nav(n)); err != nil {
						t.Fatalf("the notice of position %d: %v", n, err)
					}
				}
			})
		}
	}
}

// While the service answers, another process loads positions, and they can be
// paid at once.
func TestWhatIsImportedCanBePaidAtOnce(t *testing.T) {
	t.Parallel()
	onBoth(t, map[string]func(t *testing.T, h *house){"import": func(t *testing.T, h *house) {
		e := h.ente(t)
		file := filepath.Join(t.TempDir(), "tari.csv")
		writeFile(t, file, func(w io.Writer) error { return loadtest.WriteCSV(w, 500) })
		var out, said bytes.Buffer
		code := run(t.Context(), []string{
			"positions", "import", "--organization=" + e.fiscalCode, "--publish", "--database-url=" + string(h.cfg.DatabaseURL), file,
		}, stdio{out: &out, err: &said})
		if code != exitOK {
			t.Fatalf("exit code %d: %s%s", code, out.String(), said.String())
		}
		// 302000… is a digital notification in the simulator: 2 euro.
		wants(t, e.ask(t, pafornode.VerifyPaymentNotice, loadtest.Nav(499)), 12_499+200)
		wants(t, e.ask(t, pafornode.GetPaymentV2, loadtest.Nav(0)), 12_000+200)
	}})
}
