package rest

import (
	_ "embed"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/labstack/echo/v4"
	"go.yaml.in/yaml/v3"
)

//go:embed api.yaml
var source []byte

// access is who may call an operation.
type access string

const (
	forAll      access = "PUBLIC"   // no key
	forOperator access = "OPERATOR" // the operator's key
	forReader   access = "READER"   // any key of the organization
	forWriter   access = "WRITER"   // a key of the organization that may change things
)

// errorStyle is what an operation's refusals look like.
type errorStyle string

const (
	asProblem     errorStyle = ""             // RFC 9457
	asCodeMessage errorStyle = "CODE_MESSAGE" // the façades'
	asOutcome     errorStyle = "ESITO"        // the legacy login's
)

// integrity is the pattern by which a request's body must be signed.
type integrity string

const (
	notSigned       integrity = ""
	integrityRest02 integrity = "INTEGRITY_REST_02"
)

// contract is what the service itself reads of api.yaml.
type contract struct {
	Info struct {
		Title       string `yaml:"title"`
		Description string `yaml:"description"`
	} `yaml:"info"`
	Security []map[string][]string `yaml:"security"`
	Tags     []struct {
		Name        string `yaml:"name"`
		Description string `yaml:"description"`
	} `yaml:"tags"`
	Paths      map[string]pathItem `yaml:"paths"`
	Components struct {
		Parameters map[string]parameter `yaml:"parameters"`
		Responses  map[string]response  `yaml:"responses"`
		Schemas    map[string]schema    `yaml:"schemas"`
	} `yaml:"components"`

	operations map[string]*operation // by method and echo's path
	errors     map[string]errorStyle // by echo's path, for refusals before an operation is found too
	page       []byte                // /docs
}

type pathItem struct {
	Parameters []parameter `yaml:"parameters"`
	Get        *operation  `yaml:"get"`
	Put        *operation  `yaml:"put"`
	Post       *operation  `yaml:"post"`
	Delete     *operation  `yaml:"delete"`
	Patch      *operation  `yaml:"patch"`
}

func (p *pathItem) operations() map[string]*operation {
	all := map[string]*operation{"GET": p.Get, "PUT": p.Put, "POST": p.Post, "DELETE": p.Delete, "PATCH": p.Patch}
	for method, op := range all {
		if op == nil {
			delete(all, method)
		}
	}
	return all
}

type operation struct {
	ID          string                 `yaml:"operationId"`
	Tags        []string               `yaml:"tags"`
	Summary     string                 `yaml:"summary"`
	Description string                 `yaml:"description"`
	Access      access                 `yaml:"x-access"`
	Errors      errorStyle             `yaml:"x-errors"`
	Integrity   integrity              `yaml:"x-integrity"`
	Security    *[]map[string][]string `yaml:"security"`
	Parameters  []parameter            `yaml:"parameters"`
	// Idempotency is NEVER where an answer must not be kept for a retry.
	Idempotency string `yaml:"x-idempotency"`
	RequestBody *struct {
		Content map[string]media `yaml:"content"`
	} `yaml:"requestBody"`
	Responses map[string]response `yaml:"responses"`

	known []parameter // the path's too, with references followed
}

// tagged reports whether a success of the operation declares an ETag.
func (op *operation) tagged() bool {
	for _, status := range []string{"200", "201"} {
		if _, ok := op.Responses[status].Headers["ETag"]; ok {
			return true
		}
	}
	return false
}

type parameter struct {
	Ref         string `yaml:"$ref"`
	Name        string `yaml:"name"`
	In          string `yaml:"in"`
	Description string `yaml:"description"`
	Required    bool   `yaml:"required"`
	Schema      schema `yaml:"schema"`
}

type response struct {
	Ref         string           `yaml:"$ref"`
	Description string           `yaml:"description"`
	Content     map[string]media `yaml:"content"`
	Headers     map[string]struct {
		Ref string `yaml:"$ref"`
	} `yaml:"headers"`
}

type media struct {
	Schema  schema    `yaml:"schema"`
	Example yaml.Node `yaml:"example"`
}

type schema struct {
	Ref         string    `yaml:"$ref"`
	AllOf       []schema  `yaml:"allOf"`
	Type        string    `yaml:"type"`
	Format      string    `yaml:"format"`
	Description string    `yaml:"description"`
	Enum        []string  `yaml:"enum"`
	Required    []string  `yaml:"required"`
	Items       *schema   `yaml:"items"`
	Properties  yaml.Node `yaml:"properties"` // a node keeps the order of the document
	bounds      `yaml:",inline"`
}

