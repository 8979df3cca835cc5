package rest

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io"

	"github.com/labstack/echo/v4"

	"github.com/attualizza/attualizza/internal/modi"
	"github.com/attualizza/attualizza/positions"
)

// verifyIntegrity lets a request of an operation with x-integrity through when
// its body is signed by the caller, and then gives the operation that very body.
func (s *server) verifyIntegrity(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		if op := s.operation(c); op == nil || op.Integrity != integrityRest02 {
			return next(c)
		}
		key := callerOf(r.Context()).key
		keys, err := s.signatureKeys(key)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return unreadable(err)
		}
		signer := key.PDNDClientID
		if signer == "" {
			signer = key.ID
		}
		var rejection modi.Rejection
		if err := s.signatures.Verify(r.Header, body, signer, keys); errors.As(err, &rejection) {
			return positions.Errorf(unauthorized, "the signature in %s %s", modi.SignatureHeader, string(rejection))
		} else if err != nil {
			return err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		return next(c)
	}
}

// signatureKeys are the keys that a caller's signatures are verified with, by
// kid, or why there are none.
func (s *server) signatureKeys(key *positions.Key) (map[string]crypto.PublicKey, error) {
	switch {
	case s.Audience == "":
		return nil, positions.Errorf(forbidden, "this service takes no signatures: its operator has to set ATTUALIZZA_PDND_TOKEN_AUDIENCE")
	case key == nil || len(key.SignatureKeys) == 0:
		return nil, positions.Errorf(forbidden, "the key was registered without signatureKeys, which this call needs: register it anew, with them")
	}
	keys := make(map[string]crypto.PublicKey, len(key.SignatureKeys))
	for _, k := range key.SignatureKeys {
		public, err := x509.ParsePKIXPublicKey(k.DER)
		if err != nil {
			return nil, fmt.Errorf("signature key of %s: %w", key.ID, err) // a defect: it was valid when it was stored
		}
		keys[k.ID] = public
	}
	return keys, nil
}
