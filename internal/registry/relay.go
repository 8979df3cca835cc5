package registry

import (
	"fmt"

	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/sendclient"
)

// openRelay makes the credential of an organization that asks its
// act-management system. Its client of PDND, where it has one with a key, signs
// what it asks of a native relay.
func (r *Registry) openRelay(entry *Organization) *Organization {
	o := &entry.Organization
	relay := &sendclient.Relay{Kind: sendclient.RelayKind(o.Relay.Kind), URL: o.Relay.URL, Username: o.Relay.Username}
	secret, into := positions.SecretRelayToken, &relay.Token
	if relay.Kind == sendclient.RelayLegacy {
		secret, into = positions.SecretRelayPassword, &relay.Password
	}
	sealed, ok := o.Sealed[secret]
	if !ok {
		entry.noSend = fmt.Errorf("%w: no %s is registered", ErrNoCredential, secret)
		return entry
	}
	text, err := r.box.Open(o.FiscalCode, string(secret), sealed)
	if err != nil {
		return r.closed(entry, err)
	}
	*into = string(text)
	if o.Signs() {
		pem, err := r.box.Open(o.FiscalCode, string(positions.SecretPDNDPrivateKey), o.Sealed[positions.SecretPDNDPrivateKey])
		if err != nil {
			return r.closed(entry, err)
		}
		private, err := sendclient.ParsePrivateKey(string(pem))
		if err != nil {
			return r.closed(entry, err)
		}
		relay.Signature = &sendclient.Signature{ClientID: o.Send.PDND.ClientID, KeyID: o.Send.PDND.KeyID, PrivateKey: private}
	}
	entry.credential = &sendclient.Credential{OrganizationFiscalCode: o.FiscalCode, Relay: relay}
	r.opened(entry.credential)
	return entry
}
