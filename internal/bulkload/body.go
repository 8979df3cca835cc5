package bulkload

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/calendar"
)

// body is the JSON that rows of CSV say, and where each of its members stood.
type body struct {
	text     []byte
	problems []positions.Problem // cells that are not what their column holds
	follow   []string            // pointers of what is wrong only because something else is
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
func bodyOf(h *header, rows []row, companyName string) *body {
	b := &body{text: make([]byte, 0, 1024)}
	b.text = append(b.text, '{')
	for i, c := range positionColumns {
		value := cell(rows[0].cells, h.position[i])
		for _, r := range rows[1:] {
			if other := cell(r.cells, h.position[i]); other != "" && other != value {
				b.wrong("/"+c.name, "is another one in line %d, and belongs to the whole position", r.line)
			}
		}
		switch {
		case value == "" && c.name == "companyName":
			value = companyName
		case value == "" && c.name == "switchToExpired":
			value = "false"
		}
		b.member("", c, value)
	}
	b.list("paymentOption")
	for i, r := range rows {
		b.option(h, r, fmt.Sprintf("/paymentOption/%d", i))
	}
	b.text = append(b.text, "]}"...)
	return b
}

func (b *body) option(h *header, r row, at string) {
	where := place{line: r.line}
	b.open()
	for i, c := range optionColumns {
		value := cell(r.cells, h.option[i])
		switch {
		case value == "" && c.name == "iuv": // it is part of the notice number
			value = b.iuv(cell(r.cells, h.nav), at)
		case value == "" && c.name == "isPartialPayment":
			value = "false"
		}
		if (c.name == "nav" || c.name == "iuv") && scientific.MatchString(value) {
			b.wrong(at+"/"+c.name, "a spreadsheet turned the number into scientific notation: format the column as text and fill it again")
			if c.name == "iuv" && cell(r.cells, h.nav) == "" {
				b.follow = append(b.follow, at+"/nav")
			}
		}
		b.member(at, c, value)
	}
	b.list("transfer")
	for n := range h.transfers {
		columns := &h.transfers[n]
		stamp := filled(r.cells, columns.stamp)
		if !stamp && !filled(r.cells, columns.transfer) {
			continue
		}
		b.open()
		b.name("idTransfer")
		b.text = append(b.text, '"', byte('1'+n), '"')
		here := fmt.Sprintf("%s/transfer/%d", at, len(where.transfers))
		for i, c := range transferColumns {
			value := cell(r.cells, columns.transfer[i])
			if value == "" && c.kind == cents && n == 0 && h.oneTransfer(r) {
				value = cell(r.cells, h.cents)
			}
			b.member(here, c, value)
		}
		if stamp {
			b.name("stamp")
			b.text = append(b.text, '{')
			for i, c := range stampColumns {
				b.member(here+"/stamp", c, cell(r.cells, columns.stamp[i]))
			}
			b.text = append(b.text, '}')
		}
		b.text = append(b.text, '}')
		where.transfers = append(where.transfers, n+1)
	}
	b.text = append(b.text, "]}"...)
	b.options = append(b.options, where)
}

// scientific is how a spreadsheet writes a number that is too long for it.
var scientific = regexp.MustCompile(`^[0-9]+([.,][0-9]+)?[eE]\+?[0-9]+$`)

// iuv is the one of a notice number. What is wrong with the notice number is not
// said of the IUV too.
func (b *body) iuv(nav, at string) string {
	number, err := positions.ParseNoticeNumber(nav)
	if err == nil {
		return number.IUV()
	}
	if nav != "" {
		b.follow = append(b.follow, at+"/iuv")
	}
	return ""
}

// oneTransfer reports whether only the first transfer has cells: its amount is
// the option's then, if it is left out.
func (h *header) oneTransfer(r row) bool {
	for n := range h.transfers[1:] {
		if filled(r.cells, h.transfers[n+1].transfer) || filled(r.cells, h.transfers[n+1].stamp) {
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

// member writes a cell of the object at a pointer, unless it is empty.
func (b *body) member(object string, c column, value string) {
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
		b.wrong(object+"/"+c.name, "must be whole cents, in digits alone: 1250 for 12,50 €")
	case flag:
		if yes, ok := flags[strings.ToLower(value)]; ok {
			b.text = strconv.AppendBool(b.text, yes)
			return
		}
		b.wrong(object+"/"+c.name, "must be true or false (also sì or no, vero or falso, 1 or 0)")
	case dayStart, dayEnd:
		if t, ok := instantOf(value, c.kind == dayEnd); ok {
			value = t
		} else {
			b.wrong(object+"/"+c.name, "must be a day such as 2027-01-31 or 31/01/2027, or an instant such as 2027-01-31T22:59:59Z")
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
	dayLayouts  = []string{time.DateOnly, "02/01/2006"}
)

// instantOf turns a calendar day in Rome into an instant; an instant passes as
// it is, for the API's reader to judge.
func instantOf(value string, end bool) (string, bool) {
	if instantForm.MatchString(value) {
		return value, true
	}
	for _, layout := range dayLayouts {
		day, err := time.ParseInLocation(layout, value, calendar.Rome)
		if err != nil {
			continue
		}
		if end {
			day = time.Date(day.Year(), day.Month(), day.Day(), 23, 59, 59, 0, calendar.Rome)
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
