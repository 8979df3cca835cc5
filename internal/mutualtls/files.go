package mutualtls

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"time"
)

// Files name what a door is opened with.
type Files struct {
	Cert     string // PEM, the certificate and those between it and its root
	Key      string // PEM, its private key
	ClientCA string // PEM, the authorities whose clients are let in
}

// content is what the files held at one time.
type content struct{ cert, key, clientCA []byte }

// maxFile bounds each file: a chain or a bundle of authorities is far below it.
const maxFile = 1 << 20

func (f Files) read() (c content, err error) {
	for _, file := range []struct {
		what, path string
		into       *[]byte
	}{{"certificate", f.Cert, &c.cert}, {"private key", f.Key, &c.key}, {"client authorities", f.ClientCA, &c.clientCA}} {
		info, err := os.Stat(file.path)
		if err != nil {
			return c, fmt.Errorf("%s: %w", file.what, err)
		}
		if info.Size() > maxFile {
			return c, fmt.Errorf("%s: %s is larger than %d bytes", file.what, file.path, maxFile)
		}
		if *file.into, err = os.ReadFile(file.path); err != nil {
			return c, fmt.Errorf("%s: %w", file.what, err)
		}
	}
	return c, nil
}

func (c content) equal(d content) bool {
	return bytes.Equal(c.cert, d.cert) && bytes.Equal(c.key, d.key) && bytes.Equal(c.clientCA, d.clientCA)
}

// identity is what a door shows and whom it believes.
type identity struct {
	content
	certificate tls.Certificate
	authorities *x509.CertPool
	ends        time.Time // the door's certificate, or the first of its chain to end
	firstCA     time.Time // the first of the authorities to end: the old one, while the new is there already
	lastCA      time.Time // the last: from then on nobody is let in
}

func parse(f Files, c content, now time.Time) (*identity, error) {
	i := &identity{content: c, authorities: x509.NewCertPool()}
	var err error
	if i.certificate, err = tls.X509KeyPair(c.cert, c.key); err != nil {
		return nil, fmt.Errorf("%s and %s: %w", f.Cert, f.Key, err)
	}
	for n, der := range i.certificate.Certificate {
		one, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Cert, err)
		}
		if n == 0 || one.NotAfter.Before(i.ends) {
			i.ends = one.NotAfter
		}
	}
	if !now.Before(i.ends) {
		return nil, fmt.Errorf("%s: the certificate ended at %s", f.Cert, i.ends.UTC().Format(time.RFC3339))
	}
	authorities, err := certificates(c.clientCA)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.ClientCA, err)
	}
	for n, one := range authorities {
		i.authorities.AddCert(one)
		if n == 0 || one.NotAfter.Before(i.firstCA) {
			i.firstCA = one.NotAfter
		}
		if n == 0 || one.NotAfter.After(i.lastCA) {
			i.lastCA = one.NotAfter
		}
	}
	return i, nil
}

// certificates reads all certificates of a PEM file, which must have one. Unlike
// [x509.CertPool.AppendCertsFromPEM] it passes over none that it cannot read.
func certificates(text []byte) (all []*x509.Certificate, err error) {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		one, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	if len(all) == 0 {
		return nil, errors.New("there is no certificate in it")
	}
	return all, nil
}
