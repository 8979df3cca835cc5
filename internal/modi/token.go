package modi

import (
	"errors"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// maxToken bounds a token in bytes; PDND's vouchers have about 1200.
const maxToken = 4096

// leeway is how far the clock of whoever made a token may be from ours.
const leeway = 10 * time.Second

// Rejection is why a token is not accepted. It completes the sentence "the token
// …", may be told to its bearer and holds nothing of the token.
type Rejection string

func (r Rejection) Error() string { return string(r) }

// LooksLikeToken reports whether a credential has the three parts of a signed JWT.
func LooksLikeToken(credential string) bool { return strings.Count(credential, ".") == 2 }

// read verifies a token and fills claims. key finds the key that the token's
// header names.
func read(token string, claims jwt.Claims, key jwt.Keyfunc, options ...jwt.ParserOption) error {
	if len(token) > maxToken {
		return Rejection("is too long")
	}
	options = append(options, jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(leeway), jwt.WithStrictDecoding())
	_, err := jwt.ParseWithClaims(token, claims, func(t *jwt.Token) (any, error) {
		if _, ok := t.Header["crit"]; ok { // RFC 7515, 4.1.11: what is not understood must be refused
			return nil, Rejection("has a critical header that is not understood")
		}
		return key(t)
	}, options...)
	return rejection(err)
}

// rejection puts the reasons of package jwt in words. What is no rejection, the
// keys that cannot be had, passes.
func rejection(err error) error {
	var r Rejection
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrNoKeys):
		return ErrNoKeys
	case errors.As(err, &r):
		return r
	case errors.Is(err, jwt.ErrTokenExpired):
		return Rejection("has expired")
	case errors.Is(err, jwt.ErrTokenNotValidYet), errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return Rejection("is not valid yet")
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return Rejection("lacks a claim that is needed")
	case errors.Is(err, jwt.ErrTokenInvalidAudience):
		return Rejection("is for another audience")
	case errors.Is(err, jwt.ErrTokenInvalidIssuer):
		return Rejection("is of another issuer")
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return Rejection("is not signed as it should be")
	}
	return Rejection("is not a signed JWT")
}

// named returns a text of a token's header, "" when it is missing or no text.
func named(t *jwt.Token, member string) string {
	text, _ := t.Header[member].(string)
	return text
}
