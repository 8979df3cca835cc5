package soap_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/attualizza/attualizza/cache"
	"github.com/attualizza/attualizza/internal/actualize"
	"github.com/attualizza/attualizza/internal/money"
	"github.com/attualizza/attualizza/internal/registry"
	"github.com/attualizza/attualizza/internal/telemetry"
	"github.com/attualizza/attualizza/internal/testservers"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/postgres"
	"github.com/attualizza/attualizza/positions/sqlite"
	"github.com/attualizza/attualizza/sendclient"
	"github.com/attualizza/attualizza/soap"
	"github.com/attualizza/attualizza/soap/pafornode"
)

const (
	ente    = "77777777777"
	broker  = "15376371009"
	station = "15376371009_01"
)

// benchNotices is how many positions the benchmarks ask about in turn.
const benchNotices = 1000

// benchPosition is a position whose activation answers about 2.6 KB: three
// transfers and some metadata.
func benchPosition(i int64) *positions.Position {
	nav, err := positions.NewNoticeNumber(1, i)
	if err != nil {
		panic(err)
	}
	metadata := []positions.Metadata{{Key: "codiceCapitolo", Value: "0301020"}, {Key: "codiceAccertamento", Value: "2026/000123"}}
	transfer := func(id int, amount money.Cents, org string) positions.Transfer {
		return positions.Transfer{
			ID: id, Amount: amount, OrganizationFiscalCode: org, CompanyName: "Comune di Prova", RemittanceInformation: "/RFB/" + nav.IUV() + "/" + amount.Euro() + "/TXT/Verbale di accertamento",
			Category: "9/0101100IM/", IBAN: "IT60X0542811101000000123456", Metadata: metadata,
		}
	}
	return &positions.Position{
		OrganizationFiscalCode: ente, IUPD: "bench-" + string(nav), CompanyName: "Comune di Prova", OfficeName: "Polizia locale",
		Debtor: positions.Debtor{Type: "F", FiscalCode: "ANONIMO", FullName: "Cittadina di prova", StreetName: "Via di Prova", CivicNumber: "1", PostalCode: "00100", City: "Roma", Province: "RM", Country: "IT", Email: "prova@example.it"},
		Status: positions.Valid, Lifecycle: positions.Open,
		Options: []positions.PaymentOption{{
			NAV: nav, IUV: nav.IUV(), Amount: 17300, Description: "Verbale di accertamento 2026/000123", DueDate: time.Now().AddDate(0, 1, 0),
			SendBound: true, Status: positions.OptionUnpaid, Metadata: metadata,
			Transfers: []positions.Transfer{transfer(1, 10000, ""), transfer(2, 5000, "01199250158"), transfer(3, 2300, "00000000026")},
		}},
	}
}

func benchPrice(now time.Time) *positions.Price {
	partial, fee, analog, vat := money.Cents(1103), money.Cents(100), money.Cents(1003), 22
	return &positions.Price{TotalPrice: 1424, PartialPrice: &partial, PAFee: &fee, SendFee: &fee, AnalogCost: &analog, VAT: &vat, IUN: "ABCD-EFGH-ILMN-202611-P-1", FetchedAt: now}
}

func activation(i int) []byte {
	p := benchPosition(int64(i))
	return pafornode.AppendRequest(nil, &pafornode.Request{
		Operation: pafornode.GetPaymentV2, IDPA: ente, IDBrokerPA: broker, IDStation: station,
		QRCode: pafornode.QRCode{FiscalCode: ente, NoticeNumber: string(p.Options[0].NAV)},
		Amount: 17300, HasAmount: true, PaymentNote: "carrello-" + strconv.Itoa(i), TransferType: "PAGOPA", DueDate: "2026-12-31",
	})
}

// memory is a store that holds one notice, to measure all but a store.
type memory struct{ notice positions.Notice }

func (m *memory) Notice(context.Context, string, positions.NoticeNumber) (*positions.Notice, error) {
	n := m.notice // a store gives a notice of its own to everybody
	return &n, nil
}

func (*memory) SavePrice(context.Context, string, positions.NoticeNumber, *positions.Price) error {
	return nil
}

func (*memory) ReopenPrice(context.Context, string, positions.NoticeNumber, time.Time) error {
	return nil
}

func (*memory) FeesPaid(context.Context, string, string, string, positions.NoticeNumber) (money.Cents, error) {
	return 0, nil
}

func (*memory) Organizations(context.Context) ([]positions.Organization, int64, error) {
	return []positions.Organization{organization()}, 1, nil
}
func (*memory) OrganizationsRevision(context.Context) (int64, error) { return 1, nil }
func (*memory) SaveReceipt(context.Context, *positions.Receipt) (bool, error) {
	return false, nil
}

