package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/config"
	"github.com/attualizza/attualizza/internal/sandbox"
	"github.com/attualizza/attualizza/internal/testservers"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/sqlite"
	"github.com/attualizza/attualizza/soap/pafornode"
)

// binary is the program as it is released, built once.
var binary = sync.OnceValues(func() (string, error) {
	var err error
	if built, err = os.MkdirTemp("", "attualizza-e2e-"); err != nil {
		return "", err
	}
	path := filepath.Join(built, "attualizza")
	build := exec.Command("go", "build", "-trimpath", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w: %s", err, said)
	}
	return path, nil
})

// built is the directory of the binary, removed after the tests.
var built string

// child is the program as a process of its own.
type child struct {
	cmd   *exec.Cmd
	doors map[string]string // address by name
	ended chan struct{}
	code  int
	log   *logbook
}

// startChild runs `attualizza serve` with a configuration given by environment
// variables, to which others can be added, and waits until its doors are open.
func startChild(t testing.TB, cfg *config.Config, env ...string) *child {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return startProgram(t, path, append(environmentOf(cfg), env...), "serve") // the last of a name counts
}

// environmentOf is a configuration as the program takes it.
func environmentOf(cfg *config.Config) []string {
	return []string{
		"PATH=" + os.Getenv("PATH"),
		"ATTUALIZZA_NODO_LISTEN=" + cfg.NodoListen, "ATTUALIZZA_API_LISTEN=" + cfg.APIListen, "ATTUALIZZA_OPS_LISTEN=" + cfg.OpsListen,
		"ATTUALIZZA_DATABASE_URL=" + string(cfg.DatabaseURL), "ATTUALIZZA_REDIS_URL=" + string(cfg.RedisURL),
		"ATTUALIZZA_SEND_URL=" + cfg.SendURL, "ATTUALIZZA_PDND_TOKEN_URL=" + cfg.PDNDTokenURL, "ATTUALIZZA_API_RATE_LIMIT=" + cfg.APIRateLimit.String(),
		"ATTUALIZZA_ADMIN_KEY=" + string(cfg.AdminKey), "ATTUALIZZA_MASTER_KEY=" + string(cfg.MasterKey),
		"ATTUALIZZA_DRAIN_DELAY=" + cfg.DrainDelay.String(), "ATTUALIZZA_LOG_LEVEL=debug",
		"ATTUALIZZA_NODO_TLS_CERT=" + cfg.NodoTLSCert, "ATTUALIZZA_NODO_TLS_KEY=" + cfg.NodoTLSKey, "ATTUALIZZA_NODO_TLS_CLIENT_CA=" + cfg.NodoTLSClientCA,
	}
}

// startProgram is [startChild] for a program, its environment and its command.
func startProgram(t testing.TB, path string, env []string, args ...string) *child {
	t.Helper()
	c := &child{doors: map[string]string{}, ended: make(chan struct{}), log: &logbook{}}
	c.cmd = exec.Command(path, args...)
	c.cmd.Dir, c.cmd.Env = t.TempDir(), env
	output, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.cmd.Stderr = c.log
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	open := make(chan struct{})
	go func() {
		defer close(c.ended)
		lines := bufio.NewScanner(output)
		for lines.Scan() {
			_, _ = c.log.Write(append(lines.Bytes(), '\n'))
			var line struct{ Msg, Door, Address string }
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "listening" {
				if c.doors[line.Door] = line.Address; len(c.doors) == 3 {
					close(open)
				}
			}
		}
		_, _ = io.Copy(io.Discard, output)
		_ = c.cmd.Wait() // the exit code tells
		c.code = c.cmd.ProcessState.ExitCode()
	}()
	t.Cleanup(func() {
		_ = c.cmd.Process.Kill() // it may have ended already
		<-c.ended
		if t.Failed() {
			said := c.log.String()
			t.Logf("the process said at last:\n%s", said[max(0, len(said)-lastWords):])
		}
	})
	select {
	case <-open:
	case <-c.ended:
		t.Fatal("it ended at once")
	case <-time.After(20 * time.Second):
		t.Fatal("its doors did not open")
	}
	return c
}

