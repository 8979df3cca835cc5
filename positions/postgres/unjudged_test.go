package postgres_test

import (
	"testing"

	"github.com/attualizza/attualizza/internal/testservers"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/storetest"
)

func TestAReceiptIsKeptWhateverGoesWrongWithItsConsequences(t *testing.T) {
	storetest.KeepsUnjudgedReceipts(t, func(t *testing.T) (positions.Store, func(string)) {
		s := migrated(t, testservers.Postgres(t))
		return s, func(statement string) {
			if _, err := s.Pool().Exec(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
	}, refuse)
}

// refuse is a statement that makes every write of a kind to a table fail.
func refuse(write, table string) string {
	return `CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$;
		CREATE TRIGGER refuse BEFORE ` + write + ` ON ` + table + ` FOR EACH ROW EXECUTE FUNCTION refuse()`
}
