package pafornode

import (
	"strings"
	"sync"

	"github.com/attualizza/attualizza/internal/money"
)

// A decoder reads the content of a message by the schema. It stands at a
// token: the start of the child that comes next or the end of the element that
// is open. The first breach of the schema is kept; from then on its methods do
// nothing and return zero values, so that a reading function is written as the
// schema is, without a check after every step.
type decoder struct {
	scanner
	at            token
	operation     Operation
	path, problem string // the first breach of the schema
}

func (d *decoder) failed() bool { return d.problem != "" || d.reason != "" }

// fail keeps a breach of the schema by the named child of the open element, or
// by the open element itself.
func (d *decoder) fail(child, problem string) {
	if !d.failed() {
		d.path, d.problem = d.pathTo(child), problem
	}
}

// failAbove keeps a breach of the schema by the parent of the element that
// just opened, or by another child of it.
func (d *decoder) failAbove(child, problem string) {
	d.depth--
	d.fail(child, problem)
	d.depth++
}

// pathTo returns the path of a child of the open element from the wrapper on.
func (d *decoder) pathTo(child string) string {
	depth := d.depth
	if d.at == tokenEnd {
		depth++ // the element at whose end the decoder stands is closed already
	}
	path := ""
	for i := 2; i < depth; i++ {
		e := &d.open[i]
		if path != "" {
			path += "/"
		}
		path += speakable(e.name.local)
		if e.position > 0 {
			path += "[" + decimal(e.position) + "]"
		}
	}
	if child != "" {
		path += "/" + speakable(child)
	}
	return path
}

// speakable returns an element name as errors may show it: a stranger can put
// anything into one, so only names of the contract are shown.
func speakable(local string) string {
	if knownNames()[local] {
		return local
	}
	return "?"
}

// knownNames holds the element names of the contract.
var knownNames = sync.OnceValue(func() map[string]bool {
	known := map[string]bool{"standin": true}
	for _, file := range []string{"paForNode.xsd", "common-types.xsd"} {
		for _, after := range strings.Split(string(stored(file)), `<xs:element name="`)[1:] {
			local, _, _ := strings.Cut(after, `"`)
			known[local] = true
		}
	}
	return known
})

func decimal(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return decimal(n/10) + string(rune('0'+n%10))
}

// advance goes on to the next start or end. Between the elements of the
// envelope, text makes the document unacceptable; within the wrapper it breaks
// the schema.
func (d *decoder) advance() {
	for {
		d.at = d.next()
		if d.at != tokenText {
			break
		}
		if !isBlank(d.text) {
			d.stray("has text where only elements may stand")
			return
		}
	}
	if d.at == tokenStart && d.depth > 2 {
		if problem := d.attributeProblem(); problem != "" {
			d.fail("", problem)
		}
	}
}

func (d *decoder) stray(problem string) {
	if d.depth < 3 {
		d.broken("text in the SOAP envelope")
		return
	}
	d.fail("", problem)
}

// attributeProblem returns what is wrong with the attributes of the element
// that just opened. The schema declares none; hints where a schema can be
// found are always allowed. xsi:type and xsi:nil are refused: paForNode has
// nothing they could say.
func (d *decoder) attributeProblem() string {
	for _, a := range d.attributes[:d.attributeCount] {
		hint := a.name.local == "schemaLocation" || a.name.local == "noNamespaceSchemaLocation"
		if a.name.space != schemaNamespace || !hint {
			return "has an attribute that the schema does not know"
		}
	}
	return ""
}

// has tells whether the child that comes next is the named one.
func (d *decoder) has(child string) bool {
	return d.at == tokenStart && !d.failed() && d.top().name.local == child && d.top().name.space == ""
}

// expect fails unless the child that comes next is the named one.
func (d *decoder) expect(child string) bool {
	if d.failed() {
		return false
	}
	if d.has(child) {
		return true
	}
	if d.at != tokenStart {
		d.fail(child, "is missing")
		return false
	}
	found := d.top().name
	if found.local == child {
		d.failAbove(child, "is in a namespace; only the wrapper may be")
	} else {
		d.failAbove(child, "is missing; "+speakable(found.local)+" stands in its place")
	}
	return false
}

// enter goes into the named child, which must come next.
func (d *decoder) enter(child string) bool {
	if !d.expect(child) {
		return false
	}
	d.advance()
	return !d.failed()
}

// leave goes out of the open element, which must have no further children.
func (d *decoder) leave() {
	if d.failed() {
		return
	}
	if d.at == tokenStart {
		d.fail("", "is repeated, misplaced or unknown")
		return
	}
	d.advance()
}

// value reads the named child, which must come next, and returns it as its
// type demands.
func (d *decoder) value(child string, t *simple) string {
	if !d.expect(child) {
		return ""
	}
	raw, ok := d.simpleContent()
	if !ok {
		d.failAbove("", "contains an element")
		return ""
	}
	v := t.normalise(raw)
	if problem := t.check(v); problem != "" {
		d.fail(child, problem)
		return ""
	}
	d.advance()
	return v
}

// optional is value for a child that may be missing.
func (d *decoder) optional(child string, t *simple) string {
	if !d.has(child) {
		return ""
	}
	return d.value(child, t)
}

// amount reads an amount that must come next.
func (d *decoder) amount(child string, t *simple) money.Cents {
	v := d.value(child, t)
	if d.failed() {
		return 0
	}
	c, err := money.ParseEuro(v)
	if err != nil {
		d.fail(child, err.Error())
	}
	return c
}

// simpleContent reads the text of the element that just opened up to its end.
// It stops and returns false at an element within.
func (d *decoder) simpleContent() (text string, ok bool) {
	var parts []byte
	for {
		switch d.next() {
		case tokenText:
			switch {
			case parts != nil:
				parts = append(parts, d.text...)
			case text == "":
				text = d.text
			default:
				parts = append(append(parts, text...), d.text...)
			}
			continue
		case tokenEnd:
			ok = true
		}
		if parts != nil {
			text = string(parts)
		}
		return text, ok
	}
}

// skip reads on to the end of the element that just opened.
func (d *decoder) skip() {
	for outer := d.depth - 1; d.depth > outer; {
		if d.next() == tokenBroken {
			return
		}
	}
}
