package postgres_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/attualizza/attualizza/internal/testservers"
	"github.com/attualizza/attualizza/positions/postgres"
)

func TestTheSumsOfReconciliationsPassOverWhatEndedWell(t *testing.T) {
	s := migrated(t, testservers.Postgres(t)+"&statement_timeout=60000")
	for _, statement := range []string{
		`INSERT INTO reconciliations (organization, nav, iupd, receipt_id, state, source, operation, amount, charged_fee, due_fee, iun, opened_at, attempts, due_at, revision)
			SELECT '77777777777', i::text, '', '', CASE i % 1000 WHEN 0 THEN 'OPEN' WHEN 1 THEN 'UNDER_COLLECTED' ELSE 'REPRICED' END,
				'NONE', '', 10000, 0, 200, '', now(), 0, now(), 1 FROM generate_series(1, 50000) i`,
		`VACUUM ANALYZE reconciliations`,
	} {
		if _, err := s.Pool().Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := s.Pool().Query(t.Context(), "EXPLAIN "+postgres.ReconciliationSums)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	for _, index := range []string{"reconciliations_missing", "reconciliations_due"} {
		if !strings.Contains(strings.Join(plan, "\n"), "Index Only Scan using "+index) {
			t.Errorf("%s is not used:\n%s", index, strings.Join(plan, "\n"))
		}
	}
	began := time.Now()
	sums, err := s.ReconciliationSums(t.Context())
	if err != nil || sums.Open != 50 || sums.UnderCollected != 50*200 || sums.OverCollected != 0 {
		t.Errorf("%+v, %v", sums, err)
	}
	t.Logf("the sums took %v", time.Since(began))
}
