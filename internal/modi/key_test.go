package modi

import (
	"crypto/rsa"
	"fmt"
	"math/big"
	"strings"
	"testing"
)

func TestPublicKeys(t *testing.T) {
	rsaKey, ecKey := &first().PublicKey, &curve().PublicKey
	for name, text := range map[string][]byte{
		"RSA of 2048 bits": asJSON(jwkOf("k", rsaKey)), "EC P-256": asJSON(jwkOf("k", ecKey, member{"use": "sig", "alg": "ES256"})),
		"a key as PDND lists it": asJSON(jwkOf("k", rsaKey, member{"use": "sig", "alg": "RS256", "x5t": "abc"})),
	} {
		id, key, err := ParseKey(text)
		if err != nil || id != "k" || !(rsaKey.Equal(key) || ecKey.Equal(key)) {
			t.Errorf("%s: %q, %v", name, id, err)
		}
	}
	private := jwkOf("k", rsaKey, member{"d": b64(first().D.Bytes()), "p": b64(first().Primes[0].Bytes()), "q": b64(first().Primes[1].Bytes())})
	scalar, err := curve().Bytes()
	must(t, err)
	ecPrivate := jwkOf("k", ecKey, member{"d": b64(scalar)})
	offCurve := jwkOf("k", ecKey, member{"y": b64(make([]byte, 32))})
	for name, c := range map[string]struct {
		text []byte
		says string
	}{
		"nothing":                {nil, "JWK"},
		"a text":                 {[]byte(`"key"`), "JWK"},
		"a PEM":                  {[]byte("-----BEGIN PUBLIC KEY-----"), "JWK"},
		"an empty object":        {[]byte(`{}`), "JWK"},
		"a whole set":            {asJSON(member{"keys": []member{jwkOf("k", rsaKey)}}), "JWK"},
		"a private key":          {asJSON(private), "private"},
		"a private key of curve": {asJSON(ecPrivate), "private"},
		"a shared secret":        {asJSON(member{"kty": "oct", "kid": "k", "k": b64([]byte("a shared secret of enough length"))}), "public"},
		"an encryption key":      {asJSON(jwkOf("k", rsaKey, member{"use": "enc"})), "signatures"},
		"RSA of 1024 bits":       {asJSON(jwkOf("k", &short().PublicKey)), "2048"},
		"RSA of 16384 bits":      {asJSON(jwkOf("k", &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 16383), E: 65537})), "8192"},
		"RSA of exponent 1":      {asJSON(jwkOf("k", &rsa.PublicKey{N: rsaKey.N, E: 1})), "RSA"},
		"EC P-384":               {asJSON(jwkOf("k", &longer().PublicKey)), "P-256"},
		"Ed25519":                {asJSON(member{"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": b64(make([]byte, 32))}), "RSA"},
		"a point off the curve":  {asJSON(offCurve), ""},
		"no kid":                 {asJSON(jwkOf("", rsaKey)), "kid"},
		"a kid that is a number": {asJSON(jwkOf("", rsaKey, member{"kid": 7})), "JWK"},
		"an endless kid":         {asJSON(jwkOf(strings.Repeat("k", maxKeyID+1), rsaKey)), "kid"},
		"RSA without modulus":    {asJSON(member{"kty": "RSA", "kid": "k", "e": "AQAB"}), ""},
	} {
		_, _, err := ParseKey(c.text)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want an error that says %q", name, err, c.says)
		}
	}
}

func TestOnlySoManyKeysOfASetAreBelieved(t *testing.T) {
	keys := []member{{"kid": "broken"}}
	for n := range maxIssuerKeys + 50 {
		keys = append(keys, jwkOf(fmt.Sprint(n), &curve().PublicKey))
	}
	set, err := readKeySet(asJSON(member{"keys": keys}))
	must(t, err)
	if len(set) != maxIssuerKeys-1 {
		t.Errorf("%d keys", len(set))
	}
	set, err = readKeySet(asJSON(member{"keys": []member{jwkOf("k", &first().PublicKey), jwkOf("k", &second().PublicKey)}}))
	must(t, err)
	if !first().PublicKey.Equal(set["k"]) {
		t.Error("of two keys with one kid the second is taken")
	}
}