func organization() positions.Organization {
	return positions.Organization{
		FiscalCode: ente, CompanyName: "Comune di Prova", BrokerCode: broker, Stations: []positions.Station{{Code: station}},
		Send: &positions.Send{Route: positions.RouteDirect}, Policy: positions.DefaultPolicy(),
	}
}

// unasked fails a benchmark that reaches SEND: every price must be fresh.
type unasked struct{ tb testing.TB }

func (u unasked) Price(context.Context, *sendclient.Credential, string, string) (sendclient.Answer, error) {
	u.tb.Error("SEND was asked")
	return sendclient.Answer{}, io.ErrUnexpectedEOF
}

// off records nothing, to see what recording costs.
type off struct{}

func (off) Record(context.Context, positions.Answer) bool { return true }

// handler is the SOAP endpoint as the service wires it, over a store.
func handler(b *testing.B, store interface {
	actualize.Store
	registry.Source
	soap.Receipts
}, recorder soap.Recorder,
) http.Handler {
	b.Helper()
	metrics, err := telemetry.NewMetrics(telemetry.Environment{})
	if err != nil {
		b.Fatal(err)
	}
	logger, err := telemetry.NewLogger(io.Discard, "info", "json") // lines are formatted, as in the service
	if err != nil {
		b.Fatal(err)
	}
	directory := registry.New(store, nil, logger, nil)
	for try := 1; ; try++ { // the disk may still be busy with what was loaded
		err := directory.Reload(b.Context())
		if err == nil {
			break
		}
		if try == 5 {
			b.Fatal(err)
		}
	}
	prices := cache.New[positions.Price](cache.Options{Prefix: "bench", Meter: metrics.Meter()})
	b.Cleanup(prices.Close)
	return soap.New(soap.Config{
		Directory: directory, Recorder: recorder, Receipts: store, Budget: 1800 * time.Millisecond, MaxInFlight: 256, Meter: metrics.Meter(), Logger: logger,
		Quoter: actualize.New(actualize.Config{Store: store, Prices: unasked{b}, Cache: prices, Logger: logger, SendTimeout: 1200 * time.Millisecond}),
	})
}

// BenchmarkActivation is decode, actualize from a fresh price, encode: all that
// happens to a request between its body and its reply, but the store.
func BenchmarkActivation(b *testing.B) {
	p := benchPosition(1)
	n, _ := positions.NewNotice(p, p.Options[0].NAV, benchPrice(time.Now()))
	h := handler(b, &memory{*n}, off{})
	message := activation(1)
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, soap.Path, bytes.NewReader(pafornode.AppendRequest(nil, &pafornode.Request{
		Operation: pafornode.VerifyPaymentNotice, IDPA: ente, IDBrokerPA: broker, IDStation: station,
		QRCode: pafornode.QRCode{FiscalCode: ente, NoticeNumber: string(p.Options[0].NAV)},
	})))) // as payments begin
	b.ReportAllocs()
	var body rewindable
	w := &discard{header: http.Header{}}
	r := httptest.NewRequest(http.MethodPost, soap.Path, nil)
	for b.Loop() {
		body.Reset(message)
		r.Body, r.ContentLength = &body, int64(len(message))
		h.ServeHTTP(w, r)
	}
	if w.status != http.StatusOK || w.written < 2000 {
		b.Fatalf("status %d, %d bytes", w.status, w.written)
	}
}

type rewindable struct{ bytes.Reader }

func (*rewindable) Close() error { return nil }

type discard struct {
	header          http.Header
	status, written int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(status int)      { d.status = status }
func (d *discard) Write(p []byte) (int, error) { d.written = len(p); return len(p), nil }

// BenchmarkHTTP is the whole path over loopback with both stores, beside a bare
// net/http handler that returns the same bytes. Clients and servers share the
// machine. ratio is the throughput relative to the bare handler at the same
// number of connections, measured in the same run.
func BenchmarkHTTP(b *testing.B) {
	defer debug.SetGCPercent(debug.SetGCPercent(telemetry.GCPercent)) // as the service does
	bare := map[int]float64{}
	for _, connections := range []int{64, 256} {
		b.Run(fmt.Sprintf("bare/%d", connections), func(b *testing.B) {
			reply := sampleReply(b)
			h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if _, err := io.Copy(io.Discard, r.Body); err != nil {
					b.Error(err)
				}
				w.Header().Set("Content-Type", "text/xml; charset=utf-8")
				w.Header().Set("Content-Length", strconv.Itoa(len(reply)))
				_, _ = w.Write(reply)
			})
			bare[connections] = load(b, h, connections)
		})
		for _, engine := range []string{"sqlite", "postgres"} {
			for _, recording := range []string{"recorded", "unrecorded"} {
				b.Run(fmt.Sprintf("%s/%s/%d", engine, recording, connections), func(b *testing.B) {
					store := benchStore(b, engine)
					var recorder soap.Recorder = off{}
					if recording == "recorded" {
						r := actualize.NewRecorder(store, slog.New(slog.DiscardHandler))
						b.Cleanup(func() { r.Close(context.Background()) })
						recorder = r
					}
					rate := load(b, handler(b, store, recorder), connections)
					if bare[connections] > 0 {
						b.ReportMetric(rate/bare[connections], "ratio")
					}
				})
			}
		}
	}
}

