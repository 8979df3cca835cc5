package rest

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// definition is what pagoPA publishes of GPD, when it is at hand: it has no
// licence, so no copy of it is kept here.
type definition struct {
	operations []defined
	mu         sync.Mutex
	replayed   map[string]bool // operation and status
}

// defined is one operation as it is published, with the version in the path.
type defined struct {
	name  string // method and path
	path  *regexp.Regexp
	about *openapi3.Operation
}

// published are the files of the definition that we promise to answer like.
// What two of them have is taken from the first.
var published = []struct{ file, version string }{
	{"gpd-openapi-external-v1.json", "/v1"},
	{"gpd-openapi-internal-v1.json", "/v1"},
	{"gpd-openapi-external-v2.json", "/v2"},
}

// notOurs are operations of the internal definition that no client of an
// organization calls.
var notOurs = regexp.MustCompile(`/internal/|/payment-options/|\{iuv\}`)

var parameters = regexp.MustCompile(`\{[^}]+\}`)

// readDefinition reads the definition from the directory named by
// ATTUALIZZA_REFERENCE or, without it, from shared/reference beside a directory
// above. Without either the answers are held to our own contract only, and the
// log says so.
func readDefinition(t *testing.T) *definition {
	t.Helper()
	d := &definition{replayed: map[string]bool{}}
	directory := os.Getenv("ATTUALIZZA_REFERENCE")
	if directory == "" {
		directory = nearReference(t)
	}
	if _, err := os.Stat(filepath.Join(directory, published[0].file)); err != nil {
		t.Logf("GPD's published definition is not at hand (%v): answers are held to api.yaml only", err)
		return d
	}
	seen := map[string]bool{}
	for _, p := range published {
		text, err := os.ReadFile(filepath.Join(directory, p.file))
		must(t, err)
		doc, err := openapi3.NewLoader().LoadFromData(text)
		must(t, err)
		for _, path := range slices.Sorted(maps.Keys(doc.Paths.Map())) {
			for method, about := range doc.Paths.Value(path).Operations() {
				name := method + " " + p.version + path
				if seen[name] || notOurs.MatchString(path) {
					continue
				}
				seen[name] = true
				pattern := strings.ReplaceAll(regexp.QuoteMeta(parameters.ReplaceAllString(name, "*")), `\*`, `[^/]+`)
				d.operations = append(d.operations, defined{name, regexp.MustCompile("^" + pattern + "$"), about})
			}
		}
	}
	return d
}

func nearReference(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	must(t, err)
	for parent := filepath.Dir(dir); parent != dir; dir, parent = parent, filepath.Dir(parent) {
		near := filepath.Join(parent, "shared", "reference")
		if _, err := os.Stat(near); err == nil {
			return near
		}
	}
	return "shared/reference"
}

// find returns the operation of a request, the one with the fewest parameters.
func (d *definition) find(method, path string) *defined {
	path, _, _ = strings.Cut(path, "?")
	var found *defined
	for i := range d.operations {
		o := &d.operations[i]
		if o.path.MatchString(method+" "+path) && (found == nil || strings.Count(o.name, "{") < strings.Count(found.name, "{")) {
			found = o
		}
	}
	return found
}

// hold checks an answer against what is published: whatever the schema requires
// is there, and what is there has the type and the values of the schema. Dates
// are published as date-time, which GPD writes without a zone and we in UTC.
func (d *definition) hold(t *testing.T, method, path string, a answer) {
	t.Helper()
	o := d.find(method, path)
	if o == nil {
		if len(d.operations) > 0 && strings.Contains(path, "/organizations/") {
			t.Errorf("%s %s is not published", method, path)
		}
		return
	}
	d.mu.Lock()
	d.replayed[o.name+" "+strconv.Itoa(a.status)] = true
	d.mu.Unlock()
	ref := o.about.Responses.Value(strconv.Itoa(a.status))
	if ref == nil || ref.Value.Content["application/json"] == nil || ref.Value.Content["application/json"].Schema == nil {
		return
	}
	var body any
	must(t, json.Unmarshal(a.body, &body))
	if err := ref.Value.Content["application/json"].Schema.Value.VisitJSON(body, openapi3.MultiErrors(), openapi3.VisitAsResponse()); err != nil {
		t.Errorf("%s: the answer is not as published: %v\n%s", o.name, err, a.body)
	}
}

// uncovered are published statuses that no exchange shows, and why.
var uncovered = map[string]string{
	"401": "the same for all operations: TestNoRouteEscapesTheGuard",
	"403": "GPD's gateway's; here TestNoRouteEscapesTheGuard",
	"429": "GPD's gateway's; here TestLimitsPerKey",
	"500": "a defect",
	"PUT /v1/organizations/{organizationfiscalcode}/paymentoptions/{nav}/notificationfee 209": "GPD asks the Nodo whether somebody is paying; the fee is set either way, and we answer 200",
}

// holdToCoverage makes sure that every published operation was replayed with
// every status that it may answer.
func (d *definition) holdToCoverage(t *testing.T) {
	t.Helper()
	for _, o := range d.operations {
		for status := range o.about.Responses.Map() {
			name := o.name + " " + status
			if uncovered[status] == "" && uncovered[name] == "" && !d.replayed[name] && !isPending(o.name) {
				t.Errorf("no exchange shows %s", name)
			}
		}
	}
	clear(d.replayed)
}

// isPending tells that the exchanges of an operation are in [pending] files.
func isPending(operation string) bool {
	if len(pending) == 0 {
		return false
	}
	method, path, _ := strings.Cut(operation, " ")
	_, path, _ = strings.Cut(path, "/organizations/{organizationfiscalcode}")
	return strings.HasPrefix(operation, method+" /v2") && path == "/debtpositions" ||
		slices.Contains([]string{"GET /debtpositions", "PATCH /debtpositions/transfers", "PUT /debtpositions/{iupd}", "DELETE /debtpositions/{iupd}"}, method+" "+path)
}
