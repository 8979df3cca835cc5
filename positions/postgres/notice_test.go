package postgres_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/attualizza/attualizza/internal/testservers"
	"github.com/attualizza/attualizza/positions/storetest"
)

// statements counts what is sent to the server.
type statements struct{ queries, prepared atomic.Int64 }

func (s *statements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	s.queries.Add(1)
	return ctx
}
func (s *statements) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
func (s *statements) TracePrepareStart(ctx context.Context, _ *pgx.Conn, _ pgx.TracePrepareStartData) context.Context {
	return ctx
}

func (s *statements) TracePrepareEnd(_ context.Context, _ *pgx.Conn, data pgx.TracePrepareEndData) {
	if !data.AlreadyPrepared {
		s.prepared.Add(1)
	}
}

func TestANoticeIsReadByOnePreparedStatement(t *testing.T) {
	var sent statements
	s := migrated(t, testservers.Postgres(t), func(c *pgxpool.Config) {
		c.MaxConns, c.MinIdleConns = 1, 0
		c.ConnConfig.Tracer = &sent
	})
	p := storetest.Sample(t, s)
	read := func() {
		t.Helper()
		if _, err := s.Notice(t.Context(), p.OrganizationFiscalCode, p.Options[0].NAV); err != nil {
			t.Fatal(err)
		}
	}
	read()
	sent.queries.Store(0)
	sent.prepared.Store(0)
	for range 10 {
		read()
	}
	if queries, prepared := sent.queries.Load(), sent.prepared.Load(); queries != 10 || prepared != 0 {
		t.Fatalf("10 reads sent %d statements and prepared %d", queries, prepared)
	}
}

func BenchmarkStore(b *testing.B) {
	server, err := testservers.RunPostgres()
	if err != nil {
		b.Fatal(err)
	}
	defer server.Close()
	for name, url := range map[string]string{"socket": server.SocketURL("postgres"), "TCP": server.URL("postgres")} {
		b.Run(name, func(b *testing.B) { storetest.Benchmark(b, migrated(b, url)) })
	}
}
