package sendclient

import (
	"context"
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

// guard protects one organization's credential, and SEND from it.
type guard struct {
	id      fingerprint
	used    time.Time // under guards.mu
	slots   chan struct{}
	breaker *gobreaker.CircuitBreaker[Answer]
	streak  atomic.Int32 // failures since the last success
	hold    hold
}

func newGuard(id fingerprint) *guard {
	g := &guard{id: id, slots: make(chan struct{}, bulkhead)}
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
	return Answer{}, &Error{Kind: KindBreakerOpen, Reason: "SEND has been failing for this organization"}
}

// guards are the guards of all organizations, one each: a credential that
// replaces another starts afresh.
type guards struct {
	mu    sync.Mutex
	byOrg map[string]*guard
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
		g = newGuard(id)
		gs.byOrg[cred.OrganizationFiscalCode] = g
	}
	g.used = now
	return g
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

// hold keeps a credential from asking for a while. When the while is over, one
// request is let through first, and the others follow only if it goes well.
type hold struct {
	mu      sync.Mutex
	until   time.Time // zero: no hold
	why     Error
	probing bool
}

// pass refuses the caller, or lets it through; probe means that it goes ahead
// of the others, and every probe must be settled.
func (h *hold) pass(now time.Time) (probe bool, refused *Error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.until.IsZero() {
		return false, nil
	}
	if now.Before(h.until) || h.probing {
		held := h.why
		held.Held, held.HeldUntil = true, h.until
		return false, &held
	}
	h.probing = true
	return true, nil
}

// settle draws the consequences of a request that was let through, and reports
// whether it started a hold of the given length (none when zero).
func (h *hold) settle(probe bool, failure *Error, length time.Duration, now time.Time) (started bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if probe {
		h.probing = false
	}
	if length > 0 {
		if now.Before(h.until) {
			return false // the same trouble, seen by another request that was under way
		}
		h.until = now.Add(length)
		h.why = Error{Kind: failure.Kind, Status: failure.Status, Code: failure.Code}
		return true
	}
	if probe && (failure == nil || failure.Status != 0) {
		h.until = time.Time{} // SEND judged the credential again, and did not mind
	}
	return false
}

const (
	// denialLasts is how long SEND's gateway repeats a denial from its cache,
	// keyed by the API key alone (authorizerResultTtlInSeconds of pn-delivery).
	denialLasts = 60 * time.Second
	// maxRetryAfter bounds what a 429 may ask for.
	maxRetryAfter = 60 * time.Second
)

func (c *Client) price(caller context.Context, cred *Credential, paTaxID, noticeCode string) (Answer, *Error) {
	if !isDigits(paTaxID, 11) || !isDigits(noticeCode, 18) {
		return Answer{}, &Error{Kind: KindBadRequest, Reason: "the tax code must have 11 digits and the notice number 18"}
	}
	ctx, cancel := context.WithTimeout(caller, c.timeout)
	defer cancel()

	g := c.guards.of(cred)
	probe, held := g.hold.pass(time.Now())
	if held != nil {
		return Answer{}, held
	}
	// Settled even if something below panics, lest the credential be held for
	// ever by a probe that never ended.
	failure := &Error{Kind: KindCancelled}
	var answer Answer
	var voucher string
	defer func() { c.settle(g, cred, probe, failure, voucher) }()

	answer, failure = g.ask(
		func() (token string, failure *Error) {
			if cred.PDND != nil {
				voucher, failure = c.voucher(ctx, caller, cred.PDND)
			}
			return voucher, failure
		},
		func(voucher string) (Answer, *Error) {
			return c.exchange(ctx, caller, cred, voucher, paTaxID, noticeCode)
		})
	return answer, failure
}

// voucher obtains the voucher of a credential; only the first time does it
// have to wait.
func (c *Client) voucher(ctx, caller context.Context, p *PDND) (string, *Error) {
	token, err := c.vouchers.token(ctx, p)
	switch {
	case err == nil:
		return token, nil
	case caller.Err() == context.Canceled:
		return "", &Error{Kind: KindCancelled, Err: caller.Err()}
	default:
		return "", &Error{Kind: KindNoVoucher, Err: err}
	}
}

// settle starts a hold where SEND's answer asks for one, tells the log once,
// and has a refused voucher replaced.
func (c *Client) settle(g *guard, cred *Credential, probe bool, failure *Error, voucher string) {
	var length time.Duration
	if failure != nil && failure.Status != 0 {
		switch failure.Kind {
		case KindDenied:
			length = denialLasts
		case KindThrottled:
			length = min(failure.retryAfter, maxRetryAfter)
		}
	}
	if !g.hold.settle(probe, failure, length, time.Now()) {
		return
	}
	switch failure.Kind {
	case KindDenied:
		c.log.Error("SEND refuses the credential of an organization: wrong or revoked API key, wrong pdnd mode, or a bad voucher",
			"organization", cred.OrganizationFiscalCode, "status", failure.Status,
			"pdnd", cred.PDND != nil, "requestId", failure.Exchange.RequestID, "askedAgainIn", length)
		if cred.PDND != nil {
			c.vouchers.replace(cred.PDND, voucher)
		}
	case KindThrottled:
		c.log.Warn("SEND asks an organization to slow down",
			"organization", cred.OrganizationFiscalCode, "askedAgainIn", length)
	}
}

func isDigits(s string, n int) bool {
	if len(s) != n {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
