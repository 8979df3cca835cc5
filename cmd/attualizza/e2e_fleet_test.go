package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/attualizza/attualizza/internal/config"
	"github.com/attualizza/attualizza/internal/nodo"
	"github.com/attualizza/attualizza/internal/sandbox"
	"github.com/attualizza/attualizza/internal/testservers"
	"github.com/attualizza/attualizza/soap/pafornode"
)

// fleet is three processes on one PostgreSQL and one Redis. The first one reads
// SEND's streams, and does River's own work for all, until it ends.
type fleet struct {
	sim      *simulator
	database string
	replicas []*child
	houses   []*house // the replicas, as the suite speaks to them
}

const fleetSize = 3

// streamPause is how long the fleet's SEND asks to wait before a stream without
// news is read again.
const streamPause = 2 * time.Second

func newFleet(t *testing.T) *fleet {
	t.Helper()
	sim, err := startSandbox(t.Context(), "127.0.0.1:0", sandbox.Options{LogSize: 100_000, StreamPause: streamPause})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	f := &fleet{sim: sim, database: testservers.Postgres(t)}
	cfg, err := stageConfig(sim, f.database, testservers.Redis(t))
	if err != nil {
		t.Fatal(err)
	}
	cfg.APIRateLimit = config.Rate{Requests: 100_000, Per: time.Second}
	for range fleetSize {
		c := startChild(t, cfg)
		eventually(t, 20*time.Second, "a replica is ready", c.ready)
		f.replicas, f.houses = append(f.replicas, c), append(f.houses, c.house(t, sim, cfg))
		eventually(t, 20*time.Second, "the first replica leads", func() bool {
			leads, _ := f.replicas[0].leads()
			return leads && f.riverLeader(t) != ""
		})
	}
	t.Cleanup(func() {
		for _, h := range f.houses {
			h.nothingPersonal(t)
		}
	})
	return f
}

// known waits until every replica answers for an organization.
func (f *fleet) known(t *testing.T, e *ente) {
	t.Helper()
	d := e.publish(t, digital, withoutSEND)
	for _, h := range f.houses {
		eventually(t, 10*time.Second, "every replica knows the organization", func() bool {
			return e.at(h).ask(t, pafornode.VerifyPaymentNotice, d.nav).Response.Outcome == "OK"
		})
	}
}

// withoutSEND makes a notice one that SEND has nothing to do with.
func withoutSEND(_, option object) { option["sendBound"] = false }

// withStreams has the organization's notifications followed.
func withStreams(body object) { body["send"].(object)["streams"] = true }

// deliver sends a receipt to a replica as the Nodo does, which resubmits what was
// not taken.
func (f *fleet) deliver(t *testing.T, replica int, receipt *pafornode.Request) {
	t.Helper()
	h := f.houses[replica]
	client := nodo.Client{Endpoint: h.endpoint(), HTTP: h.client}
	for try := 1; ; try++ {
		reply, err := client.Send(context.Background(), receipt)
		if err == nil && reply.Response != nil && reply.Response.Outcome == "OK" {
			return
		}
		if try == 5 {
			t.Errorf("receipt %s is not taken by replica %d: %+v %v", receipt.Receipt.ReceiptID, replica, reply, err)
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// riverLeader is who does River's own work: the jobs that come round, and those
// whose process died. "" while it is nobody.
func (f *fleet) riverLeader(t *testing.T) (leader string) {
	t.Helper()
	f.ask(t, &leader, `SELECT coalesce(max(leader_id), '') FROM river_leader WHERE expires_at > now()`)
	return leader
}

// ask reads one value out of the database.
func (f *fleet) ask(t *testing.T, into any, query string, args ...any) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), f.database)
	if err != nil {
		t.Fatal(err)
	}
	err = conn.QueryRow(t.Context(), query, args...).Scan(into)
	if err := errors.Join(err, conn.Close(context.Background())); err != nil {
		t.Fatal(err)
	}
}

var scraper = &http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// leads reads from a replica's metrics whether it reads SEND's streams; answered
// is false when there are none.
func (c *child) leads() (leads, answered bool) {
	response, err := scraper.Get("http://" + c.doors["ops"] + "/metrics")
	if err != nil {
		return false, false
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	if err != nil {
		return false, false
	}
	text := string(page)
	return strings.Contains(text, "\nattualizza_stream_leader 1\n"), strings.Contains(text, "\nattualizza_stream_leader ")
}

// sample is who led at an instant.
type sample struct {
	at     time.Time
	leader []int // by replica
	silent []int // those that did not answer
}

// watch samples the leaders of a fleet until stop.
type watch struct {
	stop func()

	mu      sync.Mutex
	samples []sample
}

func (f *fleet) watch(t *testing.T) *watch {
	w := &watch{}
	done := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		tick := time.NewTicker(400 * time.Millisecond)
		defer tick.Stop()
		for {
			s := sample{at: time.Now()}
			for i, c := range f.replicas {
				leads, answered := c.leads()
				switch {
				case leads:
					s.leader = append(s.leader, i)
				case !answered:
					s.silent = append(s.silent, i)
				}
			}
			w.mu.Lock()
			w.samples = append(w.samples, s)
			w.mu.Unlock()
			select {
			case <-done:
				return
			case <-tick.C:
			}
		}
	})
	w.stop = sync.OnceFunc(func() { close(done); running.Wait() })
	t.Cleanup(w.stop)
	return w
}

// between returns the samples of a while; a zero end is now.
func (w *watch) between(from, to time.Time) (some []sample) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.samples {
		if !s.at.Before(from) && (to.IsZero() || s.at.Before(to)) {
			some = append(some, s)
		}
	}
	return some
}

// pacedPolls holds the readings of every stream to SEND's rule: one at a time, and
// none before the pause that the last answer asked for.
func (f *fleet) pacedPolls(t *testing.T, least int) {
	t.Helper()
	of := map[string][]sandbox.Entry{}
	for _, e := range f.sim.Requests(sandbox.Filter{Endpoint: sandbox.EndpointStreamEvents}) {
		of[e.KeyName] = append(of[e.KeyName], e)
	}
	if len(of) == 0 {
		t.Error("no stream was read")
	}
	for key, polls := range of {
		slices.SortFunc(polls, func(a, b sandbox.Entry) int { return a.At.Compare(b.At) })
		if len(polls) < least {
			t.Errorf("the stream of %s was read %d times only", key, len(polls))
		}
		for i, p := range polls {
			if p.Status == http.StatusTooManyRequests {
				t.Errorf("the stream of %s was read too early at %s", key, p.At)
			}
			if i > 0 && p.At.Before(polls[i-1].At.Add(time.Duration(polls[i-1].DurationMS)*time.Millisecond)) {
				t.Errorf("two readings of the stream of %s overlap at %s", key, p.At)
			}
		}
	}
}
