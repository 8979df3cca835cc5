package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"github.com/attualizza/attualizza/internal/config"
	"github.com/attualizza/attualizza/internal/sandbox"
	"github.com/attualizza/attualizza/internal/telemetry"
	"github.com/attualizza/attualizza/internal/testservers"
	"github.com/attualizza/attualizza/soap"
	"github.com/attualizza/attualizza/soap/pafornode"
	"github.com/attualizza/attualizza/soap/pafornode/schematest"
)

// The end-to-end suite drives whole services over real sockets, as the Nodo and
// debt-position systems do, with the simulator in SEND's place, and makes
// everything around them fail.

func TestMain(m *testing.M) {
	// Scripts run the program as the command "attualizza", which is this test
	// binary under another name.
	testscript.Main(suite{m}, map[string]func(){"attualizza": main})
}

// suite runs the tests and then looks for what they left behind.
type suite struct{ *testing.M }

func (s suite) Run() int {
	flag.Parse()
	if flag.Lookup("test.parallel").Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		_ = flag.Set("test.parallel", "8") // the scenarios mostly wait: for SEND, for a breaker
	}
	totalsEvery = time.Second
	code := s.M.Run()
	if built != "" {
		_ = os.RemoveAll(built)
	}
	if os.Getenv("FIGURES") != "" {
		slowest.print()
	}
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, "left behind after the tests:", err)
			code = 1
		}
	}
	return code
}

// deployment is a choice of stores.
type deployment struct {
	name  string
	start func(t *testing.T) (database, redis string)
}

var deployments = []deployment{
	{"SQLite without Redis", func(t *testing.T) (string, string) {
		return "sqlite:" + filepath.Join(t.TempDir(), "e2e.db"), ""
	}},
	{"PostgreSQL with Redis", func(t *testing.T) (string, string) {
		return testservers.Postgres(t), testservers.Redis(t)
	}},
}

// onBoth runs scenarios on a house of their own for each deployment. The
// scenarios of one house run beside each other, each with enti of its own.
func onBoth(t *testing.T, scenarios map[string]func(t *testing.T, h *house)) {
	for _, d := range deployments {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			database, redis := d.start(t)
			h := newHouse(t, database, redis)
			for name, scenario := range scenarios {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					scenario(t, h)
					h.nothingPersonal(t)
					h.nothingPersonalInMetrics(t)
				})
			}
		})
	}
}

// house is a running service with its simulator, its log and a client that
// judges every answer.
type house struct {
	*stage
	cfg    *config.Config
	logs   *logbook
	client *http.Client
}

// newHouse starts a simulator and a service that is ready to answer; both end
// with the test.
func newHouse(t testing.TB, database, redis string) *house {
	t.Helper()
	return begun(t, newHouseOn(t, newSimulator(t), database, redis))
}

// begun waits until a service is ready to answer.
func begun(t testing.TB, h *house) *house {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := h.ready(ctx); err != nil {
		t.Fatal(err)
	}
	return h
}

func newSimulator(t testing.TB) *simulator {
	t.Helper()
	sim, err := startSandbox(t.Context(), "127.0.0.1:0", sandbox.Options{LogSize: 100_000})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	return sim
}

// newHouseOn starts a service, ready or not, beside a simulator that others may
// use too.
func newHouseOn(t testing.TB, sim *simulator, database, redis string) *house {
	t.Helper()
	cfg, err := stageConfig(sim, database, redis)
	if err != nil {
		t.Fatal(err)
	}
	return newHouseWith(t, sim, cfg)
}

func newHouseWith(t testing.TB, sim *simulator, cfg *config.Config) *house {
	t.Helper()
	cfg.APIRateLimit = config.Rate{Requests: 100_000, Per: time.Second} // the suite registers many enti at once
	logs := &logbook{}
	logger, err := telemetry.NewLogger(logs, "debug", "json")
	if err != nil {
		t.Fatal(err)
	}
	service, err := start(t.Context(), cfg, logger, true)
	if err != nil {
		t.Fatal(err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 256
	h := &house{
		stage: &stage{service: service, sim: sim, adminKey: string(cfg.AdminKey)},
		cfg:   cfg, logs: logs, client: &http.Client{Transport: transport, Timeout: 20 * time.Second},
	}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		h.service.Close()
		h.nothingPersonal(t)
		if t.Failed() {
			h.logs.tail(t)
		}
	})
	return h
}

func (h *house) endpoint() string { return "http://" + h.address("nodo") + soap.Path }

