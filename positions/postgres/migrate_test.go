package postgres_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/attualizza/attualizza/internal/testservers"
	"github.com/attualizza/attualizza/positions/postgres"
)

// lockedOutLimit is what a statement of a payment may take while migrations are
// applied, on a loaded machine.
const lockedOutLimit = 500 * time.Millisecond

// left returns a database as a migration left it, with partitions for the months
// around now, and so many rows in each of the tables that later ones change.
func left(t *testing.T, migration int64, rows int) (url string) {
	t.Helper()
	url = testservers.Postgres(t)
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	db := stdlib.OpenDB(*config)
	defer db.Close()
	files, err := fs.Sub(os.DirFS("."), "migrations")
	if err != nil {
		t.Fatal(err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), migration); err != nil {
		t.Fatal(err)
	}
	s := open(t, url)
	for _, month := range []int{-1, 0} {
		if err := s.MaintainAt(t.Context(), time.Now().AddDate(0, month, 0)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.ExecContext(t.Context(), fmt.Sprintf(`
		INSERT INTO notice_prices (organization, nav, fetched_at, body) SELECT '77777777777', '3' || lpad(n::text, 17, '0'), now(),
			json_build_object('iun', 'ABCD-EFGH-LMNP-' || n, 'amount', n, 'detail', repeat('x', 300)) FROM generate_series(1, %[1]d) n;
		INSERT INTO answers (at, organization, nav, operation, station, duration_us, outcome, fault, amount, base_amount, notification_fee, source, position_version)
			SELECT now() - n * interval '60 days' / %[1]d, '77777777777', '3' || lpad(n::text, 17, '0'), 'paGetPaymentV2', '', 0, 'OK', '', 1, 1, 0, '', 1 FROM generate_series(1, %[1]d) n;
		INSERT INTO receipts (organization, receipt_id, received_at, nav, flagged, body, message) SELECT '77777777777', n, now() - n * interval '60 days' / %[1]d, '3' || lpad(n::text, 17, '0'), false, '{}', '' FROM generate_series(1, %[1]d) n`, rows)); err != nil {
		t.Fatal(err)
	}
	return url
}

// traffic reads and writes the tables that migrations change, as payments do,
// until it is stopped, and then returns how long each kind of statement took at
// most. A statement that fails, fails the test.
func traffic(t *testing.T, url string) (stop func() map[string]time.Duration) {
	t.Helper()
	longest := map[string]time.Duration{}
	var mu sync.Mutex
	var group sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	for name, statement := range map[string]string{
		"write prices":   `INSERT INTO notice_prices (organization, nav, fetched_at, body) VALUES ('88888888888', $1, now(), '{"iun":"X"}')`,
		"write answers":  `INSERT INTO answers (at, organization, nav, operation, station, duration_us, outcome, fault, amount, base_amount, notification_fee, source, position_version) VALUES (now(), '88888888888', $1, '', '', 0, 'OK', '', 1, 1, 0, '', 1)`,
		"write receipts": `INSERT INTO receipts (organization, receipt_id, received_at, nav, flagged, body, message) VALUES ('88888888888', $1, now(), $1, false, '{}', '')`,
		"read prices":    `SELECT body FROM notice_prices WHERE organization = '77777777777' AND nav = $1`,
		"read answers":   `SELECT count(*) FROM answers WHERE organization = '77777777777' AND nav = $1`,
		"read receipts":  `SELECT count(*) FROM receipts WHERE organization = '77777777777' AND nav = $1`,
	} {
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			t.Fatal(err)
		}
		group.Go(func() {
			defer conn.Close(context.Background())
			for n := 1; ctx.Err() == nil; n++ {
				began := time.Now()
				if _, err := conn.Exec(t.Context(), statement, fmt.Sprintf("3%017d", n)); err != nil {
					t.Errorf("%s: %v", name, err)
					return
				}
				took := time.Since(began)
				mu.Lock()
				longest[name] = max(longest[name], took)
				mu.Unlock()
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	return func() map[string]time.Duration {
		cancel()
		group.Wait()
		return longest
	}
}

func lockedNobodyOut(t *testing.T, longest map[string]time.Duration) {
	t.Helper()
	t.Logf("the longest statements: %v", longest)
	for name, took := range longest {
		if took > lockedOutLimit {
			t.Errorf("%s: locked out for %v", name, took)
		}
	}
}

// indexed checks that the late indexes are whole: every partition has its part,
// and no index is left that an interrupted build made.
func indexed(t *testing.T, s *postgres.Store) {
	t.Helper()
	rows, err := s.Pool().Query(t.Context(), `
		SELECT indexrelid::regclass::text || ' is not valid' FROM pg_index WHERE NOT indisvalid
		UNION ALL
		SELECT t || ' has no ' || name FROM (VALUES ('notice_prices', 'notice_prices_iun'), ('answers', 'answers_at'), ('answers', 'answers_activated'), ('receipts', 'receipts_whole')) v (t, name)
		WHERE NOT EXISTS (SELECT FROM pg_index WHERE indrelid = to_regclass(t) AND indexrelid = to_regclass(name))
		UNION ALL
		SELECT h.inhrelid::regclass::text || ' has no part of ' || name FROM (VALUES ('answers', 'answers_at'), ('answers', 'answers_activated'), ('receipts', 'receipts_whole')) v (t, name)
		JOIN pg_inherits h ON h.inhparent = to_regclass(t)
		WHERE NOT EXISTS (SELECT FROM pg_index i JOIN pg_inherits p ON p.inhrelid = i.indexrelid WHERE i.indrelid = h.inhrelid AND p.inhparent = to_regclass(name))`)
	if err != nil {
		t.Fatal(err)
	}
	wrong, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(wrong) > 0 {
		t.Fatalf("%v, %v", wrong, err)
	}
}

// begin opens a transaction that runs statements and is left open.
func begin(t *testing.T, url string, statements ...string) (end func()) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	end = sync.OnceFunc(func() { _ = conn.Close(context.Background()) })
	t.Cleanup(end)
	for _, statement := range append([]string{"BEGIN"}, statements...) {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	return end
}

// eventually waits until a query tells true.
func eventually(t *testing.T, s *postgres.Store, query string) {
	t.Helper()
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		var so bool
		if err := s.Pool().QueryRow(t.Context(), query).Scan(&so); err != nil {
			t.Fatal(err)
		}
		if so {
			return
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("never so: %s", query)
		}
	}
}

func TestMigratingLargeTablesLocksNobodyOut(t *testing.T) {
	url := left(t, 6, 200_000)
	s := open(t, url)
	stop := traffic(t, url)
	began := time.Now()
	err := s.Migrate(t.Context())
	t.Logf("migrated in %v", time.Since(began))
	lockedNobodyOut(t, stop())
	if err != nil {
		t.Fatal(err)
	}
	indexed(t, s)
}

func TestReplicasThatMigrateBehindALongTransactionLockNobodyOut(t *testing.T) {
	url := left(t, 6, 1)
	end := begin(t, url, `SELECT FROM notice_prices, answers, receipts`, `UPDATE notice_prices SET nav = nav`, `UPDATE answers SET nav = nav`, `UPDATE receipts SET nav = nav`)
	time.AfterFunc(1500*time.Millisecond, end)
	replicas := []*postgres.Store{open(t, url), open(t, url), open(t, url)}
	stop := traffic(t, url)
	errs, longest := crowd(t, len(replicas), time.Minute, func(ctx context.Context, i int) error { return replicas[i].Migrate(ctx) })
	lockedNobodyOut(t, stop())
	wantAll(t, errs, "")
	if longest < time.Second {
		t.Errorf("nothing was in the way: migrated in %v", longest)
	}
	indexed(t, replicas[0])
}

func TestAMigrationThatWasInterruptedGoesOn(t *testing.T) {
	url := left(t, 6, 10)
	s := open(t, url)
	now := time.Now().UTC()
	month := now.Format("_2006_01")
	// Whoever wrote to the partition is waited for, in the middle of the build.
	end := begin(t, url, `UPDATE answers`+month+` SET nav = nav`)
	ctx, cancel := context.WithCancel(t.Context())
	migrated := make(chan error, 1)
	go func() { migrated <- s.Migrate(ctx) }()
	eventually(t, s, `SELECT EXISTS (SELECT FROM pg_index WHERE NOT indisvalid AND indrelid = 'answers`+month+`'::regclass)`)
	if err := s.MaintainAt(t.Context(), now.AddDate(0, 1, 0)); err != nil { // a partition more, meanwhile
		t.Fatal(err)
	}
	cancel()
	if err := <-migrated; err == nil {
		t.Fatal("the migration was not interrupted")
	}
	// The server is told by a request of its own: it must have heard before the way is free.
	eventually(t, s, `SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX%' AND state = 'active' AND datname = current_database())`)
	end()
	eventually(t, s, `SELECT EXISTS (SELECT FROM pg_index WHERE NOT indisvalid AND indrelid = 'answers`+month+`'::regclass)`) // left behind
	if err := s.Ping(t.Context()); err == nil {
		t.Fatal("half a migration passes for whole")
	}
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.MaintainAt(t.Context(), now.AddDate(0, 2, 0)); err != nil {
		t.Fatal(err)
	}
	indexed(t, s)
}

func TestABuildThatOutlivedItsProcessIsWaitedFor(t *testing.T) {
	url := left(t, 9, 10)
	s := open(t, url)
	// The snapshot is waited for at the end of the build.
	end := begin(t, url, `SET TRANSACTION ISOLATION LEVEL REPEATABLE READ`, `SELECT 1`)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	built := make(chan error, 1)
	go func() {
		_, err := conn.Exec(t.Context(), `CREATE INDEX CONCURRENTLY notice_prices_iun ON notice_prices ((body ->> 'iun')) WHERE body ->> 'iun' IS NOT NULL`)
		built <- err
	}()
	eventually(t, s, `SELECT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('notice_prices_iun'))`)
	var index, now uint32
	if err := s.Pool().QueryRow(t.Context(), `SELECT 'notice_prices_iun'::regclass::oid`).Scan(&index); err != nil {
		t.Fatal(err)
	}
	migrated := make(chan error, 1)
	go func() { migrated <- s.Migrate(t.Context()) }()
	eventually(t, s, `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE 'LOCK TABLE "notice_prices"%' AND wait_event_type = 'Lock' AND datname = current_database())`)
	time.Sleep(1200 * time.Millisecond) // longer than it takes to notice a deadlock
	end()
	if err := <-built; err != nil {
		t.Fatal(err)
	}
	if err := <-migrated; err != nil {
		t.Fatal(err)
	}
	indexed(t, s)
	if err := s.Pool().QueryRow(t.Context(), `SELECT 'notice_prices_iun'::regclass::oid`).Scan(&now); err != nil || now != index {
		t.Errorf("the index was built again: %v", err)
	}
}
