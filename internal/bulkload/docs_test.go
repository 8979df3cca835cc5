package bulkload

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/attualizza/attualizza/positions"
)

// What docs/import.md shows can be loaded, and it names every column.
func TestTheDocumentIsRight(t *testing.T) {
	document, err := os.ReadFile("../../docs/import.md")
	must(t, err)
	example := func(form string) string {
		m := regexp.MustCompile("(?s)```" + form + "```").FindSubmatch(document)
		if m == nil {
			t.Fatalf("no example like %s", form)
		}
		return string(m[1])
	}
	loaded(t, newStore(t), NDJSON, strings.NewReader(example(`json\n(\{"iupd".*?)`))).wants(t, 1, 0, 0)
	store := newStore(t)
	loaded(t, store, CSV, strings.NewReader(example(`\n(iupd;.*?)`))).wants(t, 2, 0, 0)
	p, err := store.Position(t.Context(), ente, "TARI-2")
	must(t, err)
	if len(p.Options) != 3 || p.Options[0].IsPartialPayment || !p.Options[2].IsPartialPayment || p.Status != positions.Draft {
		t.Errorf("it became %+v", p)
	}
	name := func(prefix string, columns []column) {
		for _, c := range columns {
			if !strings.Contains(string(document), "`"+prefix+c.name+"`") {
				t.Errorf("column %s%s is not in the document", prefix, c.name)
			}
		}
	}
	name("", positionColumns)
	name("", optionColumns)
	name("transferN_", transferColumns)
	name("transferN_", stampColumns)
}
