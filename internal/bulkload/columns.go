package bulkload

import (
	"fmt"
	"slices"
	"strings"

	"github.com/attualizza/attualizza/positions"
)

// kind is how a cell becomes a value of JSON.
type kind int

const (
	text     kind = iota
	cents         // whole euro cents
	flag          // true or false
	dayStart      // an instant; of a day, its beginning in Rome
	dayEnd        // an instant; of a day, its last second in Rome
)

// column is a member of GPD's body that a cell may hold; its name is GPD's.
type column struct {
	name string
	kind kind
}

// The columns, in the order of the body they become. Those of a position are
// the same in all of its rows.
var (
	positionColumns = []column{
		{"iupd", text},
		{"type", text},
		{"fiscalCode", text},
		{"fullName", text},
		{"streetName", text},
		{"civicNumber", text},
		{"postalCode", text},
		{"city", text},
		{"province", text},
		{"region", text},
		{"country", text},
		{"email", text},
		{"phone", text},
		{"companyName", text},
		{"officeName", text},
		{"validityDate", dayStart},
		{"payStandIn", flag},
		{"switchToExpired", flag},
	}
	optionColumns = []column{
		{"nav", text},
		{"iuv", text},
		{"amount", cents},
		{"description", text},
		{"isPartialPayment", flag},
		{"dueDate", dayEnd},
		{"retentionDate", dayEnd},
		{"sendBound", flag},
		{"senderFiscalCode", text},
	}
	// Each with transfer1_ to transfer5_ in front.
	transferColumns = []column{
		{"amount", cents},
		{"organizationFiscalCode", text},
		{"companyName", text},
		{"remittanceInformation", text},
		{"category", text},
		{"iban", text},
		{"postalIban", text},
	}
	stampColumns = []column{
		{"hashDocument", text},
		{"stampType", text},
		{"provincialResidence", text},
	}
)

// header tells where in a row the columns are, in the order of their lists: -1
// when one is not there.
type header struct {
	position, option []int
	transfers        [positions.MaxTransfers]struct{ transfer, stamp []int }
	iupd, nav, cents int // the ones that are looked at by name
}

// newHeader refuses names that are not known or there twice, and the lack of
// columns that every position needs.
func newHeader(names []string) (*header, error) {
	known := map[string]bool{}
	for _, c := range slices.Concat(positionColumns, optionColumns) {
		known[c.name] = true
	}
	for n := range positions.MaxTransfers {
		for _, c := range slices.Concat(transferColumns, stampColumns) {
			known[transferColumn(n+1, c.name)] = true
		}
	}
	found := map[string]int{}
	var unknown []string
	for i, name := range names {
		name = strings.TrimSpace(name)
		_, twice := found[name]
		switch {
		case twice:
			return nil, fileError("column %q is there twice", name)
		case known[name]:
			found[name] = i
		default:
			unknown = append(unknown, hint(name, known))
		}
	}
	if len(unknown) > 0 {
		return nil, fileError("the header has unknown columns: %s", strings.Join(unknown, ", "))
	}
	var missing []string
	for _, name := range []string{
		"iupd", "type", "fiscalCode", "fullName", "amount", "description", "dueDate", "transfer1_remittanceInformation", "transfer1_category",
	} {
		if _, there := found[name]; !there {
			missing = append(missing, name)
		}
	}
	_, nav := found["nav"]
	if _, iuv := found["iuv"]; !nav && !iuv {
		missing = append(missing, "nav or iuv")
	}
	if len(missing) > 0 {
		return nil, fileError("the header lacks columns: %s", strings.Join(missing, ", "))
	}
	return resolve(found), nil
}

func resolve(found map[string]int) *header {
	at := func(name string) int {
		if i, ok := found[name]; ok {
			return i
		}
		return -1
	}
	all := func(columns []column, prefix string) (places []int) {
		for _, c := range columns {
			places = append(places, at(prefix+c.name))
		}
		return places
	}
	h := &header{position: all(positionColumns, ""), option: all(optionColumns, ""), iupd: at("iupd"), nav: at("nav"), cents: at("amount")}
	for n := range h.transfers {
		prefix := transferColumn(n+1, "")
		h.transfers[n].transfer, h.transfers[n].stamp = all(transferColumns, prefix), all(stampColumns, prefix)
	}
	return h
}

// hint quotes a name and the column that differs from it in case alone.
func hint(name string, known map[string]bool) string {
	for column := range known {
		if strings.EqualFold(column, name) {
			return fmt.Sprintf("%q (is it %s?)", name, column)
		}
	}
	return fmt.Sprintf("%q", name)
}

func transferColumn(n int, member string) string { return fmt.Sprintf("transfer%d_%s", n, member) }

// cell returns the text at a place of a row, "" when it is not there.
func cell(cells []string, at int) string {
	if at < 0 || at >= len(cells) {
		return ""
	}
	return strings.TrimSpace(cells[at])
}

// filled reports whether one of the places of a row has text.
func filled(cells []string, places []int) bool {
	return slices.ContainsFunc(places, func(at int) bool { return cell(cells, at) != "" })
}
