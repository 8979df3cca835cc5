// Package variants makes messages that lie on both sides of the paForNode
// schema: full samples of the twelve wrappers and random changes to them. The
// tests of the codec and the check of our schema against the Nodo's draw from
// it, so that each sees the same temptations.
package variants

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// A Node is an element with its prefix, if any.
type Node struct {
	Name       string
	Attributes string // as written, with a leading space
	Text       string // as written, before the children
	Children   []*Node
}

// Parse reads an element and all within it. White space, comments and
// everything outside elements are dropped.
func Parse(document string) (*Node, error) {
	d := xml.NewDecoder(strings.NewReader(document))
	root := &Node{}
	open := []*Node{root}
	for {
		token, err := d.RawToken()
		if errors.Is(err, io.EOF) && len(open) == 1 && len(root.Children) == 1 {
			return root.Children[0], nil
		}
		if err != nil {
			return nil, fmt.Errorf("read a sample: %w", err)
		}
		top := open[len(open)-1]
		switch t := token.(type) {
		case xml.StartElement:
			n := &Node{Name: qualified(t.Name)}
			for _, a := range t.Attr {
				n.Attributes += fmt.Sprintf(" %s=%q", qualified(a.Name), a.Value)
			}
			top.Children = append(top.Children, n)
			open = append(open, n)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			if text := strings.TrimSpace(string(t)); text != "" {
				var b strings.Builder
				if err := xml.EscapeText(&b, []byte(text)); err != nil {
					return nil, err
				}
				top.Text += b.String()
			}
		}
	}
}

func qualified(n xml.Name) string {
	if n.Space == "" {
		return n.Local
	}
	return n.Space + ":" + n.Local
}

// String writes the element.
func (n *Node) String() string {
	var b strings.Builder
	n.write(&b)
	return b.String()
}

func (n *Node) write(b *strings.Builder) {
	fmt.Fprintf(b, "<%s%s>%s", n.Name, n.Attributes, n.Text)
	for _, c := range n.Children {
		c.write(b)
	}
	fmt.Fprintf(b, "</%s>", n.Name)
}

// Clone returns a deep copy.
func (n *Node) Clone() *Node {
	c := *n
	c.Children = nil
	for _, child := range n.Children {
		c.Children = append(c.Children, child.Clone())
	}
	return &c
}

// all returns the element and everything below it.
func (n *Node) all() []*Node {
	nodes := []*Node{n}
	for _, c := range n.Children {
		nodes = append(nodes, c.all()...)
	}
	return nodes
}

// Vary makes one random change somewhere in n. draw(k) must return a number
// from 0 to k-1. Most changes give a leaf another value near a facet of the
// schema; the rest disturb order, cardinality, names and namespaces. Every
// result is well-formed XML.
func Vary(n *Node, draw func(k int) int) {
	all := n.all()
	target := all[draw(len(all))]
	if len(target.Children) == 0 && draw(4) > 0 {
		target.Text = value(draw)
		return
	}
	i := 0
	if len(target.Children) > 0 {
		i = draw(len(target.Children))
	}
	switch change := draw(12); {
	case change == 0 && len(target.Children) > 0:
		target.Children = append(target.Children[:i:i], target.Children[i+1:]...)
	case change == 1 && len(target.Children) > 0:
		target.insert(i, target.Children[i].Clone())
	case change == 2 && len(target.Children) > 1:
		j := draw(len(target.Children))
		target.Children[i], target.Children[j] = target.Children[j], target.Children[i]
	case change == 3:
		target.insert(i, all[draw(len(all))].Clone())
	case change == 4 && len(target.Children) > 0:
		for range draw(16) {
			target.insert(i, target.Children[i].Clone())
		}
	case change == 5:
		at := strings.IndexByte(target.Name, ':') + 1
		target.Name = target.Name[:at] + strings.ToUpper(target.Name[at:at+1]) + target.Name[at+1:]
	case change == 6 && target != n:
		target.Name = "pafn:" + strings.TrimPrefix(target.Name, "pafn:")
	case change == 7:
		if a := pick(attributes, draw); !strings.Contains(target.Attributes, a[:len(" xmlns:a=")]) {
			target.Attributes += a
		}
	case change == 8:
		target.Text += "<!-- note -->"
	case change == 9:
		target.Text += pick([]string{"testo", " \n\t", "<![CDATA[ ]]>", "&#32;", "&#160;"}, draw)
	case change == 10:
		target.Children = nil
	default:
		target.Text = value(draw)
	}
}

