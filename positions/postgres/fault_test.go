package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/testservers"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/postgres"
	"github.com/attualizza/attualizza/positions/storetest"
)

// calls are what the payment path asks of the store.
func calls(s *postgres.Store, p *positions.Position) map[string]func(context.Context, int) error {
	nav := p.Options[0].NAV
	return map[string]func(context.Context, int) error{
		"Notice": func(ctx context.Context, _ int) error {
			_, err := s.Notice(ctx, p.OrganizationFiscalCode, nav)
			return err
		},
		"RecordAnswers": func(ctx context.Context, _ int) error {
			return s.RecordAnswers(ctx, []positions.Answer{{At: time.Now(), OrganizationFiscalCode: p.OrganizationFiscalCode, NAV: nav}})
		},
		"SaveReceipt": func(ctx context.Context, i int) error {
			_, err := s.SaveReceipt(ctx, &positions.Receipt{
				OrganizationFiscalCode: p.OrganizationFiscalCode, CreditorFiscalCode: p.OrganizationFiscalCode,
				ReceiptID: fmt.Sprint("rt-", i), NAV: nav, Outcome: "OK",
			})
			return err
		},
		"UpdatePosition": func(ctx context.Context, _ int) error {
			q := p.Clone()
			q.Version = -1 // stale, when the database answers
			err := s.UpdatePosition(ctx, q, positions.Change{})
			if positions.CodeOf(err) == positions.Stale {
				return nil
			}
			return err
		},
		"Ping": func(ctx context.Context, _ int) error { return s.Ping(ctx) },
	}
}

// crowd runs a call many times at once and returns the errors and the longest
// time one of them took.
func crowd(t *testing.T, n int, limit time.Duration, call func(context.Context, int) error) (errs []error, longest time.Duration) {
	var mu sync.Mutex
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			began := time.Now()
			err := call(ctx, i)
			took := time.Since(began)
			mu.Lock()
			defer mu.Unlock()
			errs, longest = append(errs, err), max(longest, took)
		})
	}
	group.Wait()
	return errs, longest
}

func wantAll(t *testing.T, errs []error, want positions.Code) {
	t.Helper()
	for _, err := range errs {
		if code := positions.CodeOf(err); code != want {
			t.Fatalf("code is %q, want %q: %v (cause: %v)", code, want, err, errors.Unwrap(err))
		}
	}
}

// patient are sessions that wait for a row as long as their caller does: a crowd at
// one position takes turns, and the last of 32 may wait longer than the 300 ms that
// payments are given, when the machine is busy and the server has just recovered. How
// long a lock is waited for is what TestALockThatIsNotReleasedIsGivenUp is about.
const patient = "&statement_timeout=30000&lock_timeout=30000"

// whileRestarted is how long a crowd may take around a restart of the database.
const whileRestarted = 20 * time.Second

// tolerance is what a loaded machine may add to a limit.
const tolerance = 500 * time.Millisecond

func TestAStoppedDatabaseIsRefusedAtOnceAndFoundAgainByItself(t *testing.T) {
	server := testservers.StartPostgres(t)
	s := migrated(t, server.Database()+patient)
	p := storetest.Sample(t, s)
	for name, call := range calls(s, p) {
		t.Run(name, func(t *testing.T) {
			errs, _ := crowd(t, 32, whileRestarted, call) // fills the pool
			wantAll(t, errs, "")
			server.Stop()
			for range 3 {
				errs, longest := crowd(t, 32, 5*time.Second, call)
				wantAll(t, errs, positions.Unavailable)
				if longest > tolerance {
					t.Errorf("a refused connection took %v", longest)
				}
			}
			server.Start()
			errs, _ = crowd(t, 32, whileRestarted, call)
			wantAll(t, errs, "")
		})
	}
}

func TestARestartBetweenTwoCallsIsNotNoticed(t *testing.T) {
	server := testservers.StartPostgres(t, testservers.Durable())
	s := migrated(t, server.Database()+patient)
	p := storetest.Sample(t, s)
	for name, call := range calls(s, p) {
		if name == "RecordAnswers" {
			continue // one statement: it may have been committed, so it is not repeated
		}
		t.Run(name, func(t *testing.T) {
			errs, _ := crowd(t, 32, whileRestarted, call)
			wantAll(t, errs, "")
			server.Kill()
			server.Start()
			errs, _ = crowd(t, 32, whileRestarted, call)
			wantAll(t, errs, "")
		})
	}
}

