package sendclient

import (
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
)

const (
	// bulkhead bounds the requests of one credential under way at once.
	bulkhead = 32
	// maxGuards bounds the credentials remembered; beyond it the one that asked
	// least recently is forgotten.
	maxGuards = 8192
	// failuresInARow opens a breaker that sees too little traffic for its ratio:
	// twenty requests that hang would be twenty citizens kept waiting.
	failuresInARow = 5
)

// guard protects one organization's credential, and who is asked from it.
type guard struct {
	id      fingerprint
	used    time.Time // under guards.mu
	slots   chan struct{}
	breaker *gobreaker.CircuitBreaker[Answer]
	streak  atomic.Int32 // failures since the last success
	hold    hold
	session session // with a legacy relay
}

// newGuard returns a guard that tells changed, unless that is nil, of its breaker.
func newGuard(id fingerprint, changed func(from, to gobreaker.State)) *guard {
	g := &guard{id: id, slots: make(chan struct{}, bulkhead), session: newSession()}
	g.breaker = gobreaker.NewCircuitBreaker[Answer](gobreaker.Settings{
		MaxRequests:  3,
		Interval:     10 * time.Second,
		BucketPeriod: time.Second,
		Timeout:      5*time.Second + rand.N(5*time.Second), // replicas must not come back in step
		ReadyToTrip: func(c gobreaker.Counts) bool {
			// Not c.Requests, which also counts what is under way. And not
			// c.ConsecutiveFailures, which forgets with the window.
			settled := c.TotalFailures + c.TotalSuccesses
			return settled >= 20 && 2*c.TotalFailures >= settled || g.streak.Load() >= failuresInARow
		},
		IsSuccessful: func(err error) bool { return verdictOf(err) == healthy },
		IsExcluded:   func(err error) bool { return verdictOf(err) == unknown },
		OnStateChange: func(_ string, from, to gobreaker.State) {
			if changed != nil {
				changed(from, to)
			}
		},
	})
	return g
}

func verdictOf(err error) verdict {
	var failure *Error
	errors.As(err, &failure)
	return failure.verdict()
}

// ask passes one request through bulkhead and breaker.
func (g *guard) ask(voucher func() (string, *Error), request func(voucher string) (Answer, *Error)) (Answer, *Error) {
	select {
	case g.slots <- struct{}{}:
		defer func() { <-g.slots }()
	default:
		return Answer{}, &Error{Kind: KindSaturated, Reason: "too many requests of this organization under way"}
	}
	token, failure := voucher()
	if failure != nil {
		return Answer{}, failure
	}
	answer, err := g.breaker.Execute(func() (Answer, error) {
		answer, failure := request(token)
		switch failure.verdict() {
		case healthy:
			g.streak.Store(0)
		case failing:
			g.streak.Add(1)
		}
		if failure != nil {
			return Answer{}, failure
		}
		return answer, nil
	})
	if err == nil {
		return answer, nil
	}
	if errors.As(err, &failure) {
		return Answer{}, failure
	}
	// ErrOpenState, or ErrTooManyRequests while half open.
	return Answer{}, &Error{Kind: KindBreakerOpen, Reason: "it has been failing for this organization"}
}

// guards are the guards of all organizations, one each: a credential that
// replaces another starts afresh.
type guards struct {
	mu    sync.Mutex
	byOrg map[string]*guard
	// changed is told of breakers; nil: nobody. It is called while an answer waits.
	changed func(organization string, from, to gobreaker.State)
}

func newGuards() *guards { return &guards{byOrg: make(map[string]*guard)} }

func (gs *guards) of(cred *Credential) *guard {
	id, now := cred.fingerprint(), time.Now()
	gs.mu.Lock()
	defer gs.mu.Unlock()
	g := gs.byOrg[cred.OrganizationFiscalCode]
	if g == nil || g.id != id {
		if g == nil && len(gs.byOrg) >= maxGuards {
			gs.forgetOldest()
		}
		organization := cred.OrganizationFiscalCode
		g = newGuard(id, func(from, to gobreaker.State) {
			if gs.changed != nil {
				gs.changed(organization, from, to)
			}
		})
		gs.byOrg[cred.OrganizationFiscalCode] = g
	}
	g.used = now
	return g
}

// held returns the refusal that a hold of a credential is worth now, without
// taking its probe; nil when there is none, or nobody has asked with it yet.
func (gs *guards) held(cred *Credential, now time.Time) *Error {
	gs.mu.Lock()
	g := gs.byOrg[cred.OrganizationFiscalCode]
	gs.mu.Unlock()
	if g == nil || g.id != cred.fingerprint() {
		return nil
	}
	return g.hold.inForce(now)
}

func (gs *guards) forgetOldest() {
	oldest := ""
	for org, g := range gs.byOrg {
		if oldest == "" || g.used.Before(gs.byOrg[oldest].used) {
			oldest = org
		}
	}
	delete(gs.byOrg, oldest)
}

// states returns each organization's breaker state: 0 closed, 1 half-open,
// 2 open.
func (gs *guards) states() map[string]int64 {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	states := make(map[string]int64, len(gs.byOrg))
	for org, g := range gs.byOrg {
		states[org] = int64(g.breaker.State())
	}
	return states
}
