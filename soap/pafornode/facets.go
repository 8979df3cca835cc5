package pafornode

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/attualizza/attualizza/internal/money"
)

// A simple is a simple type of the schema: how its white space is handled and
// which values it has. xs:string keeps white space, so that a line break
// within a notice number is an error; every other type that paForNode uses
// collapses it.
type simple struct {
	collapse bool
	check    func(string) string // returns what is wrong with a value, "" for nothing
}

var (
	anyText = &simple{check: func(string) string { return "" }}
	text16  = &simple{check: func(s string) string { return length(s, 1, 16) }}
	text20  = &simple{check: func(s string) string { return length(s, 1, 20) }}
	text35  = &simple{check: func(s string) string { return length(s, 1, 35) }}
	text70  = &simple{check: func(s string) string { return length(s, 1, 70) }}
	text140 = &simple{check: func(s string) string { return length(s, 1, 140) }}
	text210 = &simple{check: func(s string) string { return length(s, 1, 210) }}
	text5   = &simple{check: func(s string) string { return length(s, 5, 5) }}

	entityCode = &simple{check: func(s string) string { return length(s, 2, 16) }}
	entityType = &simple{check: func(s string) string { return oneOf(s, "F", "G") }}

	fiscalCodePA = &simple{check: func(s string) string { return digits(s, 11) }}
	noticeNumber = &simple{check: func(s string) string { return digits(s, 18) }}
	outcome      = &simple{check: func(s string) string { return oneOf(s, "OK", "KO") }}
	transferType = &simple{check: func(s string) string { return oneOf(s, "POSTAL", "PAGOPA") }}
	amountOption = &simple{check: func(s string) string { return oneOf(s, "EQ", "LS", "GT", "ANY") }}
	stampType    = &simple{check: func(s string) string { return oneOf(s, "01") }}
	country      = &simple{check: checkCountry}
	eMail        = &simple{check: checkEMail}

	amountType    = &simple{collapse: true, check: checkAmount}
	amountNotZero = &simple{collapse: true, check: checkAmountNotZero}
	boolean       = &simple{collapse: true, check: checkBoolean}
	integer       = &simple{collapse: true, check: checkInt}
	idTransfer    = &simple{collapse: true, check: checkIDTransfer}
	date          = &simple{collapse: true, check: checkDate}
	dateTime      = &simple{collapse: true, check: checkDateTime}
	base64Binary  = &simple{collapse: true, check: checkBase64}
	documentHash  = &simple{collapse: true, check: checkDocumentHash}
)

func (t *simple) normalise(s string) string {
	if t.collapse {
		return collapse(s)
	}
	return s
}

// good tells whether s, as it stands in a document, is a value of the type.
func (t *simple) good(s string) bool { return t.check(t.normalise(s)) == "" }

// collapse trims white space and makes one space of every run of it.
func collapse(s string) string {
	s = strings.Trim(s, " \t\n\r")
	if !strings.ContainsAny(s, "\t\n\r") && !strings.Contains(s, "  ") {
		return s
	}
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return r == ' ' || r == '\t' || r == '\n' || r == '\r'
	}), " ")
}

// length checks a length in characters.
func length(s string, least, most int) string {
	n := len(s)
	if n > most {
		n = utf8.RuneCountInString(s)
	}
	switch {
	case n == 0:
		return "is empty"
	case n < least || n < 4*least && utf8.RuneCountInString(s) < least:
		return "is shorter than " + strconv.Itoa(least) + " characters"
	case n > most:
		return "is longer than " + strconv.Itoa(most) + " characters"
	}
	return ""
}

func digits(s string, n int) string {
	good := len(s) == n
	for i := range len(s) {
		good = good && s[i] >= '0' && s[i] <= '9'
	}
	if !good {
		return "is not " + strconv.Itoa(n) + " digits"
	}
	return ""
}

func oneOf(s string, values ...string) string {
	for _, v := range values {
		if s == v {
			return ""
		}
	}
	return "is not " + strings.Join(values, " or ")
}

func checkCountry(s string) string {
	if len(s) != 2 || s[0] < 'A' || s[0] > 'Z' || s[1] < 'A' || s[1] > 'Z' {
		return "is not two capital letters"
	}
	return ""
}

// checkEMail follows stEMail: a local part, @ and labels between points.
func checkEMail(s string) string {
	const problem = "is not an e-mail address of at most 256 characters"
	local, domain, ok := strings.Cut(s, "@")
	if !ok || local == "" || len(s) > 256 {
		return problem
	}
	for i := range len(local) {
		if c := local[i]; !isAlphanumeric(c) && c != '-' && c != '_' && c != '.' && c != '+' {
			return problem
		}
	}
	label := 0
	for i := range len(domain) {
		switch c := domain[i]; {
		case isAlphanumeric(c) || c == '-':
			label++
		case c == '.' && label > 0:
			label = 0
		default:
			return problem
		}
	}
	if label == 0 {
		return problem
	}
	return ""
}

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func checkAmount(s string) string {
	if _, err := money.ParseEuro(s); err != nil {
		return err.Error()
	}
	return ""
}

func checkAmountNotZero(s string) string {
	c, err := money.ParseEuro(s)
	switch {
	case err != nil:
		return err.Error()
	case c == 0:
		return "is zero"
	}
	return ""
}

func checkBoolean(s string) string { return oneOf(s, "true", "false", "1", "0") }

func isTrue(s string) bool { return s == "true" || s == "1" }

func checkInt(s string) string {
	if _, err := strconv.ParseInt(s, 10, 32); err != nil {
		return "is not an integer of 32 bits"
	}
	return ""
}

func checkIDTransfer(s string) string {
	if n, err := strconv.ParseInt(s, 10, 32); err != nil || n < 1 || n > 5 {
		return "is not an integer from 1 to 5"
	}
	return ""
}

// checkBase64 follows the lexical form of xs:base64Binary (XML Schema part 2,
// §3.2.16): groups of four, single spaces between characters allowed, and no
// stray bits in the last group.
func checkBase64(s string) string {
	const problem = "is not base64"
	n, padding := 0, 0
	var last byte
	for i := range len(s) {
		switch c := s[i]; {
		case c == ' ':
			continue
		case c == '=':
			padding++
		case isAlphanumeric(c) || c == '+' || c == '/':
			if padding > 0 {
				return problem
			}
			last = c
		default:
			return problem
		}
		n++
	}
	switch {
	case n%4 != 0 || padding > 2:
		return problem
	case padding == 1 && strings.IndexByte("AEIMQUYcgkosw048", last) < 0,
		padding == 2 && strings.IndexByte("AQgw", last) < 0:
		return problem
	}
	return ""
}

// checkDocumentHash follows stBase64Binary72: base64 written with 4 to 72
// characters.
func checkDocumentHash(s string) string {
	if len(s) < 4 || len(s) > 72 {
		return "is not base64 of 4 to 72 characters"
	}
	return checkBase64(s)
}
