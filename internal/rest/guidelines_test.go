package rest

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"go.yaml.in/yaml/v3"
)

// notFollowed lists, by rule and operation, what breaks a rule on purpose, with
// the reason; docs/api-guidelines.md tells it too.
var notFollowed = map[string]string{
	"http-request-DELETE-no-body DELETE /v2/organizations/{organizationFiscalCode}/debtpositions": "GPD deletes in mass by a body",
	"http-response-content-2xx POST /v2/organizations/{organizationFiscalCode}/debtpositions 201": "GPD answers nothing",
	"http-response-content-2xx PUT /v2/organizations/{organizationFiscalCode}/debtpositions 200":  "GPD answers nothing",
}

// ownErrors lists the rules that the façades break on purpose.
var ownErrors = map[string]string{
	"use-problem-json-for-errors": "who calls them expects the errors of the interface that they stand for",
	"use-problem-schema":          "the same",
}

// TestTheDocumentFollowsTheItalianGuidelines checks, without network, what the
// rules "Italian Guidelines" of italia/api-oas-checker call an error, rule by
// rule, under the rules' own names; docs/api-guidelines.md tells how to run the
// originals. It is stricter where our own conventions are.
func TestTheDocumentFollowsTheItalianGuidelines(t *testing.T) {
	doc, _ := theContract()
	broken := func(rule, where, format string, args ...any) {
		path, _, _ := strings.Cut(strings.TrimPrefix(where, "POST "), " ")
		if facades[path] != asProblem && ownErrors[rule] != "" {
			return
		}
		if notFollowed[rule+" "+where] == "" {
			t.Errorf("%s: %s: %s", rule, where, fmt.Sprintf(format, args...))
		}
	}
	if doc.Info.Contact == nil || doc.Info.Contact.URL == "" {
		broken("info-contact", "info", "there is no contact")
	}
	if doc.Paths.Value("/status") == nil {
		broken("paths-status", "paths", "there is no /status")
	}
	for name, scheme := range doc.Components.SecuritySchemes {
		if scheme.Value.Type == "apiKey" && scheme.Value.In == "query" {
			broken("sec-apikeys-url", name, "a key in a URL is read by everybody on the way")
		}
	}
	kebab := regexp.MustCompile(`^(/[a-z0-9-.]+|/\{[a-zA-Z0-9_]+\})+$`)
	method := regexp.MustCompile(`(?i)^(get|post|put|delete|patch|head)`)
	for path, item := range doc.Paths.Map() {
		if !kebab.MatchString(path) {
			broken("paths-kebab-case", path, "is not")
		}
		for verb, op := range item.Operations() {
			where := verb + " " + path
			if method.MatchString(op.OperationID) {
				broken("no-method-name-in-operationId", where, "%s names the method, say what it does", op.OperationID)
			}
			if op.Description == "" {
				broken("operation-description", where, "has none")
			}
			if op.RequestBody != nil && (verb == "GET" || verb == "DELETE") {
				broken("http-request-"+verb+"-no-body", where, "has a body")
			}
			for _, p := range slices.Concat(item.Parameters, op.Parameters) {
				if in := p.Value.In; (in == "query" || in == "path") && regexp.MustCompile(`(?i)password|secret|apikey`).MatchString(p.Value.Name) {
					broken("sec-credentials-parameters", where, "%s is in the URL", p.Value.Name)
				}
			}
			for status, response := range op.Responses.Map() {
				checkResponse(broken, where+" "+status, status, response.Value)
			}
		}
	}
	var tree struct {
		Servers []struct {
			URL string `yaml:"url"`
		} `yaml:"servers"`
		Rest map[string]any `yaml:",inline"`
	}
	must(t, yaml.Unmarshal(source, &tree))
	for _, server := range tree.Servers { // the tests' router has taken those of the document away
		if !strings.HasPrefix(server.URL, "https://") {
			broken("servers-use-https", server.URL, "is not https")
		}
	}
	checkNumbers(broken, "", tree.Rest)
}

func checkResponse(broken func(rule, where, format string, args ...any), where, status string, r *openapi3.Response) {
	names := slices.Collect(maps.Keys(r.Headers))
	needs := func(rule string, headers ...string) {
		for _, name := range headers {
			if !slices.Contains(names, name) {
				broken(rule, where, "does not list %s", name)
			}
		}
	}
	switch {
	case status[0] == '4' || status[0] == '5' || status == "default":
		for media, content := range r.Content {
			if media != "application/problem+json" {
				broken("use-problem-json-for-errors", where, "is %s", media)
			}
			for _, name := range []string{"title", "status", "detail", "type"} {
				if content.Schema.Value.Properties[name] == nil {
					broken("use-problem-schema", where, "has no %s", name)
				}
			}
		}
		if len(r.Content) == 0 {
			broken("use-problem-json-for-errors", where, "has no content")
		}
		if status == "429" || status == "503" {
			needs("missing-retry-after", "Retry-After")
		}
	case status == "204" || status == "205":
		if len(r.Content) > 0 {
			broken("http-response-no-content-204-205", where, "has a content")
		}
	case status[0] == '2':
		if len(r.Content) == 0 {
			broken("http-response-content-2xx", where, "has no content")
		}
		for media, content := range r.Content {
			if content.Schema == nil {
				broken("http-response-content-2xx", where, "%s has no schema", media)
			}
		}
		if len(names) > 0 {
			needs("missing-ratelimit", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
			needs("cache-responses-indeterminate-behavior", "Cache-Control")
		}
	}
	if strings.HasPrefix(where, "GET /status ") && r.Content["application/problem+json"] == nil {
		broken("paths-status-return-problem", where, "is no problem")
	}
}

// checkNumbers wants a format on every number, wherever it stands.
func checkNumbers(broken func(rule, where, format string, args ...any), at string, node any) {
	switch n := node.(type) {
	case map[string]any:
		kind, _ := n["type"].(string)
		allowed := map[string][]any{"integer": {"int32", "int64"}, "number": {"decimal32", "decimal64", "decimal128", "float", "double"}}[kind]
		if allowed != nil && !slices.Contains(allowed, n["format"]) {
			broken(kind+"-format", at, "format is %v, want one of %v", n["format"], allowed)
		}
		for name, child := range n {
			checkNumbers(broken, at+"/"+name, child)
		}
	case []any:
		for i, child := range n {
			checkNumbers(broken, fmt.Sprintf("%s/%d", at, i), child)
		}
	}
}
