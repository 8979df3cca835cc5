package modi

import (
	"crypto/sha256"
	"sync"
	"time"
)

const (
	// replayWindow outlasts every signature: its age, and the clocks' difference
	// at either end.
	replayWindow = signatureAge + 2*leeway
	// maxReplays bounds a generation, and so the whole to some 10 MB.
	maxReplays = 100_000
)

// replays remembers what was used already, in two generations: when the younger
// one is as old as the window, or full, it becomes the older one.
//
// It knows this process only. The same signature is accepted once by each
// replica, and once more after a restart or after another hundred thousand
// signatures, always within its five minutes. What it could do then is to ask
// again for the amount of the very same notice, with a bearer token beside it.
type replays struct {
	mu             sync.Mutex
	since          time.Time
	younger, older map[[sha256.Size]byte]struct{}
}

// first reports whether id was not seen before, and remembers it.
func (r *replays) first(id string, now time.Time) bool {
	sum := sha256.Sum256([]byte(id))
	r.mu.Lock()
	defer r.mu.Unlock()
	if age := now.Sub(r.since); age >= replayWindow || len(r.younger) >= maxReplays {
		r.older, r.younger, r.since = r.younger, map[[sha256.Size]byte]struct{}{}, now
		if age >= 2*replayWindow {
			r.older = nil
		}
	}
	if _, seen := r.younger[sum]; seen {
		return false
	}
	if _, seen := r.older[sum]; seen {
		return false
	}
	r.younger[sum] = struct{}{}
	return true
}
