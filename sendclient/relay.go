package sendclient

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/attualizza/attualizza/internal/outbound"
)

// RelayKind tells which of the two contracts an act-management system speaks.
// Both are those that PagoPA's Piattaforma Unitaria consumes (p4pa-doc,
// openapi/consumed, p4pa-pu-sil.actualization and …actualization-legacy).
type RelayKind string

// The contracts.
const (
	// RelayNative: POST {URL}/amount-update with a token that does not change.
	RelayNative RelayKind = "NATIVE"
	// RelayLegacy: POST {URL}/login, then POST {URL}/notification-price with the
	// token it gave, as MyPay does.
	RelayLegacy RelayKind = "LEGACY"
)

// Relay is an act-management system that is asked in SEND's place: it asks SEND
// itself, or knows. Only the fee, the dates and whether the notice may be paid
// are taken from it; its amounts are not, because the rules of the position give
// the amount.
type Relay struct {
	Kind RelayKind
	// URL is the base that the contract's paths are added to; https, except
	// towards loopback.
	URL string
	// Token is the bearer token of a native relay.
	Token string
	// Username and Password are those of a legacy relay's login.
	Username, Password string
	// Signature signs the requests to a native relay; nil: only the token is
	// sent, and a relay that wants a signature refuses it.
	Signature *Signature
}

// Signature is the key with which the integrity of a request is proved (ModI,
// pattern INTEGRITY_REST_02). It is the organization's client of PDND, where
// the relay finds the other half of the key.
type Signature struct {
	ClientID, KeyID string
	PrivateKey      *rsa.PrivateKey
}

// CheckRelayURL accepts what [Relay.URL] can be. The error says what it must be.
func CheckRelayURL(base string) error {
	if err := outbound.CheckBase(base); err != nil {
		return err
	}
	for _, path := range []string{pathAmountUpdate, pathLogin, pathNotificationPrice} {
		if strings.HasSuffix(strings.TrimSuffix(base, "/"), path) {
			return fmt.Errorf("must be the base address: %s is added to it", path)
		}
	}
	return nil
}

// CheckRelayToken accepts what can be a bearer token in a header: visible ASCII.
func CheckRelayToken(token string) error {
	if !isBearer(token) {
		return errors.New("must be visible ASCII characters, without spaces")
	}
	return nil
}

// fingerprint covers all that is shown to the relay, and the relay itself.
func (r *Relay) fingerprint() fingerprint {
	signature := fingerprint{}
	if s := r.Signature; s != nil {
		signature = (&PDND{ClientID: s.ClientID, KeyID: s.KeyID, PrivateKey: s.PrivateKey}).fingerprint("", "")
	}
	return digest(string(r.Kind), r.URL, r.Token, r.Username, r.Password, string(signature[:]))
}

// message is a question to the relay: always a POST of JSON, and always a
// question that changes nothing.
func (r *Relay) message(path string, body []byte) (*message, *Error) {
	if err := CheckRelayURL(r.URL); err != nil {
		return nil, &Error{Kind: KindBadRequest, Reason: "the relay's URL", Err: err}
	}
	return &message{
		method: http.MethodPost, url: strings.TrimSuffix(r.URL, "/") + path, body: body,
		header: http.Header{
			"Content-Type": {typeJSON}, "Accept": {typeJSON},
			// Tells net/http, and nobody else, that the question may be repeated on
			// another connection when the kept-alive one was already dead.
			"Idempotency-Key": {},
		},
	}, nil
}

const typeJSON = "application/json"
