package main

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/config"
	"github.com/attualizza/attualizza/internal/testservers"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/soap/pafornode"
)

// previousRelease names what stands for the release before this one as long as there
// is no tag.
const previousRelease = "deploy/previous-release"

// An update of several replicas passes through states that no test of one release
// sees: the new schema under the old program, both programs on one database and one
// Redis, and the old one again where an update is taken back. docs/upgrades.md.
func TestTheReleaseBeforeThisOneWorksOnItsSchemaAndBesideIt(t *testing.T) {
	old, schema := buildPrevious(t)
	now, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	t.Run("on a file, which one process at a time has", func(t *testing.T) { onAFile(t, old, now) })
	t.Run("on PostgreSQL, beside each other", func(t *testing.T) { besideEachOther(t, old, schema, now) })
}

func besideEachOther(t *testing.T, old, schema, now string) {
	sim := newSimulator(t)
	cfg, err := stageConfig(sim, testservers.Postgres(t), testservers.Redis(t))
	if err != nil {
		t.Fatal(err)
	}
	cfg.APIRateLimit, cfg.DrainDelay = config.Rate{Requests: 100_000, Per: time.Second}, 100*time.Millisecond

	// The release before has made its schema, and has work behind it and before it.
	before := startProgram(t, old, environmentOf(cfg), "serve")
	eventually(t, 20*time.Second, "the release before is ready", before.ready)
	var migrations string
	(&fleet{database: string(cfg.DatabaseURL)}).ask(t, &migrations, `SELECT max(version_id)::text FROM goose_db_version`)
	if migrations != schema {
		t.Errorf("%s says %s migrations, the release before has %s: bring it up to date", previousRelease, schema, migrations)
	}
	on := before.house(t, sim, cfg)
	pushed := newReceiver(t)
	e := on.ente(t, on.withVoucher(t), pushesTo(pushed))
	settled, open := e.publish(t, digital), e.publish(t, digital)
	paid := e.pay(t, settled)
	wants(t, e.ask(t, pafornode.VerifyPaymentNotice, open.nav), open.amount+200)

	// This one is not ready on a schema that is not its own, and says so.
	waiting := startProgram(t, now, environmentOf(cfg), "serve", "--no-migrate")
	for began := time.Now(); time.Since(began) < 2*time.Second; time.Sleep(50 * time.Millisecond) {
		if waiting.ready() {
			t.Fatal("ready on the schema of the release before")
		}
	}
	beside := waiting.house(t, sim, cfg)
	wantsFault(t, e.at(beside).ask(t, pafornode.VerifyPaymentNotice, open.nav), "PAA_SYSTEM_ERROR")

	// The migration finds the release before at work, and is in nobody's way.
	load := on.load(t)
	time.Sleep(500 * time.Millisecond)
	migrate := exec.Command(now, "migrate")
	migrate.Env, migrate.Dir = environmentOf(cfg), t.TempDir()
	began := time.Now()
	if said, err := migrate.CombinedOutput(); err != nil {
		t.Fatalf("migrate: %v\n%s", err, said)
	}
	t.Logf("migrated in %s", time.Since(began).Round(time.Millisecond))
	time.Sleep(500 * time.Millisecond)
	load.stop()
	if refused, resubmitted := load.judge(t, "a migration"); refused+resubmitted > 0 {
		t.Errorf("%d activations and %d receipts were turned away during the migration", refused, resubmitted)
	}
	eventually(t, 20*time.Second, "this release is ready once the schema is its own", waiting.ready)

	// Both at work.
	wants(t, e.at(beside).ask(t, pafornode.GetPaymentV2, open.nav), open.amount+200)
	e.at(beside).again(t, settled, paid)
	t.Run("what this release writes, the release before reads", func(t *testing.T) { crossing(t, beside, on) })
	t.Run("what the release before writes, this release reads", func(t *testing.T) { crossing(t, on, beside) })

	// The update is taken back, by a replica that migrates when it starts and by one
	// that does not.
	before.end(t)
	for _, args := range [][]string{{"serve"}, {"serve", "--no-migrate"}} {
		back := startProgram(t, old, environmentOf(cfg), args...)
		eventually(t, 20*time.Second, "the release before is ready on the schema of this one", back.ready)
		h := back.house(t, sim, cfg)
		wants(t, e.at(h).ask(t, pafornode.GetPaymentV2, open.nav), open.amount+200)
		crossing(t, h, beside)
		h.nothingPersonal(t)
		back.end(t)
	}
	id := e.at(beside).pay(t, open).Receipt.ReceiptID
	eventually(t, 10*time.Second, "what this release does besides goes on", func() bool { return len(pushed.of(id)) == 1 })
	on.nothingPersonal(t)
	beside.nothingPersonal(t)
	for line := range strings.Lines(beside.logs.String()) {
		if contains(line, `"level":"ERROR"`) {
			t.Errorf("an operator would be alarmed: %s", line)
		}
	}
}