// get reads a page of one of the doors.
func (h *house) get(t testing.TB, door, path string) (status int, body string) {
	t.Helper()
	response, err := h.client.Get("http://" + h.address(door) + path)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(content)
}

// post sends a SOAP message as it is and judges what comes back by the schema.
func (h *house) post(t testing.TB, message string) (status int, answer string) {
	t.Helper()
	response, err := h.client.Post(h.endpoint(), "text/xml; charset=utf-8", strings.NewReader(message))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(response.Header.Get("Content-Type"), "text/xml") {
		valid(t, content)
	}
	return response.StatusCode, string(content)
}

// What must never be seen outside of messages and the store: the debtor and the
// payer of every position and receipt of the suite.
const (
	debtorName = "Ermenegilda Brambilla"
	debtorCode = "BRMRNG80A41F205Z"
	debtorMail = "ermenegilda@posta.example"
	payerName  = "Gualtiero Fumagalli"
	payerCode  = "FMGGTR75B02F205K"
)

var personal = []string{debtorName, debtorCode, debtorMail, payerName, payerCode, "Brambilla", "Fumagalli"}

// nothingPersonal reads the whole log, which is kept at debug level.
func (h *house) nothingPersonal(t testing.TB) {
	t.Helper()
	seen := h.logs.String()
	if seen == "" {
		t.Error("nothing was logged: the log proves nothing")
	}
	for _, secret := range append(personal, h.adminKey, string(h.cfg.MasterKey)) {
		if at := strings.Index(seen, secret); at >= 0 {
			t.Errorf("%q is in the log: %s", secret, seen[max(0, at-200):min(len(seen), at+200)])
		}
	}
}

func (h *house) nothingPersonalInMetrics(t testing.TB) {
	t.Helper()
	status, page := h.get(t, "ops", "/metrics")
	if status != http.StatusOK || !strings.Contains(page, "attualizza_") {
		t.Errorf("metrics: HTTP %d", status)
	}
	for _, secret := range personal {
		if strings.Contains(page, secret) {
			t.Errorf("%q is in the metrics", secret)
		}
	}
}

// logbook keeps what a service logs.
type logbook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// tail shows the last warnings and errors of a service whose test failed.
func (l *logbook) tail(t testing.TB) {
	var lines []string
	for line := range strings.Lines(l.String()) {
		if strings.Contains(line, `"level":"WARN"`) || strings.Contains(line, `"level":"ERROR"`) {
			lines = append(lines, line)
		}
	}
	t.Logf("last warnings and errors of the service:\n%s", strings.Join(lines[max(0, len(lines)-15):], ""))
}

// schemas are the judges of every SOAP answer: our schema, and pagoPA's own
// where it is at hand.
var schemas = sync.OnceValues(func() (map[string]*schematest.Schema, error) {
	payload, _ := pafornode.XSD("paForNode.xsd")
	common, _ := pafornode.XSD("common-types.xsd")
	ours, err := schematest.Compile(payload, common)
	if err != nil {
		return nil, err
	}
	found := map[string]*schematest.Schema{"our schema": ours}
	published, from, err := schematest.Published()
	switch {
	case err != nil:
		return nil, err
	case published != nil:
		found["pagoPA's schema"] = published
		fmt.Fprintln(os.Stderr, "SOAP answers are held to our schema and to pagoPA's, from", from)
	default:
		fmt.Fprintln(os.Stderr, "SOAP answers are held to our schema alone: pagoPA's is not at hand")
	}
	return found, nil
})

// judging lets one judge work at a time: fifty at once would keep the answers
// that are still to come from being read in time.
var judging sync.Mutex

// valid holds a SOAP answer to the schemas, and a refusal to say nothing
// personal.
func valid(t testing.TB, message []byte) {
	t.Helper()
	all, err := schemas()
	if err != nil {
		t.Error(err)
		return
	}
	judging.Lock()
	defer judging.Unlock()
	for name, schema := range all {
		if err := schema.Validate(message); err != nil {
			t.Errorf("an answer is not valid by %s: %v\n%s", name, err, message)
		}
	}
	if bytes.Contains(message, []byte("<outcome>KO")) || bytes.Contains(message, []byte("faultstring")) {
		for _, secret := range personal {
			if bytes.Contains(message, []byte(secret)) {
				t.Errorf("a refusal holds %q: %s", secret, message)
			}
		}
	}
}

// eventually asks until it is true, at most for a while.
func eventually(t testing.TB, within time.Duration, what string, is func() bool) {
	t.Helper()
	began := time.Now()
	for !is() {
		if time.Since(began) > within {
			t.Fatalf("%s: not within %s", what, within)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
