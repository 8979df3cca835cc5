package rest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/attualizza/attualizza/internal/registry"
	"github.com/attualizza/attualizza/internal/telemetry"
	"github.com/attualizza/attualizza/internal/testservers"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/postgres"
	"github.com/attualizza/attualizza/positions/sqlite"
)

const benchConnections = 32

// BenchmarkHTTP creates and reads positions over loopback with both stores,
// beside a bare echo handler that decodes and encodes the same JSON. Clients and
// servers share the machine. ratio is the throughput relative to the bare
// handler, which gets as many requests just before.
func BenchmarkHTTP(b *testing.B) {
	defer debug.SetGCPercent(debug.SetGCPercent(telemetry.GCPercent)) // as the service does
	var serial atomic.Int64
	for _, engine := range []string{"bare", "sqlite", "postgres"} {
		for _, what := range []string{"create", "get"} {
			b.Run(engine+"/"+what, func(b *testing.B) {
				h, key := benchHandler(b, engine)
				request := func() []byte {
					return benchRequest("GET", base+"/debtpositions/P-0", key, "")
				}
				if what == "create" {
					request = func() []byte {
						n := serial.Add(1)
						return benchRequest("POST", base+"/debtpositions?toPublish=true", key, positionJSON(fmt.Sprint("P-", n), fmt.Sprintf("01%015d", n)))
					}
				}
				if engine == "bare" {
					load(b, h, request)
					return
				}
				bare, _ := benchHandler(b, "bare")
				before := load(b, bare, request)
				b.ReportMetric(load(b, h, request)/before, "ratio")
			})
		}
	}
}

// benchHandler is the API as the service wires it, over a store that holds the
// position P-0, or the bare handler; and the key that opens it.
func benchHandler(b *testing.B, engine string) (http.Handler, string) {
	b.Helper()
	ctx := context.Background()
	if engine == "bare" {
		h, key := benchHandler(b, "sqlite")
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", base+"/debtpositions/P-0", nil)
		r.Header.Set("X-Api-Key", key)
		h.ServeHTTP(w, r)
		var body PaymentPosition
		must(b, json.Unmarshal(w.Body.Bytes(), &body))
		return bareHandler(body), key
	}
	var store positions.Store
	var err error
	if engine == "sqlite" {
		store, err = sqlite.Open(ctx, filepath.Join(b.TempDir(), "bench.db"))
	} else {
		// Commits are durable, as production's are.
		store, err = postgres.Open(ctx, testservers.StartPostgres(b, testservers.Durable()).URL("postgres"))
	}
	must(b, err)
	b.Cleanup(func() { _ = store.Close() })
	must(b, store.Migrate(ctx))
	_, err = store.PutOrganization(ctx, &positions.Organization{FiscalCode: ente, CompanyName: "Comune di Esempio", Policy: positions.DefaultPolicy()})
	must(b, err)
	id, secret := newKey()
	must(b, store.CreateKey(ctx, &positions.Key{ID: id, OrganizationFiscalCode: ente, Role: positions.Writer, Hash: hashSecret(secret)}))
	var in PaymentPositionInput
	_, err = decodeBody([]byte(positionJSON("P-0", "01000000000000000")), &in)
	must(b, err)
	p, err := in.position(ente, time.Now())
	must(b, err)
	must(b, store.CreatePosition(ctx, p, positions.Change{Action: actionCreate, At: time.Now()}))
	must(b, store.SavePrice(ctx, ente, p.Options[0].NAV, &positions.Price{TotalPrice: 710, IUN: "ABCD-EFGH-ILMN-202611-A-1", FetchedAt: time.Now()}))
	logger, err := telemetry.NewLogger(io.Discard, "info", "json") // lines are formatted, as in the service
	must(b, err)
	h, err := New(Config{
		Store: store, Directory: registry.New(store, nil, slog.New(slog.DiscardHandler), nil), Quoter: unquoted{},
		RateLimit: 1e9, Logger: logger, Name: "attualizza", Version: "bench", Environment: "test",
	})
	must(b, err)
	return h, id + "." + secret
}

// unquoted is never asked.
type unquoted struct{ Quoter }

// bareHandler decodes and encodes the same JSON, and does nothing else.
func bareHandler(body PaymentPosition) http.Handler {
	e := echo.New()
	e.POST("/v1/organizations/:organizationFiscalCode/debtpositions", func(c echo.Context) error {
		var in PaymentPositionInput
		if err := c.Bind(&in); err != nil {
			return err
		}
		return c.JSON(http.StatusCreated, body)
	})
	e.GET("/v1/organizations/:organizationFiscalCode/debtpositions/:iupd", func(c echo.Context) error {
		return c.JSON(http.StatusOK, body)
	})
	return e
}

func benchRequest(method, path, key, body string) []byte {
	return fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nX-Api-Key: %s\r\nContent-Length: %d\r\n\r\n%s", method, path, key, len(body), body)
}

// load sends b.N requests over kept-alive connections and returns how many a
// second were answered. It reports the 99th percentile too.
func load(b *testing.B, h http.Handler, request func() []byte) float64 {
	b.Helper()
	server := httptest.NewServer(h)
	defer server.Close()
	conns := make([]net.Conn, benchConnections)
	for i := range conns {
		c, err := (&net.Dialer{}).DialContext(b.Context(), "tcp", server.Listener.Addr().String())
		must(b, err)
		defer c.Close()
		conns[i] = c
	}
	var next atomic.Int64
	took := make([]time.Duration, b.N)
	var group sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	b.StartTimer() // it may be the second load
	for _, c := range conns {
		group.Go(func() {
			answers := bufio.NewReader(c)
			for {
				n := next.Add(1) - 1
				if n >= int64(b.N) {
					return
				}
				began := time.Now()
				if _, err := c.Write(request()); err != nil {
					b.Error(err)
					return
				}
				w, err := http.ReadResponse(answers, nil)
				if err != nil {
					b.Error(err)
					return
				}
				body, err := io.ReadAll(w.Body)
				if err != nil || w.StatusCode >= 300 {
					b.Errorf("status %d: %v %s", w.StatusCode, err, body)
					return
				}
				took[n] = time.Since(began)
			}
		})
	}
	group.Wait()
	b.StopTimer()
	rate := float64(b.N) / b.Elapsed().Seconds()
	slices.Sort(took)
	b.ReportMetric(rate, "answers/s")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	return rate
}
