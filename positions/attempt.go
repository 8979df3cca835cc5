package positions

import "time"

// Attempt is a request that its sender may repeat under one key and wants
// carried out once (draft-ietf-httpapi-idempotency-key-header). It is reserved
// before the work begins and kept with its answer afterwards.
type Attempt struct {
	// Scope is who sent it, Key what the sender calls it: together they name it.
	Scope, Key string
	// Fingerprint tells one request from another under the same key.
	Fingerprint []byte
	// Token is different for every reservation, so that one which lapsed cannot
	// settle the next.
	Token string
	// Until is when the reservation lapses, and later when the answer is
	// forgotten.
	Until time.Time
}

// KeptAnswer is what an [Attempt] was answered. It can hold personal data.
type KeptAnswer struct {
	Status int
	Header map[string]string
	Body   []byte
}
