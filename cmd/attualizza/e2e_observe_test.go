package main

import (
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/attualizza/attualizza/internal/config"
	"github.com/attualizza/attualizza/internal/mutualtls/mutualtlstest"
	"github.com/attualizza/attualizza/internal/sandbox"
	"github.com/attualizza/attualizza/internal/testservers"
	"github.com/attualizza/attualizza/soap/pafornode"
)

// hurry is how much shorter the windows of the alerts are in the scene than in
// production: five minutes are five seconds, an hour is a minute.
const hurry = 60

// awaited are the alerts of the outage: SEND's breaker is open, and most citizens
// are asked without SEND's price.
var awaited = []string{"DegradedAnswersMost", "SendBreakerOpen"}

// alertPatience is how long an alert may take to fire or to clear: its hurried
// windows, the pause of the breaker of up to 10 s, and a busy machine. Every other
// phase of the scene has its limit where it is waited for; there is none of the sum.
const alertPatience = 60 * time.Second

// TestDashboardsAndAlertsLiveThroughAnOutage plays an outage of SEND before a real
// Prometheus: the built program, PostgreSQL, Redis, mutual TLS, some 16 requests a
// second. Prometheus evaluates every second a copy of the shipped rules whose
// durations are divided by [hurry] (see [hurried]); the dashboards' queries are those
// that are shipped, with Grafana's variables filled in.
//
// Every query must have found something in that time, and so must every series that
// a query or a rule names. The alerts of the outage must fire, and clear after it.
//
// It takes 45 s on an idle machine, and alone: its windows are of seconds, and what
// another test takes of the processor would be in them.
//
// `make observe` plays the same for people, KEEP=1 leaves Prometheus up.
func TestDashboardsAndAlertsLiveThroughAnOutage(t *testing.T) {
	playOutage(t, os.Getenv("OBSERVE") != "")
}

// watched is what is watched, and who watches.
type watched struct {
	*watcher
	t       *testing.T
	out     io.Writer // for people
	traffic *traffic
	sim     *simulator
	store   *testservers.PostgresServer
	service *certified
}

func (w *watched) say(format string, args ...any) {
	fmt.Fprintf(w.out, "%5.1f s  %s\n", time.Since(w.began).Seconds(), fmt.Sprintf(format, args...))
}

func playOutage(t *testing.T, forPeople bool) {
	w := &watched{watcher: &watcher{}, t: t, out: io.Discard}
	if forPeople {
		w.out = os.Stdout
	}
	if _, err := binary(); err != nil { // which takes its time, that is not the scene's
		t.Fatal(err)
	}
	w.began = time.Now()
	w.begin(forPeople)

	w.say("calm: the Nodo asks, SEND answers")
	w.until("a stream is read", 20*time.Second, func() bool { return len(w.sim.Streams(w.traffic.paying.fiscalCode)) == 1 })
	w.traffic.paying.notifies(t, w.traffic.paying.publish(t, digital)).step(sandbox.Step{Event: sandbox.Accept})
	w.until("rules are evaluated, receipts, events and changed amounts seen", 30*time.Second, func() bool {
		return w.unwell() == "" && w.last(`sum(rate(attualizza_receipts_total[5s]))`) > 0 && w.last(`job:attualizza_answers:rate5m`) > 0 &&
			w.last(`sum(attualizza_stream_events_total)`) > 0 && w.last(`min(attualizza_amount_drift_cents_total)`) > 0 &&
			w.last(`min(attualizza_verified_then_activated_total)`) > 0 && w.last(`sum(attualizza_rest_refused_total{status="404"})`) > 0 && w.last(`count_over_time(up[1m])`) >= 8
	})
	w.show()
	w.mistakes()
	w.none(awaited)

	w.say("outage: SEND hangs on prices, and refuses payments and events")
	faults := w.outage()
	w.until(strings.Join(awaited, " and ")+" fire", alertPatience, func() bool { return w.fire(awaited) == len(awaited) })
	w.show()
	if open := w.last(`max(attualizza_send_breaker_state)`); open < 1 {
		t.Errorf("the alert fires with the breaker's state at %v", open)
	}

	w.say("SEND answers again")
	for _, id := range faults {
		if err := w.sim.ClearFault(id); err != nil {
			t.Fatal(err)
		}
	}
	w.until(strings.Join(awaited, " and ")+" are clear again", alertPatience, func() bool { return w.fire(awaited) == 0 })
	w.show()

	w.say("the database stops for a moment: a receipt is asked for again, a citizen is turned away")
	w.storeStops()
	w.until("Prometheus has seen it", 20*time.Second, func() bool {
		return w.last(`sum(attualizza_answers_total{outcome="RESUBMIT"})`) > 0 && w.last(`sum(attualizza_answers_total{fault_code="PAA_SYSTEM_ERROR"})`) > 0 &&
			w.last(`sum by (job) (job:attualizza_answers:rate5m)`) > 0
	})
	w.traffic.end()
	answered, failed := w.traffic.unanswered()
	w.say("%d calls were answered", answered)
	if failed != nil {
		t.Errorf("calls that got no answer: %v", failed)
	}
	w.judge()
	w.service.nothingPersonal(t)
	w.service.nothingPersonalInMetrics(t)
	w.say("the end; it took %s", time.Since(w.began).Round(time.Second))
	if forPeople && os.Getenv("KEEP") != "" {
		w.say("Prometheus stays at %s until Ctrl-C", w.url)
		ctx, cancel := signal.NotifyContext(t.Context(), os.Interrupt)
		defer cancel()
		<-ctx.Done()
	}
}

