package bulkload

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/attualizza/attualizza/positions"
)

// row is a row of CSV.
type row struct {
	line  int64
	cells []string
}

// rows cuts CSV (RFC 4180) into positions: neighbouring rows of one iupd are
// the payment options of one position. A row is a line, even where a quote is
// not closed, so that one stray quote cannot swallow what follows.
//
// A position is stored wholly or not at all. A row whose iupd cannot be told may
// belong to the position before it or to the one after it, so these are refused
// with it.
type rows struct {
	lines     *lines
	header    *header
	columns   int
	separator rune
	buffer    *bufio.Reader

	group     *item   // the position being read
	ready     []*item // complete, oldest first
	neighbour bool    // the row before the next group has no iupd
	end       error
}

func newRows(text *lines) (*rows, error) {
	first, tooLong, err := text.next()
	switch {
	case errors.Is(err, io.EOF):
		return nil, fileError("the file is empty: a header is needed")
	case err != nil:
		return nil, err
	case tooLong || !utf8.Valid(first):
		return nil, fileError("the first line is not a header in UTF-8")
	}
	r := &rows{lines: text, separator: ',', buffer: bufio.NewReader(nil)}
	if bytes.Count(first, []byte(";")) > bytes.Count(first, []byte(",")) {
		r.separator = ';'
	}
	names, err := r.parse(first)
	if err != nil {
		return nil, fileError("the header cannot be read: %v", err)
	}
	r.columns = len(names)
	r.header, err = newHeader(names)
	return r, err
}

// next returns the next position of the file, or io.EOF.
func (r *rows) next() (*item, error) {
	for len(r.ready) == 0 {
		if r.end != nil {
			return nil, r.end
		}
		if err := r.read(); err != nil {
			r.flush()
			r.end = err
		}
	}
	it := r.ready[0]
	r.ready = r.ready[1:]
	return it, nil
}

// read takes in one row.
func (r *rows) read() error {
	line, tooLong, err := r.lines.next()
	if err != nil {
		return err
	}
	it := &item{line: r.lines.number, text: line, csv: true, size: len(line)}
	cells, err := r.parse(line)
	if !tooLong && err == nil && !slices.ContainsFunc(cells, func(c string) bool { return strings.TrimSpace(c) != "" }) {
		return nil // a spreadsheet's empty row
	}
	switch {
	case tooLong:
		it.cut(r.lines.max)
	case !utf8.Valid(line):
		it.refused = positions.Errorf(positions.Invalid, `the row is not UTF-8: save the file as "CSV UTF-8"`)
	case err != nil:
		it.refused = positions.Errorf(positions.Invalid, "the row cannot be read: a quote is not closed on its line, or stands inside of a cell")
	case len(cells) != r.columns:
		it.refused = positions.Errorf(positions.Invalid, "the row has %d cells, the header has %d", len(cells), r.columns)
	default:
		it.header, it.rows = r.header, []row{{it.line, cells}}
	}
	if tooLong || err != nil && len(cells) < r.columns {
		cells = cells[:max(0, len(cells)-1)] // the last one is not whole, or holds what belongs to others
	}
	if iupd := cell(cells, r.header.iupd); iupd != "" && (err == nil || !strings.Contains(iupd, `"`)) {
		r.join(iupd, it)
		return nil
	}
	if it.refused == nil {
		it.refused = &positions.Error{
			Code: positions.Invalid, Message: "the row has no iupd", Problems: []positions.Problem{{Pointer: "/iupd", Detail: "is needed"}},
		}
	}
	r.alone(it)
	return nil
}

// join adds a row to the position it belongs to.
func (r *rows) join(iupd string, it *item) {
	if r.group == nil || r.group.iupd != iupd {
		r.flush()
		r.group, it.iupd = it, iupd
		if r.neighbour && it.refused == nil {
			it.refused = errNeighbour
		}
		r.neighbour = false
		return
	}
	g := r.group
	if g.size += it.size; g.size > r.lines.max {
		g.cut(r.lines.max) // its rows so far are forgotten, and those to come
		return
	}
	g.text = append(append(g.text, '\n'), it.text...)
	g.rows = append(g.rows, it.rows...)
	if g.refused == nil {
		g.refused = it.refused
	}
}

var errNeighbour = positions.Errorf(positions.Invalid, "a row beside it has no iupd that can be read, and may belong to this position")

// alone gives out a row of nobody's, after the position before it.
func (r *rows) alone(it *item) {
	if r.group != nil && r.group.refused == nil {
		r.group.refused = errNeighbour
	}
	r.flush()
	r.ready = append(r.ready, it)
	r.neighbour = true
}

func (r *rows) flush() {
	if r.group != nil {
		r.ready = append(r.ready, r.group)
		r.group = nil
	}
}

// parse reads the cells of a line; the ones before an error come with it.
func (r *rows) parse(line []byte) ([]string, error) {
	r.buffer.Reset(bytes.NewReader(line))
	reader := csv.NewReader(r.buffer)
	reader.Comma, reader.FieldsPerRecord = r.separator, -1
	cells, err := reader.Read()
	if err == nil {
		return cells, nil
	}
	// For the iupd alone, which is wanted even of a row with a stray quote.
	r.buffer.Reset(bytes.NewReader(line))
	lenient := csv.NewReader(r.buffer)
	lenient.Comma, lenient.FieldsPerRecord, lenient.LazyQuotes = r.separator, -1, true
	cells, _ = lenient.Read()
	return cells, err
}
