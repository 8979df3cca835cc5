package jobs_test

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/riverqueue/river"

	"github.com/attualizza/attualizza/internal/jobs"
	"github.com/attualizza/attualizza/positions/sqlite"
)

// TestAFileThatABackupHoldsDelaysJobsAndRepeatsNone has another connection, as
// another process would, hold the file for seconds: while a job is put in, and while
// one ends.
func TestAFileThatABackupHoldsDelaysJobsAndRepeatsNone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	store, err := sqlite.Open(t.Context(), path)
	must(t, err)
	t.Cleanup(func() { must(t, store.Close()) })
	engine := jobs.SQLite(store.Writer())
	must(t, engine.Migrate(t.Context(), slog.Default()))
	other, err := sql.Open("sqlite", "file:"+path+"?_txlock=immediate&_pragma=busy_timeout(5000)")
	must(t, err)
	t.Cleanup(func() { must(t, other.Close()) })

	var worked atomic.Int64
	started, end, ended := make(chan string, 10), make(chan struct{}), make(chan string, 10)
	r := runner(t, engine, func(_ context.Context, job *river.Job[named]) error {
		worked.Add(1)
		started <- job.Args.Name
		<-end
		ended <- job.Args.Name
		return nil
	})
	insert(t, r, "begun before", "first")
	arrives(t, started)

	const hold = 3 * time.Second
	tx, err := other.BeginTx(t.Context(), nil)
	must(t, err)
	held := time.Now()
	close(end) // its end is to be written while the file is held
	arrives(t, ended)
	hurried, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := r.Insert(hurried, put("hurried", "first")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("who has no time: %v", err)
	}
	if took := time.Since(held); took > time.Second {
		t.Errorf("who has no time was kept for %v", took)
	}
	released := make(chan error, 1)
	time.AfterFunc(time.Until(held.Add(hold)), func() { released <- tx.Rollback() })
	insert(t, r, "put in meanwhile", "first")
	if took := time.Since(held); took < hold {
		t.Errorf("it was put in after %v: the file was not held", took)
	}
	must(t, <-released)
	if name := arrives(t, ended); name != "put in meanwhile" {
		t.Errorf("%s was worked", name)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		var completed, attempts int
		must(t, other.QueryRowContext(t.Context(), `SELECT count(*) FILTER (WHERE state = 'completed'), sum(attempt) FROM river_job`).Scan(&completed, &attempts))
		if completed == 2 && attempts == 2 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d jobs are completed, in %d attempts", completed, attempts)
		}
	}
	if n := worked.Load(); n != 2 {
		t.Errorf("two jobs were worked %d times", n)
	}
}
