package postgres_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/testservers"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/postgres"
	"github.com/attualizza/attualizza/positions/storetest"
)

func TestWhatAnAnswerLeftUnopenedIsFoundAgain(t *testing.T) {
	storetest.OpensWhatWasLeft(t, func(t *testing.T) (positions.Store, func(string)) {
		s := migrated(t, testservers.Postgres(t))
		return s, func(statement string) {
			if _, err := s.Pool().Exec(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
	}, refuse("INSERT", "reconciliations"), `DROP TRIGGER refuse ON reconciliations`)
}

const ente = "77777777777"

// doubtful are answers about notices, given without SEND's price.
func doubtful(at time.Time, navs ...positions.NoticeNumber) (answers []positions.Answer) {
	for _, nav := range navs {
		answers = append(answers, positions.Answer{
			At: at.Round(time.Microsecond), OrganizationFiscalCode: ente, NAV: nav, Operation: "paGetPaymentV2", Outcome: "OK", Amount: 100, Source: positions.SourceNone,
		})
	}
	return answers
}

// answeredAt tells when the answers were given that the reconciliations of notices
// are of.
func answeredAt(t *testing.T, s *postgres.Store) map[positions.NoticeNumber]time.Time {
	t.Helper()
	all, err := s.Reconciliations(t.Context(), positions.ReconciliationFilter{OrganizationFiscalCode: ente, Page: positions.Page{Limit: 1000}})
	if err != nil {
		t.Fatal(err)
	}
	at := map[positions.NoticeNumber]time.Time{}
	for i := range all {
		at[all[i].NAV] = all[i].AnsweredAt
	}
	return at
}

func TestNoAnswerWaitsForAReconciliationThatSomebodyHolds(t *testing.T) {
	const first, other = positions.NoticeNumber("302000000000000001"), positions.NoticeNumber("302000000000000002")
	for _, tt := range []struct {
		name, hold string
		wantOther  bool // it is opened at once
	}{
		{"a row", `SELECT FROM reconciliations WHERE nav = '302000000000000001' FOR UPDATE`, true},
		{"the whole table", `LOCK TABLE reconciliations IN ACCESS EXCLUSIVE MODE`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := migrated(t, testservers.Postgres(t))
			began := time.Now().UTC().Round(time.Microsecond).Add(-time.Hour)
			record := func(answers []positions.Answer) {
				t.Helper()
				if err := s.RecordAnswers(t.Context(), answers); err != nil {
					t.Fatal(err)
				}
			}
			record(doubtful(began, first))
			holder, err := s.Pool().Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = holder.Rollback(context.Background()) }) // a test that fails holds it still
			if _, err := holder.Exec(t.Context(), `SET LOCAL idle_in_transaction_session_timeout = 0; `+tt.hold); err != nil {
				t.Fatal(err)
			}

			// Answers about the held one come and come.
			const crowd = 40
			var longest time.Duration
			for i := range crowd {
				at := time.Now()
				record(doubtful(began.Add(time.Duration(i+1)*time.Second), first, positions.NoticeNumber(fmt.Sprintf("3020000000000001%02d", i))))
				longest = max(longest, time.Since(at))
			}
			record(doubtful(began.Add(time.Minute), other))
			t.Logf("the longest record took %v", longest)
			if longest > tolerance {
				t.Errorf("a record took %v", longest)
			}
			_, total, err := s.Answers(t.Context(), ente, first, positions.Page{Limit: 1})
			if err != nil || total != crowd+1 {
				t.Errorf("%d answers are on record, want %d: %v", total, crowd+1, err)
			}
			if tt.wantOther {
				open := answeredAt(t, s)
				if !open[first].Equal(began) || !open[other].Equal(began.Add(time.Minute)) {
					t.Errorf("the held one is of %v, the other of %v", open[first], open[other])
				}
				// Nobody is kept from looking beyond it either.
				pages := 0
				for next := int64(0); pages == 0 || next > 0; pages++ {
					if next, err = s.OpenReconciliations(t.Context(), next, 7); err != nil {
						t.Fatal(err)
					}
				}
				if pages != crowd/7+1 {
					t.Errorf("%d held answers were looked at in %d parts", crowd, pages)
				}
			}
			if err := holder.Rollback(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, err := s.OpenReconciliations(t.Context(), 0, 1000); err != nil {
				t.Fatal(err)
			}
			open := answeredAt(t, s)
			if !open[first].Equal(began.Add(crowd*time.Second)) || !open[other].Equal(began.Add(time.Minute)) || len(open) != crowd+2 {
				t.Errorf("of %d, the first is of %v, the other of %v", len(open), open[first], open[other])
			}
			var left int
			if err := s.Pool().QueryRow(t.Context(), `SELECT count(*) FROM doubtful_answers`).Scan(&left); err != nil || left != 0 {
				t.Errorf("%d answers are left: %v", left, err)
			}
		})
	}
}
