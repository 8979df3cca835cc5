package streams

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/attualizza/attualizza/internal/jobs"
	"github.com/attualizza/attualizza/internal/testservers"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/postgres"
	"github.com/attualizza/attualizza/positions/sqlite"
	"github.com/attualizza/attualizza/sendclient"
)

// withJobs runs a test on a store of either kind, with the jobs that live beside it.
func withJobs(t *testing.T, test func(t *testing.T, c *country, engine jobs.Engine)) {
	prepare := func(t *testing.T, store positions.Store, engine jobs.Engine) {
		c := newCountry(t, store)
		c.must(engine.Migrate(t.Context(), slog.New(slog.DiscardHandler)))
		test(t, c, engine)
	}
	t.Run("SQLite", func(t *testing.T) {
		s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "streams.db"))
		if err != nil {
			t.Fatal(err)
		}
		prepare(t, s, jobs.SQLite(s.Writer()))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		url := testservers.Postgres(t) + "&connect_timeout=30&statement_timeout=30000&lock_timeout=10000"
		s, err := postgres.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		engine, err := jobs.Postgres(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { engine.Close(10 * time.Second) })
		prepare(t, s, engine)
	})
}

// SEND dates a refinement at the end of its day, and tells of it before.
func TestAnActivationAfterTheDayOfARefinementMakesNoCall(t *testing.T) {
	withJobs(t, func(t *testing.T, c *country, engine jobs.Engine) {
		const iun = "ABCD-EFGH-IJKL-202611-M-1"
		nav := c.owes(comune, 1)
		endOfDay := time.Now().Add(3 * time.Second)
		var asked atomic.Int64
		send := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			if strings.Contains(q.URL.Path, "/sent/") {
				fmt.Fprintf(w, `{"recipients":[{"payments":[{"pagoPa":{"creditorTaxId":%q,"noticeCode":%q}}]}]}`, comune, nav)
				return
			}
			asked.Add(1)
			fmt.Fprintf(w, `{"iun":%q,"partialPrice":100,"totalPrice":200,"vat":22,"paFee":100,"sendFee":100,"analogCost":0,"refinementDate":%q}`, iun, endOfDay.UTC().Format(time.RFC3339Nano))
		}))
		defer send.Close()
		c.url = send.URL
		r := c.replica()
		r.terms.skew = usual.skew
		workers, queues := river.NewWorkers(), map[string]int{}
		r.AddTo(workers, queues)
		runner, err := jobs.New(jobs.Config{Engine: engine, Workers: workers, Queues: queues, Logger: slog.New(slog.DiscardHandler)})
		c.must(err)
		c.must(runner.Start(context.WithoutCancel(t.Context())))
		defer func() { c.must(runner.Stop(context.Background())) }()

		event := Event{Organization: comune, ID: "1", Category: "REFINEMENT", IUN: iun, ArrivedAt: time.Now().Add(-time.Minute)}
		c.must(Jobs{runner}.Enqueue(t.Context(), []Event{event}))
		c.eventually("the price is known", func() bool { return c.price(comune, nav) != nil })
		if p := c.price(comune, nav); p.Final || !p.FetchedAt.Before(endOfDay) {
			t.Fatalf("the price is %+v", p)
		}
		c.must(Jobs{runner}.Enqueue(t.Context(), []Event{event})) // told again meanwhile
		c.eventually("it is frozen, though nobody asked", func() bool { return c.price(comune, nav).Final })
		if n := asked.Load(); n != 2 {
			t.Errorf("SEND was asked %d times", n)
		}
		org, _ := c.registry.Organization(comune)
		if q, err := r.prices.Quote(t.Context(), org, nav); err != nil || q.Source != positions.SourceFinal || asked.Load() != 2 {
			t.Fatalf("%v %+v, SEND was asked %d times", err, q, asked.Load())
		}
	})
}

func TestEventsThatFailAreToldOnceAMinuteAndGivenUpAfterDays(t *testing.T) {
	c := onSQLite(t)
	reader := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	r := c.replica(func(cfg *Config) { cfg.Meter = provider.Meter("test") })
	w := &worker{follower: r.Follower}
	work := func(id string, age time.Duration) error {
		e := Event{Organization: comune, ID: id, Category: "REFINEMENT", IUN: "ABCD-EFGH-IJKL-202611-M-1", ArrivedAt: time.Now()}
		return w.Work(t.Context(), &river.Job[args]{JobRow: &rivertype.JobRow{CreatedAt: time.Now().Add(-age)}, Args: args{comune, id, e}})
	}
	r.Platform = broken{r.Platform}
	for i := range 20 {
		if err := work(fmt.Sprint(i), eventsLast-time.Hour); err == nil {
			t.Fatal("it is not tried again")
		}
	}
	if n := strings.Count(c.logs.String(), "level=WARN"); n != 1 || strings.Contains(c.logs.String(), "level=INFO") {
		t.Fatalf("%d lines:\n%s", n, c.logs)
	}
	if err := work("last", eventsLast+time.Hour); err != nil {
		t.Fatal(err)
	}
	var all metricdata.ResourceMetrics
	c.must(reader.Collect(t.Context(), &all))
	counted := map[string]int64{}
	for _, m := range all.ScopeMetrics[0].Metrics {
		if sum, ok := m.Data.(metricdata.Sum[int64]); ok {
			for _, p := range sum.DataPoints {
				result, _ := p.Attributes.Value("result")
				counted[result.AsString()] += p.Value
			}
		}
	}
	if counted["given_up"] != 1 || counted["failed"] != 21 || strings.Count(c.logs.String(), "level=ERROR") != 1 {
		t.Fatalf("%v\n%s", counted, c.logs)
	}
}

// broken is a SEND that tells the notices of no notification.
type broken struct{ Platform }

func (broken) SentNotification(context.Context, *sendclient.Credential, string) ([]sendclient.NotifiedPayment, error) {
	return nil, errBroken
}
