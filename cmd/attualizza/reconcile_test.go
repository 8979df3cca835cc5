package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/bulkload/loadtest"
	"github.com/attualizza/attualizza/positions"
)

// reconciled stores three answers without SEND's price around midnight in Italy:
// one was paid with too little, one with too much, one waits.
func reconciled(tb testing.TB, database string) {
	tb.Helper()
	store := opened(tb, database)
	defer store.Close()
	before := time.Date(2026, 11, 30, 22, 59, 0, 0, time.UTC)
	for i, c := range []struct {
		nav   positions.NoticeNumber
		at    time.Time
		state positions.ReconciliationState
	}{
		{"302000000000000178", before, positions.ReconciliationUnder},
		{"302000000000000279", before.Add(time.Minute), positions.ReconciliationOver},
		{"302000000000000380", before.Add(35*time.Hour + time.Minute), positions.ReconciliationOpen},
	} {
		err := store.RecordAnswers(tb.Context(), []positions.Answer{{
			At: c.at, OrganizationFiscalCode: loadtest.Organization, NAV: c.nav, Operation: "paGetPaymentV2", Outcome: "OK",
			Amount: 10200, BaseAmount: 10000, NotificationFee: 200, Source: positions.SourceLastKnown,
		}})
		if err != nil {
			tb.Fatal(err)
		}
		all, err := store.Reconciliations(tb.Context(), positions.ReconciliationFilter{Page: positions.Page{Limit: 1}})
		if err != nil {
			tb.Fatal(err)
		}
		r := &all[0]
		if r.State = c.state; r.State == positions.ReconciliationOpen {
			continue
		}
		r.IUPD, r.ReceiptID = `VERBALE "1"`, fmt.Sprint("rt-", i+1)
		r.PaidAt, r.JudgedAt = time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC), time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)
		if r.State == positions.ReconciliationUnder {
			r.DueFee, r.IUN = 1424, "ABCD-EFGH-ILMN-202611-A-1"
		}
		if err := store.SettleReconciliation(tb.Context(), r); err != nil {
			tb.Fatal(err)
		}
	}
}

// totalsInHand is a store whose totals, and whose troubles, are the test's.
type totalsInHand struct {
	totals positions.ReconciliationTotals
	err    error
	asked  int
}

func (s *totalsInHand) ReconciliationSums(ctx context.Context) (positions.ReconciliationTotals, error) {
	s.asked++
	if _, bounded := ctx.Deadline(); !bounded {
		return positions.ReconciliationTotals{}, errors.New("the store may be waited for without end")
	}
	return s.totals, s.err
}

func TestTheTotalsAreReadNowAndThenAndOutliveTheStore(t *testing.T) {
	store := &totalsInHand{err: errors.New("down")}
	var logs strings.Builder
	observed := &observedTotals{store: store, logger: slog.New(slog.NewTextHandler(&logs, nil))}
	wants := func(asked int, known bool, open int) {
		t.Helper()
		totals, is := observed.read(t.Context())
		if store.asked != asked || is != known || totals.Open != open {
			t.Errorf("asked %d times, known %v, %d open; want %d, %v, %d", store.asked, is, totals.Open, asked, known, open)
		}
	}
	wants(1, false, 0)
	wants(1, false, 0) // nobody is asked at every scrape, a broken store least of all
	if !strings.Contains(logs.String(), "not up to date") || !strings.Contains(logs.String(), "down") {
		t.Errorf("the log does not tell that the totals are not known: %s", logs.String())
	}
	observed.at = time.Now().Add(-totalsEvery)
	store.err, store.totals.Open = nil, 3
	wants(2, true, 3)
	store.totals.Open = 4
	wants(2, true, 3)
	observed.at = time.Now().Add(-totalsEvery)
	wants(3, true, 4)
	observed.at, store.err = time.Now().Add(-totalsEvery), errors.New("down")
	wants(4, true, 4)
	if n := strings.Count(logs.String(), "not up to date"); n != 1 {
		t.Errorf("the log is told %d times in a minute", n)
	}
}
