package registry

import (
	"fmt"

	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/sendclient"
)

// openRelay makes the credential of an organization that asks its
// act-management system. Its client of PDND, where it has one with a key, signs
// what it asks of a native relay.
func (r *Registry) openRelay(o *positions.Organization) (*sendclient.Credential, error) {
	relay := &sendclient.Relay{Kind: sendclient.RelayKind(o.Relay.Kind), URL: o.Relay.URL, Username: o.Relay.Username}
	secret, into := positions.SecretRelayToken, &relay.Token
	if relay.Kind == sendclient.RelayLegacy {
		secret, into = positions.SecretRelayPassword, &relay.Password
	}
	sealed, ok := o.Sealed[secret]
	if !ok {
		return nil, fmt.Errorf("%w: no %s is registered", ErrNoCredential, secret)
	}
	text, err := r.box.Open(o.FiscalCode, string(secret), sealed)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoCredential, err)
	}
	*into = string(text)
	if o.Signs() {
		private, err := r.privateKey(o)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNoCredential, err)
		}
		relay.Signature = &sendclient.Signature{ClientID: o.Send.PDND.ClientID, KeyID: o.Send.PDND.KeyID, PrivateKey: private}
	}
	return &sendclient.Credential{OrganizationFiscalCode: o.FiscalCode, Relay: relay}, nil
}
