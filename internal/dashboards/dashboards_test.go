package dashboards

//lint:file-ignore SA1019 The older schema of dashboards is the one that every Grafana reads from a provisioned folder.

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"go.yaml.in/yaml/v3"
)

const root = "../../"

// panels calls see with every panel of every dashboard.
func panels(t *testing.T, see func(d *dashboard.Dashboard, p *dashboard.Panel)) {
	t.Helper()
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, d := range all {
		for _, p := range d.Panels {
			if p.Panel != nil {
				see(&d, p.Panel)
				seen++
			}
		}
	}
	if seen < 50 {
		t.Errorf("only %d panels", seen)
	}
}

func TestWhatIsShippedIsWhatIsWrittenHere(t *testing.T) {
	files, err := Files()
	if err != nil {
		t.Fatal(err)
	}
	folder := root + "deploy/grafana/dashboards"
	shipped, err := filepath.Glob(folder + "/*.json")
	if err != nil || len(shipped) != len(files) {
		t.Errorf("%d files are shipped, %d are written here: %v", len(shipped), len(files), err)
	}
	for name, want := range files {
		if got, err := os.ReadFile(filepath.Join(folder, name)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is stale, run make generate: %v", name, err)
		}
	}
}

func TestEveryPanelAsksAQuestionAndSaysWhatIsGoodAndWhatToRead(t *testing.T) {
	page := regexp.MustCompile(`docs/[\w/-]+\.md`)
	asked := map[string]bool{}
	panels(t, func(d *dashboard.Dashboard, p *dashboard.Panel) {
		title := *d.Title + ": " + *p.Title
		if !strings.Contains(*p.Title, "?") {
			t.Errorf("%s is no question", title)
		}
		if asked[title] {
			t.Errorf("%s is asked twice", title)
		}
		asked[title] = true
		for _, word := range []string{"Bene: ", "Male: ", "Da leggere: "} {
			if _, after, ok := strings.Cut(*p.Description, word); !ok || len(after) < 5 {
				t.Errorf("%s: the description lacks %q", title, word)
			}
		}
		path := page.FindString(*p.Description)
		if _, err := os.Stat(root + path); path == "" || err != nil {
			t.Errorf("%s: there is no page %q", title, path)
		}
		if len(p.Targets) == 0 {
			t.Errorf("%s asks nothing", title)
		}
		if f := p.FieldConfig.Defaults; *f.Unit == "" || f.Thresholds == nil {
			t.Errorf("%s has no unit or no colours", title)
		}
		var last float64
		for i, s := range p.FieldConfig.Defaults.Thresholds.Steps {
			switch {
			case (i == 0) != (s.Value == nil):
				t.Errorf("%s: only the first colour is without a limit", title)
			case i > 1 && *s.Value <= last:
				t.Errorf("%s: limits do not rise", title)
			case i > 0:
				last = *s.Value
			}
		}
	})
}

// An id of its own, a place inside the grid's 24 columns, and nobody else there.
func TestPanelsDoNotOverlap(t *testing.T) {
	taken := map[string]string{}
	panels(t, func(d *dashboard.Dashboard, p *dashboard.Panel) {
		g := p.GridPos
		if g.X+g.W > 24 {
			t.Errorf("%s: %s leaves the grid", *d.Title, *p.Title)
		}
		for x := g.X; x < g.X+g.W; x++ {
			for y := g.Y; y < g.Y+g.H; y++ {
				cell := fmt.Sprint(*d.Uid, " ", x, ",", y)
				if other := taken[cell]; other != "" && other != *p.Title {
					t.Fatalf("%s: %s lies on %s", *d.Title, *p.Title, other)
				}
				taken[cell] = *p.Title
			}
		}
		id := fmt.Sprint(*d.Uid, " id ", *p.Id)
		if taken[id] != "" {
			t.Errorf("%s: %s has the id of %s", *d.Title, *p.Title, taken[id])
		}
		taken[id] = *p.Title
	})
}

// Each replica and each installation can be looked at alone, except in what the
// rules recorded for all replicas together.
func TestEveryQueryObeysTheChoices(t *testing.T) {
	selector := regexp.MustCompile(`(?:\b(?:attualizza|process|go)_\w+|\bjob:\w+(?::\w+)*|\bup\b|\bALERTS\b)(\{[^}]*\})?`)
	panels(t, func(d *dashboard.Dashboard, p *dashboard.Panel) {
		for _, target := range p.Targets {
			expr := target.(prometheus.Dataquery).Expr
			for _, m := range selector.FindAllStringSubmatch(expr, -1) {
				if !strings.Contains(m[1], `job=~"$job"`) {
					t.Errorf("%s: %s: %s is of every installation", *d.Title, *p.Title, m[0])
				}
				if strings.HasPrefix(m[0], "attualizza_") && !strings.Contains(m[1], `instance=~"$instance"`) {
					t.Errorf("%s: %s: %s is of every replica", *d.Title, *p.Title, m[0])
				}
			}
			if strings.Contains(expr, "@") {
				t.Errorf("%s: %s: unknown choice in %s", *d.Title, *p.Title, expr)
			}
		}
	})
}

// promtool reads rules: each query is made one.
func TestEveryQueryIsPromQL(t *testing.T) {
	type rule struct{ Record, Expr string }
	var rules []rule
	fill := strings.NewReplacer("$job", "attualizza", "$instance", ".*", "$__rate_interval", "1m", "$__range", "1h")
	panels(t, func(_ *dashboard.Dashboard, p *dashboard.Panel) {
		for _, target := range p.Targets {
			rules = append(rules, rule{fmt.Sprintf("query_%d", len(rules)), fill.Replace(target.(prometheus.Dataquery).Expr)})
		}
	})
	text, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "queries", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "queries.yaml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if said, err := exec.Command("promtool", "check", "rules", path).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, said)
	}
}

func TestLatenciesShowExemplars(t *testing.T) {
	shown := 0
	panels(t, func(d *dashboard.Dashboard, p *dashboard.Panel) {
		if p.Type != "timeseries" {
			return
		}
		quantiles, exemplars := false, false
		for _, target := range p.Targets {
			x := target.(prometheus.Dataquery)
			quantiles = quantiles || strings.Contains(x.Expr, "histogram_quantile")
			exemplars = exemplars || x.Exemplar != nil && *x.Exemplar
		}
		if quantiles != exemplars {
			t.Errorf("%s: %s: a latency %v, exemplars %v", *d.Title, *p.Title, quantiles, exemplars)
		}
		if exemplars {
			shown++
		}
	})
	if shown == 0 {
		t.Error("no latency is shown")
	}
}

// Grafana's SDK is for who writes dashboards: it is no part of what is installed.
func TestTheServiceDoesNotLinkTheSDK(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", root+"cmd/attualizza").Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := strings.Fields(string(out))
	if !slices.Contains(packages, "github.com/attualizza/attualizza/soap") {
		t.Fatal("these are not the service's packages")
	}
	for _, name := range packages {
		if strings.Contains(name, "grafana") {
			t.Errorf("the service links %s", name)
		}
	}
}

func TestTheOverviewLeadsToTheOthers(t *testing.T) {
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	uids := map[string]bool{}
	for _, d := range all {
		uids[*d.Uid] = true
		if !slices.Contains(d.Tags, tag) || len(d.Links) != 1 || !slices.Contains(d.Links[0].Tags, tag) {
			t.Errorf("%s cannot be found, or finds nobody", *d.Title)
		}
	}
	if len(uids) != len(all) || !uids["attualizza-insieme"] {
		t.Errorf("dashboards: %v", slices.Sorted(maps.Keys(uids)))
	}
}
