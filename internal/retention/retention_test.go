package retention_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/attualizza/attualizza/internal/retention"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	ente = "77777777777"
	nav  = positions.NoticeNumber("302000000000000178")
	day  = 24 * time.Hour
)

var now = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

// house is a store with an answer and a receipt of each of the last ten days,
// a delivery of each receipt that ended the day after, and a reconciliation that
// ended without a payment five days ago.
func house(t *testing.T) positions.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"))
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	must(t, s.Migrate(t.Context()))
	for i := range 10 {
		at := now.Add(-time.Duration(10-i) * day)
		must(t, s.RecordAnswers(t.Context(), []positions.Answer{{At: at, OrganizationFiscalCode: ente, NAV: nav, Operation: "paGetPaymentV2", Outcome: "OK"}}))
		_, err := s.SaveReceipt(t.Context(), &positions.Receipt{
			OrganizationFiscalCode: ente, ReceiptID: fmt.Sprint("r-", i), CreditorFiscalCode: ente, NAV: nav, ReceivedAt: at,
			Message: []byte("Maria Rossi"), Outgoing: positions.Outgoing{Receipt: true},
		})
		must(t, err)
		d, err := s.ClaimDelivery(t.Context(), positions.DeliveryLane{Kind: positions.DeliverReceipt, OrganizationFiscalCode: ente}, at, at.Add(time.Minute))
		must(t, err)
		d.State, d.EndedAt = positions.DeliveryDelivered, at.Add(day)
		must(t, s.SettleDelivery(t.Context(), d))
	}
	must(t, s.RecordAnswers(t.Context(), []positions.Answer{{At: now, OrganizationFiscalCode: ente, NAV: "302000000000000279", Operation: "paGetPaymentV2", Outcome: "OK", Source: positions.SourceNone}}))
	open, err := s.DueReconciliations(t.Context(), ente, now, 1)
	must(t, err)
	open[0].Lapse(now.Add(-5 * day))
	must(t, s.SettleReconciliation(t.Context(), &open[0]))
	return s
}

func job(s positions.Retention, p retention.Periods) *retention.Job {
	return &retention.Job{Store: s, Periods: p, Batch: 2, Pause: time.Millisecond, Now: func() time.Time { return now }}
}

var periods = retention.Periods{Answers: 3 * day, Receipts: 5 * day, Deliveries: 6 * day}

// rows are how many of each kind a summary tells.
func rows(s retention.Summary) (n []int) {
	for _, o := range s {
		n = append(n, o.Rows)
	}
	return n
}

func TestARunHandlesAllThatADryRunCounted(t *testing.T) {
	s := house(t)
	j := job(s, periods)
	counted, err := j.DryRun(t.Context())
	must(t, err)
	want := retention.Summary{
		{What: positions.KeptAnswers, Period: 3 * day, Before: now.Add(-3 * day), Rows: 7},
		{What: positions.KeptReceipts, Period: 5 * day, Before: now.Add(-5 * day), Rows: 5},
		{What: positions.KeptDeliveries, Period: 6 * day, Before: now.Add(-6 * day), Rows: 3},
		{What: positions.KeptNotified, Period: 730 * day, Before: now.Add(-730 * day)},
		{What: positions.KeptReconciliations, Period: 3 * day, Before: now.Add(-3 * day), Rows: 1},
	}
	if d := cmp.Diff(want, counted); d != "" {
		t.Fatal(d)
	}
	again, err := j.DryRun(t.Context())
	must(t, err)
	if d := cmp.Diff(counted, again); d != "" {
		t.Fatalf("a dry run changed something:\n%s", d)
	}
	var told []string
	j.Progress = func(o retention.Outcome) { told = append(told, fmt.Sprint(o.What, " ", o.Rows)) }
	done, err := j.Run(t.Context())
	must(t, err)
	if d := cmp.Diff(want, done); d != "" || done.Rows() != 16 {
		t.Fatal(done.Rows(), d)
	}
	batches := []string{"answers 2", "answers 4", "answers 6", "answers 7", "receipts 2", "receipts 4", "receipts 5", "deliveries 2", "deliveries 3", "notifications 0", "reconciliations 1"}
	if d := cmp.Diff(batches, told); d != "" {
		t.Errorf("the batches:\n%s", d)
	}
	left, err := j.Run(t.Context())
	must(t, err)
	if left.Rows() != 0 {
		t.Errorf("a second run handles %v", rows(left))
	}
	if _, total, err := s.Answers(t.Context(), ente, nav, positions.Page{}); err != nil || total != 3 {
		t.Errorf("%d answers are left: %v", total, err)
	}
	if _, total, err := s.Receipts(t.Context(), positions.ReceiptFilter{}); err != nil || total != 10 {
		t.Errorf("%d receipts are left: %v", total, err)
	}
}

func TestAPeriodOfZeroKeepsForEver(t *testing.T) {
	j := job(house(t), retention.Periods{Receipts: 5 * day})
	for _, run := range []func(context.Context) (retention.Summary, error){j.DryRun, j.Run} { // the dry one first: it leaves what it counts
		s, err := run(t.Context())
		must(t, err)
		if d := cmp.Diff([]int{0, 5, 0, 0, 0}, rows(s)); d != "" || !s[0].Before.IsZero() {
			t.Error(s)
		}
	}
}

func TestARunStopsWithItsContextAndTheNextGoesOn(t *testing.T) {
	s := house(t)
	ctx, cancel := context.WithCancel(t.Context())
	j := job(s, periods)
	j.Pause = time.Hour
	j.Progress = func(retention.Outcome) { cancel() } // after the first batch
	done, err := j.Run(ctx)
	if !errors.Is(err, context.Canceled) || done.Rows() != 2 {
		t.Fatalf("%v, %v", rows(done), err)
	}
	done, err = job(s, periods).Run(t.Context())
	must(t, err)
	if d := cmp.Diff([]int{5, 5, 3, 0, 1}, rows(done)); d != "" {
		t.Error(d)
	}
}

func TestAStoreThatFailsStopsARun(t *testing.T) {
	s := house(t)
	j := job(s, periods)
	j.Progress = func(o retention.Outcome) {
		if o.Rows == 4 {
			must(t, s.Close())
		}
	}
	done, err := j.Run(t.Context())
	if positions.CodeOf(err) != positions.Unavailable || done.Rows() != 4 {
		t.Errorf("%v, %v", rows(done), err)
	}
	if _, err := j.DryRun(t.Context()); positions.CodeOf(err) != positions.Unavailable {
		t.Errorf("a dry run: %v", err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
