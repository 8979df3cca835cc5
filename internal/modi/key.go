package modi

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"errors"

	"github.com/lestrrat-go/jwx/v3/jwk"
)

// Bounds of an RSA modulus, in bits: below, it can be factored; above, one
// verification costs too much.
const (
	minRSABits = 2048
	maxRSABits = 8192
)

var errWrongKey = errors.New("must be a JWK (RFC 7517) with a public key, RSA of 2048 to 8192 bits or EC P-256")

// maxKeyID bounds a kid; PDND's have 43 characters.
const maxKeyID = 200

// ParseKey reads a public key in the form of a JWK (RFC 7517): RSA of 2048 to
// 8192 bits or EC P-256, with a kid, not meant for encryption. The error completes
// the sentence "this key …" and quotes nothing of it.
func ParseKey(text []byte) (id string, key crypto.PublicKey, err error) {
	if text = bytes.TrimSpace(text); len(text) == 0 || text[0] != '{' {
		return "", nil, errWrongKey
	}
	parsed, err := jwk.ParseKey(text)
	if err != nil {
		return "", nil, errWrongKey
	}
	if private, err := jwk.IsPrivateKey(parsed); err != nil || private {
		return "", nil, errors.New("must be a public key: a private one never leaves its owner, so make a new pair")
	}
	if use, ok := parsed.KeyUsage(); ok && use != jwk.ForSignature.String() {
		return "", nil, errors.New("is not meant for signatures: its use is not sig")
	}
	id, _ = parsed.KeyID()
	if id == "" || len(id) > maxKeyID {
		return "", nil, errors.New("needs a kid of 1 to 200 characters, by which a signature names it")
	}
	var exported any
	if err := jwk.Export(parsed, &exported); err != nil {
		return "", nil, errWrongKey
	}
	return id, exported, usable(exported)
}

// usable reports what is wrong with a key, nil when it can be trusted with a
// signature.
func usable(key crypto.PublicKey) error {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < minRSABits || bits > maxRSABits || k.E < 3 || k.E%2 == 0 {
			return errWrongKey
		}
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() {
			return errWrongKey
		}
	default:
		return errWrongKey
	}
	if _, err := x509.MarshalPKIXPublicKey(key); err != nil { // also asks whether the point is on the curve
		return errWrongKey
	}
	return nil
}
