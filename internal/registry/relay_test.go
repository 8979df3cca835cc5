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

func TestPaymentsAreToldWithTheKeyForSENDWhoeverIsAskedForPrices(t *testing.T) {
	b := box(t)
	token, err := b.Seal("77777777777", string(positions.SecretRelayToken), []byte("t"))
	if err != nil {
		t.Fatal(err)
	}
	relay := func(o *positions.Organization) {
		o.Send.Route, o.Relay = positions.RouteRelay, &positions.Relay{Kind: "NATIVE", URL: "https://atti.example"}
		o.Sealed[positions.SecretRelayToken] = token
	}
	for name, c := range map[string]struct {
		pdnd   bool
		change func(*positions.Organization)
		tells  bool
		opens  bool
		same   bool // as the credential for prices
	}{
		"direct":                           {pdnd: true, change: func(*positions.Organization) {}, tells: true, opens: true, same: true},
		"a relay, and a key of its own":    {pdnd: true, change: relay, tells: true, opens: true},
		"a relay, and a key without PDND":  {change: relay, tells: true, opens: true},
		"a relay alone":                    {change: func(o *positions.Organization) { relay(o); delete(o.Sealed, positions.SecretSendAPIKey) }},
		"neither":                          {change: func(o *positions.Organization) { o.Send, o.Sealed = nil, nil }},
		"a relay, and a key of other's":    {change: func(o *positions.Organization) { relay(o); o.Sealed[positions.SecretSendAPIKey] = token }, tells: true},
		"a relay, and no private key left": {pdnd: true, change: func(o *positions.Organization) { relay(o); o.Sealed[positions.SecretPDNDPrivateKey] = token }, tells: true},
	} {
		t.Run(name, func(t *testing.T) {
			o := organization(t, b, "77777777777", c.pdnd)
			c.change(&o)
			s := &source{}
			s.set(nil, o)
			var told []*sendclient.Credential
			r := New(s, b, slog.New(slog.DiscardHandler), func(c *sendclient.Credential) { told = append(told, c) })
			if err := r.Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
			got, _ := r.Organization("77777777777")
			if got.TellsSEND() != c.tells {
				t.Errorf("tells SEND: %v", !c.tells)
			}
			send, err := got.SENDCredential()
			switch {
			case !c.opens:
				if send != nil || !errors.Is(err, ErrNoCredential) {
					t.Errorf("%+v %v", send, err)
				}
			case err != nil || send.APIKey != "key-77777777777" || send.Relay != nil || (send.PDND != nil) != c.pdnd:
				t.Errorf("%+v %v", send, err)
			}
			price, _ := got.Credential()
			if (price != nil && price == send) != c.same {
				t.Errorf("the same for prices: %v", !c.same)
			}
			if price != nil && (len(told) != 1 || told[0] != price) {
				t.Errorf("told of %d credentials", len(told))
			}
		})
	}
}
