package rest

import (
	"github.com/attualizza/attualizza/internal/outbound"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/sendclient"
)

// relayProblems checks what asking a relay needs beside its data: the secrets of
// its contract and, where requests are to be signed, whose signature it is. A
// relay that is only kept for later may be incomplete.
func (s organizationSecrets) relayProblems(o *positions.Organization, kept map[positions.Secret][]byte) []positions.Problem {
	var problems []positions.Problem
	add := func(pointer, detail string) {
		problems = append(problems, positions.Problem{Pointer: pointer, Detail: detail})
	}
	if o.Relay != nil && outbound.CheckBase(o.Relay.URL) == nil { // else it was told already
		if err := sendclient.CheckRelayURL(o.Relay.URL); err != nil {
			add("/relay/url", err.Error())
		}
	}
	if token, given := s[positions.SecretRelayToken].replacement(); given {
		if err := sendclient.CheckRelayToken(token); err != nil {
			add(secretPointer(positions.SecretRelayToken), err.Error())
		}
	}
	if o.Relay != nil {
		for _, of := range []struct {
			kind   string
			secret positions.Secret
			detail string
		}{
			{positions.RelayLegacy, positions.SecretRelayToken, "is not for kind LEGACY, which is asked with username and password"},
			{positions.RelayNative, positions.SecretRelayPassword, "is not for kind NATIVE, which is asked with a token"},
		} {
			if _, given := s[of.secret].replacement(); given && o.Relay.Kind == of.kind {
				add(secretPointer(of.secret), of.detail)
			}
		}
	}
	if !o.Relays() {
		return problems
	}
	there := func(name positions.Secret) bool {
		_, given := s[name].replacement()
		return given || kept[name] != nil
	}
	switch {
	case o.Relay.Kind == positions.RelayNative && !there(positions.SecretRelayToken):
		add(secretPointer(positions.SecretRelayToken), "is needed with kind NATIVE")
	case o.Relay.Kind == positions.RelayLegacy && !there(positions.SecretRelayPassword):
		add(secretPointer(positions.SecretRelayPassword), "is needed with kind LEGACY")
	}
	if p := o.Send.PDND; p != nil && p.Mode != positions.PDNDRequired && o.Relay.Kind == positions.RelayNative && there(positions.SecretPDNDPrivateKey) {
		if p.ClientID == "" {
			add("/send/pdnd/clientId", "is needed beside privateKey, to sign what is asked of the relay")
		}
		if p.KeyID == "" {
			add("/send/pdnd/keyId", "is needed beside privateKey, to sign what is asked of the relay")
		}
	}
	return problems
}
