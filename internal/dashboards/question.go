package dashboards

import (
	"fmt"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/statetimeline"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// shape is how an answer is drawn.
type shape int

const (
	number   shape = iota // the last value, large
	lines                 // over time
	shares                // over time, stacked to 100 %
	timeline              // states over time
	listing               // a table of now
)

// The grid has 24 columns.
const (
	sixth   = 4
	quarter = 6
	third   = 8
	half    = 12
	whole   = 24
)

// question is one panel. It is the builder of it, too.
type question struct {
	title     string // the question itself
	good, bad string // what the answer looks like when all is well, and when not
	page      string // what to read then: a path below docs/
	shape     shape
	width     uint32 // in columns
	unit      string // of Grafana's; without one a number is a count
	limits    []limit
	below     bool              // limits are reached by falling, not by rising
	states    map[string]state  // names of values
	hide      []string          // columns of a listing
	rename    map[string]string // columns of a listing
	month     bool              // of this month, whatever period is shown
	empty     string            // what is shown instead of "No data"
	queries   []query
}

// limit is a line that matters: from here on the answer has another colour.
type limit struct {
	at     float64
	colour string
}

type state struct{ text, colour string }

const green, yellow, red, blue, grey = "green", "yellow", "red", "blue", "text"

// query is PromQL. @replica stands for the chosen replicas, @job for the whole
// installation.
type query struct {
	expr, legend string
	exemplars    bool
	now          bool // asked once, not over time
}

// one is the usual case of a single query.
func one(expr, legend string) []query { return []query{{expr: expr, legend: legend}} }

// now is one query that is asked once.
func now(expr, legend string) []query { return []query{{expr: expr, legend: legend, now: true}} }

var choices = strings.NewReplacer("@replica", `job=~"$job",instance=~"$instance"`, "@job", `job=~"$job"`)

// those puts the choices of the variables into a query.
func those(expr string) string { return choices.Replace(expr) }

// counted is how much a counter grew in a window, also one that was born inside of
// it, which increase() does not see; without any of it 0, as long as base is there.
func counted(by, selector, window, base string) string {
	return fmt.Sprintf(`sum%[1]s (increase(%[2]s[%[3]s]) > 0 or (%[2]s unless %[2]s offset %[3]s)) or sum%[1]s (0 * %[4]s)`, by, selector, window, base)
}

// Build makes the panel.
func (q question) Build() (dashboard.Panel, error) {
	p, err := q.drawing().Build()
	if err != nil {
		return p, err
	}
	p.Title, p.Description, p.Datasource = &q.title, new(q.description()), &source
	p.GridPos = &dashboard.GridPos{W: q.width, H: q.height()}
	if q.month {
		p.TimeFrom = new("now/M")
	}
	for i, x := range q.queries {
		target, err := x.build(string(rune('A' + i)))
		if err != nil {
			return p, err
		}
		p.Targets = append(p.Targets, target)
	}
	if p.FieldConfig == nil {
		p.FieldConfig = dashboard.NewFieldConfigSource()
	}
	q.fields(&p.FieldConfig.Defaults)
	if q.shape == listing {
		p.Transformations = append(p.Transformations, q.columns())
	}
	return p, nil
}

func (q question) description() string {
	return fmt.Sprintf("Bene: %s\n\nMale: %s\n\nDa leggere: docs/%s", q.good, q.bad, q.page)
}

func (q question) height() uint32 {
	switch q.shape {
	case number:
		return 4
	default:
		return 8
	}
}

func (x query) build(ref string) (target variants.Dataquery, err error) {
	b := prometheus.NewDataqueryBuilder().RefId(ref).Expr(those(x.expr)).LegendFormat(x.legend).Datasource(source)
	if x.now {
		b.Instant()
	} else {
		b.Range()
	}
	if x.exemplars {
		b.Exemplar(true)
	}
	if x.legend == "" {
		b.Format(prometheus.PromQueryFormatTable)
	}
	return b.Build()
}

// drawing is what the shape decides.
func (q question) drawing() cog.Builder[dashboard.Panel] {
	legend := common.NewVizLegendOptionsBuilder().ShowLegend(true).DisplayMode(common.LegendDisplayModeList).Placement(common.LegendPlacementBottom)
	tooltip := common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderDescending)
	switch q.shape {
	case lines, shares:
		b := timeseries.NewPanelBuilder().Legend(legend).Tooltip(tooltip).FillOpacity(8).LineWidth(2).
			ColorScheme(dashboard.NewFieldColorBuilder().Mode(dashboard.FieldColorModeIdPaletteClassicByName)).AxisSoftMin(0)
		if len(q.limits) > 0 {
			b.ThresholdsStyle(common.NewGraphThresholdsStyleConfigBuilder().Mode(common.GraphThresholdsStyleModeDashed)).
				AxisSoftMax(q.limits[len(q.limits)-1].at * 1.1)
		}
		if q.shape == shares {
			b.Stacking(common.NewStackingConfigBuilder().Mode(common.StackingModePercent).Group("A")).FillOpacity(60).LineWidth(0)
		}
		return b
	case timeline:
		return statetimeline.NewPanelBuilder().Legend(legend).Tooltip(tooltip).ShowValue(common.VisibilityModeAuto).
			MergeValues(true).RowHeight(0.8).LineWidth(0).FillOpacity(80).
			ColorScheme(dashboard.NewFieldColorBuilder().Mode(dashboard.FieldColorModeIdThresholds))
	case listing:
		return table.NewPanelBuilder().ShowHeader(true).Filterable(true)
	default:
		return stat.NewPanelBuilder().GraphMode(common.BigValueGraphModeArea).ColorMode(common.BigValueColorModeBackground).
			Orientation(common.VizOrientationAuto).
			ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"})).
			ColorScheme(dashboard.NewFieldColorBuilder().Mode(dashboard.FieldColorModeIdThresholds))
	}
}

// fields is what the values mean.
func (q question) fields(f *dashboard.FieldConfig) {
	f.Unit = new(q.unit)
	if q.unit == "" {
		f.Unit, f.Decimals = new("none"), new(0.0)
	}
	if q.unit == percent {
		f.Decimals = new(2.0)
	}
	if q.empty != "" {
		f.NoValue = &q.empty
	}
	base := green
	if q.below {
		base = red
	}
	if len(q.limits) == 0 {
		base = blue
	}
	steps := []dashboard.Threshold{{Color: base}}
	for _, l := range q.limits {
		steps = append(steps, dashboard.Threshold{Value: new(l.at), Color: l.colour})
	}
	f.Thresholds = &dashboard.ThresholdsConfig{Mode: dashboard.ThresholdsModeAbsolute, Steps: steps}
	if len(q.states) > 0 {
		named := dashboard.NewValueMap()
		for value, s := range q.states {
			named.Options[value] = dashboard.ValueMappingResult{Text: new(s.text), Color: new(s.colour)}
		}
		f.Mappings = []dashboard.ValueMapping{{ValueMap: named}}
	}
}

// columns leaves out those that say nothing, and gives the others Italian names.
func (q question) columns() dashboard.DataTransformerConfig {
	hidden := map[string]bool{"Time": true, "__name__": true, "job": true}
	for _, name := range q.hide {
		hidden[name] = true
	}
	return dashboard.DataTransformerConfig{Id: "organize", Options: map[string]any{"excludeByName": hidden, "renameByName": q.rename}}
}
