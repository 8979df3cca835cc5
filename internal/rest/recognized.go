package rest

import (
	"crypto/sha256"
	"sync"
)

// recognized remembers credentials that were right the last time, so that a
// stranger who guesses keys from the address of others, a proxy's for example,
// does not shut them out. It decides that a credential is looked up, and nothing
// else: one that was revoked since is found out then.
type recognized struct {
	mu   sync.Mutex
	sums map[[sha256.Size]byte]struct{} // at most maxLimited
}

func (r *recognized) has(credential string) bool {
	sum := sha256.Sum256([]byte(credential))
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.sums[sum]
	return ok
}

// settle remembers a credential that was right and forgets one that was wrong.
func (r *recognized) settle(credential string, right bool) {
	sum := sha256.Sum256([]byte(credential))
	r.mu.Lock()
	defer r.mu.Unlock()
	if !right {
		delete(r.sums, sum)
		return
	}
	if _, ok := r.sums[sum]; ok {
		return
	}
	if r.sums == nil || len(r.sums) >= maxLimited {
		r.sums = map[[sha256.Size]byte]struct{}{}
	}
	r.sums[sum] = struct{}{}
}
