package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// board is a dashboard as Grafana reads it.
type board struct {
	UID, Title string
	Panels     []struct {
		Title   string
		Targets []struct {
			Expr     string
			Exemplar bool
		}
	}
	Templating struct {
		List []struct {
			Name  string
			Query any
		}
	}
	Annotations struct{ List []struct{ Name, Expr string } }
}

// boards reads the dashboards that are shipped.
func boards(t *testing.T) (all []board) {
	t.Helper()
	files, err := filepath.Glob("../../deploy/grafana/dashboards/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no dashboards: %v", err)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var b board
		if err := json.Unmarshal(text, &b); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all = append(all, b)
	}
	return all
}

// watcher asks a Prometheus.
type watcher struct {
	url   string
	began time.Time // of what it saw
}

// ask calls Prometheus' API and decodes the data of its answer.
func (w *watcher) ask(path string, query url.Values, into any) error {
	client := http.Client{Timeout: 20 * time.Second}
	defer client.CloseIdleConnections()
	response, err := client.Get(w.url + "/api/v1/" + path + "?" + query.Encode())
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 16<<20))
	if err != nil {
		return err
	}
	var answer struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("%s: %w: %.200s", response.Status, err, body)
	}
	if answer.Status != "success" {
		return errors.New(answer.Error)
	}
	return json.Unmarshal(answer.Data, into)
}

func (w *watcher) span() url.Values {
	return url.Values{"start": {unix(w.began)}, "end": {unix(time.Now())}}
}

func unix(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64) }

// filled puts in what Grafana puts in for its variables.
func (w *watcher) filled(expr string) string {
	return strings.NewReplacer("$job", "attualizza", "$instance", ".*", "$__rate_interval", "10s",
		"$__range", strconv.Itoa(int(time.Since(w.began).Seconds())+1)+"s").Replace(expr)
}

// values counts the numbers that a query came to at any time since it began.
func (w *watcher) values(expr string) (n int, err error) {
	query := w.span()
	query.Set("query", w.filled(expr))
	query.Set("step", "1")
	var found struct{ Result []struct{ Values [][2]any } }
	if err := w.ask("query_range", query, &found); err != nil {
		return 0, err
	}
	for _, series := range found.Result {
		for _, v := range series.Values {
			text, _ := v[1].(string)
			if x, err := strconv.ParseFloat(text, 64); err == nil && !math.IsNaN(x) && !math.IsInf(x, 0) {
				n++
			}
		}
	}
	return n, nil
}

// traces counts the points of a query that lead to a trace.
func (w *watcher) traces(expr string) (n int, err error) {
	query := w.span()
	query.Set("query", w.filled(expr))
	var found []struct {
		Exemplars []struct{ Labels map[string]string }
	}
	err = w.ask("query_exemplars", query, &found)
	for _, series := range found {
		for _, e := range series.Exemplars {
			if e.Labels["trace_id"] != "" {
				n++
			}
		}
	}
	return n, err
}

// last is the largest value of a query now; NaN when there is none.
func (w *watcher) last(expr string) float64 {
	var found struct{ Result []struct{ Value [2]any } }
	if err := w.ask("query", url.Values{"query": {w.filled(expr)}}, &found); err != nil {
		return math.NaN()
	}
	largest := math.NaN()
	for _, series := range found.Result {
		text, _ := series.Value[1].(string)
		if x, err := strconv.ParseFloat(text, 64); err == nil && !(x <= largest) {
			largest = x
		}
	}
	return largest
}

// series counts those that a selector finds.
func (w *watcher) series(selector string) (int, error) {
	query := w.span()
	query.Set("match[]", w.filled(selector))
	var found []map[string]string
	err := w.ask("series", query, &found)
	return len(found), err
}

// selector finds what a query reads: a series of ours, recorded or exposed, and its
// matchers.
var selector = regexp.MustCompile(`(?:\b(?:attualizza|process|go)_\w+|\bjob:\w+(?::\w+)*|\bup\b|\bALERTS\b)(?:\{[^}]*\})?`)

// blind returns the selectors of a query that find no series, whatever the query
// makes of it: "or 0 * …" hides a misspelt name from whoever looks at the result only.
func (w *watcher) blind(expr string) (selectors []string, err error) {
	found := selector.FindAllString(expr, -1)
	if len(found) == 0 {
		return nil, fmt.Errorf("no series are asked for in %s", expr)
	}
	for _, s := range found {
		n, err := w.series(s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s, err)
		}
		if n == 0 {
			selectors = append(selectors, s)
		}
	}
	return selectors, nil
}

// dead says what is wrong with a query of a panel, nil if it shows something.
func (w *watcher) dead(expr string) error {
	n, err := w.values(expr)
	if err != nil {
		return err
	}
	if n == 0 {
		return errors.New("it shows nothing")
	}
	blind, err := w.blind(expr)
	if err != nil {
		return err
	}
	if len(blind) > 0 {
		return fmt.Errorf("no series for %s", strings.Join(blind, ", "))
	}
	return nil
}

// labelValues is the query of a variable: label_values(selector, label).
var labelValues = regexp.MustCompile(`^label_values\((.+), (\w+)\)$`)

// choices counts what a variable offers.
func (w *watcher) choices(query string) (int, error) {
	m := labelValues.FindStringSubmatch(query)
	if m == nil {
		return 0, fmt.Errorf("%q is no query of label values", query)
	}
	found, err := []map[string]string{}, error(nil)
	span := w.span()
	span.Set("match[]", w.filled(m[1]))
	if err = w.ask("series", span, &found); err != nil {
		return 0, err
	}
	return len(slices.DeleteFunc(found, func(labels map[string]string) bool { return labels[m[2]] == "" })), nil
}

// ruleState is what Prometheus says about one of its rules.
type ruleState struct{ Name, Query, Type, State, Health, LastError string }

func (w *watcher) rules() (all []ruleState, err error) {
	var found struct{ Groups []struct{ Rules []ruleState } }
	err = w.ask("rules", nil, &found)
	for _, g := range found.Groups {
		all = append(all, g.Rules...)
	}
	return all, err
}

// firing names the alerts that fire, sorted.
func (w *watcher) firing() (names []string, err error) {
	all, err := w.rules()
	for _, r := range all {
		if r.Type == "alerting" && r.State == "firing" {
			names = append(names, r.Name)
		}
	}
	slices.Sort(names)
	return names, err
}
