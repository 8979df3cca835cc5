package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/storetest"
)

func TestWhatAnAnswerLeftUnopenedIsFoundAgain(t *testing.T) {
	storetest.OpensWhatWasLeft(t, func(t *testing.T) (positions.Store, func(string)) {
		s := migrated(t, filepath.Join(t.TempDir(), "a.db"))
		return s, func(statement string) {
			if _, err := s.Writer().ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
	}, refuse("INSERT", "reconciliations"), `DROP TRIGGER refuse`)
}
