package deploytest

import (
	"slices"
	"strings"
	"testing"
)

// TestGrafanaFindsPrometheusAndTheDashboards: the data source is the one that the
// dashboards look for, at a service of Compose; the folder is the one that is mounted.
func TestGrafanaFindsPrometheusAndTheDashboards(t *testing.T) {
	sources := document[struct {
		Datasources []struct{ UID, Type, URL string }
	}](t, "grafana/provisioning/datasources/prometheus.yaml").Datasources
	if len(sources) != 1 || sources[0].Type != "prometheus" {
		t.Fatalf("data sources: %+v", sources)
	}
	overview := document[struct {
		Templating struct {
			List []struct {
				Name    string
				Current struct{ Value string }
			}
		}
	}](t, "grafana/dashboards/attualizza-insieme.json")
	chosen := map[string]string{}
	for _, v := range overview.Templating.List {
		chosen[v.Name] = v.Current.Value
	}
	if chosen["datasource"] != sources[0].UID || chosen["job"] != "attualizza" || chosen["instance"] == "" {
		t.Errorf("chosen at first is %v, the data source is %s", chosen, sources[0].UID)
	}

	c := document[composition](t, "compose/compose.yaml")
	host, ok := strings.CutPrefix(sources[0].URL, "http://")
	if _, found := c.Services[strings.TrimSuffix(host, ":9090")]; !ok || !found {
		t.Errorf("nobody answers at %s", sources[0].URL)
	}
	providers := document[struct {
		Providers []struct {
			Options struct{ Path string }
		}
	}](t, "grafana/provisioning/dashboards/attualizza.yaml").Providers
	if len(providers) != 1 {
		t.Fatalf("providers: %+v", providers)
	}
	for _, mount := range []string{
		"../grafana/provisioning:/etc/grafana/provisioning:ro",
		"../grafana/dashboards:" + providers[0].Options.Path + ":ro",
	} {
		if !slices.Contains(c.Services["grafana"].Volumes, mount) {
			t.Errorf("Grafana does not see %s", mount)
		}
	}
}
