package telemetry

import (
	"sync"
	"time"
)

const (
	complainEvery = time.Minute
	maxComplaints = 8192 // remembered; beyond, all are forgotten and told again
)

// Complaints remember which troubles the log was told of lately, by name (that of
// an organization, for example), so that one that lasts does not fill it. The zero
// value is ready, and safe for concurrent use.
type Complaints struct {
	mu   sync.Mutex
	told map[string]time.Time
}

// Due reports whether the log should be told of a trouble now, and remembers that
// it was: once a minute.
func (c *Complaints) Due(name string, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if last, ok := c.told[name]; ok && now.Sub(last) < complainEvery && !now.Before(last) {
		return false
	}
	if c.told == nil || len(c.told) >= maxComplaints {
		c.told = map[string]time.Time{}
	}
	c.told[name] = now
	return true
}
