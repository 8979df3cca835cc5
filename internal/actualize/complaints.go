package actualize

import (
	"sync"
	"time"
)

const (
	complainEvery = time.Minute
	maxComplaints = 8192 // organizations remembered; beyond, all are forgotten and told again
)

// complaints remember of which organizations the log was told lately, so that a
// trouble that lasts does not fill it. The zero value is ready, and safe for
// concurrent use.
type complaints struct {
	mu   sync.Mutex
	told map[string]time.Time
}

// due reports whether the log should be told about an organization now.
func (c *complaints) due(organization string, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if last, ok := c.told[organization]; ok && now.Sub(last) < complainEvery && !now.Before(last) {
		return false
	}
	if c.told == nil || len(c.told) >= maxComplaints {
		c.told = map[string]time.Time{}
	}
	c.told[organization] = now
	return true
}
