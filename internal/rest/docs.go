package rest

import (
	"bytes"
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/attualizza/attualizza/positions"
)

//go:embed docs.html
var docsTemplate string

// The page of /docs, in the order in which a reader needs it.
type (
	docsPage struct {
		Title, Description string
		Groups             []docsGroup
		Codes              []docsCode
		Schemas            []docsSchema
	}
	docsGroup struct {
		Name, Description string
		Operations        []docsOperation
	}
	docsOperation struct {
		Method, Path, ID, Summary, Description, Access, Body, Example string
		Parameters                                                    []parameter
		Responses                                                     []docsResponse
	}
	docsResponse struct{ Status, Description, Body string }
	docsCode     struct {
		Code, Title string
		Status      int
	}
	docsSchema struct {
		Name, Type, Description string
		Properties              []docsProperty
	}
	docsProperty struct {
		Name, Type, Ref, Description string
		Required                     bool
	}
)

var accessInWords = map[access]string{
	forAll: "no key", forOperator: "the operator's key", forReader: "any key of the organization", forWriter: "a WRITER key of the organization",
}

// renderDocs makes the page of a document once, at start.
func renderDocs(c *contract) ([]byte, error) {
	page := docsPage{Title: c.Info.Title, Description: c.Info.Description}
	for _, tag := range c.Tags {
		group := docsGroup{Name: tag.Name, Description: tag.Description}
		for _, path := range slices.Sorted(maps.Keys(c.Paths)) {
			item := c.Paths[path]
			operations := item.operations()
			for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
				if op := operations[method]; op != nil && slices.Contains(op.Tags, tag.Name) {
					group.Operations = append(group.Operations, c.describe(method, path, &item, op))
				}
			}
		}
		page.Groups = append(page.Groups, group)
	}
	for _, code := range slices.SortedFunc(maps.Keys(kinds), func(a, b positions.Code) int {
		return cmp.Or(kinds[a].status-kinds[b].status, cmp.Compare(a, b))
	}) {
		page.Codes = append(page.Codes, docsCode{Code: string(code), Title: kinds[code].title, Status: kinds[code].status})
	}
	for _, name := range slices.Sorted(maps.Keys(c.Components.Schemas)) {
		s := c.Components.Schemas[name]
		described, err := describeSchema(name, &s)
		if err != nil {
			return nil, err
		}
		page.Schemas = append(page.Schemas, described)
	}
	parsed, err := template.New("docs").Funcs(template.FuncMap{"paragraphs": paragraphs}).Parse(docsTemplate)
	if err != nil {
		return nil, fmt.Errorf("rest: docs.html: %w", err)
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, page); err != nil {
		return nil, fmt.Errorf("rest: docs.html: %w", err)
	}
	return out.Bytes(), nil
}

func (c *contract) describe(method, path string, item *pathItem, op *operation) docsOperation {
	d := docsOperation{
		Method: method, Path: path, ID: op.ID, Summary: op.Summary, Description: op.Description, Access: accessInWords[op.Access],
	}
	for _, p := range slices.Concat(item.Parameters, op.Parameters) {
		if p.Ref != "" {
			p = c.Components.Parameters[refName(p.Ref)]
		}
		d.Parameters = append(d.Parameters, p)
	}
	if op.RequestBody != nil {
		for _, m := range op.RequestBody.Content {
			d.Body = refName(m.Schema.Ref)
			if !m.Example.IsZero() {
				example, err := yaml.Marshal(&m.Example)
				if err == nil {
					d.Example = string(example)
				}
			}
		}
	}
	for _, status := range slices.Sorted(maps.Keys(op.Responses)) {
		r := op.Responses[status]
		if r.Ref != "" {
			r = c.Components.Responses[refName(r.Ref)]
		}
		shown := docsResponse{Status: status, Description: r.Description}
		for _, m := range r.Content {
			shown.Body = refName(m.Schema.Ref)
		}
		d.Responses = append(d.Responses, shown)
	}
	return d
}

func describeSchema(name string, s *schema) (docsSchema, error) {
	d := docsSchema{Name: name, Type: typeInWords(s), Description: s.Description}
	// Content alternates names and values, in the document's order.
	for i := 0; i+1 < len(s.Properties.Content); i += 2 {
		var p schema
		if err := s.Properties.Content[i+1].Decode(&p); err != nil {
			return d, fmt.Errorf("rest: api.yaml: schema %s: %w", name, err)
		}
		property := s.Properties.Content[i].Value
		d.Properties = append(d.Properties, docsProperty{
			Name: property, Type: typeInWords(&p), Ref: refOf(&p), Description: p.Description, Required: slices.Contains(s.Required, property),
		})
	}
	return d, nil
}

func typeInWords(s *schema) string {
	switch {
	case refOf(s) != "" && s.Items == nil:
		return refOf(s)
	case s.Items != nil:
		return "list of " + typeInWords(s.Items)
	case len(s.Enum) > 0:
		return strings.Join(s.Enum, " | ")
	case s.Format != "":
		return s.Type + " (" + s.Format + ")"
	case s.Type == "":
		return "anything"
	}
	return s.Type
}

// refOf names the schema that a property, or the items of its list, refers to.
func refOf(s *schema) string {
	switch {
	case s.Ref != "":
		return refName(s.Ref)
	case len(s.AllOf) == 1:
		return refName(s.AllOf[0].Ref)
	case s.Items != nil:
		return refOf(s.Items)
	}
	return ""
}

// paragraphs splits a description at its empty lines.
func paragraphs(text string) []string {
	var list []string
	for part := range strings.SplitSeq(text, "\n\n") {
		if part = strings.TrimSpace(strings.NewReplacer("**", "", "`", "").Replace(part)); part != "" {
			list = append(list, part)
		}
	}
	return list
}
