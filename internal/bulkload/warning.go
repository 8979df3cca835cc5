package bulkload

import (
	"encoding/json"
	"io"

	"github.com/attualizza/attualizza/positions"
)

// Warning is something that was accepted of a position and is probably a slip,
// as the API warns of it.
type Warning struct {
	Line    int64  `json:"line"` // of the file that is loaded, from 1
	IUPD    string `json:"iupd"`
	Pointer string `json:"pointer"`
	Detail  string `json:"detail"`
	Column  string `json:"column,omitempty"` // of CSV
}

// Write appends a line for a warning to w.
func (x *Warning) Write(w io.Writer) error { return writeLine(w, x) }

// writeLine appends a value to w as a line of JSON.
func writeLine(w io.Writer, value any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(value)
}

// warnings puts what is warned of about an item's position at its place in the
// file. b is nil when it did not come from CSV.
func (it *item) warnings(b *body, iupd string, problems []positions.Problem) []*Warning {
	all := make([]*Warning, len(problems))
	for i, p := range problems {
		all[i] = &Warning{Line: it.line, IUPD: iupd, Pointer: p.Pointer, Detail: p.Detail}
		if b == nil {
			continue
		}
		if line, column := b.where(p.Pointer); line > 0 {
			all[i].Line, all[i].Column = line, column
		}
	}
	return all
}
