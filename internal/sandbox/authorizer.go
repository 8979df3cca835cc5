package sandbox

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// VoucherRule is the pdnd flag of an API key: SEND decides per key whether a
// PDND voucher must, or must not, come with it.
type VoucherRule string

// The two rules. A voucher sent with a key that forbids it breaks the call, as
// its absence does with a key that requires it.
const (
	VoucherRequired  VoucherRule = "required"
	VoucherForbidden VoucherRule = "forbidden"
)

// APIKey is a key of SEND's API.
type APIKey struct {
	// Name stands for the key wherever it is shown; the value never is.
	Name string `json:"name"`
	// Value of the x-api-key header.
	Value string `json:"value,omitempty"`
	// SenderTaxID is the administration that owns the key. Prices can be
	// asked for any creditor; payment events only for its own notifications.
	SenderTaxID string `json:"senderTaxId"`
	// PDND defaults to required, as in SEND.
	PDND VoucherRule `json:"pdnd"`
	// Blocked keys are denied.
	Blocked bool `json:"blocked,omitempty"`
}

const (
	maxKeys    = 10_000
	maxDenials = 10_000
)

// authorizer decides as SEND's Lambda authorizer does (apikeyAuthorizerV2 of
// pn-auth-fleet), behind the gateway's cache of its denials.
type authorizer struct {
	mu      sync.Mutex
	unknown VoucherRule
	memory  time.Duration
	keys    map[string]APIKey    // by value
	denials map[string]time.Time // by value: when the denial is forgotten
}

func (a *authorizer) init(o Options) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.unknown, a.memory = o.UnknownKeys, o.DenialMemory
	a.keys, a.denials = map[string]APIKey{}, map[string]time.Time{}
}

// RegisterKey adds a key, or replaces the one with the same value. A denial
// that the gateway remembers goes on until its time is over, as with SEND;
// see [Sandbox.ForgetDenials].
func (s *Sandbox) RegisterKey(k APIKey) error {
	if k.PDND == "" {
		k.PDND = VoucherRequired
	}
	switch {
	case k.Name == "" || k.Value == "":
		return invalid("an API key has a name and a value")
	case !taxIDPattern.MatchString(k.SenderTaxID):
		return invalid("senderTaxId must be 11 digits")
	case k.PDND != VoucherRequired && k.PDND != VoucherForbidden:
		return invalid("pdnd must be %s or %s", VoucherRequired, VoucherForbidden)
	}
	a := &s.keys
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, known := a.keys[k.Value]; !known && len(a.keys) >= maxKeys {
		return fmt.Errorf("%w: it holds %d API keys", ErrFull, len(a.keys))
	}
	a.keys[k.Value] = k
	return nil
}

// RemoveKey removes every key with a name.
func (s *Sandbox) RemoveKey(name string) error {
	a := &s.keys
	a.mu.Lock()
	defer a.mu.Unlock()
	found := false
	for value, k := range a.keys {
		if k.Name == name {
			delete(a.keys, value)
			found = true
		}
	}
	if !found {
		return fmt.Errorf("API key %s: %w", name, ErrUnknown)
	}
	return nil
}

// Keys returns the registered keys by name, without their values.
func (s *Sandbox) Keys() []APIKey {
	a := &s.keys
	a.mu.Lock()
	defer a.mu.Unlock()
	list := []APIKey{}
	for _, k := range a.keys {
		k.Value = ""
		list = append(list, k)
	}
	slices.SortFunc(list, func(x, y APIKey) int { return strings.Compare(x.Name, y.Name) })
	return list
}

// ForgetDenials empties the gateway's memory of denials.
func (s *Sandbox) ForgetDenials() {
	s.keys.mu.Lock()
	defer s.keys.mu.Unlock()
	clear(s.keys.denials)
}

// authorize returns the key of a request, or the gateway's refusal.
//
// SEND's gateway remembers permissions too, for the same 60 s; the sandbox
// does not, because that would hide a client that forgets its voucher.
func (s *Sandbox) authorize(r *http.Request) (APIKey, *answer) {
	value := r.Header.Get("X-Api-Key")
	if value == "" {
		refusal := jsonAnswer(http.StatusUnauthorized, gatewayMessage{"Unauthorized"})
		return APIKey{}, &refusal
	}
	a, now := &s.keys, s.clock()
	a.mu.Lock()
	until, remembered := a.denials[value]
	if remembered && !now.Before(until) {
		delete(a.denials, value)
		remembered = false
	}
	k, known := a.keys[value]
	a.mu.Unlock()
	if remembered {
		s.log.Debug("denied from memory", "key", k.Name, "until", until)
		return k, &denied
	}
	if !known && a.unknown != "" {
		k, known = APIKey{Name: "unregistered", PDND: a.unknown}, true
	}
	if reason := s.denial(k, known, r.Header.Get("Authorization"), now); reason != "" {
		s.log.Info("request denied", "key", k.Name, "reason", reason)
		a.remember(value, now)
		return k, &denied
	}
	return k, nil
}

// denial says why a request is denied; SEND never tells its callers.
func (s *Sandbox) denial(k APIKey, known bool, authorization string, now time.Time) string {
	switch {
	case !known:
		return "unknown API key"
	case k.Blocked:
		return "the API key is blocked"
	case k.PDND == VoucherForbidden && authorization != "":
		return "a voucher came with an API key that forbids it"
	case k.PDND == VoucherForbidden:
		return ""
	case authorization == "":
		return "no voucher came with an API key that requires it"
	}
	if err := s.pdnd.verifyVoucher(strings.TrimPrefix(authorization, "Bearer "), now); err != nil {
		return "voucher: " + err.Error()
	}
	return ""
}

func (a *authorizer) remember(value string, now time.Time) {
	if a.memory < 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.denials) >= maxDenials {
		for v, until := range a.denials {
			if !now.Before(until) {
				delete(a.denials, v)
			}
		}
	}
	if len(a.denials) < maxDenials {
		a.denials[value] = now.Add(a.memory)
	}
}
