package sendclient

import (
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// VoucherStore shares vouchers among replicas. Both methods must return within
// a fraction of a second; a store that fails simply holds nothing. Keys are
// opaque and hold no secret, tokens are secrets.
type VoucherStore interface {
	// Get returns a voucher and the instant after which it must not be used.
	Get(ctx context.Context, key string) (token string, expiresAt time.Time, ok bool)
	// Put keeps a voucher until expiresAt.
	Put(ctx context.Context, key, token string, expiresAt time.Time)
}

const (
	// voucherMargin is how long before its end a voucher is given up: SEND
	// allows no leeway on exp. Short-lived vouchers give up a quarter.
	voucherMargin = 60 * time.Second
	// fetchLimit bounds one attempt at a voucher. It is longer than any caller
	// waits, so that an impatient caller does not cost the next one its voucher.
	fetchLimit = 5 * time.Second
	// idleAfter ends the renewal of a voucher nobody asked for: long after a
	// small organization's quiet days, so that none of its payments waits for
	// PDND, and soon enough for replaced credentials to go. One that PDND refuses
	// is given up sooner, as its credential may have been replaced: unless somebody
	// still watches it (VoucherEnd), which is done for credentials in force alone.
	idleAfter, idleFailing = 14 * 24 * time.Hour, time.Hour
	// Failed attempts are repeated after 1 s, then twice as long each time; seldom
	// where no payment has wanted the voucher for idleFailing.
	firstBackoff, maxBackoff, idleBackoff = time.Second, time.Minute, 10 * time.Minute
	// maxSources bounds the vouchers kept; beyond it the one that was asked for
	// least recently is dropped.
	maxSources = 8192
)

var (
	errClosed  = errors.New("the SEND client is closed")
	errDropped = errors.New("the voucher was dropped in favour of more recent ones")
)

// vouchers holds one source per PDND client, purpose and key.
type vouchers struct {
	pdnd  tokenEndpoint
	store VoucherStore
	log   *slog.Logger

	ctx  context.Context
	stop context.CancelFunc
	done sync.WaitGroup

	mu      sync.Mutex
	sources map[fingerprint]*source
}

func newVouchers(client *http.Client, tokenURL, audience string, store VoucherStore, log *slog.Logger) *vouchers {
	v := &vouchers{
		pdnd:    tokenEndpoint{client, tokenURL, audience},
		store:   store,
		log:     log,
		sources: make(map[fingerprint]*source),
	}
	v.ctx, v.stop = context.WithCancel(context.Background())
	return v
}

// close ends every renewal and waits for it.
func (v *vouchers) close() {
	v.mu.Lock()
	v.stop()
	v.mu.Unlock()
	v.done.Wait()
}

// token returns a usable voucher, waiting until ctx ends for one that is being
// fetched for the first time.
func (v *vouchers) token(ctx context.Context, p *PDND) (string, error) {
	return v.source(p).wait(ctx)
}

// replace has a voucher that SEND refused renewed in the background, unless
// that has already happened.
func (v *vouchers) replace(p *PDND, refused string) {
	s := v.source(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current.token == refused {
		s.wake()
	}
}

// source returns the source of a client's vouchers, starting it if needed, and
// notes that somebody wants it.
func (v *vouchers) source(p *PDND) *source {
	id := p.fingerprint(v.pdnd.url, v.pdnd.audience)
	now := time.Now()
	v.mu.Lock()
	defer v.mu.Unlock()
	if s := v.sources[id]; s != nil {
		if now.Sub(s.asked) >= idleFailing && v.ctx.Err() == nil {
			s.retry()
		}
		s.asked = now
		return s
	}
	s := &source{
		id: id, key: hex.EncodeToString(id[:]), pdnd: *p, asked: now,
		news: make(chan struct{}), again: make(chan struct{}, 1),
	}
	if v.ctx.Err() != nil {
		s.publish(voucher{}, errClosed)
		return s
	}
	if len(v.sources) >= maxSources {
		v.dropOldest()
	}
	v.sources[id] = s
	ctx, stop := context.WithCancel(v.ctx)
	s.stop = stop
	v.done.Go(func() { v.renew(ctx, s) })
	return s
}

func (v *vouchers) dropOldest() {
	var oldest *source
	for _, s := range v.sources {
		if oldest == nil || s.asked.Before(oldest.asked) {
			oldest = s
		}
	}
	delete(v.sources, oldest.id)
	oldest.stop()
}

// idle is for how long nobody has wanted a source's voucher.
func (v *vouchers) idle(s *source) time.Duration {
	v.mu.Lock()
	defer v.mu.Unlock()
	return time.Since(s.asked)
}

// retire removes a source that nobody wants any more; one that fails, if nobody
// watches it either.
func (v *vouchers) retire(s *source, failing bool) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	limit := idleAfter
	if failing {
		limit = idleFailing
	}
	if time.Since(s.asked) < limit || failing && time.Since(s.watched) < limit {
		return false
	}
	if v.sources[s.id] == s {
		delete(v.sources, s.id)
	}
	return true
}

// renew keeps one source supplied for as long as somebody uses it.
func (v *vouchers) renew(ctx context.Context, s *source) {
	defer s.stop()
	failures := 0
	for {
		got, err := v.obtain(ctx, s)
		if ctx.Err() != nil {
			if v.ctx.Err() != nil {
				s.publish(voucher{}, errClosed)
			} else {
				s.publish(voucher{}, errDropped)
			}
			return
		}
		wait := got.renewIn()
		if err != nil {
			if failures == 0 {
				v.log.Error("PDND gives no voucher; trying again", "clientId", s.pdnd.ClientID, "purposeId", s.pdnd.PurposeID, "error", err)
			}
			if wait = backoff(failures, maxBackoff); v.idle(s) >= idleFailing {
				wait = backoff(failures, idleBackoff)
			}
			failures++
		} else if failures > 0 {
			v.log.Info("PDND gives vouchers again", "clientId", s.pdnd.ClientID, "purposeId", s.pdnd.PurposeID)
			failures = 0
		}
		s.publish(got, err)

		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-s.again:
		case <-ctx.Done():
		}
		timer.Stop()
		if v.retire(s, err != nil) {
			return
		}
	}
}

