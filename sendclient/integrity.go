package sendclient

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

const (
	// signatureLife is how long a signed request holds; it is used at once, the
	// rest is for clocks that disagree, backwards too.
	signatureLife, signatureSlack = time.Minute, 5 * time.Second
)

// sign proves who wrote a message and that nobody changed it: the header Digest
// and a JWT that signs it (ModI, INTEGRITY_REST_02, Linee guida
// sull'interoperabilità tecnica, allegato 2). audience is the relay's base
// address.
func (s *Signature) sign(m *message, audience string) error {
	if s.PrivateKey == nil || s.KeyID == "" || s.ClientID == "" {
		return errors.New("the signature of a request needs client id, key id and private key")
	}
	sum := sha256.Sum256(m.body)
	digest := "SHA-256=" + base64.StdEncoding.EncodeToString(sum[:])
	now := time.Now()
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{
		"iss": s.ClientID, "sub": s.ClientID, "aud": strings.TrimSuffix(audience, "/"), "jti": uuid.NewString(),
		"iat": now.Add(-signatureSlack).Unix(), "nbf": now.Add(-signatureSlack).Unix(), "exp": now.Add(signatureLife).Unix(),
		"signed_headers": []map[string]string{{"digest": digest}, {"content-type": m.header.Get("Content-Type")}},
	})
	token.Header["kid"] = s.KeyID
	signed, err := token.SignedString(s.PrivateKey)
	if err != nil {
		return fmt.Errorf("sign the request: %w", err)
	}
	m.header.Set("Digest", digest)
	m.header.Set("Agid-JWT-Signature", signed)
	return nil
}
