package bulkload

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"unicode/utf8"

	"github.com/attualizza/attualizza/positions"
)

// Rejection is a line of the file of what was refused: the reasons and the
// original. A Rejection whose Position was corrected can be loaded: the reasons
// are passed over.
type Rejection struct {
	Line   int64           `json:"rejectedLine"` // of the file that was loaded, from 1; first, so that a Rejection is known by it
	IUPD   string          `json:"iupd,omitempty"`
	Errors []RejectedValue `json:"errors"`
	// Position is the body: the line of NDJSON, or what the rows of CSV say.
	Position json.RawMessage `json:"position,omitempty"`
	// Text is the original when it is no JSON object; CSV tells that it is rows of
	// CSV, which are corrected where they came from.
	Text string `json:"text,omitempty"`
	CSV  bool   `json:"csv,omitempty"`
	// Bytes is the original when it is not even UTF-8.
	Bytes []byte `json:"bytes,omitempty"`
	// reason is why, without anything of this line alone.
	reason string
}

// RejectedValue is one thing wrong: a [positions.Problem], in CSV with its cell.
type RejectedValue struct {
	Pointer string `json:"pointer,omitempty"`
	Detail  string `json:"detail"`
	Line    int64  `json:"line,omitempty"`
	Column  string `json:"column,omitempty"`
}

var rejectionPrefix = []byte(`{"rejectedLine":`)

// original is what a Rejection keeps: a body, or rows of CSV that made none.
type original struct {
	text []byte
	csv  bool
}

// corrected takes the original out of a line that is a Rejection.
func corrected(line []byte) (original, bool) {
	if !bytes.HasPrefix(line, rejectionPrefix) {
		return original{}, false
	}
	var r Rejection
	if json.Unmarshal(line, &r) != nil {
		return original{}, false
	}
	switch {
	case len(r.Position) > 0:
		return original{text: r.Position}, true
	case r.Text != "":
		return original{[]byte(r.Text), r.CSV}, true
	}
	return original{r.Bytes, r.CSV}, true
}

// rejection tells why an item is refused. b is nil when it did not come from
// CSV.
func (it *item) rejection(b *body, refusal *positions.Error) *Rejection {
	r := &Rejection{Line: it.line, IUPD: it.iupd, reason: reasonOf(refusal)}
	for _, p := range refusal.Problems {
		value := RejectedValue{Pointer: p.Pointer, Detail: p.Detail}
		if b != nil {
			value.Line, value.Column = b.where(p.Pointer)
		}
		r.Errors = append(r.Errors, value)
	}
	if len(r.Errors) == 0 {
		r.Errors = []RejectedValue{{Detail: refusal.Message}}
	}
	switch {
	case b != nil:
		r.Position = b.text
	case len(it.rows) == 0 && isObject(it.text):
		r.Position = it.text
		var named struct{ IUPD any }
		if json.Unmarshal(it.text, &named) == nil {
			r.IUPD, _ = named.IUPD.(string)
		}
	case utf8.Valid(it.text):
		r.Text, r.CSV = string(it.text), it.csv
	default:
		r.Bytes, r.CSV = it.text, it.csv
	}
	return r
}

func isObject(text []byte) bool {
	text = bytes.TrimSpace(text)
	return len(text) > 0 && text[0] == '{' && utf8.Valid(text) && json.Valid(text)
}

// numberForm are the numbers in a reason: of bytes, of items.
var numberForm = regexp.MustCompile(`(^|[ /])\d+`)

// reasonOf groups refusals: what is wrong and where, but not in which line. It
// holds nothing of what the line says.
func reasonOf(refusal *positions.Error) string {
	general := func(text string) string { return numberForm.ReplaceAllString(text, "${1}N") }
	if len(refusal.Problems) == 0 {
		return general(refusal.Message)
	}
	at := general(refusal.Problems[0].Pointer)
	switch {
	case refusal.Code == positions.Conflict && at == "/iupd":
		return "there already, with other content"
	case refusal.Code == positions.Conflict:
		return "taken: " + at
	case refusal.Code == positions.Unprocessable:
		return "not possible: " + at
	}
	return "not valid: " + at
}

// Write appends a line for a rejection to w.
func (r *Rejection) Write(w io.Writer) error { return writeLine(w, r) }

func refusalOf(err error) *positions.Error {
	var refusal *positions.Error
	if errors.As(err, &refusal) {
		return refusal
	}
	return &positions.Error{Code: positions.Internal, Message: "the service could not judge it", Err: err}
}
