package pafornode

import "strings"

// Limits of what the scanner reads. A receipt nests 9 deep; the busiest
// envelope seen in the wild declares five namespaces.
const (
	maxDepth      = 16
	maxAttributes = 16
	maxBindings   = 32
)

type token uint8

const (
	tokenBroken token = iota // the document is not well formed, see scanner.reason
	tokenStart               // an element opened: the innermost of scanner.open
	tokenEnd                 // an element closed
	tokenText                // text, in scanner.text
	tokenDone                // the root closed and nothing follows
)

// A scanner reads XML 1.0 with namespaces from a string, token by token. It
// checks well-formedness as it goes and never reads past its first complaint.
type scanner struct {
	src    string
	pos    int
	reason string // the first complaint, "" so far so good

	open  [maxDepth]element
	depth int

	attributes     [maxAttributes]attribute // of the element that just opened, without xmlns
	attributeCount int

	bindings     [maxBindings]binding // prefixes in scope
	bindingCount int

	text      string // of the last tokenText, entities resolved
	opened    bool   // the root was seen
	selfClose bool   // the element that just opened was written <a/>
}

type element struct {
	name     name
	outer    int // bindings in scope before it
	position int // among its like-named siblings, 0 when it is not in a list
}

// begin checks the characters of the whole document, skips a byte order mark
// and reads the XML declaration, if there is one.
func (s *scanner) begin(document string) {
	s.src = document
	if s.reason = checkCharacters(document); s.reason != "" {
		return
	}
	if strings.HasPrefix(document, "\ufeff") {
		s.pos = len("\ufeff")
	}
	if rest := document[s.pos:]; strings.HasPrefix(rest, "<?xml") && len(rest) > 5 && isSpace(rest[5]) {
		s.declaration()
	}
}

func (s *scanner) broken(reason string) token {
	if s.reason == "" {
		s.reason = reason
	}
	return tokenBroken
}

// top is the innermost open element.
func (s *scanner) top() *element { return &s.open[s.depth-1] }

// next reads on to the next token. Comments are passed over.
func (s *scanner) next() token {
	if s.reason != "" {
		return tokenBroken
	}
	if s.selfClose {
		s.selfClose = false
		return s.close()
	}
	for {
		rest := s.src[s.pos:]
		switch {
		case rest == "":
			if s.depth > 0 || !s.opened {
				return s.broken("the document ends too early")
			}
			return tokenDone
		case rest[0] != '<' && s.depth == 0:
			if s.blanks(); s.pos < len(s.src) && s.src[s.pos] != '<' {
				return s.broken("text outside the root element")
			}
		case rest[0] != '<':
			return s.characters()
		case strings.HasPrefix(rest, "</"):
			return s.endTag()
		case strings.HasPrefix(rest, "<!--"):
			if !s.comment() {
				return tokenBroken
			}
		case strings.HasPrefix(rest, "<![CDATA["):
			return s.cdata()
		case strings.HasPrefix(rest, "<!"):
			return s.broken("a DTD or another declaration")
		case strings.HasPrefix(rest, "<?"):
			return s.broken("a processing instruction")
		default:
			return s.startTag()
		}
	}
}

// characters reads text up to the next markup.
func (s *scanner) characters() token {
	end := strings.IndexByte(s.src[s.pos:], '<')
	if end < 0 {
		end = len(s.src) - s.pos
	}
	raw := s.src[s.pos : s.pos+end]
	s.pos += end
	if strings.Contains(raw, "]]>") {
		return s.broken("]]> in text")
	}
	if strings.IndexByte(raw, '&') < 0 && strings.IndexByte(raw, '\r') < 0 {
		s.text = raw
		return tokenText
	}
	text, ok := resolve(raw)
	if !ok {
		return s.broken("an unknown entity or a bad character reference")
	}
	s.text = text
	return tokenText
}

func (s *scanner) cdata() token {
	const opening, closing = "<![CDATA[", "]]>"
	if s.depth == 0 {
		return s.broken("text outside the root element")
	}
	s.pos += len(opening)
	end := strings.Index(s.src[s.pos:], closing)
	if end < 0 {
		return s.broken("a CDATA section without end")
	}
	s.text = unixLines(s.src[s.pos : s.pos+end])
	s.pos += end + len(closing)
	return tokenText
}

