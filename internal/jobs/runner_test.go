package jobs_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/riverqueue/river"

	"github.com/attualizza/attualizza/internal/jobs"
	"github.com/attualizza/attualizza/internal/testservers"
	"github.com/attualizza/attualizza/positions/sqlite"
)

// onBoth runs a test on an engine of each kind, migrated.
func onBoth(t *testing.T, test func(t *testing.T, engine func() jobs.Engine)) {
	t.Run("PostgreSQL", func(t *testing.T) {
		url := testservers.Postgres(t)
		test(t, func() jobs.Engine {
			engine, err := jobs.Postgres(t.Context(), url)
			must(t, err)
			t.Cleanup(func() { engine.Close(10 * time.Second) })
			must(t, engine.Migrate(t.Context(), slog.Default()))
			return engine
		})
	})
	t.Run("SQLite", func(t *testing.T) {
		store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "jobs.db"))
		must(t, err)
		t.Cleanup(func() { must(t, store.Close()) })
		test(t, func() jobs.Engine {
			engine := jobs.SQLite(store.Writer())
			must(t, engine.Migrate(t.Context(), slog.Default()))
			return engine
		})
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// named is a job that does what the test says.
type named struct {
	Name string `json:"name"`
}

func (named) Kind() string { return "named" }

type doing struct {
	river.WorkerDefaults[named]
	do func(ctx context.Context, job *river.Job[named]) error
}

func (d *doing) Work(ctx context.Context, job *river.Job[named]) error { return d.do(ctx, job) }

func runner(t *testing.T, engine jobs.Engine, do func(context.Context, *river.Job[named]) error, queues ...string) *jobs.Runner {
	t.Helper()
	workers := river.NewWorkers()
	river.AddWorker(workers, &doing{do: do})
	at := map[string]int{"first": 4}
	for _, q := range queues {
		at[q] = 4
	}
	r, err := jobs.New(jobs.Config{Engine: engine, Workers: workers, Queues: at, Logger: slog.New(slog.DiscardHandler)})
	must(t, err)
	must(t, r.Start(t.Context()))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		must(t, r.Stop(ctx))
	})
	return r
}

func insert(t *testing.T, r *jobs.Runner, name, queue string) {
	t.Helper()
	must(t, r.Insert(t.Context(), put(name, queue)))
}

func put(name, queue string) []river.InsertManyParams {
	return []river.InsertManyParams{{Args: named{name}, InsertOpts: jobs.Once(queue)}}
}

func arrives[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(20 * time.Second):
		t.Fatal("nothing came in 20 s")
		panic("unreachable")
	}
}

func TestAJobIsNotPutInAgainWhileItRuns(t *testing.T) {
	onBoth(t, func(t *testing.T, engine func() jobs.Engine) {
		started, end := make(chan string, 10), make(chan struct{})
		r := runner(t, engine(), func(ctx context.Context, job *river.Job[named]) error {
			started <- job.Args.Name
			select {
			case <-end:
			case <-ctx.Done():
			}
			return nil
		})
		insert(t, r, "a", "first")
		arrives(t, started)
		insert(t, r, "a", "first")
		close(end)
		time.Sleep(500 * time.Millisecond)
		if len(started) > 0 {
			t.Fatal("it ran more often than it was put in")
		}
		for deadline := time.Now().Add(10 * time.Second); len(started) == 0; time.Sleep(20 * time.Millisecond) {
			insert(t, r, "a", "first")
			if time.Now().After(deadline) {
				t.Fatal("the job ended, and cannot be put in again")
			}
		}
	})
}

func TestASleepingJobIsWokenWhenItIsPutInAgain(t *testing.T) {
	onBoth(t, func(t *testing.T, engine func() jobs.Engine) {
		started := make(chan int, 10)
		runs := 0
		r := runner(t, engine(), func(context.Context, *river.Job[named]) error {
			runs++
			started <- runs
			if runs == 1 {
				return river.JobSnooze(time.Hour)
			}
			return nil
		})
		insert(t, r, "a", "first")
		arrives(t, started)
		for deadline := time.Now().Add(10 * time.Second); len(started) == 0 && time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
			insert(t, r, "a", "first")
		}
		if got := arrives(t, started); got != 2 {
			t.Errorf("run %d", got)
		}
	})
}

func TestAHangingQueueHoldsNoOther(t *testing.T) {
	onBoth(t, func(t *testing.T, engine func() jobs.Engine) {
		done := make(chan string, 100)
		r := runner(t, engine(), func(ctx context.Context, job *river.Job[named]) error {
			if job.Queue == "first" {
				<-ctx.Done()
				return ctx.Err()
			}
			done <- job.Args.Name
			return nil
		}, "other")
		for i := range 20 {
			insert(t, r, string(rune('a'+i)), "first")
		}
		began := time.Now()
		insert(t, r, "quick", "other")
		arrives(t, done)
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := r.Stop(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

func TestReplicasCanMigrateTogether(t *testing.T) {
	url := testservers.Postgres(t)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			engine, err := jobs.Postgres(t.Context(), url)
			if err != nil {
				t.Error(err)
				return
			}
			defer engine.Close(10 * time.Second)
			if err := engine.Migrate(t.Context(), slog.Default()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}
