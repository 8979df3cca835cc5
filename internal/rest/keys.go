package rest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/attualizza/attualizza/positions"
)

// A key is "<id>.<secret>": the id finds it, a hash of the secret proves it.
const (
	keyIDBytes     = 10
	keySecretBytes = 32
	maxCredential  = 256
)

var keyIDEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// newKey makes the id and the secret of a key.
func newKey() (id, secret string) {
	random := make([]byte, keyIDBytes+keySecretBytes)
	_, _ = rand.Read(random) // crypto/rand.Read never fails
	return keyIDEncoding.EncodeToString(random[:keyIDBytes]), base64.RawURLEncoding.EncodeToString(random[keyIDBytes:])
}

// hashSecret is what is stored of a secret. A plain hash will do: the secret is
// 256 random bits, nobody guesses it.
func hashSecret(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// caller is who makes a request.
type caller struct {
	operator bool
	key      *positions.Key // nil for the operator and for nobody
}

// operatorName is the operator in limits, logs and versions.
const operatorName = "operator"

func (c caller) id() string {
	switch {
	case c.operator:
		return operatorName
	case c.key != nil:
		return c.key.ID
	}
	return ""
}

// actor is who did it, for the version history.
func (c caller) actor() positions.Actor { return positions.Actor{Kind: "KEY", ID: c.id()} }

// sees reports whether the key's segregation codes admit a notice. They are the
// two digits after aux digit 3 (SACI); a notice of another aux digit has none.
func (c caller) sees(nav positions.NoticeNumber) bool {
	if c.key == nil || len(c.key.SegregationCodes) == 0 {
		return true
	}
	code := nav.SegregationCode()
	return code != "" && slices.Contains(c.key.SegregationCodes, code)
}

func (c caller) seesAll(p *positions.Position) bool {
	return !slices.ContainsFunc(p.Options, func(o positions.PaymentOption) bool { return !c.sees(o.NAV) })
}

type callerKey struct{}

func callerOf(ctx context.Context) caller {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c
}

// credentialOf returns the key that a request carries, in GPD's header, in ours
// or as a bearer token. Two different ones are none: nobody could say whose
// request it is.
func credentialOf(h http.Header) string {
	credential := ""
	for _, value := range slices.Concat(h.Values("Ocp-Apim-Subscription-Key"), h.Values("X-Api-Key"), bearers(h)) {
		switch {
		case value == "": // the header of a client that has another
		case credential == "":
			credential = value
		case value != credential:
			return ""
		}
	}
	return credential
}

func bearers(h http.Header) []string {
	var tokens []string
	for _, value := range h.Values("Authorization") {
		if scheme, token, ok := strings.Cut(value, " "); ok && strings.EqualFold(scheme, "Bearer") {
			tokens = append(tokens, strings.TrimSpace(token))
		}
	}
	return tokens
}

// authenticate finds out whose key a credential is. A wrong one is an
// unauthorized error; one that the store cannot look up is Unavailable.
func (s *server) authenticate(ctx context.Context, credential string) (caller, error) {
	if credential == "" {
		return caller{}, positions.Errorf(unauthorized, "send one key, as Ocp-Apim-Subscription-Key, X-Api-Key or Authorization: Bearer")
	}
	unknown := positions.Errorf(unauthorized, "the key is not known")
	if len(credential) > maxCredential {
		return caller{}, unknown
	}
	if s.adminHash != nil && subtle.ConstantTimeCompare(hashSecret(credential), s.adminHash) == 1 {
		return caller{operator: true}, nil
	}
	id, secret, ok := strings.Cut(credential, ".")
	if _, err := keyIDEncoding.DecodeString(id); !ok || err != nil {
		return caller{}, unknown // not of our making: the store need not be asked
	}
	key, err := s.Store.Key(ctx, id)
	switch {
	case positions.CodeOf(err) == positions.NotFound:
		return caller{}, unknown
	case err != nil:
		return caller{}, err
	case subtle.ConstantTimeCompare(hashSecret(secret), key.Hash) != 1:
		return caller{}, unknown
	}
	return caller{key: key}, nil
}

// touched remembers when a key's use was last recorded, so that the store
// hears of it once a minute and not at every request.
type touched struct {
	mu    sync.Mutex
	until map[string]time.Time
}

// due reports whether the use of a key should be recorded now.
func (t *touched) due(id string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Before(t.until[id]) {
		return false
	}
	if t.until == nil || len(t.until) >= maxLimited {
		t.until = map[string]time.Time{}
	}
	t.until[id] = now.Add(time.Minute)
	return true
}
