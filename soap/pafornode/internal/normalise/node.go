package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
)

// A node is an element of a schema. Names keep their prefixes: the schemas
// refer to types by them.
type node struct {
	name       string
	attributes []xml.Attr
	children   []*node
}

func (n *node) local() string { return localName(n.name) }

func (n *node) attr(name string) string {
	for _, a := range n.attributes {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

func (n *node) set(name, value string) {
	for i := range n.attributes {
		if n.attributes[i].Name.Local == name {
			n.attributes[i].Value = value
			return
		}
	}
	if value != "" {
		n.attributes = append(n.attributes, xml.Attr{Name: xml.Name{Local: name}, Value: value})
	}
}

func (n *node) child(local string) *node {
	for _, c := range n.children {
		if c.local() == local {
			return c
		}
	}
	return nil
}

func (n *node) copy() *node {
	c := &node{name: n.name, attributes: append([]xml.Attr(nil), n.attributes...)}
	for _, child := range n.children {
		c.children = append(c.children, child.copy())
	}
	return c
}

func (n *node) write(b *bytes.Buffer) {
	fmt.Fprintf(b, "<%s", n.name)
	for _, a := range n.attributes {
		fmt.Fprintf(b, ` %s="`, qualified(a.Name))
		xml.EscapeText(b, []byte(a.Value)) // a bytes.Buffer takes everything
		b.WriteByte('"')
	}
	b.WriteByte('>')
	for _, c := range n.children {
		c.write(b)
	}
	fmt.Fprintf(b, "</%s>", n.name)
}

func qualified(n xml.Name) string {
	if n.Space == "" {
		return n.Local
	}
	return n.Space + ":" + n.Local
}

// readNode reads a schema without its comments and annotations.
func readNode(path string) (*node, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	d := xml.NewDecoder(f)
	root := &node{}
	open := []*node{root}
	for {
		token, err := d.RawToken()
		if errors.Is(err, io.EOF) && len(open) == 1 && len(root.children) == 1 {
			return root.children[0], nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			n := &node{name: qualified(t.Name), attributes: t.Copy().Attr}
			if parent := open[len(open)-1]; n.local() != "annotation" {
				parent.children = append(parent.children, n)
			}
			open = append(open, n)
		case xml.EndElement:
			open = open[:len(open)-1]
		}
	}
}
