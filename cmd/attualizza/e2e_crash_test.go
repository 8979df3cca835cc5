package main

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/config"
	"github.com/attualizza/attualizza/internal/rest"
	"github.com/attualizza/attualizza/positions"
)

// What the crash test does unless the environment says otherwise. The same seed
// writes the same messages and the same moments of death, as far as these are
// counted in messages; what is under way at such a moment is the machine's
// choice.
var (
	crashMessages = takeNumber("ATTUALIZZA_CRASH_MESSAGES", 10_000)
	crashSeed     = takeNumber("ATTUALIZZA_CRASH_SEED", 1)
)

const (
	crashKills   = 20
	crashClients = 16 // stories told at once
	crashEnti    = 3
)

// takeNumber takes a number above 0 out of the environment: the program refuses
// to start with a variable of its own that it does not know.
func takeNumber(name string, otherwise int) int {
	text, ok := os.LookupEnv(name)
	if !ok {
		return otherwise
	}
	_ = os.Unsetenv(name) // it is there
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		panic(fmt.Sprintf("%s=%q is not a number above 0", name, text))
	}
	return n
}

// Limits of one store's run, for a busy machine.
var crashTelling = time.Minute + time.Duration(crashMessages)*20*time.Millisecond

const crashSettling = 4 * time.Minute // afterwards, until nothing is left to deliver: a dead process's claims last a minute

// Nobody can know in which instant a process dies, so it is killed in many. What
// it has said OK to is there afterwards, and what had to leave has left: at least
// once and, of each notice, in order.
//
// Only the process dies, not the machine: that a commit reaches the disk is
// fsync's business, which both stores wait for.
func TestNothingThatWasAcknowledgedIsLostHoweverOftenTheServiceIsKilled(t *testing.T) {
	for _, d := range deployments {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel() // one store's messages while the other waits for the claims of its dead
			t.Logf("ATTUALIZZA_CRASH_SEED=%d ATTUALIZZA_CRASH_MESSAGES=%d", crashSeed, crashMessages)
			database, redis := d.start(t)
			c := newCrash(t, database, redis, uint64(crashSeed), crashMessages)
			c.tell(t)
			c.settle(t)
			c.check(t)
		})
	}
}

// crash is a service that is killed again and again, and all around it that
// lives on: the Nodo, SEND and a debt system that receipts are pushed to.
type crash struct {
	cfg      *config.Config
	sim      *simulator
	receiver *receiver
	child    *child
	house    *house
	enti     []*ente
	stories  []*story
	kills    []kill

	sent        atomic.Int64 // messages, each counted at its first attempt
	interrupted atomic.Int64 // attempts that broke off without an answer
	resubmitted atomic.Int64 // receipts answered 503
	refused     atomic.Int64 // activations answered PAA_SYSTEM_ERROR

	looking  sync.Mutex
	unlogged int // answers that the process that runs sent before their record was durable
	lost     int // the same of those that are dead: the most that they may have lost
}

// kill is a moment of death: a while after so many messages were sent.
type kill struct {
	after   int64
	reached chan struct{}
	delay   time.Duration
}

func newCrash(t *testing.T, database, redis string, seed uint64, messages int) *crash {
	t.Helper()
	sim := newSimulator(t)
	cfg, err := stageConfig(sim, database, redis)
	if err != nil {
		t.Fatal(err)
	}
	free := map[string]bool{}
	for len(free) < 3 {
		free[freeAddress(t)] = true
	}
	doors := slices.Collect(maps.Keys(free)) // the same for every process: the Nodo knows no others
	cfg.NodoListen, cfg.APIListen, cfg.OpsListen = doors[0], doors[1], doors[2]
	cfg.DrainDelay = 100 * time.Millisecond
	c := &crash{cfg: cfg, sim: sim, receiver: newReceiver(t)}
	c.child = startChild(t, cfg)
	eventually(t, 20*time.Second, "ready", c.child.ready)
	c.house = c.child.house(t, sim, cfg)
	for range crashEnti {
		c.enti = append(c.enti, c.house.ente(t, pushesTo(c.receiver)))
	}
	random := rand.New(rand.NewPCG(seed, 0))
	c.stories = plan(random, messages)
	c.publish(t, random)
	gap := messages / (crashKills + 1)
	for i := range min(crashKills, messages) { // one in each stretch, so that none falls upon another
		c.kills = append(c.kills, kill{
			after:   int64(i*gap + 1 + random.IntN(max(1, gap))),
			reached: make(chan struct{}),
			delay:   time.Duration(random.IntN(50_000)) * time.Microsecond,
		})
	}
	return c
}

