package deploytest

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// mebibytesIn reads the one figure that a pattern finds in a file below deploy/.
func mebibytesIn(t *testing.T, name, pattern string) int {
	t.Helper()
	found := regexp.MustCompile(pattern).FindAllStringSubmatch(text(t, name), -1)
	if len(found) != 1 {
		t.Fatalf("%s: %d times %s", name, len(found), pattern)
	}
	n, err := strconv.Atoi(found[0][1])
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// Who is killed at a limit never gets beyond it: the alert must come before, and
// before the collector of garbage works without pause to stay below its own.
func TestTheAlertOfMemoryComesBeforeTheLimits(t *testing.T) {
	alert := mebibytesIn(t, "prometheus/rules.yaml", `process_resident_memory_bytes\{[^}]*\} > (\d+) \* 1024 \* 1024`)
	for _, way := range []struct{ collectorIn, collector, limitIn, limit string }{
		{"compose/compose.yaml", `GOMEMLIMIT: (\d+)MiB`, "compose/compose.yaml", `(?m)^  mem_limit: (\d+)m$`},
		{"kubernetes/configmap.yaml", `GOMEMLIMIT: "(\d+)MiB"`, "kubernetes/deployment.yaml", `limits: \{memory: (\d+)Mi\}`},
	} {
		collector, limit := mebibytesIn(t, way.collectorIn, way.collector), mebibytesIn(t, way.limitIn, way.limit)
		if alert >= collector || collector >= limit {
			t.Errorf("%s: the alert is at %d MiB, the collector's limit at %d, the limit at %d", way.limitIn, alert, collector, limit)
		}
	}

	var sheet struct {
		Panels []struct {
			Title       string
			Targets     []struct{ Expr string }
			FieldConfig struct {
				Defaults struct {
					Thresholds struct{ Steps []struct{ Value *float64 } }
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(text(t, "grafana/dashboards/attualizza-macchina.json")), &sheet); err != nil {
		t.Fatal(err)
	}
	drawn := 0
	for _, p := range sheet.Panels {
		if len(p.Targets) != 1 || !strings.HasPrefix(p.Targets[0].Expr, "process_resident_memory_bytes") {
			continue
		}
		drawn++
		steps := p.FieldConfig.Defaults.Thresholds.Steps
		if last := steps[len(steps)-1].Value; last == nil || *last != float64(alert<<20) {
			t.Errorf("%s: its line is not the alert's %d MiB", p.Title, alert)
		}
	}
	if drawn != 1 {
		t.Errorf("memory is drawn %d times", drawn)
	}
}
