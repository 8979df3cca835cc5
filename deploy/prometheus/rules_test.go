// Package prometheus_test holds the alerting rules to what the program exposes and
// to the pages of the runbook. When each alert fires is promtool's to test.
package prometheus_test

import (
	"bufio"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/attualizza/attualizza/internal/mutualtls/mutualtlstest"
)

type rule struct {
	Record, Alert, Expr string
	Labels, Annotations map[string]string
}

func rules(t *testing.T) (all []rule) {
	t.Helper()
	text, err := os.ReadFile("rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Groups []struct{ Rules []rule } }
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) == 0 {
		t.Fatal("no rules")
	}
	return all
}

// A group that a file of tests does not list is run in an order of chance, and its alerts
// then look at what was recorded the time before.
func TestEveryFileOfTestsRunsAllGroupsInTheirOrder(t *testing.T) {
	type group struct{ Name string }
	var file struct{ Groups []group }
	read := func(name string, into any) {
		t.Helper()
		text, err := os.ReadFile(name)
		if err == nil {
			err = yaml.Unmarshal(text, into)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	read("rules.yaml", &file)
	var order []string
	for _, g := range file.Groups {
		order = append(order, g.Name)
	}
	files, err := filepath.Glob("tests/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files of tests: %v", err)
	}
	for _, name := range files {
		var tests struct {
			Order []string `yaml:"group_eval_order"`
		}
		read(name, &tests)
		if !slices.Equal(tests.Order, order) {
			t.Errorf("%s runs %v, rules.yaml has %v", name, tests.Order, order)
		}
	}
}

func TestEveryAlertHasAPageAndEveryPageAnAlert(t *testing.T) {
	const root = "../../"
	pages, err := filepath.Glob(root + "docs/runbook/*.md")
	if err != nil {
		t.Fatal(err)
	}
	without := map[string]bool{}
	for _, page := range pages {
		without[strings.TrimPrefix(filepath.ToSlash(page), root)] = true
	}
	index, err := os.ReadFile(root + "docs/runbook/README.md")
	if err != nil {
		t.Fatal(err)
	}
	delete(without, "docs/runbook/README.md")
	_, later, _ := strings.Cut(string(index), "(`ticket`)")
	for _, r := range rules(t) {
		if r.Alert == "" {
			continue
		}
		page := "docs/runbook/" + r.Alert + ".md"
		row := "| [" + r.Alert + "](" + r.Alert + ".md) |"
		if !strings.Contains(string(index), row) || strings.Contains(later, row) != (r.Labels["severity"] == "ticket") {
			t.Errorf("the index of the runbook has %s not, or in the wrong table", r.Alert)
		}
		if !without[page] {
			t.Errorf("%s has no page %s of its own", r.Alert, page)
		}
		delete(without, page)
		if r.Annotations["runbook_url"] != page {
			t.Errorf("%s leads to %q, not to %s", r.Alert, r.Annotations["runbook_url"], page)
		}
		if s := r.Labels["severity"]; s != "page" && s != "ticket" {
			t.Errorf("%s has severity %q", r.Alert, s)
		}
		if r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
			t.Errorf("%s does not say what to look at", r.Alert)
		}
	}
	for page := range without {
		t.Errorf("%s is about no alert", page)
	}
}

func TestEveryAlertIsTriedWhereItFiresAndWhereItDoesNot(t *testing.T) {
	files, err := filepath.Glob("tests/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	fires, silent := map[string]bool{}, map[string]bool{}
	about := regexp.MustCompile(`alertname="(\w+)"`)
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var file struct {
			Tests []struct {
				Cases []struct {
					Expr    string
					Samples []any `yaml:"exp_samples"`
				} `yaml:"promql_expr_test"`
			}
		}
		if err := yaml.Unmarshal(text, &file); err != nil {
			t.Fatal(name, err)
		}
		for _, test := range file.Tests {
			for _, c := range test.Cases {
				if m := about.FindStringSubmatch(c.Expr); m != nil && len(c.Samples) > 0 {
					fires[m[1]] = true
				} else if m != nil {
					silent[m[1]] = true
				}
			}
		}
	}
	for _, r := range rules(t) {
		if r.Alert != "" && (!fires[r.Alert] || !silent[r.Alert]) {
			t.Errorf("%s: tried where it fires: %v, where it does not: %v", r.Alert, fires[r.Alert], silent[r.Alert])
		}
	}
}

var (
	metric   = regexp.MustCompile(`(?:^|[^\w:])((?:attualizza|process|go)_\w+)(?:\{([^}]*)\})?`)
	matcher  = regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)\s*"`)
	grouping = regexp.MustCompile(`\b(?:by|on) \(([^)]*)\)`)
	sample   = regexp.MustCompile(`^(\w+)(?:\{(.*)\})? `)
	label    = regexp.MustCompile(`(\w+)="((?:[^"\\]|\\.)*)"`)
)

// exposed are the labels, and of each the values, of every metric.
type exposed map[string]map[string]map[string]bool

func (e exposed) read(t *testing.T, url string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		m := sample.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		if e[m[1]] == nil {
			e[m[1]] = map[string]map[string]bool{}
		}
		for _, l := range label.FindAllStringSubmatch(m[2], -1) {
			if e[m[1]][l[1]] == nil {
				e[m[1]][l[1]] = map[string]bool{}
			}
			e[m[1]][l[1]][l[2]] = true
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}

// The program is the built one: its demo, in which everything happens once,
// and a service with TLS.
func TestEveryMetricOfARuleIsOneThatTheProgramExposes(t *testing.T) {
	program := filepath.Join(t.TempDir(), "attualizza")
	if out, err := exec.Command("go", "build", "-o", program, "../../cmd/attualizza").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	found := exposed{}
	found.read(t, start(t, regexp.MustCompile(`http://[\d.:]+/metrics`), "", exec.Command(program, "demo", "--keep")))

	dir := t.TempDir()
	ours, theirs := mutualtlstest.New(t, "our CA"), mutualtlstest.New(t, "the Nodo's CA")
	cert, key := ours.Server(t, time.Now().Add(time.Hour))
	serve := exec.Command(program, "serve", "--database-url=sqlite:"+filepath.Join(dir, "a.db"),
		"--nodo-listen=127.0.0.1:0", "--api-listen=127.0.0.1:0", "--ops-listen=127.0.0.1:0",
		"--nodo-tls-cert="+filepath.Join(dir, "cert"), "--nodo-tls-key="+filepath.Join(dir, "key"), "--nodo-tls-client-ca="+filepath.Join(dir, "ca"))
	for name, content := range map[string][]byte{"cert": cert, "key": key, "ca": theirs.PEM} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	found.read(t, start(t, regexp.MustCompile(`"door":"ops","address":"([\d.:]+)"`), "/metrics", serve))

	for _, r := range rules(t) {
		known := map[string]bool{"job": true, "instance": true} // Prometheus's own
		for _, use := range metric.FindAllStringSubmatch(r.Expr, -1) {
			labels, ok := found[use[1]]
			if !ok {
				t.Errorf("%s%s: the program exposes no %s", r.Record, r.Alert, use[1])
				continue
			}
			for name := range labels {
				known[name] = true
			}
			for _, m := range matcher.FindAllStringSubmatch(use[2], -1) {
				if m[1] != "job" && labels[m[1]] == nil {
					t.Errorf("%s%s: %s has no label %s, but %q", r.Record, r.Alert, use[1], m[1], slices.Sorted(maps.Keys(labels)))
				}
			}
		}
		for _, by := range grouping.FindAllStringSubmatch(r.Expr, -1) {
			for name := range strings.SplitSeq(by[1], ", ") {
				if !known[name] {
					t.Errorf("%s%s: none of its metrics has a label %s", r.Record, r.Alert, name)
				}
			}
		}
	}
	bounds := found["attualizza_answer_duration_seconds_bucket"]["le"]
	if !bounds["1.5"] || !bounds["2"] && !bounds["2.0"] {
		t.Errorf("the objectives need the bounds 1.5 and 2; there are %q", slices.Sorted(maps.Keys(bounds)))
	}
}

// start runs a command until the test ends and returns the address that it tells.
func start(t *testing.T, address *regexp.Regexp, path string, command *exec.Cmd) string {
	t.Helper()
	r, w := io.Pipe()
	command.Stdout, command.Stderr = w, w
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	told, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		for lines := bufio.NewScanner(r); lines.Scan(); {
			if m := address.FindStringSubmatch(lines.Text()); m != nil {
				select {
				case told <- m[len(m)-1]:
				default:
				}
			}
		}
	}()
	go func() { ended <- command.Wait(); w.Close() }()
	t.Cleanup(func() {
		_ = command.Process.Kill() // it may have ended
		<-ended
	})
	select {
	case where := <-told:
		if path != "" {
			where = "http://" + where + path
		}
		return where
	case err := <-ended:
		ended <- err
		t.Fatalf("%s ended: %v", command, err)
	case <-time.After(90 * time.Second):
		t.Fatalf("%s did not tell its address", command)
	}
	return ""
}
