package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/positions/calendar"
)

// moment is an end of a report's period: a day in Italy, the whole of it, or an
// instant. The zero moment is no flag.
type moment struct{ first, after time.Time }

// UnmarshalText reads 2026-11-01 or 2026-11-01T10:00:00+01:00.
func (m *moment) UnmarshalText(b []byte) error {
	if day, err := calendar.Parse(string(b)); err == nil {
		*m = moment{day.Start(), (day + 1).Start()}
		return nil
	}
	at, err := time.Parse(time.RFC3339, string(b))
	if err != nil {
		return fmt.Errorf("%q is neither a day such as 2026-11-30 nor an instant such as 2026-11-30T10:00:00+01:00", b)
	}
	*m = moment{at, at}
	return nil
}

// csvReport writes a report for programs and spreadsheets as RFC 4180 has it, with
// commas and lines that end with CR LF.
type csvReport struct{ out *csv.Writer }

func newCSVReport(w io.Writer, header ...string) (csvReport, error) {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	return csvReport{out}, out.Write(header)
}

// line writes one line. Amounts are whole cents, which no spreadsheet takes for a
// date, instants are UTC and empty when not known; so is nil.
func (r csvReport) line(cells ...any) error {
	texts := make([]string, len(cells))
	for i, cell := range cells {
		switch c := cell.(type) {
		case nil:
		case money.Cents:
			texts[i] = strconv.FormatInt(int64(c), 10)
		case time.Time:
			if !c.IsZero() {
				texts[i] = c.UTC().Format(time.RFC3339)
			}
		default:
			texts[i] = harmless(fmt.Sprint(c))
		}
	}
	return r.out.Write(texts)
}

// end writes what is left, and tells whether all could be written.
func (r csvReport) end() error {
	r.out.Flush()
	return r.out.Error()
}

// harmless is a text that no spreadsheet takes for a formula, which could do things
// on the machine of who opens the report: others chose some of the texts (OWASP, "CSV
// Injection").
func harmless(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}
