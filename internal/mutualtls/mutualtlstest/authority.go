// Package mutualtlstest makes certificate authorities, and the certificates of
// servers and clients, for tests.
package mutualtlstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"sync/atomic"
	"testing"
	"time"
)

// Authority signs certificates.
type Authority struct {
	Certificate *x509.Certificate
	PEM         []byte
	key         *ecdsa.PrivateKey
}

var serial atomic.Int64

// New makes an authority for ten years.
func New(t testing.TB, name string) *Authority {
	t.Helper()
	return NewUntil(t, name, time.Now().AddDate(10, 0, 0))
}

// NewUntil makes an authority until an instant.
func NewUntil(t testing.TB, name string, until time.Time) *Authority {
	t.Helper()
	a := &Authority{}
	a.Certificate, a.key, a.PEM = a.sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, NotAfter: until,
	})
	return a
}

// sign makes a certificate; an authority that has none yet signs its own.
func (a *Authority) sign(t testing.TB, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template.SerialNumber = big.NewInt(serial.Add(1))
	if template.NotBefore.IsZero() {
		template.NotBefore = time.Now().Add(-365 * 24 * time.Hour)
	}
	parent, signer := a.Certificate, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	must(t, err)
	made, err := x509.ParseCertificate(der)
	must(t, err)
	return made, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// ServerName is the name in the certificates of servers.
const ServerName = "nodo.partner.example"

// Server makes the certificate of a server until an instant, and its key, in PEM.
func (a *Authority) Server(t testing.TB, until time.Time) (cert, key []byte) {
	t.Helper()
	_, private, cert := a.sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: ServerName}, DNSNames: []string{ServerName}, NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	return cert, keyPEM(t, private)
}

// Client makes a certificate of the Nodo, after changes.
func (a *Authority) Client(t testing.TB, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "forwarder.platform.pagopa.it"}, NotAfter: time.Now().AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if change != nil {
		change(template)
	}
	_, key, cert := a.sign(t, template)
	pair, err := tls.X509KeyPair(cert, keyPEM(t, key))
	must(t, err)
	return pair
}

func keyPEM(t testing.TB, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