// lastWords is how much of the log of a process is shown when its test failed, in
// bytes.
const lastWords = 64 << 10

// end asks the process to end, which it must within the contract's time.
func (c *child) end(t *testing.T) {
	t.Helper()
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-c.ended:
		if c.code != exitOK {
			t.Errorf("exit code %d", c.code)
		}
	case <-time.After(stopsWithin):
		t.Fatalf("still running %s after SIGTERM", stopsWithin)
	}
}

// stopsWithin is how long a process may live after SIGTERM.
const stopsWithin = 15 * time.Second

// ready asks /readyz.
func (c *child) ready() bool {
	response, err := http.Get("http://" + c.doors["ops"] + "/readyz")
	if err != nil {
		return false
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode == http.StatusOK
}

// house lets the suite's ways of asking speak to the process.
func (c *child) house(t testing.TB, sim *simulator, cfg *config.Config) *house {
	t.Helper()
	doors := &service{cfg: cfg, logger: slog.New(slog.DiscardHandler)}
	for name, address := range c.doors {
		doors.servers = append(doors.servers, &listening{name: name, listener: remote(address)})
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	return &house{
		stage: &stage{service: doors, sim: sim, adminKey: string(cfg.AdminKey)},
		cfg:   cfg, logs: c.log, client: &http.Client{Transport: transport},
	}
}

func childConfig(t *testing.T, sim *simulator) (cfg *config.Config, file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "child.db")
	cfg, err := stageConfig(sim, "sqlite:"+file, "")
	if err != nil {
		t.Fatal(err)
	}
	return cfg, file
}

func TestSIGTERMDrains(t *testing.T) {
	t.Parallel()
	sim := newSimulator(t)
	cfg, file := childConfig(t, sim)
	cfg.DrainDelay = 2 * time.Second
	c := startChild(t, cfg)
	eventually(t, 10*time.Second, "ready", c.ready)
	h := c.house(t, sim, cfg)
	e := h.ente(t)
	d, waiting := e.publish(t, digital), e.publish(t, digital)
	receipt := e.receipt(t, d, pafornode.GetPaymentV2)
	told := map[positions.NoticeNumber]int{d.nav: 1}
	closes := func() bool { // the connection, after its answer
		response, err := h.client.Post(h.endpoint(), "text/xml", bytes.NewReader(pafornode.AppendRequest(nil, e.request(pafornode.VerifyPaymentNotice, d.nav))))
		if err != nil {
			t.Fatal(err)
		}
		told[d.nav]++
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		return response.Close
	}
	if closes() {
		t.Error("it closes connections that are still wanted")
	}
	if _, err := sim.Inject(sandbox.Fault{Kind: sandbox.Hang, NoticeCode: string(waiting.nav)}); err != nil {
		t.Fatal(err)
	}

	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	asked := time.Now()
	eventually(t, 300*time.Millisecond, "readyz is no longer 200", func() bool { return !c.ready() })
	if !closes() {
		t.Error("it keeps connections open that will break off")
	}
	for time.Since(asked) < 1500*time.Millisecond { // the drain delay is 2 s
		wants(t, e.ask(t, pafornode.VerifyPaymentNotice, d.nav), d.amount+200)
		told[d.nav]++
		time.Sleep(5 * time.Millisecond)
	}
	e.accepted(t, receipt)
	wants(t, e.ask(t, pafornode.GetPaymentV2, waiting.nav), waiting.amount) // longer than the delay lasts
	told[waiting.nav]++
	if took := time.Since(asked); took < cfg.DrainDelay {
		t.Errorf("the last answer came after %s, inside the drain delay: it proves nothing", took)
	}
	select {
	case <-c.ended:
		t.Logf("stopped %s after SIGTERM", time.Since(asked).Round(time.Millisecond))
		if c.code != exitOK {
			t.Errorf("exit code %d", c.code)
		}
	case <-time.After(15*time.Second - time.Since(asked)):
		t.Fatal("still running 15 s after SIGTERM")
	}
	h.nothingPersonal(t)

	store, err := sqlite.Open(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for nav, want := range told {
		answers, _, err := store.Answers(t.Context(), e.fiscalCode, nav, positions.Page{Limit: 10_000})
		if err != nil || len(answers) != want {
			t.Errorf("%d answers about notice %s are on record, %d were given; %v", len(answers), nav, want, err)
		}
	}
	if _, err := store.Receipt(t.Context(), e.fiscalCode, receipt.Receipt.ReceiptID); err != nil {
		t.Errorf("the receipt of the last moments: %v", err)
	}
}

// Who told the process to end kills it after 15 s, and nothing may be under way then.
func TestAProcessWhoseStoreHangsEndsInTimeAllTheSame(t *testing.T) {
	t.Parallel()
	sim := newSimulator(t)
	database := testservers.StartPostgres(t)
	cfg, err := stageConfig(sim, database.Database(), "")
	if err != nil {
		t.Fatal(err)
	}
	cfg.DrainDelay = 10 * time.Second // the longest
	c := startChild(t, cfg)
	eventually(t, 20*time.Second, "the process is ready", c.ready)
	database.Pause()
	t.Cleanup(database.Resume) // or its end would wait
	began := time.Now()
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-c.ended:
	case <-time.After(30 * time.Second):
		t.Fatal("the process goes on")
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("it took %v", took)
	}
}

// What was acknowledged is in the store, whatever happens to the process.
func TestAKilledProcessHasLostNothingThatItAcknowledged(t *testing.T) {
	t.Parallel()
	sim := newSimulator(t)
	cfg, file := childConfig(t, sim)
	c := startChild(t, cfg)
	eventually(t, 10*time.Second, "ready", c.ready)
	e := c.house(t, sim, cfg).ente(t)
	d := e.publish(t, digital)
	var together sync.WaitGroup
	for range 20 {
		together.Go(func() { wants(t, e.ask(t, pafornode.VerifyPaymentNotice, d.nav), d.amount+200) })
	}
	together.Wait()
	receipt := e.pay(t, d)
	unlogged := e.h.counter(t, "attualizza_answers_unlogged_total") // the most that a crash may lose
	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-c.ended

	again := startChild(t, cfg) // on the file as it was left
	eventually(t, 10*time.Second, "ready again", again.ready)
	after := e.at(again.house(t, sim, cfg))
	wantsFault(t, after.ask(t, pafornode.VerifyPaymentNotice, d.nav), "PAA_PAGAMENTO_DUPLICATO")
	if n := len(after.answers(t, d.nav)); n < 22-unlogged {
		t.Errorf("%d answers are on record; 22 were given, %d of them before their record", n, unlogged)
	}
	if all := after.kept(t, d.nav); len(all) != 1 || all[0].ReceiptID != receipt.Receipt.ReceiptID {
		t.Errorf("kept are %+v", all)
	}
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
}

// maxOwn is the promise about memory after start: what the process made itself.
// maxResident counts the pages of the program's file too, which the machine shares
// and can take back; how many of them are mapped is the kernel's choice.
const maxOwn, maxResident = 16 << 10, 48 << 10 // KiB

func TestResidentMemoryAfterStart(t *testing.T) {
	t.Parallel()
	sim := newSimulator(t)
	cfg, _ := childConfig(t, sim)
	c := startChild(t, cfg)
	eventually(t, 10*time.Second, "ready", c.ready)
	time.Sleep(time.Second)
	own, all := c.resident(t)
	t.Logf("after start: %d KiB, %d of them its own", all, own)
	if own > maxOwn || all > maxResident {
		t.Errorf("%d KiB are resident, %d of them its own; the promise is %d and %d", all, own, maxResident, maxOwn)
	}
	h := c.house(t, sim, cfg)
	e := h.ente(t)
	d := e.publish(t, digital)
	for range 500 {
		wants(t, e.ask(t, pafornode.GetPaymentV2, d.nav), d.amount+200)
	}
	own, all = c.resident(t)
	t.Logf("after 500 activations: %d KiB, %d of them its own", all, own)
}

var (
	vmRSS   = regexp.MustCompile(`VmRSS:\s+(\d+) kB`)
	rssAnon = regexp.MustCompile(`RssAnon:\s+(\d+) kB`)
)

// resident is what the process holds in memory, in KiB: what it made itself, and
// with the pages of files.
func (c *child) resident(t *testing.T) (own, all int) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	read := func(line *regexp.Regexp) int {
		found := line.FindSubmatch(status)
		if found == nil {
			t.Fatalf("no %v in %s", line, status)
		}
		kib, err := strconv.Atoi(string(found[1]))
		if err != nil {
			t.Fatal(err)
		}
		return kib
	}
	return read(rssAnon), read(vmRSS)
}

