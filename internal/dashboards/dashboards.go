package dashboards

//lint:file-ignore SA1019 The older schema of dashboards is the one that every Grafana reads from a provisioned folder.

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// DatasourceUID is the uid of the Prometheus that deploy/grafana/provisioning makes
// known; whoever has another one chooses it at the top of each dashboard.
const DatasourceUID = "attualizza-prometheus"

// tag is what the dashboards find each other by.
const tag = "attualizza"

// sheet is one dashboard: questions in rows.
type sheet struct {
	uid, title, about string
	from              string // the period shown at first
	rows              []row
}

type row struct {
	title     string
	questions []question
}

// sheets in the order in which somebody on call needs them.
func sheets() []sheet {
	return []sheet{overview(), answers(), send(), work(), machine()}
}

// All returns the dashboards, the overview first.
func All() ([]dashboard.Dashboard, error) {
	var all []dashboard.Dashboard
	for _, s := range sheets() {
		d, err := s.build()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.uid, err)
		}
		all = append(all, d)
	}
	return all, nil
}

// Files returns what Grafana loads: a dashboard as JSON by file name.
func Files() (map[string][]byte, error) {
	all, err := All()
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, d := range all {
		var text bytes.Buffer
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(false) // a query is read by people: > is no >
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(d); err != nil {
			return nil, fmt.Errorf("%s: %w", *d.Uid, err)
		}
		files[*d.Uid+".json"] = text.Bytes()
	}
	return files, nil
}

func (s sheet) build() (dashboard.Dashboard, error) {
	b := dashboard.NewDashboardBuilder(s.title).
		Uid(s.uid).Description(s.about).Tags([]string{tag}).Timezone("Europe/Rome").Readonly().
		Time(s.from, "now").Refresh("30s").Tooltip(dashboard.DashboardCursorSyncCrosshair).
		Annotation(starts()).
		Link(dashboard.NewDashboardLinkBuilder("Gli altri cruscotti").Type(dashboard.DashboardLinkTypeDashboards).
			Tags([]string{tag}).KeepTime(true).IncludeVars(true))
	for _, v := range variables() {
		b.WithVariable(v)
	}
	for _, r := range s.rows {
		b.WithRow(dashboard.NewRowBuilder(r.title))
		for _, q := range r.questions {
			b.WithPanel(q)
		}
	}
	d, err := b.Build()
	for i, p := range d.Panels { // an id of one's own, which links and images are made with
		id := uint32(i + 1)
		if p.Panel != nil {
			p.Panel.Id = &id
		} else {
			p.RowPanel.Id = id
		}
	}
	for i := range d.Links { // in sight, not in a menu, which is the SDK's default
		d.Links[i].Placement = nil
	}
	for i := range d.Annotations.List {
		d.Annotations.List[i].Placement = nil
	}
	return d, err
}

// source is the Prometheus that is chosen at the top.
var source = common.DataSourceRef{Type: new("prometheus"), Uid: new("${datasource}")}

// variables are chosen at the top of each dashboard: which Prometheus, which
// installation, which of its replicas.
func variables() []cog.Builder[dashboard.VariableModel] {
	return []cog.Builder[dashboard.VariableModel]{
		dashboard.NewDatasourceVariableBuilder("datasource").Label("Prometheus").Type("prometheus").
			Current(option("Prometheus", DatasourceUID)),
		dashboard.NewQueryVariableBuilder("job").Label("Installazione").Datasource(source).
			Query(dashboard.StringOrMap{String: new("label_values(up, job)")}).Regex("/attualizza/").
			Refresh(dashboard.VariableRefreshOnTimeRangeChanged).Sort(dashboard.VariableSortAlphabeticalAsc).
			Current(option("attualizza", "attualizza")),
		dashboard.NewQueryVariableBuilder("instance").Label("Replica").Datasource(source).
			Query(dashboard.StringOrMap{String: new(`label_values(up{job=~"$job"}, instance)`)}).
			Refresh(dashboard.VariableRefreshOnTimeRangeChanged).Sort(dashboard.VariableSortAlphabeticalAsc).
			Multi(true).IncludeAll(true).AllValue(".*").Current(option("Tutte", "$__all")),
	}
}

func option(text, value string) dashboard.VariableOption {
	return dashboard.VariableOption{
		Selected: new(true), Text: dashboard.StringOrArrayOfString{String: &text}, Value: dashboard.StringOrArrayOfString{String: &value},
	}
}

// starts marks when a replica was started: what changed is often what is wrong.
func starts() cog.Builder[dashboard.AnnotationQuery] {
	return dashboard.NewAnnotationQueryBuilder().Name("Avvii").Datasource(source).Enable(true).IconColor("blue").
		Expr(those("process_start_time_seconds{@replica} * 1000")).UseValueForTime(true).Step("60s").
		TitleFormat("Avvio di {{instance}}")
}
