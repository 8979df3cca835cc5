// Command normalise generates the package wire: the Go types of paForNode, by
// the unmodified gowsdl from a schema that says the same in simpler words.
//
// gowsdl v0.5.0 cannot take the schema as it is: its types for it do not
// compile, lose all transfers but one, hold money in floats and move the
// members of a choice to the end. All of that goes away when a copy of the
// schema is rewritten first:
//
//   - complex types get an upper-case name, so that gowsdl puts no element
//     name, and hence no namespace, on local elements;
//   - simple types and elements based on decimal, date, dateTime or
//     base64Binary become strings, which keeps every value as it was written,
//     and so do those based on int that have facets;
//   - a list of at most n becomes unbounded, which makes it a slice;
//   - the members of a choice become optional elements where the choice stood;
//   - what a type extends is written out before its own elements;
//   - booleans and integers become nillable, which makes them pointers and
//     keeps a false that was sent.
//
// The types are looser than the schema. They are not for serving requests:
// they are the reference that the codec is compared with, and what the tests
// send with somebody else's SOAP client.
//
//	go run ./internal/normalise -contract contract -out .
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func main() {
	contract := flag.String("contract", "contract", "directory of paForNode.wsdl and its schemas")
	out := flag.String("out", ".", "directory in which to write wire/pafornode.gen.go")
	flag.Parse()
	if err := run(*contract, *out); err != nil {
		fmt.Fprintln(os.Stderr, "normalise:", err)
		os.Exit(1)
	}
}

func run(contract, out string) error {
	dir, err := os.MkdirTemp("", "pafornode")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	wsdl, err := os.ReadFile(filepath.Join(contract, "paForNode.wsdl"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "paForNode.wsdl"), wsdl, 0o600); err != nil {
		return err
	}
	common, err := readNode(filepath.Join(contract, "common-types.xsd"))
	if err != nil {
		return err
	}
	payload, err := readNode(filepath.Join(contract, "paForNode.xsd"))
	if err != nil {
		return err
	}
	s := newSchemas(common, payload)
	for name, root := range map[string]*node{"common-types.xsd": common, "paForNode.xsd": payload} {
		s.rewrite(root)
		var b bytes.Buffer
		root.write(&b)
		if err := os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o600); err != nil {
			return err
		}
	}
	if out, err = filepath.Abs(out); err != nil {
		return err
	}
	// -d is the directory, -p both the package and its subdirectory.
	cmd := exec.Command("go", "tool", "gowsdl", "-d", out, "-p", "wire", "-o", "pafornode.gen.go",
		filepath.Join(dir, "paForNode.wsdl"))
	cmd.Stderr = os.Stderr
	return cmd.Run()
}

// schemas knows the names that the rewriting turns on.
type schemas struct {
	complexTypes map[string]*node // by local name; the two schemas share none
}

func newSchemas(roots ...*node) *schemas {
	s := &schemas{complexTypes: map[string]*node{}}
	for _, root := range roots {
		for _, n := range root.children {
			if n.local() == "complexType" {
				s.complexTypes[n.attr("name")] = n
			}
		}
	}
	return s
}

func (s *schemas) rewrite(n *node) {
	switch n.local() {
	case "complexType":
		s.writeOutExtension(n)
		n.set("name", capitalised(n.attr("name")))
	case "simpleType":
		if r := n.child("restriction"); r != nil && isKeptAsText(r.attr("base")) {
			r.set("base", prefix(n.name)+":string")
		}
	case "element":
		s.rewriteElement(n)
	}
	var children []*node
	for _, c := range n.children {
		if c.local() == "choice" {
			for _, member := range c.children {
				member.set("minOccurs", "0")
			}
			children = append(children, c.children...)
			continue
		}
		children = append(children, c)
	}
	n.children = children
	for _, c := range n.children {
		s.rewrite(c)
	}
}

func (s *schemas) rewriteElement(n *node) {
	typ := n.attr("type")
	p, local := prefix(typ), localName(typ)
	switch {
	case s.complexTypes[local] != nil:
		n.set("type", p+":"+capitalised(local))
	case p == prefix(n.name) && (local == "boolean" || local == "int"):
		n.set("nillable", "true")
	case p == prefix(n.name) && isKeptAsText(typ):
		n.set("type", p+":string")
	}
	if most := n.attr("maxOccurs"); most != "" && most != "1" {
		n.set("maxOccurs", "unbounded")
	}
}

// writeOutExtension turns an extension into a plain sequence that begins with
// the elements of its base. The base of every response is in the other schema,
// and so its prefix is good here too: both schemas bind ct to it.
func (s *schemas) writeOutExtension(n *node) {
	content := n.child("complexContent")
	if content == nil {
		return
	}
	extension := content.child("extension")
	base := s.complexTypes[localName(extension.attr("base"))]
	sequence := &node{name: prefix(n.name) + ":sequence"}
	for _, from := range []*node{base, extension} {
		if own := from.child("sequence"); own != nil {
			for _, c := range own.children {
				sequence.children = append(sequence.children, c.copy())
			}
		}
	}
	n.children = []*node{sequence}
}

func isKeptAsText(typ string) bool {
	switch localName(typ) {
	case "decimal", "date", "dateTime", "base64Binary", "int":
		return true
	}
	return false
}

func capitalised(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func prefix(name string) string {
	p, _, _ := strings.Cut(name, ":")
	return p
}

func localName(name string) string {
	_, local, _ := strings.Cut(name, ":")
	return local
}
