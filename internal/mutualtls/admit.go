package mutualtls

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Why somebody is refused, as the metric says it.
const (
	noCertificate = "no_certificate"
	ofNoAuthority = "authority"
	outOfDays     = "expired"
	notNamed      = "not_named"
	notAProxy     = "not_a_proxy"
)

// admit tells why the caller who shows these certificates, its own first, is refused,
// in a word and in a sentence; no error: it is let in. It asks what crypto/tls would,
// and can tell the answer.
func admit(shown []*x509.Certificate, authorities *x509.CertPool, names []string, now time.Time) (why string, err error) {
	if len(shown) == 0 {
		return noCertificate, errors.New("the client showed no certificate")
	}
	its, between := shown[0], x509.NewCertPool()
	for _, one := range shown[1:] {
		between.AddCert(one)
	}
	// Whose certificate it is comes first, so that a stranger's old one is a stranger's:
	// one that is out of its days is verified for the nearest of them, and refused below.
	day := now
	if day.Before(its.NotBefore) {
		day = its.NotBefore
	}
	if day.After(its.NotAfter) {
		day = its.NotAfter
	}
	_, err = its.Verify(x509.VerifyOptions{
		Roots: authorities, Intermediates: between, CurrentTime: day, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil { // strangers write what it quotes: not at any length
		return ofNoAuthority, fmt.Errorf("the client's certificate, issued by %.100q, is of no authority of ATTUALIZZA_NODO_TLS_CLIENT_CA: %.200s", its.Issuer.CommonName, err)
	}
	if err := outdated(its, now); err != nil {
		return outOfDays, err
	}
	return notNamed, wronglyNamed(its, names)
}

// outdated tells that a certificate is not yet good, or no more; nil: it is.
func outdated(c *x509.Certificate, now time.Time) error {
	if now.Before(c.NotBefore) || now.After(c.NotAfter) {
		return fmt.Errorf("the client's certificate is of %s to %s", c.NotBefore.UTC().Format(time.DateOnly), c.NotAfter.UTC().Format(time.DateOnly))
	}
	return nil
}

// wronglyNamed tells that a certificate carries none of the names, as its common name
// or among its DNS names; nil: it does.
func wronglyNamed(c *x509.Certificate, names []string) error {
	known := func(name string) bool { return slices.Contains(names, name) }
	if known(c.Subject.CommonName) || slices.ContainsFunc(c.DNSNames, known) {
		return nil
	}
	return fmt.Errorf("the client's certificate is of %q %v, none of ATTUALIZZA_NODO_TLS_CLIENT_NAMES", c.Subject.CommonName, c.DNSNames)
}
