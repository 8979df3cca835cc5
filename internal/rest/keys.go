package rest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/attualizza/attualizza/internal/modi"
	"github.com/attualizza/attualizza/positions"
)

// A key is "<id>.<secret>": the id finds it, a hash of the secret proves it.
const (
	keyIDBytes     = 10
	keySecretBytes = 32
	maxCredential  = 256
)

var (
	keyIDEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
	keyIDLength   = keyIDEncoding.EncodedLen(keyIDBytes)
)

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

// of reports whether the caller's key is one of an organization. The guard asks
// it for the organization in a path, [server.ownNotice] for one in a body.
func (c caller) of(organization string) bool {
	return c.key != nil && c.key.OrganizationFiscalCode == organization
}

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

// authenticate finds out whose key a credential is: the key itself, a token of
// the legacy login, or a voucher of PDND. A wrong one is an unauthorized error;
// one that cannot be judged now is Unavailable.
func (s *server) authenticate(ctx context.Context, credential string) (caller, error) {
	if credential == "" {
		return caller{}, positions.Errorf(unauthorized, "send one key, as Ocp-Apim-Subscription-Key, X-Api-Key or Authorization: Bearer")
	}
	if s.adminHash != nil && subtle.ConstantTimeCompare(hashSecret(credential), s.adminHash) == 1 {
		return caller{operator: true}, nil
	}
	var key *positions.Key
	var err error
	switch token, isToken := readToken(credential); {
	case modi.LooksLikeToken(credential):
		key, err = s.keyOfVoucher(ctx, credential)
	case len(credential) > maxCredential:
		return caller{}, positions.Errorf(unauthorized, "the key is not known")
	case isToken:
		key, err = s.keyOfToken(ctx, token)
	default:
		id, secret, _ := strings.Cut(credential, ".")
		key, err = s.keyOfSecret(ctx, id, secret)
	}
	if err != nil {
		return caller{}, err
	}
	return caller{key: key}, nil
}

// keyOfSecret returns the key with an id when the secret is its own.
func (s *server) keyOfSecret(ctx context.Context, id, secret string) (*positions.Key, error) {
	key, err := s.keyWithID(ctx, id)
	switch {
	case err != nil:
		return nil, err
	case len(key.Hash) == 0, subtle.ConstantTimeCompare(hashSecret(secret), key.Hash) != 1:
		return nil, positions.Errorf(unauthorized, "the key is not known")
	}
	return key, nil
}

// keyWithID looks a key up. What is no id of our making the store need not be
// asked.
func (s *server) keyWithID(ctx context.Context, id string) (*positions.Key, error) {
	unknown := positions.Errorf(unauthorized, "the key is not known")
	if _, err := keyIDEncoding.DecodeString(id); err != nil || len(id) != keyIDLength {
		return nil, unknown
	}
	key, err := s.Store.Key(ctx, id)
	if positions.CodeOf(err) == positions.NotFound {
		return nil, unknown
	}
	return key, err
}

// keyOfVoucher returns the key that is registered with the PDND client of a
// voucher.
func (s *server) keyOfVoucher(ctx context.Context, voucher string) (*positions.Key, error) {
	if s.Vouchers == nil {
		return nil, positions.Errorf(unauthorized, "the key is not known, and this service takes no tokens of PDND")
	}
	client, err := s.Vouchers.Client(ctx, voucher)
	var rejection modi.Rejection
	switch {
	case errors.As(err, &rejection):
		return nil, positions.Errorf(unauthorized, "the PDND token %s", string(rejection))
	case err != nil:
		return nil, &positions.Error{Code: positions.Unavailable, Message: "the PDND token cannot be verified now: PDND's keys cannot be had", Err: err}
	}
	key, err := s.Store.KeyOfPDNDClient(ctx, client)
	if positions.CodeOf(err) == positions.NotFound {
		return nil, positions.Errorf(unauthorized, "the PDND client of the token is not registered here")
	}
	return key, err
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
