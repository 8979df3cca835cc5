package pafornode

import (
	"strings"
	"unicode/utf8"
)

// A name is a qualified name: as written, and what that means.
type name struct{ raw, space, local string }

type attribute struct {
	name  name
	value string
}

type binding struct{ prefix, space string }

const (
	xmlNamespace    = "http://www.w3.org/XML/1998/namespace"
	xmlnsNamespace  = "http://www.w3.org/2000/xmlns/"
	schemaNamespace = "http://www.w3.org/2001/XMLSchema-instance"
)

// bind brings a prefix into scope until the innermost element closes.
func (s *scanner) bind(prefix, space string) bool {
	switch {
	case prefix == "xmlns", space == xmlnsNamespace,
		(prefix == "xml") != (space == xmlNamespace),
		space == "" && prefix != "":
		s.broken("a namespace declaration that is not allowed")
		return false
	}
	for _, b := range s.bindings[s.top().outer:s.bindingCount] {
		if b.prefix == prefix {
			s.broken("an attribute that stands twice")
			return false
		}
	}
	if s.bindingCount == maxBindings {
		s.broken("too many namespace declarations")
		return false
	}
	s.bindings[s.bindingCount] = binding{prefix, space}
	s.bindingCount++
	return true
}

// resolveNames puts the element that just opened and its attributes into their
// namespaces. An unprefixed attribute is in none.
func (s *scanner) resolveNames() bool {
	if !s.resolveName(&s.top().name, true) {
		return false
	}
	for i := range s.attributeCount {
		a := &s.attributes[i]
		if !s.resolveName(&a.name, false) {
			return false
		}
		for _, b := range s.attributes[:i] {
			if a.name.local == b.name.local && a.name.space == b.name.space {
				s.broken("an attribute that stands twice")
				return false
			}
		}
	}
	return true
}

func (s *scanner) resolveName(n *name, useDefault bool) bool {
	var prefix string
	prefix, n.local = split(n.raw)
	if prefix == "" && !useDefault {
		return true
	}
	for i := s.bindingCount - 1; i >= 0; i-- {
		if s.bindings[i].prefix == prefix {
			n.space = s.bindings[i].space
			return true
		}
	}
	switch prefix {
	case "":
		return true
	case "xml":
		n.space = xmlNamespace
		return true
	}
	s.broken("a prefix that is not declared")
	return false
}

// name reads a qualified name, "" when there is no good one.
func (s *scanner) name() string {
	from := s.pos
	if !s.nameWithoutColon() {
		return ""
	}
	if s.pos < len(s.src) && s.src[s.pos] == ':' {
		s.pos++
		if !s.nameWithoutColon() || s.pos < len(s.src) && s.src[s.pos] == ':' {
			return ""
		}
	}
	return s.src[from:s.pos]
}

// nameWithoutColon passes over a name and tells whether there was one.
func (s *scanner) nameWithoutColon() bool {
	from := s.pos
	for s.pos < len(s.src) {
		c := s.src[s.pos]
		if c < utf8.RuneSelf {
			if asciiNames[c] == 0 || asciiNames[c] == 1 && s.pos == from {
				break
			}
			s.pos++
			continue
		}
		r, size := utf8.DecodeRuneInString(s.src[s.pos:])
		if !isNameRune(r, s.pos == from) {
			break
		}
		s.pos += size
	}
	return s.pos > from
}

func split(raw string) (prefix, local string) {
	if i := strings.IndexByte(raw, ':'); i >= 0 {
		return raw[:i], raw[i+1:]
	}
	return "", raw
}