// onlyOne keeps the stores from telling at once: answers are held to their budget.
var onlyOne sync.Mutex

// tell lets clients tell all stories while the process is killed and started.
func (c *crash) tell(t *testing.T) {
	onlyOne.Lock()
	defer onlyOne.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), crashTelling)
	var clients, looks sync.WaitGroup
	defer func() {
		cancel()
		clients.Wait()
		looks.Wait()
	}()
	began := time.Now()
	next := make(chan *story)
	for range crashClients {
		clients.Go(func() {
			for s := range next {
				if err := c.play(ctx, s); err != nil {
					t.Errorf("%v: %v", s, err)
				}
			}
		})
	}
	clients.Go(func() {
		defer close(next)
		for _, s := range c.stories {
			select {
			case next <- s:
			case <-ctx.Done():
				t.Errorf("not all stories were told within %s", crashTelling)
				return
			}
		}
	})
	looks.Go(func() { c.scrape(ctx) })
	for _, k := range c.kills {
		select {
		case <-k.reached:
		case <-ctx.Done():
			t.Fatalf("message %d was not sent within %s", k.after, crashTelling)
		}
		time.Sleep(k.delay) // the moment itself
		lost := c.lost
		c.die(t)
		t.Logf("%s: killed %s after message %d was sent: %d messages sent, %d attempts broken off so far, %d answers left before their record",
			time.Since(began).Round(time.Millisecond), k.delay, k.after, c.sent.Load(), c.interrupted.Load(), c.lost-lost)
		c.child = startChild(t, c.cfg)
	}
	clients.Wait()
	t.Logf("%d messages of %d stories in %s, %d kills: %d attempts broken off, %d receipts to be sent again (503), %d activations refused for a moment",
		c.sent.Load(), len(c.stories), time.Since(began).Round(time.Millisecond), len(c.kills), c.interrupted.Load(), c.resubmitted.Load(), c.refused.Load())
	if c.interrupted.Load() == 0 {
		t.Error("no kill broke anything off: they prove nothing")
	}
}

// die kills the process, after a last look at what that may lose.
func (c *crash) die(t *testing.T) {
	t.Helper()
	c.looking.Lock()
	defer c.looking.Unlock()
	c.look()
	if err := c.child.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-c.child.ended
	c.child.house(t, c.sim, c.cfg).nothingPersonal(t)
	c.lost, c.unlogged = c.lost+c.unlogged, 0
}

const unloggedMetric = "attualizza_answers_unlogged_total "

// look reads how many replies the process sent before their record was durable.
// One that is dead or not quite there tells nothing. Callers hold c.looking.
func (c *crash) look() {
	response, err := scraper.Get("http://" + c.cfg.OpsListen + "/metrics")
	if err != nil {
		return
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), unloggedMetric); ok {
			if n, err := strconv.ParseFloat(value, 64); err == nil {
				c.unlogged = max(c.unlogged, int(n))
			}
		}
	}
}

func (c *crash) scrape(ctx context.Context) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			c.looking.Lock()
			c.look()
			c.looking.Unlock()
		}
	}
}

// settle waits until the last process has delivered what it and the dead ones had
// to, and ends it as an operator does.
func (c *crash) settle(t *testing.T) {
	t.Helper()
	began := time.Now()
	for _, e := range c.enti {
		eventually(t, crashSettling, "everything is delivered", func() bool {
			var list rest.DeliveryList
			e.mustREST(t, http.MethodGet, "/deliveries?limit=1&state="+string(positions.DeliveryPending), e.key, nil, http.StatusOK, &list)
			return list.PageInfo.TotalPages == 0
		})
	}
	t.Logf("%s until everything was delivered", time.Since(began).Round(time.Millisecond))
	c.look() // nobody else does any more
	c.lost, c.unlogged = c.lost+c.unlogged, 0
	c.child.house(t, c.sim, c.cfg).nothingPersonal(t)
	c.child.end(t)
}