// obtain takes the voucher that another replica has just fetched, or fetches
// one and shares it. Only one that lasts longer than the one in hand will do,
// so that neither a refused voucher nor one half gone comes back.
func (v *vouchers) obtain(ctx context.Context, s *source) (voucher, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchLimit)
	defer cancel()
	if v.store != nil {
		token, expiresAt, ok := v.store.Get(ctx, s.key)
		shared := voucher{token, time.Now().Add(time.Until(expiresAt))}
		if ok && shared.usable() && shared.until.After(s.held().until.Add(time.Second)) {
			return shared, nil
		}
	}
	got, err := v.pdnd.fetch(ctx, &s.pdnd)
	if err == nil && v.store != nil {
		v.store.Put(ctx, s.key, got.token, got.until)
	}
	return got, err
}

// backoff is how long to wait after so many failures, at most the longest, within ±20 %.
func backoff(failures int, longest time.Duration) time.Duration {
	d := min(firstBackoff<<min(failures, 10), longest)
	return d*8/10 + rand.N(d*4/10)
}

// voucher is a token and the instant after which it is not used, which lies
// before its real end.
type voucher struct {
	token string
	until time.Time
}

func (v voucher) usable() bool { return v.token != "" && time.Now().Before(v.until) }

// renewIn is half of what is left, within ±10 %: replicas that fetched together
// then renew one after the other, and the later ones find the first one's.
func (v voucher) renewIn() time.Duration {
	half := max(time.Until(v.until)/2, time.Second)
	return half*9/10 + rand.N(half*2/10)
}

// source supplies the vouchers of one PDND client for one purpose.
type source struct {
	id   fingerprint
	key  string // in the store
	pdnd PDND
	stop context.CancelFunc
	// When the voucher was last wanted, and when its end was last asked for; both
	// under vouchers.mu.
	asked, watched time.Time

	again chan struct{} // an attempt is wanted now: SEND refused the current voucher, say

	mu      sync.Mutex
	current voucher
	err     error         // why the last attempt failed
	news    chan struct{} // closed when an attempt ends
}

// wait returns a usable voucher; or the reason why there is none, at once when
// the last attempt failed, for the next one is already scheduled.
func (s *source) wait(ctx context.Context) (string, error) {
	for {
		s.mu.Lock()
		current, err, news := s.current, s.err, s.news
		s.mu.Unlock()
		switch {
		case current.usable():
			return current.token, nil
		case err != nil:
			return "", err
		}
		select {
		case <-news:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// publish announces how an attempt ended. A failed one leaves the voucher in
// hand in place.
func (s *source) publish(got voucher, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.current = got
	}
	s.err = err
	close(s.news)
	s.news = make(chan struct{})
}

// wake makes the next attempt come now.
func (s *source) wake() {
	select {
	case s.again <- struct{}{}:
	default:
	}
}

// retry has whoever waits hear of a new attempt, not of one that failed long ago.
func (s *source) retry() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		s.err = nil
		s.wake()
	}
}

func (s *source) held() voucher {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}
