package testservers

import (
	"context"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func TestEachTestGetsAnEmptyDatabaseOfItsOwn(t *testing.T) {
	first, second := Postgres(t), Postgres(t)
	if first == second {
		t.Fatalf("the same database twice: %s", first)
	}
	query(t, first, "CREATE TABLE notices (nav text)")
	if n := query(t, second, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"); n != int64(0) {
		t.Errorf("the second database has %v tables, want none", n)
	}
	if e := query(t, second, "SELECT getdatabaseencoding()"); e != "UTF8" {
		t.Errorf("encoding is %v, want UTF8", e)
	}
}

func TestADatabaseDisappearsWithItsTestEvenWhenAConnectionLeaks(t *testing.T) {
	var dsn string
	t.Run("a test that leaks", func(t *testing.T) {
		dsn = Postgres(t)
		conn, err := pgx.Connect(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn }) // never closed
	})
	if _, err := pgx.Connect(t.Context(), dsn); err == nil {
		t.Errorf("%s can still be opened", dsn)
	}
}

func TestManyTestsCanAskForADatabaseAtOnce(t *testing.T) {
	var all sync.WaitGroup
	var mu sync.Mutex
	seen := map[string]bool{}
	for range 8 {
		all.Go(func() {
			dsn := Postgres(t)
			mu.Lock()
			defer mu.Unlock()
			seen[dsn] = true
		})
	}
	all.Wait()
	if len(seen) != 8 {
		t.Errorf("%d databases, want 8", len(seen))
	}
}

func TestPostgresKeepsItsDataAndItsPortOverStopAndKill(t *testing.T) {
	s := StartPostgres(t, Durable())
	dsn := s.Database()
	query(t, dsn, "CREATE TABLE notices (nav text)")
	if v := query(t, dsn, "SHOW fsync"); v != "on" {
		t.Errorf("a durable server has fsync %v", v)
	}
	for name, end := range map[string]func(){"Stop": s.Stop, "Kill": s.Kill} {
		end()
		end() // of a stopped server: nothing
		if _, err := pgx.Connect(t.Context(), dsn); err == nil {
			t.Errorf("after %s it still answers", name)
		}
		s.Start()
		if n := query(t, dsn, "SELECT count(*) FROM notices"); n != int64(0) {
			t.Errorf("after %s and Start: count is %v", name, n)
		}
	}
}

func TestPausedPostgresAnswersNothingUntilItIsResumed(t *testing.T) {
	s := StartPostgres(t)
	conn, err := pgx.Connect(t.Context(), s.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	s.Pause()
	answered := make(chan error, 1)
	go func() {
		_, err := conn.Exec(context.Background(), "SELECT 1")
		answered <- err
	}()
	select {
	case err := <-answered:
		t.Fatalf("answered while paused: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	s.Resume()
	select {
	case err := <-answered:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("no answer after Resume")
	}
}

func TestPostgresAnswersOnItsSocketToo(t *testing.T) {
	s := StartPostgres(t, Setting("max_connections", "17"))
	if v := query(t, s.SocketURL("postgres"), "SHOW max_connections"); v != "17" {
		t.Errorf("max_connections is %v, want 17", v)
	}
	if _, err := url.Parse(s.SocketURL("postgres")); err != nil {
		t.Error(err)
	}
}

// query returns the first column of the first row, nil without rows.
func query(t *testing.T, dsn, sql string) any {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	rows, err := conn.Query(t.Context(), sql)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var first any
	if rows.Next() {
		values, err := rows.Values()
		if err != nil {
			t.Fatal(err)
		}
		first = values[0]
	}
	rows.Close()
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return first
}
