package reconciliation

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/attualizza/attualizza/internal/testservers"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/postgres"
	"github.com/attualizza/attualizza/positions/sqlite"
)

// unopened runs a test on a room of each kind whose store opens nothing with the
// answers, as if the process had ended each time, until allow is called.
func unopened(t *testing.T, test func(r *room, allow func())) {
	t.Run("SQLite", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "room.db")
		store, err := sqlite.Open(t.Context(), path)
		must(t, err)
		r := newRoom(t, store)
		db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(5000)")
		must(t, err)
		t.Cleanup(func() { must(t, db.Close()) })
		run := func(statement string) {
			t.Helper()
			_, err := db.ExecContext(t.Context(), statement)
			must(t, err)
		}
		run(`CREATE TRIGGER refuse BEFORE INSERT ON reconciliations BEGIN SELECT RAISE(ABORT, 'refused'); END`)
		test(r, func() { run(`DROP TRIGGER refuse`) })
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		url := testservers.Postgres(t)
		store, err := postgres.Open(t.Context(), url)
		must(t, err)
		r := newRoom(t, store)
		db, err := pgx.Connect(t.Context(), url)
		must(t, err)
		t.Cleanup(func() { must(t, db.Close(context.Background())) })
		run := func(statement string) {
			t.Helper()
			_, err := db.Exec(t.Context(), statement)
			must(t, err)
		}
		run(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$;
			CREATE TRIGGER refuse BEFORE INSERT ON reconciliations FOR EACH ROW EXECUTE FUNCTION refuse()`)
		test(r, func() { run(`DROP TRIGGER refuse ON reconciliations`) })
	})
}

func TestARoundOpensWhatAnswersLeftAndJudgesItToo(t *testing.T) {
	unopened(t, func(r *room, allow func()) {
		const many = opening + 3
		var answers []positions.Answer
		for i := range many { // of notices that are gone: they lapse without SEND
			nav := positions.NoticeNumber(fmt.Sprintf("3010000000%03d00017", i))
			answers = append(answers, positions.Answer{
				At: noon, OrganizationFiscalCode: comune, NAV: nav, Operation: "paGetPaymentV2", Outcome: "OK", Amount: 100, Source: positions.SourceNone,
			})
		}
		must(r.T, r.store.RecordAnswers(r.Context(), answers))
		paid := r.notice(comune, 1, 200)
		r.pay(provincia, "302000000000000009", 0) // nobody's
		r.wants(comune)
		if sum, err := r.Round(r.Context()); err == nil || sum != (Summary{}) {
			r.Errorf("a round that can open nothing came to %+v, %v", sum, err)
		}
		allow()
		r.pay(comune, paid, 200)
		var whole Summary // a slow machine may need more than one
		for last := (Summary{Lapsed: 1}); last != (Summary{}); {
			var err error
			last, err = r.Round(r.Context())
			must(r.T, err)
			whole.add(last)
		}
		if want := (Summary{Lapsed: many, Under: 1, UnderCollected: 1224}); whole != want {
			r.Errorf("the rounds came to %+v, not %+v", whole, want)
		}
	})
}

// shut is a store in which nothing can be opened.
type shut struct {
	Store
	err error
}

func (s shut) OpenReconciliations(context.Context, int64, int) (int64, error) { return 0, s.err }

func TestWhatIsOpenIsJudgedWhenNothingCanBeOpened(t *testing.T) {
	each(t, func(r *room) {
		r.notice(comune, 1, 200)
		broken := errors.New("broken")
		r.Store = shut{r.store, broken}
		if sum, err := r.Round(r.Context()); !errors.Is(err, broken) || sum != (Summary{Repriced: 1}) {
			r.Errorf("the round came to %+v, %v", sum, err)
		}
	})
}
