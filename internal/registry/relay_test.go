package registry

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/sendclient"
)

func TestWhoAsksARelayHasItsCredential(t *testing.T) {
	b := box(t)
	sealed := func(name positions.Secret, plain string) []byte {
		text, err := b.Seal("77777777777", string(name), []byte(plain))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for name, c := range map[string]struct {
		pdnd   bool
		change func(*positions.Organization)
		check  func(*sendclient.Credential) bool
		err    string
	}{
		"native, with a key to sign": {
			pdnd: true,
			change: func(o *positions.Organization) {
				o.Relay = &positions.Relay{Kind: "NATIVE", URL: "https://atti.example"}
				o.Sealed[positions.SecretRelayToken] = sealed(positions.SecretRelayToken, "t")
			},
			check: func(c *sendclient.Credential) bool {
				r := c.Relay
				return c.APIKey == "" && c.PDND == nil && r.Kind == sendclient.RelayNative && r.URL == "https://atti.example" && r.Token == "t" && r.Password == "" &&
					r.Signature != nil && r.Signature.ClientID == "client" && r.Signature.KeyID == "kid" && r.Signature.PrivateKey != nil
			},
		},
		"native, without": {
			change: func(o *positions.Organization) {
				o.Relay = &positions.Relay{Kind: "NATIVE", URL: "https://atti.example"}
				o.Sealed[positions.SecretRelayToken] = sealed(positions.SecretRelayToken, "t")
			},
			check: func(c *sendclient.Credential) bool { return c.Relay.Signature == nil && c.Relay.Token == "t" },
		},
		"legacy": {
			pdnd: true,
			change: func(o *positions.Organization) {
				o.Relay = &positions.Relay{Kind: "LEGACY", URL: "https://atti.example", Username: "u"}
				o.Sealed[positions.SecretRelayPassword] = sealed(positions.SecretRelayPassword, "p")
				o.Sealed[positions.SecretRelayToken] = sealed(positions.SecretRelayToken, "t")
			},
			check: func(c *sendclient.Credential) bool {
				r := c.Relay
				return r.Kind == sendclient.RelayLegacy && r.Username == "u" && r.Password == "p" && r.Token == "" && r.Signature == nil
			},
		},
		"without its secret": {
			change: func(o *positions.Organization) {
				o.Relay = &positions.Relay{Kind: "NATIVE", URL: "https://atti.example"}
			},
			err: "no relay.token is registered",
		},
		"with a secret that cannot be opened": {
			change: func(o *positions.Organization) {
				o.Relay = &positions.Relay{Kind: "LEGACY", URL: "https://atti.example", Username: "u"}
				o.Sealed[positions.SecretRelayPassword] = sealed(positions.SecretRelayToken, "another field's")
			},
			err: "credential",
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := organization(t, b, "77777777777", c.pdnd)
			o.Send.Route = positions.RouteRelay
			c.change(&o)
			s := &source{}
			s.set(nil, o)
			told := 0
			r := New(s, b, slog.New(slog.DiscardHandler), func(*sendclient.Credential) { told++ })
			if err := r.Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
			got, _ := r.Organization("77777777777")
			credential, err := got.Credential()
			switch {
			case c.err != "":
				if !errors.Is(err, ErrNoCredential) || !strings.Contains(err.Error(), c.err) || told != 0 {
					t.Errorf("%v, told %d times", err, told)
				}
			case err != nil || !c.check(credential) || told != 1:
				t.Errorf("%+v %v, told %d times", credential, err, told)
			}
		})
	}
}
