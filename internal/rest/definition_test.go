package rest

import (
	"encoding/json"
	"errors"
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

// judge returns what is wrong with an answer by what is published: whatever the
// schema requires is there, and what is there has the type and the values of the
// schema. Dates are published as date-time, which GPD writes without a zone and
// we in UTC.
func (d *definition) judge(method, path string, a answer) error {
	o := d.find(method, path)
	switch {
	case o == nil && len(d.operations) > 0:
		return errors.New("the operation is not published")
	case o == nil:
		return nil
	}
	d.mu.Lock()
	d.replayed[o.name+" "+strconv.Itoa(a.status)] = true
	d.mu.Unlock()
	ref := o.about.Responses.Value(strconv.Itoa(a.status))
	if ref == nil || ref.Value.Content["application/json"] == nil || ref.Value.Content["application/json"].Schema == nil {
		return nil
	}
	var body any
	if err := json.Unmarshal(a.body, &body); err != nil {
		return err
	}
	return ref.Value.Content["application/json"].Schema.Value.VisitJSON(body, openapi3.MultiErrors(), openapi3.VisitAsResponse())
}

func TestTheDefinitionRefusesWhatIsNotAsPublished(t *testing.T) {
	d := readDefinition(t)
	if len(d.operations) == 0 {
		return // the log says so
	}
	const option, position, list = "/v1/organizations/77777777777/paymentoptions/301000000000000000", "/v1/organizations/77777777777/debtpositions/x", "/v1/organizations/77777777777/debtpositions"
	for _, c := range []struct {
		path, body string
		right      bool
	}{
		{option, `{"amount": 100, "dueDate": "2031-01-31T10:00:00Z", "status": "PO_PAID", "extension": {}}`, true},
		{option, `{"amount": "100"}`, false},
		{option, `{"amount": 1.5}`, false},
		{option, `{"dueDate": "2031-01-31"}`, false},
		{option, `{"status": "PAID"}`, false},
		{option, `{"transfer": {}}`, false},
		{position, `{"paymentOption": [{"transfer": [{"idTransfer": 1}]}]}`, false},
		{list, `{"payment_position_list": [], "page_info": {"page": 0, "limit": 1, "items_found": 0, "total_pages": 0}}`, true},
		{list, `{"payment_position_list": []}`, false},
		{"/v1/organizations/77777777777/notices", `{}`, false},
	} {
		if err := d.judge("GET", c.path, answer{status: 200, body: []byte(c.body)}); (err == nil) != c.right {
			t.Errorf("%s %s: %v", c.path, c.body, err)
		}
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
			if uncovered[status] == "" && uncovered[name] == "" && !d.replayed[name] {
				t.Errorf("no exchange shows %s", name)
			}
		}
	}
	clear(d.replayed)
}
