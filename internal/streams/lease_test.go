package streams

import (
	"context"
	"io"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/sandbox"
	"github.com/attualizza/attualizza/internal/telemetry"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/sendclient"
)

func TestTheUsualTermsReplaceALeaderWithinThirtySeconds(t *testing.T) {
	if got := usual.takeover() + usual.notice; got > 30*time.Second {
		t.Errorf("a leader that is gone is replaced after %s", got)
	}
	if usual.margin <= 0 || usual.margin+usual.look > usual.every {
		t.Errorf("a leader must stop before its lease ends, and renew it well before that: %+v", usual)
	}
	// A renewal may fail once without any harm.
	if free := usual.lease - usual.margin; free < 2*usual.every+usual.look {
		t.Errorf("a leader has %s to renew its lease, and tries every %s", free, usual.every)
	}
}

// watched is SEND as one replica reaches it: it tells when it is read.
type watched struct {
	Platform
	watch *watch
	name  string
	dead  *atomic.Bool
}

type watch struct {
	mu       sync.Mutex
	active   map[string]int
	together bool
	readings []stay
}

type stay struct {
	name       string
	began, end time.Time
}

func (p watched) Consume(ctx context.Context, cred *sendclient.Credential, stream, last string) (sendclient.Progress, error) {
	if p.dead.Load() {
		return sendclient.Progress{}, errBroken
	}
	w := p.watch
	w.mu.Lock()
	w.active[p.name]++
	w.together = w.together || len(w.active) > 1
	w.mu.Unlock()
	began := time.Now()
	progress, err := p.Platform.Consume(ctx, cred, stream, last)
	w.mu.Lock()
	if w.active[p.name]--; w.active[p.name] == 0 {
		delete(w.active, p.name)
	}
	w.readings = append(w.readings, stay{p.name, began, time.Now()})
	w.mu.Unlock()
	return progress, err
}

func (w *watch) by(name string) (list []stay) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.readings {
		if r.name == name {
			list = append(list, r)
		}
	}
	return list
}

// both tells whether two have read at the same time.
func (w *watch) both() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.together
}

// severed is a store that a replica can no longer reach.
type severed struct {
	positions.Store
	dead *atomic.Bool
}

func (s severed) AcquireLease(ctx context.Context, name, holder string, length time.Duration) (bool, error) {
	if s.dead.Load() {
		return false, errBroken
	}
	return s.Store.AcquireLease(ctx, name, holder, length)
}

func (s severed) ReleaseLease(ctx context.Context, name, holder string) error {
	if s.dead.Load() {
		return errBroken
	}
	return s.Store.ReleaseLease(ctx, name, holder)
}

func TestALeaderThatIsGoneIsReplacedAndTwoNeverReadAtOnce(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *country) {
		for name, killed := range map[string]bool{"killed": true, "cut off from the store": false} {
			t.Run(name, func(t *testing.T) {
				w := &watch{active: map[string]int{}}
				var unreachable, dead, alive atomic.Bool
				a := c.replica(func(cfg *Config) {
					cfg.Store = severed{c.store, &unreachable}
					cfg.Platform = watched{cfg.Platform, w, "a", &dead}
				})
				b := c.replica(func(cfg *Config) { cfg.Platform = watched{cfg.Platform, w, "b", &alive} })
				stop := a.start()
				c.eventually("the first leads", func() bool { return len(w.by("a")) > 2 })
				stopB := b.start()
				defer stopB()
				time.Sleep(2 * quick.every)
				if len(w.by("b")) > 0 {
					t.Fatal("the second reads too")
				}
				unreachable.Store(true)
				gone := time.Now()
				if killed {
					dead.Store(true)
					stop() // its lease cannot be given back
				}
				nav := c.owes(comune, time.Now().UnixNano()%1e9)
				iun := c.notify(pays(comune, nav))
				c.do(iun, accept)
				c.eventually("the second reads", func() bool { return len(w.by("b")) > 0 })
				firstOfB, allOfA := w.by("b")[0].began, w.by("a")
				if took := firstOfB.Sub(gone); took > quick.takeover()+quick.notice+time.Second {
					t.Errorf("it took %s", took)
				}
				lastOfA := allOfA[len(allOfA)-1].end
				if !lastOfA.Before(firstOfB) {
					t.Errorf("the first read %s after the second began", lastOfA.Sub(firstOfB))
				}
				c.learns(comune, nav, 200, "")
				time.Sleep(2 * quick.every)
				if after := w.by("a"); len(after) != len(allOfA) || w.both() {
					t.Error("both were reading")
				}
				unreachable.Store(false)
				stop()
			})
		}
	})
}

