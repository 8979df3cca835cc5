package sendclient

import (
	"sync"
	"time"
)

const (
	// denialLasts is how long SEND's gateway repeats a denial from its cache,
	// keyed by the API key alone (authorizerResultTtlInSeconds of pn-delivery).
	denialLasts = 60 * time.Second
	// maxRetryAfter bounds what a 429 may ask for.
	maxRetryAfter = 60 * time.Second
)

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

// inForce returns the refusal of a hold that is not over yet, or nil.
func (h *hold) inForce(now time.Time) *Error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !now.Before(h.until) {
		return nil
	}
	held := h.why
	held.Held, held.HeldUntil = true, h.until
	return &held
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
