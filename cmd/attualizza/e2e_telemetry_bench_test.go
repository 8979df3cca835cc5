package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/attualizza/attualizza/internal/sandbox"
	"github.com/attualizza/attualizza/internal/testservers"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/soap/pafornode"
)

// telemetryModes are what an operator can choose, from nothing to everything.
var telemetryModes = []struct {
	name string
	env  []string
}{
	{"without", []string{"OTEL_SDK_DISABLED=true"}},
	{"metrics, as by default", nil},
	{"metrics, 5 % of traces", []string{"OTEL_TRACES_SAMPLER=traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.05", "ATTUALIZZA_TRACES_KEEP=sampled"}},
	{"metrics, 5 % and all notable traces", []string{"OTEL_TRACES_SAMPLER=traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.05"}},
	{"metrics, all traces", nil},
}

const (
	telemetryRounds = 12
	telemetryTurn   = time.Second
)

// BenchmarkTelemetry measures what telemetry costs the processor: the released
// program's own time, for each activation, in each mode, on PostgreSQL and with a
// collector that takes everything. All modes run beside each other and get the load in
// turn, for a second each, so that whatever else the machine does meets all of them.
// Two kinds of answers: good ones, with a fresh price, and degraded ones during an
// outage of SEND, all of which are notable. Its figures are those of
// docs/performance.md; run it with -benchtime=1x.
func BenchmarkTelemetry(b *testing.B) {
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	b.Cleanup(collector.Close)
	sim := newSimulator(b)
	cfg, err := stageConfig(sim, testservers.StartPostgres(b, testservers.Durable()).Database(), testservers.Redis(b))
	if err != nil {
		b.Fatal(err)
	}
	children := make([]*house, len(telemetryModes))
	processes := make([]*child, len(telemetryModes))
	for i, mode := range telemetryModes {
		env := append([]string{"ATTUALIZZA_LOG_LEVEL=info"}, mode.env...)
		if i >= 2 && i <= 4 {
			env = append(env, "OTEL_EXPORTER_OTLP_ENDPOINT="+collector.URL)
		}
		processes[i] = startChild(b, cfg, env...)
		eventually(b, 20*time.Second, "the process is ready", processes[i].ready)
		children[i] = processes[i].house(b, sim, cfg)
	}
	good, degraded := children[0].ente(b), children[0].ente(b, askEveryTime)
	kinds := []struct {
		name  string
		e     *ente
		debts []positions.NoticeNumber
	}{{name: "good", e: good}, {name: "degraded", e: degraded}}
	for k := range kinds {
		for range 200 {
			d := kinds[k].e.publish(b, digital)
			wants(b, kinds[k].e.ask(b, pafornode.VerifyPaymentNotice, d.nav), d.amount+200)
			kinds[k].debts = append(kinds[k].debts, d.nav)
		}
	}
	degraded.inject(b, sandbox.Fault{Kind: sandbox.WithStatus, Status: 500})

	for b.Loop() {
		rows := table.NewWriter()
		rows.AppendHeader(table.Row{"telemetry", "answers", "activations", "processor per activation", "more than without"})
		for _, kind := range kinds {
			cost := make([][]float64, len(children)) // microseconds, by round
			counts := make([]int64, len(children))
			for round := range telemetryRounds + 2 {
				for i := range children {
					n, micros := processes[i].activations(b, kind.e.fiscalCode, kind.debts)
					if round >= 2 { // the first ones open connections and breakers
						counts[i] += n
						cost[i] = append(cost[i], micros)
					}
				}
			}
			for i, mode := range telemetryModes {
				more := make([]float64, telemetryRounds) // than without, in the same round
				for round := range more {
					more[round] = 100 * (cost[i][round]/cost[0][round] - 1)
				}
				rows.AppendRow(table.Row{mode.name, kind.name, counts[i], fmt.Sprintf("%.0f µs", median(cost[i])), fmt.Sprintf("%+.1f %% (%+.1f to %+.1f)", median(more), quartile(more, 1), quartile(more, 3))})
				b.ReportMetric(median(more), "%_"+strings.ReplaceAll(strings.ReplaceAll(mode.name+"_"+kind.name, ",", ""), " ", "_"))
			}
			rows.AppendSeparator()
		}
		fmt.Fprintln(os.Stderr, rows.Render())
	}
}

// activations has a process answer as many activations as 16 connections take in a
// turn. It returns how many those were, and what each cost the process, in
// microseconds of processor time.
func (c *child) activations(b *testing.B, fiscalCode string, debts []positions.NoticeNumber) (n int64, micros float64) {
	b.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 5 * time.Second}
	bodies := make([][]byte, len(debts))
	for i, nav := range debts {
		bodies[i] = pafornode.AppendRequest(nil, &pafornode.Request{
			Operation: pafornode.GetPaymentV2, IDPA: fiscalCode, IDBrokerPA: demoBroker, IDStation: demoStation,
			QRCode: pafornode.QRCode{FiscalCode: fiscalCode, NoticeNumber: string(nav)},
		})
	}
	ctx, cancel := context.WithTimeout(b.Context(), telemetryTurn)
	defer cancel()
	var answered atomic.Int64
	var all sync.WaitGroup
	before := c.processorTime(b)
	for range 16 {
		all.Go(func() {
			for ctx.Err() == nil {
				body := bodies[int(answered.Add(1))%len(bodies)]
				response, err := client.Post("http://"+c.doors["nodo"]+"/soap/paForNode", "text/xml; charset=utf-8", bytes.NewReader(body))
				if err != nil {
					b.Error(err)
					return
				}
				answer, err := io.ReadAll(response.Body)
				_ = response.Body.Close()
				if err != nil || !bytes.Contains(answer, []byte("<outcome>OK</outcome>")) {
					b.Errorf("%s %v", answer, err)
					return
				}
			}
		})
	}
	all.Wait()
	n = answered.Load()
	return n, float64((c.processorTime(b) - before).Microseconds()) / float64(n)
}

// processorTime is what a process has used so far, of all its threads (proc(5)).
func (c *child) processorTime(tb testing.TB) time.Duration {
	tb.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.cmd.Process.Pid))
	if err != nil {
		tb.Fatal(err)
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	var ticks int64
	for _, field := range fields[11:13] { // utime, stime
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			tb.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100 // USER_HZ
}

func median(values []float64) float64 { return quartile(values, 2) }

func quartile(values []float64, q int) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[(len(sorted)-1)*q/4]
}