// A configuration that is wrong ends the start with code 2 and one clear line
// that names the key.
func TestABadConfigurationIsOneClearLine(t *testing.T) {
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	for _, c := range []struct {
		name string
		env  map[string]string
		args []string
		says string
	}{
		{"an unparsable number", map[string]string{"ATTUALIZZA_MAX_IN_FLIGHT": "many"}, nil, "ATTUALIZZA_MAX_IN_FLIGHT"},
		{"a budget that is too long", map[string]string{"ATTUALIZZA_ANSWER_BUDGET": "3s"}, nil, "ATTUALIZZA_ANSWER_BUDGET"},
		{"a database of no kind", map[string]string{"ATTUALIZZA_DATABASE_URL": "mysql://root:geheim@db/x"}, nil, "ATTUALIZZA_DATABASE_URL"},
		{"plain http to SEND", map[string]string{"ATTUALIZZA_SEND_URL": "http://api.notifichedigitali.it"}, nil, "ATTUALIZZA_SEND_URL"},
		{"half a master key", map[string]string{"ATTUALIZZA_MASTER_KEY": base64.StdEncoding.EncodeToString(key[:16])}, nil, "ATTUALIZZA_MASTER_KEY"},
		{"a key given twice", map[string]string{"ATTUALIZZA_ADMIN_KEY": "geheim-geheim-geheim", "ATTUALIZZA_ADMIN_KEY_FILE": "/dev/null"}, nil, "ATTUALIZZA_ADMIN_KEY"},
		{"a misspelt variable", map[string]string{"ATTUALIZZA_NODO_LISTENS": ":8080"}, nil, "ATTUALIZZA_NODO_LISTENS"},
		{"two doors at one address", map[string]string{"ATTUALIZZA_API_LISTEN": "127.0.0.1:8080"}, nil, "ATTUALIZZA_API_LISTEN"},
		{"an unknown flag", nil, []string{"--max-in-fligth=3"}, "--max-in-fligth"},
		{"a file that is not there", nil, []string{"--config=/nowhere.yaml"}, "/nowhere.yaml"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, value := range c.env {
				t.Setenv(name, value)
			}
			var out, said bytes.Buffer
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			code := run(ctx, append([]string{"serve"}, c.args...), stdio{out: &out, err: &said})
			text := said.String()
			if code != exitUsage || !strings.Contains(text, c.says) || strings.Count(strings.TrimSpace(text), "\n") != 0 {
				t.Errorf("exit code %d, it says:\n%s%s", code, text, out.String())
			}
			if strings.Contains(text, "geheim") {
				t.Errorf("a secret is told: %s", text)
			}
		})
	}
}

// remote stands for the listener of another process: only its address is known.
type remote string

func (r remote) Accept() (net.Conn, error) { return nil, net.ErrClosed }
func (r remote) Close() error              { return nil }
func (r remote) Addr() net.Addr            { return r }
func (r remote) Network() string           { return "tcp" }
func (r remote) String() string            { return string(r) }