// begin starts everything, and the traffic.
func (w *watched) begin(forPeople bool) {
	t := w.t
	w.say("starting PostgreSQL, Redis, SEND's simulator and the service")
	w.sim = newSimulator(t)
	w.store = testservers.StartPostgres(t)
	cfg, err := stageConfig(w.sim, w.store.Database(), testservers.Redis(t))
	if err != nil {
		t.Fatal(err)
	}
	cfg.APIRateLimit = config.Rate{Requests: 100_000, Per: time.Second}
	ours, theirs := mutualtlstest.New(t, "our CA"), mutualtlstest.New(t, "pagoPA's CA")
	certify(t, cfg, ours, theirs, time.Now().AddDate(1, 0, 0))
	c := startChild(t, cfg, "OTEL_EXPORTER_OTLP_ENDPOINT="+newCollector(t).URL)
	eventually(t, 20*time.Second, "the service is ready", c.ready)
	w.service = &certified{c.house(t, w.sim, cfg), ours, theirs}

	w.traffic = w.people(w.service)
	port := 0
	if forPeople && free("127.0.0.1:9090") {
		port = 9090
	}
	rules, err := os.ReadFile("../../deploy/prometheus/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	w.url = testservers.StartPrometheus(t, port, map[string]string{
		"rules.yaml": hurried(string(rules), hurry),
		"prometheus.yaml": fmt.Sprintf(`
global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
rule_files: [rules.yaml]
scrape_configs: [{job_name: attualizza, static_configs: [{targets: [%q]}]}]
`, c.doors["ops"]),
	}).URL()
	w.say("Prometheus is at %s, the service's metrics at http://%s/metrics", w.url, c.doors["ops"])
	w.traffic.start(t.Context())
	t.Cleanup(w.traffic.end)
}

func free(address string) bool {
	l, err := net.Listen("tcp", address)
	return err == nil && l.Close() == nil
}