var pathParameter = regexp.MustCompile(`\{(\w+)\}`)

// theOwnContract is api.yaml read once: nothing changes it afterwards.
var theOwnContract = sync.OnceValues(func() (*contract, error) {
	c, err := readContract(source)
	if err == nil {
		c.forgetExamples()
	}
	return c, err
})

// forgetExamples lets go of what only the page was made of: some two megabytes.
func (c *contract) forgetExamples() {
	c.Components.Schemas = nil
	c.Components.Responses = nil
	for _, op := range c.operations {
		if op.RequestBody != nil {
			for kind := range op.RequestBody.Content {
				op.RequestBody.Content[kind] = media{}
			}
		}
		for status, r := range op.Responses {
			r.Content = nil
			op.Responses[status] = r
		}
	}
}

// readContract reads api.yaml. Every operation must say who may call it, and
// only one without x-access PUBLIC may do without a key.
func readContract(text []byte) (*contract, error) {
	c := &contract{operations: map[string]*operation{}, errors: map[string]errorStyle{}}
	if err := yaml.Unmarshal(text, c); err != nil {
		return nil, fmt.Errorf("rest: api.yaml: %w", err)
	}
	if len(c.Security) == 0 {
		return nil, fmt.Errorf("rest: api.yaml: there is no security for all operations")
	}
	for path, item := range c.Paths {
		for method, op := range item.operations() {
			if !slices.Contains([]access{forAll, forOperator, forReader, forWriter}, op.Access) {
				return nil, fmt.Errorf("rest: api.yaml: %s %s: x-access does not say who may call it", method, path)
			}
			if open := op.Security != nil && len(*op.Security) == 0; open != (op.Access == forAll) {
				return nil, fmt.Errorf("rest: api.yaml: %s %s: security and x-access disagree", method, path)
			}
			if method == http.MethodPost && op.Access == forAll && op.Idempotency != neverIdempotent {
				return nil, fmt.Errorf("rest: api.yaml: POST %s: without a key nobody can repeat it: x-idempotency must be NEVER", path)
			}
			if !slices.Contains([]errorStyle{asProblem, asCodeMessage, asOutcome}, op.Errors) {
				return nil, fmt.Errorf("rest: api.yaml: %s %s: there is no x-errors %s", method, path, op.Errors)
			}
			if !slices.Contains([]integrity{notSigned, integrityRest02}, op.Integrity) || op.Integrity != notSigned && op.Access == forAll {
				return nil, fmt.Errorf("rest: api.yaml: %s %s: x-integrity cannot be %s here", method, path, op.Integrity)
			}
			for _, p := range slices.Concat(item.Parameters, op.Parameters) {
				known, err := c.follow(p)
				if err != nil {
					return nil, fmt.Errorf("rest: api.yaml: %s %s: %w", method, path, err)
				}
				op.known = append(op.known, known)
			}
			route := pathParameter.ReplaceAllString(path, ":$1")
			c.operations[method+" "+route], c.errors[route] = op, op.Errors
		}
	}
	page, err := renderDocs(c)
	c.page = page
	return c, err
}

// follow returns a parameter with what it and its schema refer to.
func (c *contract) follow(p parameter) (parameter, error) {
	if p.Ref != "" {
		p = c.Components.Parameters[refName(p.Ref)]
	}
	if p.Schema.Ref != "" {
		p.Schema = c.Components.Schemas[refName(p.Schema.Ref)]
	}
	if p.Name == "" || p.Schema.Type == "" {
		return p, fmt.Errorf("a parameter has no name or no type: %q", p.Name)
	}
	return p, nil
}

// covers makes sure that every route is an operation of the document, and the
// other way round.
func (c *contract) covers(routes []*echo.Route) error {
	seen := map[string]bool{}
	for _, r := range routes {
		name := r.Method + " " + r.Path
		if c.operations[name] == nil {
			return fmt.Errorf("rest: route %s is not in api.yaml", name)
		}
		seen[name] = true
	}
	for name := range c.operations {
		if !seen[name] {
			return fmt.Errorf("rest: operation %s of api.yaml has no route", name)
		}
	}
	return nil
}

// refName returns the last part of a reference such as #/components/schemas/X.
func refName(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }
