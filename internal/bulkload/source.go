package bulkload

import (
	"io"

	"github.com/attualizza/attualizza/positions"
)

// Format is what a file is written in.
type Format string

// The formats.
const (
	NDJSON Format = "ndjson" // one body of GPD's per line
	CSV    Format = "csv"    // one row per payment option, see the columns
)

// Source is a file cut into items. It is read by one goroutine.
type Source struct {
	next func() (*item, error)
}

// Open looks at the beginning of a file: compression, encoding, and the header
// of CSV. longest bounds a line, and the rows of one position together, in
// bytes. A [FileError] tells why the file cannot be loaded.
func Open(input io.Reader, format Format, longest int) (*Source, error) {
	text, err := newLines(input, longest)
	if err != nil {
		return nil, err
	}
	if format == CSV {
		rows, err := newRows(text)
		if err != nil {
			return nil, err
		}
		return &Source{rows.next}, nil
	}
	return &Source{func() (*item, error) {
		line, tooLong, err := text.next()
		if err != nil {
			return nil, err
		}
		it := &item{line: text.number, text: line, size: len(line)}
		if tooLong {
			it.cut(longest)
		}
		return it, nil
	}}, nil
}

// item is what a file says about one position.
type item struct {
	line    int64  // where it begins, from 1
	text    []byte // as it stands in the file; a body, unless there are rows
	rows    []row  // of CSV
	header  *header
	csv     bool   // text is rows of CSV
	iupd    string // of CSV, where it can be told
	refused *positions.Error
	size    int // what it took in the file, in bytes
}

// cut refuses an item that is longer than anybody wants to keep.
func (it *item) cut(longest int) {
	it.text, it.rows = nil, nil
	it.refused = positions.Errorf(positions.Invalid, "the line is longer than %d bytes", longest)
}
