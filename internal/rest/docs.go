package rest

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"regexp"
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
		Parameters                                                    []docsParameter
		Responses                                                     []docsResponse
	}
	docsParameter struct {
		Name, In, Type, Bounds, Description string
		Required                            bool
	}
	docsResponse struct{ Status, Description, Body string }
	docsCode     struct {
		Code, Title string
		Status      int
	}
	docsSchema struct {
		Name, Type, Bounds, Description string
		Properties                      []docsProperty
	}
	docsProperty struct {
		Name, Type, Ref, Bounds, Description string
		Required                             bool
	}
)

// bounds is what a schema says of the values that its type allows. A number is
// kept as the document writes it.
type bounds struct {
	Default   string `yaml:"default"`
	Minimum   string `yaml:"minimum"`
	Maximum   string `yaml:"maximum"`
	MinLength string `yaml:"minLength"`
	MaxLength string `yaml:"maxLength"`
	MinItems  string `yaml:"minItems"`
	MaxItems  string `yaml:"maxItems"`
	Pattern   string `yaml:"pattern"`
}

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
				op := operations[method]
				if op == nil || !slices.Contains(op.Tags, tag.Name) {
					continue
				}
				described, err := c.describe(method, path, &item, op)
				if err != nil {
					return nil, err
				}
				group.Operations = append(group.Operations, described)
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
	parsed, err := template.New("docs").Funcs(template.FuncMap{"paragraphs": paragraphs, "prose": prose}).Parse(docsTemplate)
	if err != nil {
		return nil, fmt.Errorf("rest: docs.html: %w", err)
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, page); err != nil {
		return nil, fmt.Errorf("rest: docs.html: %w", err)
	}
	return out.Bytes(), nil
}

func (c *contract) describe(method, path string, item *pathItem, op *operation) (docsOperation, error) {
	d := docsOperation{
		Method: method, Path: path, ID: op.ID, Summary: op.Summary, Description: op.Description, Access: accessInWords[op.Access],
	}
	for _, p := range slices.Concat(item.Parameters, op.Parameters) {
		if p.Ref != "" {
			p = c.Components.Parameters[refName(p.Ref)]
		}
		if p.Schema.Ref != "" {
			p.Schema = c.Components.Schemas[refName(p.Schema.Ref)]
		}
		d.Parameters = append(d.Parameters, docsParameter{
			Name: p.Name, In: p.In, Type: typeInWords(&p.Schema), Bounds: p.Schema.inWords(), Description: p.Description, Required: p.Required,
		})
	}
	if op.RequestBody != nil {
		for _, m := range op.RequestBody.Content {
			d.Body = refName(m.Schema.Ref)
			if !m.Example.IsZero() {
				example, err := indentedJSON(&m.Example)
				if err != nil {
					return d, fmt.Errorf("rest: api.yaml: %s %s: the example: %w", method, path, err)
				}
				d.Example = example
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
	return d, nil
}

func describeSchema(name string, s *schema) (docsSchema, error) {
	d := docsSchema{Name: name, Type: typeInWords(s), Bounds: s.inWords(), Description: s.Description}
	// Content alternates names and values, in the document's order.
	for i := 0; i+1 < len(s.Properties.Content); i += 2 {
		var p schema
		if err := s.Properties.Content[i+1].Decode(&p); err != nil {
			return d, fmt.Errorf("rest: api.yaml: schema %s: %w", name, err)
		}
		property := s.Properties.Content[i].Value
		d.Properties = append(d.Properties, docsProperty{
			Name: property, Type: typeInWords(&p), Ref: refOf(&p), Bounds: p.inWords(), Description: p.Description,
			Required: slices.Contains(s.Required, property),
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

// inWords says what the bounds allow beyond the type: "default 10, 1 to 50".
func (b *bounds) inWords() string {
	var all []string
	between := func(least, most, of string) {
		switch {
		case least != "" && least == most:
			all = append(all, least+of)
		case least != "" && most != "":
			all = append(all, least+" to "+most+of)
		case least != "":
			all = append(all, "at least "+least+of)
		case most != "":
			all = append(all, "at most "+most+of)
		}
	}
	if b.Default != "" {
		all = append(all, "default `"+b.Default+"`")
	}
	between(b.Minimum, b.Maximum, "")
	between(b.MinLength, b.MaxLength, " characters")
	between(b.MinItems, b.MaxItems, " items")
	if b.Pattern != "" {
		all = append(all, "pattern `"+b.Pattern+"`")
	}
	return strings.Join(all, ", ")
}

// indentedJSON writes an example of the document as the JSON that a caller
// sends, its members in the document's order.
func indentedJSON(example *yaml.Node) (string, error) {
	var compact, indented bytes.Buffer
	if err := writeJSON(&compact, example); err != nil {
		return "", err
	}
	if err := json.Indent(&indented, compact.Bytes(), "", "  "); err != nil {
		return "", err
	}
	return indented.String(), nil
}

func writeJSON(out *bytes.Buffer, node *yaml.Node) error {
	switch node.Kind {
	case yaml.MappingNode, yaml.SequenceNode:
		object := node.Kind == yaml.MappingNode
		out.WriteString(map[bool]string{true: "{", false: "["}[object])
		for i, child := range node.Content {
			switch {
			case i == 0:
			case object && i%2 == 1: // names and values alternate
				out.WriteByte(':')
			default:
				out.WriteByte(',')
			}
			if err := writeJSON(out, child); err != nil {
				return err
			}
		}
		out.WriteString(map[bool]string{true: "}", false: "]"}[object])
		return nil
	case yaml.ScalarNode:
		var value any = node.Value
		if tag := node.ShortTag(); tag == "!!int" || tag == "!!float" || tag == "!!bool" || tag == "!!null" {
			if err := node.Decode(&value); err != nil {
				return err
			}
		}
		encoder := json.NewEncoder(out)
		encoder.SetEscapeHTML(false) // the template escapes
		return encoder.Encode(value)
	}
	return fmt.Errorf("line %d is neither an object, a list nor a value", node.Line)
}

// paragraphs splits a description at its empty lines.
func paragraphs(text string) []string {
	var list []string
	for part := range strings.SplitSeq(text, "\n\n") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}

var bold = regexp.MustCompile(`\*\*([^*]+)\*\*`)

// prose renders the two marks of CommonMark that the document uses, `code` and
// **bold**, and escapes everything else. A backtick without a partner is itself.
func prose(text string) template.HTML {
	var out strings.Builder
	for {
		before, rest, opened := strings.Cut(text, "`")
		code, after, closed := strings.Cut(rest, "`")
		if !opened || !closed {
			break
		}
		out.WriteString(emphasized(before) + "<code>" + template.HTMLEscapeString(code) + "</code>")
		text = after
	}
	return template.HTML(out.String() + emphasized(text))
}

func emphasized(text string) string {
	return bold.ReplaceAllString(template.HTMLEscapeString(text), "<strong>$1</strong>")
}
