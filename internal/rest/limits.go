package rest

import (
	"container/list"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxLimited bounds how many callers are remembered; the one seen longest ago
// is forgotten first, and starts anew.
const maxLimited = 10_000

// limits lets each caller make so many requests a second, and as many at once.
type limits struct {
	rate  rate.Limit
	burst int

	mu     sync.Mutex
	byName map[string]*list.Element
	recent *list.List // of *limited, the latest in front
}

type limited struct {
	name    string
	limiter *rate.Limiter
}

// newLimits returns limits of perSecond requests a second, above zero.
func newLimits(perSecond float64) *limits {
	return &limits{
		rate: rate.Limit(perSecond), burst: max(1, int(math.Ceil(perSecond))),
		byName: map[string]*list.Element{}, recent: list.New(),
	}
}

// take counts one request of a caller and tells what is left in header: the
// headers of ModI, RAC_ROBUSTEZZA_001. When nothing was left it reports false.
func (l *limits) take(name string, now time.Time, header http.Header) bool {
	limiter := l.of(name)
	ok := limiter.AllowN(now, 1)
	l.tell(limiter.TokensAt(now), ok, header)
	return ok
}

// exhausted reports, without counting a request, whether nothing is left to a
// caller, and then tells so in header.
func (l *limits) exhausted(name string, now time.Time, header http.Header) bool {
	l.mu.Lock()
	e := l.byName[name]
	l.mu.Unlock()
	if e == nil {
		return false
	}
	left := e.Value.(*limited).limiter.TokensAt(now)
	if left >= 1 {
		return false
	}
	l.tell(left, false, header)
	return true
}

func (l *limits) tell(left float64, ok bool, header http.Header) {
	// In the spelling of net/http, which would have to be made of any other.
	header.Set("X-Ratelimit-Limit", strconv.Itoa(l.burst))
	header.Set("X-Ratelimit-Remaining", strconv.Itoa(max(0, int(left))))
	header.Set("X-Ratelimit-Reset", strconv.Itoa(l.seconds(float64(l.burst)-left)))
	if !ok {
		header.Set("Retry-After", strconv.Itoa(max(1, l.seconds(1-left))))
	}
}

// seconds is how long it takes until so many requests are allowed again.
func (l *limits) seconds(requests float64) int {
	return int(math.Ceil(requests / float64(l.rate)))
}

func (l *limits) of(name string) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok := l.byName[name]; ok {
		l.recent.MoveToFront(e)
		return e.Value.(*limited).limiter
	}
	if l.recent.Len() >= maxLimited {
		last := l.recent.Back()
		delete(l.byName, l.recent.Remove(last).(*limited).name)
	}
	entry := &limited{name: name, limiter: rate.NewLimiter(l.rate, l.burst)}
	l.byName[name] = l.recent.PushFront(entry)
	return entry.limiter
}
