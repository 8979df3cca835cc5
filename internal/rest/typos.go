package rest

import (
	"fmt"
	"strings"
)

// extensions are our members of GPD's payment option. A sender who mistypes one
// would otherwise get a notice that looks right and is never asked of SEND.
var extensions = []string{"sendBound", "senderFiscalCode", "components", "amountRules"}

// mistyped tells what is wrong with a member that a body does not know, or ""
// when it may be ignored. In GPD's bodies only what looks like an extension is
// refused, as GPD ignores the rest; our own bodies know all their members, and
// those that are orders refuse whatever else they hold.
func (f *fields) mistyped(name string) string {
	vocabulary := f.names
	if f.gpd {
		vocabulary = extensions
	}
	for _, known := range vocabulary {
		switch {
		case name == known:
			return fmt.Sprintf("%s belongs in a paymentOption", known)
		case similar(name, known):
			return fmt.Sprintf("is not known here; is it %s?", known)
		}
	}
	if f.closed {
		return "is not known here"
	}
	return ""
}

var separators = strings.NewReplacer("_", "", "-", "", " ", "", ".", "")

// similar reports whether two names differ only in case, separators, or one
// letter (two, in longer names).
func similar(a, b string) bool {
	const longest = 64 // no name of ours is near that
	if len(a) > longest {
		return false
	}
	a, b = strings.ToLower(separators.Replace(a)), strings.ToLower(separators.Replace(b))
	allowed := 1
	if len(b) >= 6 {
		allowed = 2
	}
	if len(a) > len(b)+allowed || len(b) > len(a)+allowed {
		return false
	}
	return distance(a, b) <= allowed
}

// distance is the number of letters to insert, delete or replace (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