// onAFile updates a service with a file, and takes the update back.
func onAFile(t *testing.T, old, now string) {
	sim := newSimulator(t)
	cfg, _ := childConfig(t, sim)
	cfg.DrainDelay = 100 * time.Millisecond
	var e *ente
	var open []debt // the last turn's, paid in the next one
	for _, path := range []string{old, now, old} {
		c := startProgram(t, path, environmentOf(cfg), "serve")
		eventually(t, 20*time.Second, "ready", c.ready)
		h := c.house(t, sim, cfg)
		if e == nil {
			e = h.ente(t)
		}
		e = e.at(h)
		for _, d := range open {
			wants(t, e.ask(t, pafornode.VerifyPaymentNotice, d.nav), d.amount+200)
			e.again(t, d, e.pay(t, d))
		}
		open = []debt{e.publish(t, digital)}
		wants(t, e.ask(t, pafornode.VerifyPaymentNotice, open[0].nav), open[0].amount+200)
		c.end(t)
	}
}

// crossing lets one replica write what the other reads, about everything that both
// releases can do.
func crossing(t *testing.T, writer, reader *house) {
	t.Helper()
	e := writer.ente(t, writer.withVoucher(t), policy("duplicateReceipt", "OK"))
	there := e.at(reader)
	known := e.publish(t, digital, withoutSEND)
	eventually(t, 10*time.Second, "the other replica knows the organization", func() bool {
		return there.ask(t, pafornode.VerifyPaymentNotice, known.nav).Response.Outcome == "OK"
	})

	// A notice that one publishes, the other is asked about.
	d := e.publish(t, digital)
	wants(t, there.ask(t, pafornode.VerifyPaymentNotice, d.nav), d.amount+200)
	wants(t, e.ask(t, pafornode.VerifyPaymentNotice, d.nav), d.amount+200) // of the price that the other asked for
	if calls := e.calls(d); calls != 1 {
		t.Errorf("SEND was asked %d times: the replicas do not read each other's prices", calls)
	}
	for _, version := range []pafornode.Operation{pafornode.GetPayment, pafornode.GetPaymentV2} {
		wants(t, e.ask(t, version, d.nav), d.amount+200)
		wants(t, there.ask(t, version, d.nav), d.amount+200)
	}
	there.quoted(t, d, d.amount+200)

	// It changes here and there.
	newer, position := e.position(t, digital)
	position["iupd"] = d.iupd
	option := position["paymentOption"].([]object)[0]
	option["nav"], option["iuv"] = d.nav, d.nav.IUV()
	option["amount"], option["transfer"] = newer.amount+500, []object{transfer("1", newer.amount+500)}
	there.mustREST(t, http.MethodPut, "/debtpositions/"+d.iupd+"?toPublish=true", e.key, position, http.StatusOK, nil)
	wants(t, e.ask(t, pafornode.GetPaymentV2, d.nav), d.amount+500+200)

	// One answers the activation, the other takes the receipt.
	receipt := e.receipt(t, d, pafornode.GetPaymentV2)
	there.accepted(t, receipt)
	e.again(t, d, receipt)
	there.again(t, d, receipt)
	one := e.receipt(t, known, pafornode.GetPayment)
	there.accepted(t, one)
	e.again(t, known, one)

	// A dated notice, and one that is withdrawn.
	dated := e.publish(t, digital, fine)
	wants(t, there.ask(t, pafornode.GetPaymentV2, dated.nav), fineReduced+200)
	gone := e.publish(t, digital)
	there.mustREST(t, http.MethodDelete, "/debtpositions/"+gone.iupd, e.key, nil, http.StatusOK, nil)
	wantsFault(t, e.ask(t, pafornode.VerifyPaymentNotice, gone.nav), "PAA_PAGAMENTO_SCONOSCIUTO")

	// A registration that changes.
	const station = "15376371009_02"
	e.body["stations"] = append(e.body["stations"].([]object), object{"stationCode": station, "broadcast": false})
	e.register(t, http.StatusOK)
	request := there.request(pafornode.VerifyPaymentNotice, dated.nav)
	request.IDStation = station
	eventually(t, 10*time.Second, "the other replica follows the registration", func() bool {
		return reader.send(t, request).Response.Outcome == "OK"
	})
}