func TestALeaderThatLeavesIsReplacedAtTheNextTry(t *testing.T) {
	onBothStores(t, func(t *testing.T, c *country) {
		w := &watch{active: map[string]int{}}
		var alive atomic.Bool
		a, b := c.replica(), c.replica(func(cfg *Config) { cfg.Platform = watched{cfg.Platform, w, "b", &alive} })
		stop := a.start()
		c.eventually("a stream is read", func() bool { n, _ := c.readings(); return n > 0 })
		b.start()
		time.Sleep(quick.every)
		stop()
		began := time.Now()
		c.eventually("the other reads", func() bool { return len(w.by("b")) > 0 })
		if took := time.Since(began); took > quick.lease {
			t.Fatalf("it took %s, as if the lease had not been given back", took)
		}
	})
}

func TestAStreamIsFollowedAsItsOrganizationIsRegistered(t *testing.T) {
	c := onSQLite(t)
	c.following()
	c.register(provincia, true)
	c.eventually("the new one has a stream", func() bool { return len(c.send.Streams(provincia)) == 1 })
	for _, code := range []string{comune, provincia} {
		c.register(code, false)
	}
	time.Sleep(3 * quick.notice)
	before, _ := c.readings()
	time.Sleep(3 * quick.notice)
	if after, _ := c.readings(); after != before {
		t.Fatalf("%d readings for nobody", after-before)
	}
	c.register(comune, true)
	c.eventually("it is read again", func() bool { n, _ := c.readings(); return n > before })
	if n := len(c.send.Streams(comune)); n != 1 {
		t.Fatalf("%d streams", n)
	}
}

func TestAStreamThatIsLostIsFoundOrReplaced(t *testing.T) {
	c := onSQLite(t)
	r := c.replica()
	r.terms.verify = 50 * time.Millisecond
	stop := r.start()
	active := func() (ids []string) {
		for _, s := range c.send.Streams(comune) {
			if s.DisabledDate == nil {
				ids = append(ids, s.ID)
			}
		}
		return ids
	}
	stored := func() positions.StreamCursor {
		at, err := c.store.StreamCursor(t.Context(), comune)
		c.must(err)
		return at
	}
	c.eventually("a stream is there", func() bool { return stored().StreamID != "" })
	first := active()[0]
	stop()

	c.must(c.store.MoveStreamCursor(t.Context(), comune, stored(), positions.StreamCursor{}))
	r = c.replica()
	r.terms.verify = 50 * time.Millisecond
	r.start()
	c.eventually("it is found by its title", func() bool { return stored().StreamID == first })
	for _, call := range [][2]string{{"DELETE", ""}, {"POST", "/action/disable"}} {
		was := stored().StreamID
		c.ask(call[0], "/delivery-progresses/v2.9/streams/"+was+call[1])
		c.eventually("another takes its place", func() bool {
			now := active()
			return len(now) == 1 && now[0] != was && stored().StreamID == now[0]
		})
	}
	nav := c.owes(comune, 1)
	c.do(c.notify(pays(comune, nav)), accept)
	c.learns(comune, nav, 200, "")
}

func TestAStreamThatFailsIsTriedAgain(t *testing.T) {
	c := onSQLite(t)
	for _, endpoint := range []sandbox.Endpoint{sandbox.EndpointStreams, sandbox.EndpointStreamEvents} {
		for _, f := range []sandbox.Fault{{Kind: sandbox.WithStatus, Status: 500}, {Kind: sandbox.Reset}, {Kind: sandbox.Malformed}, {Kind: sandbox.Truncated}} {
			f.Endpoint, f.Requests = endpoint, 1
			_, err := c.send.Inject(f)
			c.must(err)
		}
	}
	nav := c.owes(comune, 1)
	c.following()
	c.do(c.notify(pays(comune, nav)), accept)
	c.learns(comune, nav, 200, "")
	c.eventually("it is told", func() bool { return strings.Contains(c.logs.String(), "is read again") })
	if len(c.send.Faults()) > 0 {
		t.Fatal(c.send.Faults())
	}
}