func (s *scanner) comment() bool {
	s.pos += len("<!--")
	end := strings.Index(s.src[s.pos:], "--")
	if end < 0 || !strings.HasPrefix(s.src[s.pos+end:], "-->") {
		s.broken("a comment that is not closed well")
		return false
	}
	s.pos += end + len("-->")
	return true
}

func (s *scanner) startTag() token {
	s.pos++
	if s.depth == 0 && s.opened {
		return s.broken("an element after the root")
	}
	if s.depth == maxDepth {
		return s.broken("elements nested too deep")
	}
	raw := s.name()
	if raw == "" {
		return s.broken("a tag without a good name")
	}
	s.opened = true
	s.depth++
	*s.top() = element{name: name{raw: raw}, outer: s.bindingCount}
	if !s.tagRest() || !s.resolveNames() {
		return tokenBroken
	}
	return tokenStart
}

// tagRest reads the attributes and the end of a start tag.
func (s *scanner) tagRest() bool {
	s.attributeCount = 0
	declared := 0
	for {
		spaced := s.blanks()
		switch rest := s.src[s.pos:]; {
		case strings.HasPrefix(rest, ">"):
			s.pos++
			return true
		case strings.HasPrefix(rest, "/>"):
			s.pos += 2
			s.selfClose = true
			return true
		case !spaced:
			s.broken("a start tag that is not closed well")
			return false
		case s.attributeCount+declared == maxAttributes:
			s.broken("too many attributes")
			return false
		}
		raw := s.name()
		value, ok := s.attributeValue()
		if raw == "" || !ok {
			s.broken("an attribute that is not written well")
			return false
		}
		prefix, local := split(raw)
		switch {
		case raw == "xmlns":
			declared++
			ok = s.bind("", value)
		case prefix == "xmlns":
			declared++
			ok = s.bind(local, value)
		default:
			s.attributes[s.attributeCount] = attribute{name{raw: raw}, value}
			s.attributeCount++
		}
		if !ok {
			return false
		}
	}
}

// attributeValue reads = and a quoted value.
func (s *scanner) attributeValue() (string, bool) {
	s.blanks()
	if !strings.HasPrefix(s.src[s.pos:], "=") {
		return "", false
	}
	s.pos++
	s.blanks()
	if s.pos == len(s.src) || s.src[s.pos] != '"' && s.src[s.pos] != '\'' {
		return "", false
	}
	quote := s.src[s.pos]
	s.pos++
	end := strings.IndexByte(s.src[s.pos:], quote)
	if end < 0 {
		return "", false
	}
	raw := s.src[s.pos : s.pos+end]
	s.pos += end + 1
	if strings.IndexByte(raw, '<') >= 0 {
		return "", false
	}
	if !strings.ContainsAny(raw, "&\t\n\r") {
		return raw, true
	}
	// Attribute values are normalised before entities are resolved: white
	// space written as such becomes spaces, a referenced one stays.
	return resolve(strings.NewReplacer("\r\n", " ", "\t", " ", "\n", " ", "\r", " ").Replace(raw))
}

func (s *scanner) endTag() token {
	if s.depth == 0 {
		return s.broken("an end tag that does not match")
	}
	s.pos += len("</")
	rest, ok := strings.CutPrefix(s.src[s.pos:], s.top().name.raw)
	s.pos = len(s.src) - len(rest)
	s.blanks()
	if !ok || !strings.HasPrefix(s.src[s.pos:], ">") {
		return s.broken("an end tag that does not match")
	}
	s.pos++
	return s.close()
}

func (s *scanner) close() token {
	s.bindingCount = s.top().outer
	s.depth--
	return tokenEnd
}

// blanks passes over white space and tells whether there was any.
func (s *scanner) blanks() bool {
	from := s.pos
	for s.pos < len(s.src) && isSpace(s.src[s.pos]) {
		s.pos++
	}
	return s.pos > from
}