// people makes the organizations and their notices known.
func (w *watched) people(h *certified) *traffic {
	t := w.t
	f := &traffic{
		nodo:   h.as(t, h.theirs.Client(t, nil)),
		asking: h.ente(t, askEveryTime),
		paying: h.ente(t, h.withVoucher(t), withStreams, pushesTo(newReceiver(t))),
		bodies: make(chan object, 300), navs: map[string]debt{}, within: make(chan struct{}, 24),
	}
	for range 20 {
		f.notice = append(f.notice, f.asking.publish(t, digital))
	}
	f.notice = append(f.notice, f.asking.publish(t, digital, withoutSEND))
	for range cap(f.bodies) {
		d, position := f.paying.position(t, oneLetter)
		f.navs[d.iupd] = d
		f.bodies <- position
	}
	// A key that SEND no longer knows.
	refused := h.ente(t, askEveryTime)
	d := refused.publish(t, digital)
	if err := w.sim.RemoveKey(refused.fiscalCode); err != nil {
		t.Fatal(err)
	}
	if _, err := f.ask(t.Context(), refused, pafornode.VerifyPaymentNotice, d.nav); err != nil {
		t.Fatal(err)
	}
	// Somebody whose certificate is good and does not name the Nodo.
	stranger := h.as(t, h.theirs.Client(t, func(c *x509.Certificate) { c.Subject.CommonName = "somebody.example" }))
	if _, err := stranger.Send(t.Context(), refused.request(pafornode.VerifyPaymentNotice, d.nav)); err == nil {
		t.Error("a stranger is answered")
	}
	return f
}

// outage makes SEND fail for everybody.
func (w *watched) outage() (ids []string) {
	for _, f := range []sandbox.Fault{
		{Kind: sandbox.Hang},
		{Endpoint: sandbox.EndpointPaymentEvents, Kind: sandbox.WithStatus, Status: http.StatusServiceUnavailable},
		{Endpoint: sandbox.EndpointStreamEvents, Kind: sandbox.WithStatus, Status: http.StatusServiceUnavailable},
	} {
		got, err := w.sim.Inject(f)
		if err != nil {
			w.t.Fatal(err)
		}
		ids = append(ids, got.ID)
	}
	return ids
}

// storeStops freezes PostgreSQL until a receipt was not kept and a verify failed.
func (w *watched) storeStops() {
	t := w.t
	var receipt *pafornode.Request
	w.until("a notice is activated", 10*time.Second, func() bool {
		var err error
		receipt, err = w.traffic.activated(t.Context())
		return err == nil && receipt != nil
	})
	w.store.Pause()
	defer w.store.Resume()
	w.until("a receipt is not taken, and a verify is refused", 15*time.Second, func() bool {
		kept, err := w.traffic.nodo.Send(t.Context(), receipt)
		if err != nil || kept.HTTPStatus != http.StatusServiceUnavailable {
			return false
		}
		reply, err := w.traffic.ask(t.Context(), w.traffic.asking, pafornode.VerifyPaymentNotice, w.traffic.notice[0].nav)
		return err == nil && reply.Response != nil && fault(reply) == "PAA_SYSTEM_ERROR"
	})
}

// until waits for something that Prometheus must come to see.
func (w *watched) until(what string, within time.Duration, is func() bool) {
	w.t.Helper()
	began := time.Now()
	for !is() {
		if time.Since(began) > within {
			firing, err := w.firing()
			w.t.Fatalf("%s: not within %s; unwell is %q, firing are %v %v", what, within, w.unwell(), firing, err)
		}
		time.Sleep(500 * time.Millisecond)
	}
	w.say("%s, after %.1f s", what, time.Since(began).Seconds())
}

// unwell is a rule that is not evaluated, or not well.
func (w *watched) unwell() string {
	all, err := w.rules()
	if err != nil || len(all) == 0 {
		return fmt.Sprintf("there are no rules: %v", err)
	}
	for _, r := range all {
		if r.Health != "ok" {
			return r.Name + ": " + r.Health + " " + r.LastError
		}
	}
	return ""
}

// fire counts those of some alerts that fire.
func (w *watched) fire(names []string) (n int) {
	firing, err := w.firing()
	if err != nil {
		w.t.Error(err)
	}
	for _, name := range names {
		if slices.Contains(firing, name) {
			n++
		}
	}
	return n
}

func (w *watched) none(names []string) {
	w.t.Helper()
	if n := w.fire(names); n > 0 {
		w.t.Errorf("%d of %v fire though SEND answers", n, names)
	}
}

