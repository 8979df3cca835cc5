package sandbox

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// verifyIntegrity holds a request to the pattern INTEGRITY_REST_02 of ModI: a
// digest of the body, and a JWT for this address that signs it together with
// the content type.
func verifyIntegrity(r *http.Request, body []byte, publicKey string) error {
	key, err := ParsePublicKey(publicKey)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	digest := "SHA-256=" + base64.StdEncoding.EncodeToString(sum[:])
	if r.Header.Get("Digest") != digest {
		return errors.New("the digest is not that of the body")
	}
	var claims struct {
		jwt.RegisteredClaims
		Signed []map[string]string `json:"signed_headers"`
	}
	// The clock is the machine's, as the client's is: the token lasts a minute.
	token, err := jwt.ParseWithClaims(r.Header.Get("Agid-JWT-Signature"), &claims,
		func(*jwt.Token) (any, error) { return key, nil },
		jwt.WithValidMethods([]string{"RS256"}), jwt.WithExpirationRequired(), jwt.WithIssuedAt())
	switch {
	case err != nil:
		return fmt.Errorf("signature: %w", err)
	case token.Header["kid"] == nil || token.Header["typ"] != "JWT":
		return errors.New("signature: no kid, or not typ JWT")
	case claims.Issuer == "" || claims.ID == "" || claims.NotBefore == nil:
		return errors.New("signature: iss, jti or nbf is missing")
	case len(claims.Audience) != 1 || !strings.HasSuffix(claims.Audience[0], r.Host+RelayNativePath):
		return errors.New("signature: aud is not the base address")
	}
	signed := map[string]string{}
	for _, headers := range claims.Signed {
		for name, value := range headers {
			signed[name] = value
		}
	}
	if signed["digest"] != digest || signed["content-type"] != r.Header.Get("Content-Type") {
		return errors.New("signature: digest or content-type is not what was signed")
	}
	return nil
}
