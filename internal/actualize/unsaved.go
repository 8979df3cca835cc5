package actualize

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/attualizza/attualizza/positions"
)

// Bounds of the prices that wait for the store.
const (
	maxUnsaved    = 4096                   // beyond, the newest is not kept
	againTimeout  = time.Second            // one more try
	firstPause    = 100 * time.Millisecond // before the first of them; doubled up to lastPause while the store fails
	lastPause     = 5 * time.Second
	savedKeptFor  = 5 * time.Second // longer than any question that read the notice before the price was saved
	savedSweeping = time.Second
)

// unsaved keeps the prices that the store did not take while somebody was
// waiting for them, and tries again until it does. Until then they are the last
// known prices: what SEND said once is not forgotten because of a slow disk. It
// is safe for concurrent use; its goroutine lives while there is work.
type unsaved struct {
	store  Store
	logger *slog.Logger

	mu      sync.Mutex
	prices  map[string]*waitingPrice
	trying  bool
	end     context.Context // what close allows; nil before
	closing chan struct{}
	done    sync.WaitGroup
}

type waitingPrice struct {
	organization string
	nav          positions.NoticeNumber
	price        *positions.Price
	savedAt      time.Time // zero: not yet
}

func newUnsaved(store Store, logger *slog.Logger) *unsaved {
	return &unsaved{store: store, logger: logger, prices: map[string]*waitingPrice{}, closing: make(chan struct{})}
}

// keep takes over a price that could not be saved. It reports false when there
// is no room, or when the service is stopping.
func (u *unsaved) keep(key, organization string, nav positions.NoticeNumber, price *positions.Price) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	known := u.prices[key]
	switch {
	case u.end != nil, known == nil && len(u.prices) >= maxUnsaved:
		return false
	case known != nil && known.price.FetchedAt.After(price.FetchedAt):
		return true
	}
	u.prices[key] = &waitingPrice{organization: organization, nav: nav, price: price}
	if !u.trying {
		u.trying = true
		u.done.Go(u.run)
	}
	return true
}

// price returns what is kept of a notice, nil when nothing is.
func (u *unsaved) price(key string) *positions.Price {
	u.mu.Lock()
	defer u.mu.Unlock()
	if w := u.prices[key]; w != nil {
		return w.price
	}
	return nil
}

// run saves what waits until nothing does.
func (u *unsaved) run() {
	pause := firstPause
	for {
		select {
		case <-time.After(pause):
		case <-u.closing:
			u.saveLast()
			return
		}
		if left := u.saveAll(); left > 0 {
			pause = min(2*pause, lastPause)
			continue
		}
		pause = savedSweeping
		if u.idle() {
			return
		}
	}
}

// idle ends the goroutine's duty when nothing is kept any more.
func (u *unsaved) idle() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	for key, w := range u.prices {
		if !w.savedAt.IsZero() && time.Since(w.savedAt) > savedKeptFor {
			delete(u.prices, key)
		}
	}
	u.trying = len(u.prices) > 0
	return !u.trying
}

// saveAll tries what waits, up to the first failure of the store, and tells how
// many are left.
func (u *unsaved) saveAll() (left int) {
	u.mu.Lock()
	var waiting []*waitingPrice
	for _, w := range u.prices {
		if w.savedAt.IsZero() {
			waiting = append(waiting, w)
		}
	}
	parent := u.end
	u.mu.Unlock()
	if parent == nil {
		parent = context.Background()
	}
	for i, w := range waiting {
		ctx, cancel := context.WithTimeout(parent, againTimeout)
		err := u.store.SavePrice(ctx, w.organization, w.nav, w.price)
		cancel()
		switch positions.CodeOf(err) {
		case positions.Unavailable:
			return len(waiting) - i
		case "":
		default: // trying again cannot help
			u.logger.Error("price not saved, given up", "organization", w.organization, "nav", w.nav, "error", err)
		}
		u.mu.Lock()
		w.savedAt = time.Now()
		u.mu.Unlock()
	}
	return 0
}

// saveLast tries what waits until nothing does, or the time that close allows is
// over.
func (u *unsaved) saveLast() {
	for left := u.saveAll(); left > 0; left = u.saveAll() {
		select {
		case <-time.After(firstPause):
		case <-u.end.Done():
			u.logger.Error("prices not saved, no time left", "prices", left)
			return
		}
	}
}

// close saves what waits, for as long as ctx lasts.
func (u *unsaved) close(ctx context.Context) {
	u.mu.Lock()
	if u.end == nil {
		u.end = ctx
		close(u.closing)
	}
	u.mu.Unlock()
	u.done.Wait()
}