func TestAFrozenDatabaseHoldsNobodyLongerThanTheirContext(t *testing.T) {
	server := testservers.StartPostgres(t)
	s := migrated(t, server.Database())
	p := storetest.Sample(t, s)
	for name, call := range calls(s, p) {
		t.Run(name, func(t *testing.T) {
			errs, _ := crowd(t, 32, 5*time.Second, call)
			wantAll(t, errs, "")
			server.Pause()
			const limit = 200 * time.Millisecond
			for range 2 { // the second crowd finds no connection at all
				errs, longest := crowd(t, 32, limit, call)
				wantAll(t, errs, positions.Unavailable)
				if longest > limit+tolerance {
					t.Errorf("it took %v", longest)
				}
			}
			server.Resume()
			// What the database was about when it froze may hold locks a little longer.
			resumed := time.Now()
			for errs, _ = crowd(t, 32, 5*time.Second, call); slices.ContainsFunc(errs, func(err error) bool { return err != nil }); errs, _ = crowd(t, 32, 5*time.Second, call) {
				if time.Since(resumed) > 10*time.Second {
					wantAll(t, errs, "")
				}
			}
			t.Logf("back after %v", time.Since(resumed))
		})
	}
}

func TestAStoreOpensBeforeItsDatabase(t *testing.T) {
	server := testservers.StartPostgres(t)
	url := server.Database()
	server.Stop()
	s := open(t, url)
	wantAll(t, []error{s.Ping(t.Context()), s.Migrate(t.Context())}, positions.Unavailable)
	server.Start()
	wantAll(t, []error{s.Ping(t.Context())}, positions.Unavailable) // not migrated
	wantAll(t, []error{s.Migrate(t.Context()), s.Ping(t.Context())}, "")
	other := open(t, url)
	wantAll(t, []error{other.Ping(t.Context())}, "")
}

func TestALockThatIsNotReleasedIsGivenUp(t *testing.T) {
	s := migrated(t, testservers.Postgres(t))
	p := storetest.Sample(t, s)
	tx, err := s.Pool().Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `SELECT FROM positions FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	save := calls(s, p)["SaveReceipt"]
	const limit = 100 * time.Millisecond
	errs, longest := crowd(t, 4, limit, save)
	wantAll(t, errs, positions.Unavailable)
	if longest > limit+tolerance {
		t.Errorf("the context's end was noticed after %v", longest)
	}
	errs, longest = crowd(t, 4, time.Minute, save)
	wantAll(t, errs, positions.Unavailable)
	if longest > 2*time.Second {
		t.Errorf("lock_timeout was noticed after %v", longest)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	errs, _ = crowd(t, 4, time.Minute, save)
	wantAll(t, errs, "")
}

func TestAPoolInUseHoldsNobodyLongerThanTheirContext(t *testing.T) {
	s := migrated(t, testservers.Postgres(t), postgres.WithMaxConns(1))
	p := storetest.Sample(t, s)
	conn, err := s.Pool().Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const limit = 50 * time.Millisecond
	errs, longest := crowd(t, 8, limit, calls(s, p)["Notice"])
	conn.Release()
	wantAll(t, errs, positions.Unavailable)
	if longest > limit+tolerance {
		t.Errorf("it took %v", longest)
	}
}

func TestReplicasThatMigrateTogetherTakeTurns(t *testing.T) {
	url := testservers.Postgres(t)
	var stores []*postgres.Store
	for range 8 {
		stores = append(stores, open(t, url))
	}
	errs, _ := crowd(t, len(stores), time.Minute, func(ctx context.Context, i int) error { return stores[i].Migrate(ctx) })
	wantAll(t, errs, "")
	storetest.Sample(t, stores[0])
}

func TestEverySessionBoundsTheServer(t *testing.T) {
	for url, want := range map[string][]string{"": {"1s", "300ms", "5s", "attualizza"}, "&statement_timeout=2000&application_name=x": {"2s", "300ms", "5s", "x"}} {
		s := open(t, testservers.Postgres(t)+url)
		var got []string
		for _, parameter := range []string{"statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "application_name"} {
			var value string
			if err := s.Pool().QueryRow(t.Context(), "SELECT current_setting($1)", parameter).Scan(&value); err != nil {
				t.Fatal(err)
			}
			got = append(got, value)
		}
		if !slices.Equal(got, want) {
			t.Errorf("session parameters are %v, want %v", got, want)
		}
	}
}

func TestAStatementThatTakesTooLongIsUnavailable(t *testing.T) {
	s := migrated(t, testservers.Postgres(t)+"&statement_timeout=100")
	p := storetest.Sample(t, s)
	tx, err := s.Pool().Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	if _, err := tx.Exec(t.Context(), `LOCK TABLE payment_options`); err != nil {
		t.Fatal(err)
	}
	_, err = s.Notice(t.Context(), p.OrganizationFiscalCode, p.Options[0].NAV)
	wantAll(t, []error{err}, positions.Unavailable)
}

func TestAURLThatCannotBeReadIsInvalid(t *testing.T) {
	_, err := postgres.Open(t.Context(), "postgres://localhost:port/x")
	wantAll(t, []error{err}, positions.Invalid)
}