func TestPausesGrowWithFailuresAndAreNoShorterThanAskedFor(t *testing.T) {
	r := &reader{Follower: &Follower{terms: usual}}
	for failures, want := range map[int]time.Duration{1: 5 * time.Second, 2: 10 * time.Second, 5: 80 * time.Second, 7: 5 * time.Minute, 1000: 5 * time.Minute} {
		if got := r.backoff(failures, errBroken); got > want || got < want-want/10-1 {
			t.Errorf("after %d failures: %s, want %s", failures, got, want)
		}
	}
	if got := r.backoff(1, &sendclient.CallError{RetryAfter: 9 * time.Minute}); got != 9*time.Minute {
		t.Error(got)
	}
}

func TestTheMetricsTellWhoReadsAndWhatBecameOfEvents(t *testing.T) {
	c := onSQLite(t)
	metrics, err := telemetry.NewMetrics(telemetry.Environment{})
	c.must(err)
	t.Cleanup(func() { metrics.Close(context.Background()) })
	r := c.replica(func(cfg *Config) { cfg.Meter = metrics.Meter() })
	scrape := func() []string {
		w := httptest.NewRecorder()
		metrics.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		text, _ := io.ReadAll(w.Body)
		return strings.Split(string(text), "\n")
	}
	has := func(line string) bool { return slices.Contains(scrape(), line) }
	if !has("attualizza_stream_leader 0") || !has("attualizza_stream_lag_seconds 0") {
		t.Fatal("before")
	}
	stop := r.start()
	c.eventually("it leads", func() bool { return has("attualizza_stream_leader 1") })
	c.eventually("a stream is there", func() bool { return len(c.send.Streams(comune)) == 1 })
	nav := c.owes(comune, 1)
	iun := c.notify(pays(comune, nav))
	c.do(iun, accept, sandbox.Step{Event: sandbox.Pay})
	c.must(r.Handle(t.Context(), Event{Category: "Mario Rossi"}))
	for _, line := range []string{
		`attualizza_stream_events_total{category="REQUEST_ACCEPTED",result="queued"} 1`,
		`attualizza_stream_events_total{category="REQUEST_ACCEPTED",result="refreshed"} 1`,
		`attualizza_stream_events_total{category="PAYMENT",result="ignored"} 1`,
		`attualizza_stream_events_total{category="OTHER",result="ignored"} 1`,
	} {
		c.eventually(line, func() bool { return has(line) })
	}
	stop()
	if !has("attualizza_stream_leader 0") || !has("attualizza_stream_lag_seconds 0") {
		t.Fatal("afterwards")
	}
}

func TestAtMostEightStreamsAreReadAtOnce(t *testing.T) {
	c := onSQLite(t)
	_, err := c.send.Inject(sandbox.Fault{Endpoint: sandbox.EndpointStreamEvents, Kind: sandbox.Latency, Wait: sandbox.Duration(200 * time.Millisecond)})
	c.must(err)
	for i := range 12 {
		code := "9000000000" + string(rune('0'+i))
		if i > 9 {
			code = "9100000000" + string(rune('0'+i-10))
		}
		c.must(c.send.RegisterKey(sandbox.APIKey{Name: code, Value: "key-" + code, SenderTaxID: code, PDND: sandbox.VoucherForbidden}))
		c.register(code, true)
	}
	var now, most atomic.Int64
	r := c.replica(func(cfg *Config) { cfg.Platform = counted{cfg.Platform, &now, &most} })
	r.start()
	c.eventually("all thirteen are read, again and again", func() bool { n, _ := c.readings(); return n > 40 })
	if n := most.Load(); n != maxCalls {
		t.Fatalf("%d at once", n)
	}
}

// counted is SEND, counting who reads.
type counted struct {
	Platform
	now, most *atomic.Int64
}

func (p counted) Consume(ctx context.Context, cred *sendclient.Credential, stream, last string) (sendclient.Progress, error) {
	n := p.now.Add(1)
	defer p.now.Add(-1)
	for m := p.most.Load(); n > m && !p.most.CompareAndSwap(m, n); m = p.most.Load() {
	}
	return p.Platform.Consume(ctx, cred, stream, last)
}
