package sendclient

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
)

// Credential is what one organization shows to SEND or, with Relay set, to its
// act-management system. It is not modified and not kept; a changed credential is
// simply passed to the next call.
type Credential struct {
	// OrganizationFiscalCode is the 11-digit tax code of the organization that
	// owns the key. It is the only part that appears in metrics and logs.
	OrganizationFiscalCode string
	// APIKey is SEND's x-api-key.
	APIKey string
	// PDND is nil for a key without PDND: SEND refuses a voucher sent with a
	// key that does not want one, and the lack of one with a key that does.
	PDND *PDND
	// Relay is asked in SEND's place; nil: SEND itself. With it, APIKey and PDND
	// play no part.
	Relay *Relay
}

// The routes to a price, as the metrics name them.
const (
	routeDirect = "DIRECT"
	routeRelay  = "RELAY"
)

func (c *Credential) route() string {
	if c.Relay != nil {
		return routeRelay
	}
	return routeDirect
}

// PDND is the client of the national data platform with which an organization
// obtains vouchers for SEND.
type PDND struct {
	// ClientID and PurposeID are those of PDND's back office; KeyID is the id of
	// the public key loaded there.
	ClientID, KeyID, PurposeID string
	// PrivateKey is the other half of that key; see [ParsePrivateKey].
	PrivateKey *rsa.PrivateKey
}

// ParsePrivateKey reads an unencrypted RSA private key of at least 2048 bits
// from PEM, PKCS#8 ("PRIVATE KEY") or PKCS#1 ("RSA PRIVATE KEY"). Its errors
// never quote the text.
func ParsePrivateKey(text string) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("private key: not PEM")
	}
	var key *rsa.PrivateKey
	switch block.Type {
	case "PRIVATE KEY":
		parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("private key: not PKCS#8: %w", err)
		}
		rsaKey, ok := parsed.(*rsa.PrivateKey)
		if !ok {
			return nil, errors.New("private key: PDND wants an RSA key")
		}
		key = rsaKey
	case "RSA PRIVATE KEY":
		if block.Headers["DEK-Info"] != "" {
			return nil, errors.New("private key: is encrypted")
		}
		parsed, err := x509.ParsePKCS1PrivateKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("private key: not PKCS#1: %w", err)
		}
		key = parsed
	case "ENCRYPTED PRIVATE KEY":
		return nil, errors.New("private key: is encrypted")
	default:
		return nil, errors.New("private key: PEM block is neither PRIVATE KEY nor RSA PRIVATE KEY")
	}
	if key.N.BitLen() < 2048 {
		return nil, fmt.Errorf("private key: %d bits, PDND wants 2048 or more", key.N.BitLen())
	}
	return key, nil
}

// fingerprint stands for a credential or a PDND client in memory, so that no
// map is keyed by a secret.
type fingerprint [sha256.Size]byte

func (c *Credential) fingerprint() fingerprint {
	if c.Relay != nil {
		r := c.Relay.fingerprint()
		return digest(c.OrganizationFiscalCode, "", string(r[:]))
	}
	if c.PDND == nil {
		return digest(c.OrganizationFiscalCode, c.APIKey)
	}
	p := c.PDND.fingerprint("", "")
	return digest(c.OrganizationFiscalCode, c.APIKey, string(p[:]))
}

// fingerprint covers the key too: a client is known by what it can prove, not
// by the name it gives, so that no organization can obtain another's voucher.
func (p *PDND) fingerprint(tokenURL, audience string) fingerprint {
	modulus := ""
	if p.PrivateKey != nil && p.PrivateKey.N != nil {
		modulus = string(p.PrivateKey.N.Bytes())
	}
	return digest(tokenURL, audience, p.ClientID, p.KeyID, p.PurposeID, modulus)
}

func digest(parts ...string) fingerprint {
	buf := make([]byte, 0, 512)
	for _, p := range parts {
		buf = binary.AppendUvarint(buf, uint64(len(p)))
		buf = append(buf, p...)
	}
	return sha256.Sum256(buf)
}
