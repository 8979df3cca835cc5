package rest

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/attualizza/attualizza/positions"
)

// theDocsPage is the page of the service's own document.
func theDocsPage(t *testing.T) string {
	t.Helper()
	c, err := readContract(source)
	must(t, err)
	return string(c.page)
}

func TestDocsShowCodeAsCode(t *testing.T) {
	page := theDocsPage(t)
	for _, want := range []string{
		"Whom the price is asked of. <code>RELAY</code>: the organization&#39;s",              // a cell of a table
		"<strong>Keys.</strong> Send the key once, as <code>Ocp-Apim-Subscription-Key</code>", // a paragraph
		"Secrets that are stored read <code>set</code>; those that are not are absent",        // a description of one line
		"The position is a <code>DRAFT</code>, which nobody can pay",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %s", want)
		}
	}
	if at := strings.IndexByte(page, '`'); at >= 0 {
		t.Errorf("a backtick is left: …%s…", page[max(0, at-60):min(len(page), at+60)])
	}
}

func TestDocsEscapeWhatTheyMark(t *testing.T) {
	for text, want := range map[string]string{
		"plain":                    "plain",
		"a < b & `<x>`":            "a &lt; b &amp; <code>&lt;x&gt;</code>",
		"**Bold** and `**not**`":   "<strong>Bold</strong> and <code>**not**</code>",
		"`a` or `b`":               "<code>a</code> or <code>b</code>",
		"one ` alone":              "one ` alone",
		"**<b>**":                  "<strong>&lt;b&gt;</strong>",
		"`<script>` and <script>'": "<code>&lt;script&gt;</code> and &lt;script&gt;&#39;",
	} {
		if got := string(prose(text)); got != want {
			t.Errorf("%s became %s, want %s", text, got, want)
		}
	}
}

func TestDocsSayWhatAParameterMayBe(t *testing.T) {
	page := theDocsPage(t)
	for name, want := range map[string]string{
		"status":            "<td>query</td><td>DRAFT | PUBLISHED | VALID | INVALID | EXPIRED | PARTIALLY_PAID | PAID | REPORTED</td>",
		"orderby":           "<td>query</td><td>INSERTED_DATE | IUPD | STATUS | COMPANY_NAME; default <code>INSERTED_DATE</code></td>",
		"ordering":          "<td>query</td><td>ASC | DESC; default <code>DESC</code></td>",
		"limit":             "<td>query</td><td>integer (int32); default <code>10</code>, 1 to 50</td>",
		"toPublish":         "<td>query</td><td>boolean; default <code>false</code></td>",
		"Idempotency-Key":   "<td>header</td><td>string; 1 to 255 characters, pattern <code>^[!-~]+$</code></td>",
		"due_date_from":     "<td>query</td><td>string (date)</td>",
		"iupd</code> (need": "ed)</td><td>string; 1 to 100 characters</td>", // a member of a body
	} {
		row := "<tr><td><code>" + name
		if !strings.Contains(name, "<") {
			row += "</code></td>"
		}
		if !strings.Contains(page, row+want) {
			t.Errorf("the page does not say %s%s", row, want)
		}
	}
}

func TestDocsExamplesCanBePastedIntoACommand(t *testing.T) {
	c, err := readContract(source)
	must(t, err)
	shown := 0
	for path, item := range c.Paths {
		for method, op := range item.operations() {
			d, err := c.describe(method, path, &item, op)
			must(t, err)
			if d.Body == "" && op.RequestBody == nil {
				continue
			}
			shown++
			var got, want any
			if err := json.Unmarshal([]byte(d.Example), &got); err != nil {
				t.Errorf("%s %s: %v: %s", method, path, err, d.Example)
			}
			if strings.Contains(d.Example, "'") {
				t.Errorf("%s %s: a quote ends the shell's: %s", method, path, d.Example)
			}
			for _, m := range op.RequestBody.Content {
				must(t, m.Example.Decode(&want))
			}
			gotText, _ := json.Marshal(got)
			wantText, _ := json.Marshal(want)
			if string(gotText) != string(wantText) {
				t.Errorf("%s %s: the page shows %s, the document has %s", method, path, gotText, wantText)
			}
		}
	}
	if shown < 10 {
		t.Errorf("only %d bodies", shown)
	}
}

func TestDocsExamplesKeepTheOrderAndTheTypesOfTheDocument(t *testing.T) {
	var node yaml.Node
	must(t, yaml.Unmarshal([]byte(`{b: 1, a: "1", list: [true, null, 1.5, 2031-01-31], "no": <&>, none: {}}`), &node))
	got, err := indentedJSON(node.Content[0])
	must(t, err)
	if want := "{\n  \"b\": 1,\n  \"a\": \"1\",\n  \"list\": [\n    true,\n    null,\n    1.5,\n    \"2031-01-31\"\n  ],\n  \"no\": \"<&>\",\n  \"none\": {}\n}"; strings.TrimSpace(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

var numberInTheDocument = regexp.MustCompile(`(iuv|nav|numeroAvviso)\W[^\n]*?"(\d{17,18})"|"(3\d{17})"`)

func TestExamplesOfNoticesHaveRightCheckDigits(t *testing.T) {
	found := numberInTheDocument.FindAllStringSubmatch(string(source), -1)
	if len(found) < 10 {
		t.Fatalf("only %d notice numbers", len(found))
	}
	for _, match := range found {
		text := match[2] + match[3]
		if len(text) == 17 {
			text = "3" + text
		}
		nav, err := positions.ParseNoticeNumber(text)
		must(t, err)
		if !nav.CheckDigitsRight() {
			t.Errorf("%s: the check digits of %s are %s", match[0], nav, nav.CheckDigits())
		}
	}
}

func TestTheExampleOfAPositionEarnsNoWarning(t *testing.T) {
	h := openHouse(t)
	h.furnish(t)
	doc, _ := theContract()
	operation := doc.Paths.Find("/v1/organizations/{organizationFiscalCode}/debtpositions").Post
	a := h.want(t, 201, call{method: "POST", path: base + "/debtpositions?toPublish=true", key: "writer", body: exampleBody(t, "POST", operation.RequestBody.Value)})
	if strings.Contains(string(a.body), `"warnings"`) {
		t.Errorf("the example is warned of: %s", a.body)
	}
}