// show tells people what the dashboards would.
func (w *watched) show() {
	firing, err := w.firing()
	if err != nil {
		w.t.Error(err)
	}
	w.say("  answers per second %.1f, 99 of 100 within %.3f s, degraded %.0f %%, breaker %.0f (2: open), firing %v",
		w.last(`sum(rate(attualizza_answers_total[5s]))`),
		w.last(`histogram_quantile(0.99, sum by (le) (rate(attualizza_answer_duration_seconds_bucket[5s])))`),
		100*w.last(`sum(rate(attualizza_fee_source_total{source=~"LAST_KNOWN|BASE|NONE"}[5s])) / sum(rate(attualizza_fee_source_total{source!="NOT_BOUND"}[5s]))`),
		w.last(`max(attualizza_send_breaker_state)`), firing)
}

// mistakes proves that the judge below can tell: misspelt queries are dead.
func (w *watched) mistakes() {
	for _, expr := range []string{
		`sum(rate(attualizza_answer_total[1m]))`,
		`sum(rate(attualizza_answers_total{outcome="FINE"}[1m]))`,
		`sum(rate(attualizza_answer_total[1m])) or 0 * sum(up)`,
		`sum(rate(attualizza_answers_total[1m])`,
		`1 / 0 * sum(up)`,
	} {
		if err := w.dead(expr); err == nil {
			w.t.Errorf("%s is taken for alive", expr)
		}
	}
	if err := w.dead(`sum(rate(attualizza_answers_total[1m]))`); err != nil {
		w.t.Errorf("a good query is taken for dead: %v", err)
	}
}

// judge holds every query of every panel and every rule to what Prometheus saw.
func (w *watched) judge() {
	t := w.t
	report := table.NewWriter()
	report.SetOutputMirror(w.out)
	report.AppendHeader(table.Row{"dashboard", "panels", "alive"})
	for _, b := range boards(t) {
		panels, alive := 0, 0
		for _, p := range b.Panels {
			if len(p.Targets) == 0 {
				continue // a row
			}
			panels++
			var problems []string
			for _, x := range p.Targets {
				if err := w.dead(x.Expr); err != nil {
					problems = append(problems, fmt.Sprintf("%v: %s", err, x.Expr))
				}
				if n, err := w.traces(x.Expr); x.Exemplar && (err != nil || n == 0) {
					problems = append(problems, fmt.Sprintf("no exemplar leads to a trace, %v: %s", err, x.Expr))
				}
			}
			if len(problems) > 0 {
				t.Errorf("%s, %q: %s", b.Title, p.Title, strings.Join(problems, "\n\t"))
				continue
			}
			alive++
		}
		for _, v := range b.Templating.List {
			query, _ := v.Query.(string)
			if query == "prometheus" {
				continue // the choice of a data source
			}
			if n, err := w.choices(query); err != nil || n == 0 {
				t.Errorf("%s: nothing to choose for $%s: %v", b.Title, v.Name, err)
			}
		}
		for _, a := range b.Annotations.List {
			if a.Expr == "" {
				continue
			}
			if err := w.dead(a.Expr); err != nil {
				t.Errorf("%s, %s: %v", b.Title, a.Name, err)
			}
		}
		report.AppendRow(table.Row{b.Title, panels, alive})
	}
	w.judgeRules()
	report.Render()
}

// judgeRules holds the rules to the same, hurried, and as they are shipped: their
// alerts need not fire, but their series must be there.
func (w *watched) judgeRules() {
	if unwell := w.unwell(); unwell != "" {
		w.t.Error(unwell)
	}
	all, err := w.rules()
	if err != nil {
		w.t.Fatal(err)
	}
	recorded, alerts := 0, 0
	for _, r := range all {
		if r.Type == "recording" {
			recorded++
			if n, err := w.series(r.Name); err != nil || n == 0 {
				w.t.Errorf("%s records nothing: %v", r.Name, err)
			}
			continue
		}
		alerts++
		if blind, err := w.blind(r.Query); err != nil || len(blind) > 0 {
			w.t.Errorf("alert %s looks at what is not there: %s %v", r.Name, strings.Join(blind, ", "), err)
		}
	}
	w.say("%d recorded series and %d alerts are evaluated", recorded, alerts)
	if recorded == 0 || alerts == 0 {
		w.t.Errorf("%d recorded series, %d alerts", recorded, alerts)
	}
}
