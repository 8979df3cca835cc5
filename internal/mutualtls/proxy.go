package mutualtls

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"go.opentelemetry.io/otel/metric"
)

// ProxyConfig is what a [Proxy] is made of.
type ProxyConfig struct {
	// From are the addresses of the proxies: whoever else comes is refused, because a
	// header can be written by anybody.
	From []netip.Prefix
	// Header carries the client's certificate: as RFC 9440 writes it (Client-Cert), or
	// as PEM with %-escapes (nginx, $ssl_client_escaped_cert).
	Header string
	// Names are as in [Config].
	Names  []string
	Logger *slog.Logger
	Meter  metric.Meter     // nil for none
	Now    func() time.Time // nil: time.Now
}

// Proxy lets requests in that a TLS proxy hands on, by the certificate that the
// proxy says it saw. That the certificate is of an accepted authority, and that the
// caller has its key, is for the proxy to see to; its name and its days are looked
// at here again.
type Proxy struct {
	ProxyConfig
	refused *refusals
}

// NewProxy prepares a proxy's guard.
func NewProxy(cfg ProxyConfig) (*Proxy, error) {
	cfg.Now, cfg.Meter = defaults(cfg.Now, cfg.Meter)
	if len(cfg.From) == 0 || cfg.Header == "" || len(cfg.Names) == 0 {
		return nil, errors.New("a proxy needs addresses, a header, and names of accepted clients")
	}
	refused, err := newRefusals(cfg.Logger, cfg.Meter, cfg.Now, notAProxy, noCertificate, outOfDays, notNamed)
	return &Proxy{cfg, refused}, err
}

// Guard answers 403 to whoever is not let in.
func (p *Proxy) Guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if why, err := p.admit(r); err != nil {
			p.refused.tell(r.Context(), why, err)
			http.Error(w, "not let in", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// admit returns why a request is refused, in a word and in a sentence; no error: it is
// let in.
func (p *Proxy) admit(r *http.Request) (why string, err error) {
	address, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return notAProxy, fmt.Errorf("the caller's address %q: %w", r.RemoteAddr, err)
	}
	from := address.Addr().Unmap()
	if !p.trusts(from) {
		return notAProxy, fmt.Errorf("%s is none of ATTUALIZZA_NODO_PROXIES", from)
	}
	all := r.Header.Values(p.Header)
	if len(all) != 1 || all[0] == "" {
		return noCertificate, fmt.Errorf("the proxy %s sent %d headers %s instead of one: is the client's certificate asked for there?", from, len(all), p.Header)
	}
	certificate, err := certificateIn(all[0])
	if err != nil {
		return noCertificate, fmt.Errorf("the header %s of the proxy %s holds no certificate: %w", p.Header, from, err)
	}
	if err := outdated(certificate, p.Now()); err != nil {
		return outOfDays, err
	}
	return notNamed, wronglyNamed(certificate, p.Names)
}

func (p *Proxy) trusts(address netip.Addr) bool {
	for _, prefix := range p.From {
		if prefix.Contains(address) {
			return true
		}
	}
	return false
}

// certificateIn reads the certificate of a header: a byte sequence of structured
// fields (RFC 9440 section 2.1: the DER between colons in base64), or PEM with
// %-escapes.
func certificateIn(header string) (*x509.Certificate, error) {
	if rest, ok := strings.CutPrefix(header, ":"); ok {
		der, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(rest, ":"))
		if err != nil {
			return nil, err
		}
		return x509.ParseCertificate(der)
	}
	text, err := url.PathUnescape(header)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("it is neither RFC 9440's form nor PEM")
	}
	return x509.ParseCertificate(block.Bytes)
}