func (n *Node) insert(i int, c *Node) {
	n.Children = append(n.Children[:i:i], append([]*Node{c}, n.Children[i:]...)...)
}

func pick(from []string, draw func(int) int) string { return from[draw(len(from))] }

// attributes leaves out xml:lang, which the processor of the tests lets pass
// anywhere and XML Schema does not.
var attributes = []string{
	` lingua="it"`,
	` xmlns:a="urn:a"`,
	` xmlns:a="urn:a" a:b="c"`,
	` xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"`,
	` xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:a a.xsd"`,
	` xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="a.xsd"`,
}

// value draws a text, now and then with white space or markup about it.
func value(draw func(int) int) string {
	v := pick(values, draw)
	switch draw(10) {
	case 0:
		return " " + v
	case 1:
		return v + "\n"
	case 2:
		return "\t" + v + " "
	case 3:
		return "<![CDATA[" + strings.NewReplacer("&amp;", "&", "&lt;", "<").Replace(v) + "]]>"
	case 4:
		if r := []rune(v); !strings.Contains(v, "&") {
			return string(r[:len(r)/2]) + "<!-- note -->" + string(r[len(r)/2:])
		}
	}
	return v
}

// values are texts near the facets of the schema.
var values = func() []string {
	v := []string{
		"", " ", "-", "OK", "KO", "ok", "KKL", "EQ", "LS", "GT", "ANY", "eq", "F", "G", "FG", "f", "POSTAL", "PAGOPA", "postal", "01", "02",
		"IT", "it", "ITA", "I", "RM", "R1", "true", "false", "1", "0", "TRUE", "yes",
		"0.00", "0.01", "1.00", "00001.00", "120.00", "999999999.99", "1000000000.00", "999999999.990", "1", "1.0", "1.000", "1,00",
		"+1.00", "-1.00", "-0.00", ".50", "1.", "1e2", "1 0.00", "NaN", "INF", "12345678901234567890123.00",
		"2", "5", "6", "05", "+5", "-1", "2147483647", "2147483648", "-2147483648", "-2147483649", "1.0e0", "0x1",
		"2026-11-30", "2026-11-31", "2026-02-29", "2028-02-29", "2100-02-29", "2000-02-29", "2026-13-01", "2026-00-01", "2026-01-00", "2026-1-1",
		"0000-01-01", "0001-01-01", "-0001-01-01", "10000-01-01", "010000-01-01", "026-01-01", "2026-11-30Z", "2026-11-30+01:00",
		"2026-11-30-14:00", "2026-11-30+14:01", "2026-11-30+15:00", "2026-11-30+1:00", "2026-11-30z", "2026-11-30 Z", "30/11/2026", "20261130",
		"2026-11-30T00:00:00", "2026-11-30T23:59:59.999Z", "2026-11-30T24:00:00", "2026-11-30T24:00:00.0", "2026-11-30T24:00:01",
		"2026-11-30T23:60:00", "2026-11-30T23:59:60", "2026-11-30T1:00:00", "2026-11-30t10:00:00", "2026-11-30T10:00", "2026-11-30T10:00:00.",
		"2026-11-30T10:00:00+01:00", "2026-11-30T10:00:00.123456789123-00:00", "2026-11-30 10:00:00",
		"QUJD", "QUI=", "QQ==", "QQ=", "QR==", "QUJ=", "QUJDRA==", "Q U J D", "QUJ D\n", "QUJ  D", "QUJ", "====", "Q===", "QUJ-", "QUJ_", "QUJDQ",
		"a@b", "a@b.c", "a.b+c-d_e@f-g.h", "a@b.", "a@.b", "@b", "a@", "a@b@c", "a b@c", "à@b.it", "a@b..c", "a@b_c",
		"&amp;&lt;", "è€𝄞", "7777777777", "77777777777", "777777777777", "7777777777A", "٧٧٧٧٧٧٧٧٧٧٧", "٧٧٧٧٧٧٧٧٧٧٧٧٧٧٧٧٧٧", "٧.٧٧",
		"30100000000001234", "301000000000012345", "3010000000000123456", "3010000000000 1234",
	}
	for _, n := range []int{1, 2, 4, 5, 6, 15, 16, 17, 20, 21, 35, 36, 70, 71, 72, 73, 76, 140, 141, 210, 211, 255, 256, 257} {
		v = append(v, strings.Repeat("x", n), strings.Repeat("é", n))
		if n > 4 {
			v = append(v, strings.Repeat("x", n-4)+"@a.b", strings.Repeat("A", n-n%4))
		}
	}
	return v
}()
