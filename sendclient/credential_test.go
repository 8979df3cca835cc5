package sendclient

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"testing"
)

func TestParsePrivateKey(t *testing.T) {
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	pkcs8 := func(key any) []byte {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, text string
		ok         bool
	}{
		{"PKCS#8", block("PRIVATE KEY", pkcs8(signingKey())), true},
		{"PKCS#1", block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(signingKey())), true},
		{"text before the key", "Bag Attributes\n" + block("PRIVATE KEY", pkcs8(signingKey())), true},
		{"too small", block("PRIVATE KEY", pkcs8(small)), false},
		{"an elliptic curve", block("PRIVATE KEY", pkcs8(curve)), false},
		{"PKCS#1 under PKCS#8's name", block("PRIVATE KEY", x509.MarshalPKCS1PrivateKey(signingKey())), false},
		{"encrypted", block("ENCRYPTED PRIVATE KEY", []byte("x")), false},
		{"a public key", block("PUBLIC KEY", x509.MarshalPKCS1PublicKey(&signingKey().PublicKey)), false},
		{"not PEM", "secret", false},
		{"nothing", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			key, err := ParsePrivateKey(tt.text)
			if (err == nil) != tt.ok {
				t.Fatal(err)
			}
			if tt.ok && !key.Equal(signingKey()) {
				t.Error("not the key that was written")
			}
		})
	}
}
