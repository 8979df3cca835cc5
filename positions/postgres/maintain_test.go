package postgres_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/attualizza/attualizza/internal/testservers"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/postgres"
)

// landed counts rows by the partition that they are in.
func landed(t *testing.T, s *postgres.Store, table string) map[string]int {
	t.Helper()
	rows, err := s.Pool().Query(t.Context(), `SELECT tableoid::regclass::text, count(*) FROM `+table+` GROUP BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	var name string
	var n int
	if _, err := pgx.ForEachRow(rows, []any{&name, &n}, func() error { counts[name] = n; return nil }); err != nil {
		t.Fatal(err)
	}
	return counts
}

func TestAnswersAndReceiptsLandInTheirMonth(t *testing.T) {
	s := migrated(t, testservers.Postgres(t))
	now := time.Now().UTC()
	month := func(ahead int) time.Time {
		return time.Date(now.Year(), now.Month()+time.Month(ahead), 1, 0, 0, 0, 0, time.UTC)
	}
	record := func(at time.Time, id string) {
		t.Helper()
		if err := s.RecordAnswers(t.Context(), []positions.Answer{{At: at, OrganizationFiscalCode: "77777777777", NAV: "302000000000000001"}}); err != nil {
			t.Fatal(err)
		}
		r := &positions.Receipt{OrganizationFiscalCode: "77777777777", ReceiptID: id, ReceivedAt: at, Message: []byte(id)}
		if _, err := s.SaveReceipt(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	// The first and the last instant of this month, the last of the third, and
	// both ends of the fourth, which has no partition yet.
	for i, at := range []time.Time{month(0), month(1).Add(-time.Microsecond), month(3).Add(-time.Microsecond), month(3), month(4).Add(-time.Microsecond), month(4)} {
		record(at, fmt.Sprint("rt-", i))
	}
	check := func(beyond string, ended int) {
		t.Helper()
		for _, table := range []string{"answers", "receipts"} {
			got := landed(t, s, table)
			want := map[string]int{month(0).Format(table + "_2006_01"): 2, month(2).Format(table + "_2006_01"): 1, table + "_default": ended}
			if beyond != "" {
				want[table+beyond] = 2
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("rows of %s are in %v, want %v", table, got, want)
			}
		}
	}
	check("", 3)
	// A month later several replicas notice that its partition is missing.
	errs, _ := crowd(t, 8, time.Minute, func(ctx context.Context, _ int) error { return s.MaintainAt(ctx, month(1)) })
	wantAll(t, errs, "")
	check(month(3).Format("_2006_01"), 1)
	record(month(3), "rt-9")
	for i := range 6 {
		r, err := s.Receipt(t.Context(), "77777777777", fmt.Sprint("rt-", i))
		if err != nil || string(r.Message) != r.ReceiptID {
			t.Fatalf("receipt %d: %v", i, err)
		}
	}
	// A pruned receipt is gone but still known.
	if _, err := s.Pool().Exec(t.Context(), `DROP TABLE `+month(0).Format("receipts_2006_01")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Receipt(t.Context(), "77777777777", "rt-0"); positions.CodeOf(err) != positions.NotFound {
		t.Fatalf("a pruned receipt: %v", err)
	}
	duplicate, err := s.SaveReceipt(t.Context(), &positions.Receipt{OrganizationFiscalCode: "77777777777", ReceiptID: "rt-0", ReceivedAt: now})
	if err != nil || !duplicate {
		t.Fatalf("a pruned receipt is not recognised: %v, %v", duplicate, err)
	}
}
