package postgres_test

import (
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/testservers"
	"github.com/attualizza/attualizza/positions"
)

func TestMissingReceiptsOfOneOrganizationPassOverTheAnswersOfOthers(t *testing.T) {
	s := migrated(t, testservers.Postgres(t)+"&statement_timeout=60000")
	for _, statement := range []string{
		`INSERT INTO answers (at, organization, nav, operation, station, duration_us, outcome, fault, amount, base_amount, notification_fee, source, position_version)
			SELECT now() - interval '3 hours' - n * interval '10 ms', CASE n % 1000 WHEN 0 THEN '77777777777' ELSE '88888888888' END,
				'3' || lpad(n::text, 17, '0'), 'paGetPaymentV2', '', 0, 'OK', '', 1, 1, 0, '', 1 FROM generate_series(1, 50000) n`,
		`VACUUM ANALYZE answers`,
	} {
		if _, err := s.Pool().Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	began := now
	_, total, err := s.MissingReceipts(t.Context(), positions.MissingReceiptFilter{
		OrganizationFiscalCode: "77777777777", From: now.AddDate(0, 0, -1), To: now, Now: now, Page: positions.Page{Limit: 10},
	})
	if err != nil || total != 50 {
		t.Fatalf("%d are missing: %v", total, err)
	}
	t.Logf("the list took %v", time.Since(began))
	// The server counts what was read a little later.
	eventually(t, s, `SELECT sum(pg_stat_get_numscans(inhrelid)) > 0 FROM pg_inherits WHERE inhparent = 'answers_activated'::regclass`)
	eventually(t, s, `SELECT sum(pg_stat_get_tuples_returned(inhrelid)) BETWEEN 50 AND 500 FROM pg_inherits WHERE inhparent = 'answers_activated'::regclass`)
}