// quoted reads the quote of a notice, and its position, by REST.
func (e *ente) quoted(t *testing.T, d debt, want any) {
	t.Helper()
	var quote struct{ Amount any }
	e.mustREST(t, http.MethodGet, "/notices/"+string(d.nav)+"/quote", e.key, nil, http.StatusOK, &quote)
	if show(quote.Amount) != show(want) {
		t.Errorf("the quote says %s, want %s", show(quote.Amount), show(want))
	}
}

// again sends a receipt that was taken, which must be known, and looks at what it
// made of its notice: paid, once, and on record.
func (e *ente) again(t *testing.T, d debt, receipt *pafornode.Request) {
	t.Helper()
	e.accepted(t, receipt)
	if all := e.kept(t, d.nav); len(all) != 1 || all[0].ReceiptID != receipt.Receipt.ReceiptID {
		t.Errorf("kept are %+v", all)
	}
	wantsFault(t, e.ask(t, pafornode.VerifyPaymentNotice, d.nav), "PAA_PAGAMENTO_DUPLICATO")
	var position struct{ Status positions.Status }
	e.mustREST(t, http.MethodGet, "/debtpositions/"+d.iupd, e.key, nil, http.StatusOK, &position)
	if position.Status != positions.Paid {
		t.Errorf("the position is %s", position.Status)
	}
	e.answersOnRecord(t, d.nav, 2)
}

// buildPrevious builds the program of the release before this one out of the
// repository's history: the last tag before this commit, or else the commit that
// the repository names. Without a history there is nothing to be tried, and the
// test says so. schema is the number of its last migration, as the repository says.
func buildPrevious(t *testing.T) (path, schema string) {
	t.Helper()
	const root = "../.."
	git := func(args ...string) (string, error) {
		out, err := exec.Command("git", append([]string{"-C", root}, args...)...).Output()
		if failed, ok := errors.AsType[*exec.ExitError](err); ok {
			err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(failed.Stderr))
		}
		return strings.TrimSpace(string(out)), err
	}
	nothing := func(why string, err error) {
		t.Skipf("NOT TRIED: whether the release before works beside this one. %s (%v)", why, err)
	}
	if _, err := git("rev-parse", "--git-dir"); err != nil {
		nothing("This is no clone of the repository.", err)
	}
	text, err := os.ReadFile(filepath.Join(root, previousRelease))
	if err != nil {
		t.Fatal(err)
	}
	recorded := regexp.MustCompile(`(?m)^commit ([0-9a-f]{40})\nmigrations (\d+)$`).FindStringSubmatch(string(text))
	if recorded == nil {
		t.Fatalf("%s names no commit and no number of migrations", previousRelease)
	}
	release, err := git("describe", "--tags", "--abbrev=0", "--match", "v*", "HEAD^")
	if err != nil {
		release = recorded[1]
	}
	if _, err := git("cat-file", "-e", release+"^{commit}"); err != nil {
		nothing("The history ends before "+release+": git fetch --unshallow --tags.", err)
	}
	dir := t.TempDir()
	archive := filepath.Join(dir, "source.zip")
	if _, err := git("archive", "--format=zip", "--output="+archive, release); err != nil {
		t.Fatal(err)
	}
	source, err := zip.OpenReader(archive)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.CopyFS(filepath.Join(dir, "source"), source), source.Close()); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "attualizza")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", path, "./cmd/attualizza")
	build.Dir, build.Env = filepath.Join(dir, "source"), append(os.Environ(), "CGO_ENABLED=0")
	began := time.Now()
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build of %s: %v\n%s", release, err, said)
	}
	t.Logf("the release before is %s, built in %s", release, time.Since(began).Round(100*time.Millisecond))
	return path, recorded[2]
}
