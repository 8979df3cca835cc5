package pafornode

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/attualizza/attualizza/internal/money"
)

const (
	envelopeStart = `<?xml version="1.0" encoding="UTF-8"?>` +
		`<soapenv:Envelope xmlns:soapenv="` + EnvelopeNamespace + `"><soapenv:Body>`
	envelopeEnd = `</soapenv:Body></soapenv:Envelope>`

	// noLimit is the limit of the texts that the schema does not limit.
	noLimit = 1 << 30
)

// A writer appends elements to a buffer. Every method leaves the buffer well
// formed.
type writer []byte

func (w *writer) raw(s string) { *w = append(*w, s...) }

func (w *writer) open(name string) {
	*w = append(*w, '<')
	*w = append(*w, name...)
	*w = append(*w, '>')
}

func (w *writer) close(name string) {
	*w = append(*w, '<', '/')
	*w = append(*w, name...)
	*w = append(*w, '>')
}

// begin writes the envelope up to the open wrapper, and end all that follows
// its content.
func (w *writer) begin(wrapper string) {
	w.raw(envelopeStart + "<pafn:")
	w.raw(wrapper)
	w.raw(` xmlns:pafn="` + Namespace + `">`)
}

func (w *writer) end(wrapper string) {
	w.raw("</pafn:")
	w.raw(wrapper)
	w.raw(">" + envelopeEnd)
}

// known writes an element whose text needs no escaping.
func (w *writer) known(name, text string) {
	w.open(name)
	w.raw(text)
	w.close(name)
}

func (w *writer) boolean(name string, b bool) {
	if b {
		w.known(name, "true")
	} else {
		w.known(name, "false")
	}
}

func (w *writer) amount(name string, c money.Cents) {
	w.open(name)
	*w = c.AppendEuro(*w)
	w.close(name)
}

func (w *writer) integer(name string, n int) {
	w.open(name)
	*w = strconv.AppendInt(*w, int64(n), 10)
	w.close(name)
}

// optional writes an element with the first most characters of text, or
// nothing when no character of it can be written.
func (w *writer) optional(name, text string, most int) {
	w.text(name, text, most)
}

// required is optional for an element that the schema wants: with nothing to
// write, its text is "-".
func (w *writer) required(name, text string, most int) {
	if !w.text(name, text, most) {
		w.known(name, "-")
	}
}

// text writes an element with the first most characters of text and tells
// whether there was any; if not, it writes nothing.
func (w *writer) text(name, text string, most int) bool {
	before := len(*w)
	w.open(name)
	if w.escaped(text, most) == 0 {
		*w = (*w)[:before]
		return false
	}
	w.close(name)
	return true
}

// exactly writes an element when its text, unlike that of optional, means
// something only as a whole: text that is not a value of its type is left out.
func (w *writer) exactly(name, text string, t *simple) {
	if text != "" && t.good(text) && t.normalise(text) == text {
		w.text(name, text, noLimit)
	}
}

// plain says of each byte whether it is written as it is.
var plain = func() (t [256]bool) {
	for c := range t {
		t[c] = c < utf8.RuneSelf && isXML(rune(c)) && c != '&' && c != '<' && c != '>' && c != '\r'
	}
	return t
}()

// escaped writes the first most characters of text and returns how many it
// wrote. Characters that XML cannot carry are dropped, bytes that are not
// UTF-8 become U+FFFD, and what is not plain ASCII a character reference.
func (w *writer) escaped(text string, most int) (n int) {
	dst := *w
	for len(text) > 0 && n < most {
		run := 0
		for run < len(text) && n+run < most && plain[text[run]] {
			run++
		}
		dst = append(dst, text[:run]...)
		n += run
		text = text[run:]
		if text == "" || n == most {
			break
		}
		r, size := utf8.DecodeRuneInString(text)
		text = text[size:]
		if !isXML(r) {
			continue
		}
		n++
		switch r {
		case '&':
			dst = append(dst, "&amp;"...)
		case '<':
			dst = append(dst, "&lt;"...)
		case '>':
			dst = append(dst, "&gt;"...)
		default:
			dst = append(dst, "&#"...)
			dst = strconv.AppendInt(dst, int64(r), 10)
			dst = append(dst, ';')
		}
	}
	*w = dst
	return n
}

// carried returns how many characters of text can be written, counting no
// further than one above most.
func carried(text string, most int) (n int) {
	for _, r := range text {
		if isXML(r) {
			if n++; n > most {
				break
			}
		}
	}
	return n
}

// metadata writes the first 15 entries whose key and value fit.
func (w *writer) metadata(entries []MapEntry) {
	n := 0
	for i := range entries {
		e := &entries[i]
		if k, v := carried(e.Key, 140), carried(e.Value, 140); k == 0 || k > 140 || v == 0 || v > 140 {
			continue
		}
		if n++; n > 15 {
			break
		}
		if n == 1 {
			w.open("metadata")
		}
		w.open("mapEntry")
		w.text("key", e.Key, 140)
		w.text("value", e.Value, 140)
		w.close("mapEntry")
	}
	if n > 0 {
		w.close("metadata")
	}
}

// subject writes a debtor or a payer. A tax code that the schema cannot carry
// becomes ANONIMO, as the SANP prescribes for an unknown one.
func (w *writer) subject(name string, s *Subject) {
	w.open(name)
	w.open("uniqueIdentifier")
	if s.EntityType == "G" {
		w.known("entityUniqueIdentifierType", "G")
	} else {
		w.known("entityUniqueIdentifierType", "F")
	}
	code := strings.TrimSpace(s.EntityCode)
	if n := carried(code, 16); n < 2 || n > 16 {
		code = "ANONIMO"
	}
	w.text("entityUniqueIdentifierValue", code, 16)
	w.close("uniqueIdentifier")
	w.required("fullName", s.FullName, 70)
	w.optional("streetName", s.StreetName, 70)
	w.optional("civicNumber", s.CivicNumber, 16)
	w.optional("postalCode", s.PostalCode, 16)
	w.optional("city", s.City, 35)
	w.optional("stateProvinceRegion", s.StateProvinceRegion, 35)
	w.exactly("country", s.Country, country)
	w.exactly("e-mail", s.EMail, eMail)
	w.close(name)
}
