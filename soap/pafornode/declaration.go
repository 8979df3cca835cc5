package pafornode

import "strings"

// declaration reads the XML declaration, which may stand only at the very
// start: version 1.0, no encoding or UTF-8, standalone yes or no.
func (s *scanner) declaration() {
	s.pos += len("<?xml")
	seen := ""
	for {
		spaced := s.blanks()
		if strings.HasPrefix(s.src[s.pos:], "?>") {
			s.pos += len("?>")
			if seen == "" {
				s.broken("an XML declaration without a version")
			}
			return
		}
		key, from := s.name(), s.pos
		value, ok := s.attributeValue()
		ok = ok && strings.IndexByte(s.src[from:s.pos], '&') < 0
		switch {
		case !spaced || !ok:
			s.broken("an XML declaration that is not written well")
		case key == "version" && seen == "":
			if value != "1.0" {
				s.broken("another version of XML than 1.0")
			}
		case key == "encoding" && seen == "version":
			if !strings.EqualFold(value, "UTF-8") {
				s.broken("another encoding than UTF-8")
			}
		case key == "standalone" && (seen == "version" || seen == "encoding"):
			if value != "yes" && value != "no" {
				s.broken("an XML declaration that is not written well")
			}
		default:
			s.broken("an XML declaration that is not written well")
		}
		if s.reason != "" {
			return
		}
		seen = key
	}
}
