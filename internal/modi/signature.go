package modi

import (
	"crypto"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// SignatureHeader is the header that carries a signature over the body.
const SignatureHeader = "Agid-JWT-Signature"

// signatureAge is how long after its iat a signature is accepted, whatever its
// exp says.
const signatureAge = 5 * time.Minute

const (
	maxSignedHeaders = 20
	maxTokenID       = 200 // characters of a jti
)

// Signatures verifies signatures over the body of a request by the pattern
// INTEGRITY_REST_02: a JWS whose claims repeat the request's Digest and
// Content-Type. Each is accepted once. It is safe for concurrent use.
type Signatures struct {
	audience string
	now      func() time.Time
	seen     replays
}

// NewSignatures returns a verifier of signatures that name audience; a nil clock
// is time.Now.
func NewSignatures(audience string, now func() time.Time) *Signatures {
	if now == nil {
		now = time.Now
	}
	return &Signatures{audience: audience, now: now}
}

type signatureClaims struct {
	jwt.RegisteredClaims
	SignedHeaders []map[string]string `json:"signed_headers"`
}

// Verify checks the signature that header carries over body: one of signer's
// keys (by kid) made it, less than five minutes ago, for our audience, over this
// body, and it was not seen before. signer is the iss. The error is a
// [Rejection].
func (s *Signatures) Verify(header http.Header, body []byte, signer string, keys map[string]crypto.PublicKey) error {
	values := header.Values(SignatureHeader)
	if len(values) != 1 {
		return Rejection("is missing, or there is more than one")
	}
	if !digestMatches(header.Values("Digest"), body) {
		return Rejection("cannot be judged: the Digest header is not the SHA-256 of the body")
	}
	var claims signatureClaims
	err := read(values[0], &claims, func(t *jwt.Token) (any, error) {
		if typ := named(t, "typ"); typ != "" && !strings.EqualFold(typ, "JWT") {
			return nil, Rejection("is no signature: its typ is not JWT")
		}
		if key, ok := keys[named(t, "kid")]; ok {
			return key, nil
		}
		return nil, Rejection("names a kid that is not among the registered keys")
	},
		jwt.WithValidMethods([]string{"RS256", "ES256"}), jwt.WithTimeFunc(s.now),
		jwt.WithIssuer(signer), jwt.WithAudience(s.audience))
	if err != nil {
		return err
	}
	now := s.now()
	switch {
	case claims.IssuedAt == nil, claims.ID == "", len(claims.ID) > maxTokenID:
		return Rejection("lacks a claim that is needed")
	case now.Sub(claims.IssuedAt.Time) > signatureAge:
		return Rejection("is older than 5 minutes")
	}
	if err := claims.cover(header); err != nil {
		return err
	}
	if !s.seen.first(signer+"\x00"+claims.ID, now) {
		return Rejection("was used before: make a new one, with a new jti, for every request")
	}
	return nil
}

// cover compares the headers that were signed with those of the request. Digest
// and Content-Type must be among them, and Content-Encoding where there is one.
func (c *signatureClaims) cover(header http.Header) error {
	if len(c.SignedHeaders) > maxSignedHeaders {
		return Rejection("signs too many headers")
	}
	signed := map[string]bool{}
	for _, entry := range c.SignedHeaders {
		for name, value := range entry {
			name = http.CanonicalHeaderKey(name)
			if value == "" || strings.TrimSpace(value) != strings.Join(header.Values(name), ", ") {
				return Rejection("is over other headers than this request has")
			}
			signed[name] = true
		}
	}
	if !signed["Digest"] || !signed["Content-Type"] || header.Get("Content-Encoding") != "" && !signed["Content-Encoding"] {
		return Rejection("must sign Digest and Content-Type (signed_headers)")
	}
	return nil
}

// digestMatches reports whether a Digest header (RFC 3230) holds the SHA-256 of
// the body; other algorithms beside it are not looked at.
func digestMatches(values []string, body []byte) bool {
	if len(values) != 1 {
		return false
	}
	sum := sha256.Sum256(body)
	found := false
	for part := range strings.SplitSeq(values[0], ",") {
		algorithm, encoded, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok || !strings.EqualFold(algorithm, "SHA-256") {
			continue
		}
		told, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil || subtle.ConstantTimeCompare(told, sum[:]) != 1 {
			return false
		}
		found = true
	}
	return found
}
