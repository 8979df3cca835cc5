package bulkload

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/attualizza/attualizza/positions"
)

// body is the JSON that rows of CSV say, and where each of its members stood.
type body struct {
	text     []byte
	problems []positions.Problem // cells that are not what their column holds
	options  []place
}

// place is where a payment option stood: its line, and the numbers of its
// transfers' columns, in the order of the body.
type place struct {
	line      int64
	transfers []int
}

// bodyOf writes rows as GPD's body. A cell that cannot be what its column holds
// is in the body as the text that it is. companyName is the organization's, for
// rows that do not name it.
func bodyOf(rows []row, companyName string) *body {
	b := &body{text: []byte("{")}
	first := rows[0]
	for _, c := range positionColumns {
		value := first.header.cell(first.cells, c.name)
		for _, r := range rows[1:] {
			if other := r.header.cell(r.cells, c.name); other != "" && other != value {
				b.wrong("/"+c.name, "is another one in line %d, and belongs to the whole position", r.line)
			}
		}
		switch {
		case value == "" && c.name == "companyName":
			value = companyName
		case value == "" && c.name == "switchToExpired":
			value = "false"
		}
		b.member("/"+c.name, c, value)
	}
	b.list("paymentOption")
	for i, r := range rows {
		b.option(r, fmt.Sprintf("/paymentOption/%d", i))
	}
	b.text = append(b.text, "]}"...)
	return b
}

func (b *body) option(r row, at string) {
	cell := func(name string) string { return r.header.cell(r.cells, name) }
	where := place{line: r.line}
	b.open()
	for _, c := range optionColumns {
		value := cell(c.name)
		switch {
		case value == "" && c.name == "iuv": // it is part of the notice number
			if nav, err := positions.ParseNoticeNumber(cell("nav")); err == nil {
				value = nav.IUV()
			}
		case value == "" && c.name == "isPartialPayment":
			value = "false"
		}
		b.member(at+"/"+c.name, c, value)
	}
	b.list("transfer")
	for n := range positions.MaxTransfers {
		given := func(columns []column) (yes bool) {
			for _, c := range columns {
				yes = yes || cell(transferColumn(n+1, c.name)) != ""
			}
			return yes
		}
		stamp := given(stampColumns)
		if !stamp && !given(transferColumns) {
			continue
		}
		b.open()
		b.name("idTransfer")
		b.text = append(b.text, '"', byte('1'+n), '"')
		here := fmt.Sprintf("%s/transfer/%d", at, len(where.transfers))
		for _, c := range transferColumns {
			value := cell(transferColumn(n+1, c.name))
			if c.kind == cents && value == "" && n == 0 && r.oneTransfer() {
				value = cell("amount")
			}
			b.member(here+"/"+c.name, c, value)
		}
		if stamp {
			b.name("stamp")
			b.text = append(b.text, '{')
			for _, c := range stampColumns {
				b.member(here+"/stamp/"+c.name, c, cell(transferColumn(n+1, c.name)))
			}
			b.text = append(b.text, '}')
		}
		b.text = append(b.text, '}')
		where.transfers = append(where.transfers, n+1)
	}
	b.text = append(b.text, "]}"...)
	b.options = append(b.options, where)
}

// oneTransfer reports whether only the first transfer has cells: its amount is
// the option's then, if it is left out.
func (r row) oneTransfer() bool {
	for name, i := range r.header {
		if number, _, ok := strings.Cut(strings.TrimPrefix(name, "transfer"), "_"); ok && number != "1" && i < len(r.cells) && strings.TrimSpace(r.cells[i]) != "" {
			return false
		}
	}
	return true
}

func (b *body) wrong(at, format string, args ...any) {
	b.problems = append(b.problems, positions.Problem{Pointer: at, Detail: fmt.Sprintf(format, args...)})
}

func (b *body) comma() {
	if last := b.text[len(b.text)-1]; last != '{' && last != '[' {
		b.text = append(b.text, ',')
	}
}

func (b *body) open() {
	b.comma()
	b.text = append(b.text, '{')
}

func (b *body) name(name string) {
	b.comma()
	b.text = append(append(append(b.text, '"'), name...), '"', ':')
}

func (b *body) list(name string) {
	b.name(name)
	b.text = append(b.text, '[')
}

func (b *body) quote(value string) {
	// Cells are valid UTF-8: the reader of the rows has seen to it.
	b.text, _ = jsontext.AppendQuote(b.text, value)
}

// member writes a cell, unless it is empty.
func (b *body) member(at string, c column, value string) {
	if value == "" {
		return
	}
	b.name(c.name)
	switch c.kind {
	case cents:
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && value[0] != '+' {
			b.text = strconv.AppendInt(b.text, n, 10)
			return
		}
		b.wrong(at, "must be whole cents, in digits alone: 1250 for 12,50 €")
	case flag:
		if yes, ok := flags[strings.ToLower(value)]; ok {
			b.text = strconv.AppendBool(b.text, yes)
			return
		}
		b.wrong(at, "must be true or false (also sì or no, vero or falso, 1 or 0)")
	case dayStart, dayEnd:
		if t, ok := instantOf(value, c.kind == dayEnd); ok {
			value = t
		} else {
			b.wrong(at, "must be a day such as 2027-01-31 or 31/01/2027, or an instant such as 2027-01-31T22:59:59Z")
		}
	}
	b.quote(value)
}

var flags = map[string]bool{
	"true": true, "vero": true, "sì": true, "si": true, "s": true, "1": true,
	"false": false, "falso": false, "no": false, "n": false, "0": false,
}

var (
	instantForm = regexp.MustCompile(`^\d{4}-\d\d-\d\dT`)
	dayLayouts  = []string{positions.DayLayout, "02/01/2006"}
)

// instantOf turns a calendar day in Rome into an instant; an instant passes as
// it is, for the API's reader to judge.
func instantOf(value string, end bool) (string, bool) {
	if instantForm.MatchString(value) {
		return value, true
	}
	for _, layout := range dayLayouts {
		day, err := time.ParseInLocation(layout, value, positions.Rome)
		if err != nil {
			continue
		}
		if end {
			day = time.Date(day.Year(), day.Month(), day.Day(), 23, 59, 59, 0, positions.Rome)
		}
		return day.UTC().Format(time.RFC3339), true
	}
	return "", false
}

var pointerForm = regexp.MustCompile(`^/paymentOption/(\d+)(?:/transfer/(\d+))?(?:/stamp)?(?:/(\w+))?$`)

// where finds the line and the column of a pointer into the body; 0 and "" when
// it is about no cell.
func (b *body) where(pointer string) (line int64, column string) {
	m := pointerForm.FindStringSubmatch(pointer)
	if m == nil {
		if len(b.options) > 0 && strings.LastIndexByte(pointer, '/') == 0 && pointer != "/paymentOption" {
			return b.options[0].line, pointer[1:]
		}
		return 0, ""
	}
	i, err := strconv.Atoi(m[1])
	if err != nil || i >= len(b.options) {
		return 0, ""
	}
	o := b.options[i]
	if m[2] == "" {
		return o.line, m[3]
	}
	j, err := strconv.Atoi(m[2])
	if err != nil || j >= len(o.transfers) || m[3] == "" {
		return o.line, ""
	}
	return o.line, transferColumn(o.transfers[j], m[3])
}
