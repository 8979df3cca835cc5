package bulkload

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
)

// lines cuts a text into lines of bounded length.
type lines struct {
	r      *bufio.Reader
	max    int
	number int64 // of the line that was read last, from 1
}

// FileError says that a file as a whole cannot be loaded; nothing was.
type FileError struct{ message string }

func (e *FileError) Error() string { return e.message }

func fileError(format string, args ...any) error {
	return &FileError{fmt.Sprintf(format, args...)}
}

// newLines looks at how the file begins: gzip is unpacked, a byte order mark of
// UTF-8 passed over, one of UTF-16 refused.
func newLines(input io.Reader, longest int) (*lines, error) {
	const buffer = 64 << 10
	r := bufio.NewReaderSize(input, buffer)
	if start, err := r.Peek(2); err == nil && bytes.Equal(start, []byte{0x1f, 0x8b}) {
		unpacked, err := gzip.NewReader(r)
		if err != nil {
			return nil, fileError("the file looks like gzip and cannot be unpacked: %v", err)
		}
		r = bufio.NewReaderSize(unpacked, buffer)
	}
	start, err := r.Peek(3)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(start, []byte{0xef, 0xbb, 0xbf}):
		_, _ = r.Discard(3) // they are in the buffer
	case bytes.HasPrefix(start, []byte{0xff, 0xfe}), bytes.HasPrefix(start, []byte{0xfe, 0xff}):
		return nil, fileError("the file is UTF-16: save it as UTF-8")
	}
	return &lines{r: r, max: longest}, nil
}

// next returns the next line that is not blank, without its end, in memory of
// its own. tooLong tells that only its beginning is returned. At the end of the
// file the error is io.EOF.
func (l *lines) next() (text []byte, tooLong bool, err error) {
	for {
		text, tooLong, err = l.line()
		if err != nil || tooLong || len(bytes.TrimSpace(text)) > 0 { // of a long one nobody knows what follows
			return text, tooLong, err
		}
	}
}

func (l *lines) line() (text []byte, tooLong bool, err error) {
	l.number++
	for {
		part, err := l.r.ReadSlice('\n')
		if room := l.max + 2 - len(text); len(part) > room { // 2: the end of the line
			part, tooLong = part[:room], true
		}
		text = append(text, part...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(text) > 0: // the last line has no end
		case err != nil:
			return nil, false, err
		}
		text = bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
		if len(text) > l.max {
			text, tooLong = text[:l.max], true
		}
		return text, tooLong, nil
	}
}
