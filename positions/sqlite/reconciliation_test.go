package sqlite_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/attualizza/attualizza/positions/sqlite"
)

func TestTheSumsOfReconciliationsPassOverWhatEndedWell(t *testing.T) {
	s := migrated(t, filepath.Join(t.TempDir(), "a.db"))
	rows, err := s.Writer().QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+sqlite.ReconciliationSums)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var plan strings.Builder
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			t.Fatal(err)
		}
		plan.WriteString(step + "\n")
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for _, index := range []string{"reconciliations_missing", "reconciliations_due"} {
		if !strings.Contains(plan.String(), "USING COVERING INDEX "+index) {
			t.Errorf("%s is not used:\n%s", index, plan.String())
		}
	}
}
