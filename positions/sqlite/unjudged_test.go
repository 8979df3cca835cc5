package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/storetest"
)

func TestAReceiptIsKeptWhateverGoesWrongWithItsConsequences(t *testing.T) {
	storetest.KeepsUnjudgedReceipts(t, func(t *testing.T) (positions.Store, func(string)) {
		s := migrated(t, filepath.Join(t.TempDir(), "a.db"))
		return s, func(statement string) {
			if _, err := s.Writer().ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
	}, refuse)
}

// refuse is a statement that makes every write of a kind to a table fail.
func refuse(write, table string) string {
	return `CREATE TRIGGER refuse BEFORE ` + write + ` ON ` + table + ` BEGIN SELECT RAISE(ABORT, 'refused'); END`
}
