package pafornode

import (
	"strings"
	"unicode/utf8"
)

// checkCharacters returns what is wrong with the characters of a document:
// it must be UTF-8 and hold only characters of XML 1.0.
func checkCharacters(s string) string {
	for i := 0; i < len(s); {
		c := s[i]
		if c-' ' < utf8.RuneSelf-' ' {
			i++
			continue
		}
		if c < ' ' {
			if !isSpace(c) {
				return "a control character"
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			return "not UTF-8"
		}
		if !isXML(r) {
			return "a character that XML does not allow"
		}
		i += size
	}
	return ""
}

// isXML tells whether XML 1.0 can carry r, directly or by reference.
func isXML(r rune) bool {
	switch {
	case r < ' ':
		return r == '\t' || r == '\n' || r == '\r'
	case r < 0xD800:
		return true
	}
	return r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r <= 0x10FFFF
}

// asciiNames says of each ASCII character whether it may stand in a name
// without colon: 2 anywhere, 1 but not first, 0 nowhere.
var asciiNames = func() (t [utf8.RuneSelf]uint8) {
	for c := range t {
		switch {
		case isNameRune(rune(c), true):
			t[c] = 2
		case isNameRune(rune(c), false):
			t[c] = 1
		}
	}
	return t
}()

// isNameRune tells whether r may stand in a name without colon (XML 1.0, fifth
// edition, productions 4 and 4a).
func isNameRune(r rune, first bool) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '_':
		return true
	case r >= '0' && r <= '9', r == '-', r == '.', r == 0xB7:
		return !first
	case r < 0xC0:
		return false
	case r >= 0x300 && r <= 0x36F, r == 0x203F, r == 0x2040:
		return !first
	}
	return r != 0xD7 && r != 0xF7 && r <= 0x37D && r >= 0xC0 ||
		r >= 0x37F && r <= 0x1FFF || r == 0x200C || r == 0x200D ||
		r >= 0x2070 && r <= 0x218F || r >= 0x2C00 && r <= 0x2FEF ||
		r >= 0x3001 && r <= 0xD7FF || r >= 0xF900 && r <= 0xFDCF ||
		r >= 0xFDF0 && r <= 0xFFFD || r >= 0x10000 && r <= 0xEFFFF
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

func isBlank(s string) bool {
	for i := range len(s) {
		if !isSpace(s[i]) {
			return false
		}
	}
	return true
}

// unixLines turns the line ends of a document into line feeds, as XML demands.
func unixLines(s string) string {
	if strings.IndexByte(s, '\r') < 0 {
		return s
	}
	return strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s)
}

// resolve replaces the five entities and the character references of s.
func resolve(s string) (string, bool) {
	s = unixLines(s)
	var b strings.Builder
	b.Grow(len(s))
	for {
		amp := strings.IndexByte(s, '&')
		if amp < 0 {
			b.WriteString(s)
			return b.String(), true
		}
		b.WriteString(s[:amp])
		s = s[amp+1:]
		end := strings.IndexByte(s, ';')
		if end < 0 {
			return "", false
		}
		r := reference(s[:end])
		if !isXML(r) {
			return "", false
		}
		b.WriteRune(r)
		s = s[end+1:]
	}
}

// reference returns the character that an entity stands for, 0 for none.
func reference(s string) rune {
	switch s {
	case "amp":
		return '&'
	case "lt":
		return '<'
	case "gt":
		return '>'
	case "quot":
		return '"'
	case "apos":
		return '\''
	}
	digits, base := strings.TrimPrefix(s, "#"), rune(10)
	if digits == s {
		return 0
	}
	if strings.HasPrefix(digits, "x") {
		digits, base = digits[1:], 16
	}
	var r rune
	for i := range len(digits) {
		d := digit(digits[i])
		if d >= base {
			return 0
		}
		if r = r*base + d; r > utf8.MaxRune {
			return 0
		}
	}
	return r
}

func digit(c byte) rune {
	switch {
	case c >= '0' && c <= '9':
		return rune(c - '0')
	case c >= 'a' && c <= 'f':
		return rune(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return rune(c-'A') + 10
	}
	return 99
}