func sampleReply(b *testing.B) []byte {
	p := benchPosition(1)
	n, _ := positions.NewNotice(p, p.Options[0].NAV, benchPrice(time.Now()))
	w := httptest.NewRecorder()
	handler(b, &memory{*n}, off{}).ServeHTTP(w, httptest.NewRequest(http.MethodPost, soap.Path, bytes.NewReader(activation(1))))
	return w.Body.Bytes()
}

func benchStore(b *testing.B, engine string) positions.Store {
	b.Helper()
	ctx := context.Background()
	var store positions.Store
	var err error
	if engine == "sqlite" {
		store, err = sqlite.Open(ctx, filepath.Join(b.TempDir(), "bench.db"))
	} else {
		store, err = postgres.Open(ctx, benchPostgres(b))
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { store.Close() })
	if err := store.Migrate(ctx); err != nil {
		b.Fatal(err)
	}
	org := organization()
	if _, err := store.PutOrganization(ctx, &org); err != nil {
		b.Fatal(err)
	}
	now := time.Now()
	for i := range benchNotices {
		p := benchPosition(int64(i))
		if err := store.CreatePosition(ctx, p, positions.Change{Action: "CREATE", At: now}); err != nil {
			b.Fatal(err)
		}
		if err := store.SavePrice(ctx, ente, p.Options[0].NAV, benchPrice(now)); err != nil {
			b.Fatal(err)
		}
	}
	return store
}

// benchPostgres is a cluster that makes commits durable, as production does.
func benchPostgres(b *testing.B) string {
	b.Helper()
	server := testservers.StartPostgres(b, testservers.Durable())
	return server.URL("postgres")
}

// load sends b.N activations over as many connections and returns how many a
// second were answered. It reports the 99th percentile too.
func load(b *testing.B, h http.Handler, connections int) float64 {
	b.Helper()
	server := httptest.NewServer(h)
	defer server.Close()
	address := server.Listener.Addr().String()
	requests := make([][]byte, benchNotices)
	for i := range requests {
		body := activation(i)
		requests[i] = append(fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: text/xml; charset=utf-8\r\nSOAPAction: \"paGetPaymentV2\"\r\nContent-Length: %d\r\n\r\n", soap.Path, address, len(body)), body...)
	}
	conns := make([]*client, connections)
	for i := range conns {
		c, err := net.Dial("tcp", address)
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		conns[i] = &client{conn: c, in: bufio.NewReaderSize(c, 8<<10)}
		if err := conns[i].call(requests[i%benchNotices]); err != nil { // warm
			b.Fatal(err)
		}
		conns[i].took = conns[i].took[:0]
	}
	b.ResetTimer()
	started, spent := time.Now(), processorTime(b)
	var next atomic.Int64
	var wg sync.WaitGroup
	for _, c := range conns {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if err := c.call(requests[i%benchNotices]); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	elapsed := time.Since(started)
	b.StopTimer()
	var all []time.Duration
	for _, c := range conns {
		all = append(all, c.took...)
	}
	slices.Sort(all)
	if len(all) > 0 {
		b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "p99-ms")
		b.ReportMetric(float64(all[len(all)-1].Microseconds())/1000, "max-ms")
	}
	b.ReportMetric(float64((processorTime(b)-spent).Microseconds())/float64(b.N), "cpu-µs/op")
	rate := float64(b.N) / elapsed.Seconds()
	b.ReportMetric(rate, "req/s")
	return rate
}

// processorTime is what this process has spent, clients included and the
// database's own processes not. Unlike the clock it does not depend on who else
// is at work on the machine.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// client is one keep-alive connection of the least overhead.
type client struct {
	conn net.Conn
	in   *bufio.Reader
	took []time.Duration
}

var okLine = []byte("HTTP/1.1 200 OK")

func (c *client) call(request []byte) error {
	started := time.Now()
	if _, err := c.conn.Write(request); err != nil {
		return err
	}
	length := 0
	for first := true; ; first = false {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		line = bytes.TrimRight(line, "\r\n")
		if first && !bytes.Equal(line, okLine) {
			return fmt.Errorf("answered %s", line)
		}
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return err
			}
		}
		if len(line) == 0 {
			break
		}
	}
	body, err := c.in.Peek(min(length, 600))
	if err != nil {
		return err
	}
	if !bytes.Contains(body, []byte("<outcome>OK</outcome>")) {
		return fmt.Errorf("refused: %s", body)
	}
	if _, err := c.in.Discard(length); err != nil {
		return err
	}
	c.took = append(c.took, time.Since(started))
	return nil
}
