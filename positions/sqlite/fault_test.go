package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/sqlite"
	"github.com/attualizza/attualizza/positions/storetest"
)

// tolerance is what a loaded machine may add to a limit.
const tolerance = 500 * time.Millisecond

// otherProcess takes the file's write lock as another process would, and
// returns how to let it go.
func otherProcess(t *testing.T, path string) (release func()) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	return sync.OnceFunc(func() {
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestAFileThatAnotherProcessWritesHoldsNobodyLong(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	s := migrated(t, path)
	p := storetest.Sample(t, s)
	nav := p.Options[0].NAV
	write := func(ctx context.Context) error {
		return s.SavePrice(ctx, p.OrganizationFiscalCode, nav, &positions.Price{})
	}

	release := otherProcess(t, path)
	defer release()
	for _, tt := range []struct {
		name         string
		limit, bound time.Duration
	}{
		{"a context is obeyed", 60 * time.Millisecond, 60*time.Millisecond + tolerance},
		{"without one it is five seconds", time.Minute, 5*time.Second + tolerance},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), tt.limit)
			defer cancel()
			began := time.Now()
			err := write(ctx)
			if took := time.Since(began); took > tt.bound {
				t.Errorf("it took %v", took)
			}
			if code := positions.CodeOf(err); code != positions.Unavailable {
				t.Errorf("code is %q: %v", code, err)
			}
		})
	}
	if _, err := s.Notice(t.Context(), p.OrganizationFiscalCode, nav); err != nil {
		t.Errorf("a reader has to wait for the writer: %v", err)
	}
	time.AfterFunc(100*time.Millisecond, release)
	if err := write(t.Context()); err != nil {
		t.Errorf("the lock is free and the store does not notice: %v", err)
	}
}

// TestStatementsOfOthersWaitForAnotherProcessToo is about those who use the writing
// connection themselves.
func TestStatementsOfOthersWaitForAnotherProcessToo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	s := migrated(t, path)
	const insert = `INSERT INTO leases (name, holder, expires_at) VALUES (?, 'somebody', 0)`
	for name, write := range map[string]func(ctx context.Context, lease string) error{
		"exec": func(ctx context.Context, lease string) error {
			_, err := s.Writer().ExecContext(ctx, insert, lease)
			return err
		},
		"query": func(ctx context.Context, lease string) error {
			return s.Writer().QueryRowContext(ctx, insert+` RETURNING name`, lease).Scan(&lease)
		},
		"transaction": func(ctx context.Context, lease string) error {
			tx, err := s.Writer().BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, insert, lease); err != nil {
				return errors.Join(err, tx.Rollback())
			}
			return tx.Commit()
		},
	} {
		t.Run(name, func(t *testing.T) {
			release := otherProcess(t, path)
			defer release()
			const limit = 100 * time.Millisecond
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			began := time.Now()
			if err := write(ctx, name+" in time"); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v", err)
			}
			if took := time.Since(began); took > limit+tolerance {
				t.Errorf("its context is over, and it took %v", took)
			}
			time.AfterFunc(1500*time.Millisecond, release)
			if err := write(t.Context(), name); err != nil {
				t.Errorf("%v", err)
			}
			var written int
			if err := s.Writer().QueryRowContext(t.Context(), `SELECT count(*) FROM leases WHERE name LIKE ? || '%'`, name).Scan(&written); err != nil || written != 1 {
				t.Errorf("%d were written: %v", written, err)
			}
		})
	}
}

func TestAPaymentDoesNotWaitBeyondItsContextForOthersWhoWait(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	s := migrated(t, path)
	p := storetest.Sample(t, s)
	defer otherProcess(t, path)()
	patient, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	group.Go(func() {
		if _, err := s.Writer().ExecContext(patient, `DELETE FROM leases`); !errors.Is(err, context.Canceled) {
			t.Errorf("who has time: %v", err)
		}
	})
	time.Sleep(50 * time.Millisecond) // it has the connection
	const limit = 200 * time.Millisecond
	ctx, done := context.WithTimeout(t.Context(), limit)
	defer done()
	began := time.Now()
	err := s.RecordAnswers(ctx, []positions.Answer{{At: time.Now(), NAV: p.Options[0].NAV}})
	if took := time.Since(began); took > limit+tolerance || positions.CodeOf(err) != positions.Unavailable {
		t.Errorf("%v after %v", err, took)
	}
}

func TestAnIdleWriterHoldsNobodyLongerThanTheirContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	s := migrated(t, path)
	p := storetest.Sample(t, s)
	defer otherProcess(t, path)()
	const limit = 80 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	var group sync.WaitGroup
	for range 32 { // they queue up for the one writing connection
		group.Go(func() {
			began := time.Now()
			err := s.RecordAnswers(ctx, []positions.Answer{{At: time.Now(), NAV: p.Options[0].NAV}})
			if took := time.Since(began); took > limit+tolerance || positions.CodeOf(err) != positions.Unavailable {
				t.Errorf("%v after %v", err, took)
			}
		})
	}
	group.Wait()
}

func TestStoresThatMigrateTogetherAllSucceed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	var group sync.WaitGroup
	for range 8 {
		s := open(t, path)
		group.Go(func() {
			if err := s.Migrate(t.Context()); err != nil {
				t.Error(err)
			}
			if err := s.Ping(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

func TestAFileWithoutMigrationsIsNotReady(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	s := open(t, path)
	if code := positions.CodeOf(s.Ping(t.Context())); code != positions.Unavailable {
		t.Fatalf("code is %q", code)
	}
	migrated(t, path)
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestADirectoryThatIsNotThereIsToldAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "missing", "a.db")
	_, err := sqlite.Open(t.Context(), path)
	if positions.CodeOf(err) != positions.Invalid || !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Fatalf("%q: %v", positions.CodeOf(err), err)
	}
}

func TestAFileThatCannotBeUsedIsNamed(t *testing.T) {
	path := t.TempDir() // a directory is no database
	_, err := sqlite.Open(t.Context(), path)
	if positions.CodeOf(err) != positions.Unavailable || !strings.Contains(err.Error(), path+" cannot be used: ") {
		t.Fatalf("%q: %v", positions.CodeOf(err), err)
	}
}

func TestWhatWasStoredIsThereAfterOpeningAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	s := migrated(t, path)
	p := storetest.Sample(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := migrated(t, path).Position(t.Context(), p.OrganizationFiscalCode, p.IUPD)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p, again); diff != "" {
		t.Fatal(diff)
	}
}

func BenchmarkStore(b *testing.B) {
	storetest.Benchmark(b, migrated(b, filepath.Join(b.TempDir(), "a.db")))
}
