package sendclient

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestADeadRelayIsItsOrganizationsAlone(t *testing.T) {
	inBubble(t, func(t *testing.T, c *Client, send *scripted, _ *bytes.Buffer) {
		relay := func(code, token string) *Credential {
			return &Credential{OrganizationFiscalCode: code, Relay: &Relay{Kind: RelayNative, URL: "https://atti.example", Token: token}}
		}
		one, other := relay(org, "one"), relay("80099999999", "other")
		send.become(func(r *http.Request) (*http.Response, error) {
			if r.Header.Get("Authorization") == "Bearer one" {
				return hang(r)
			}
			return reply(200, nativePrice), nil
		})
		for range failuresInARow {
			_, err := c.Price(t.Context(), one, org, notice)
			wantKind(t, err, KindTimeout)
			if _, err := c.Price(t.Context(), other, org, notice); err != nil {
				t.Fatal(err)
			}
		}
		before := send.requests.Load()
		_, err := c.Price(t.Context(), one, org, notice)
		wantKind(t, err, KindBreakerOpen)
		if states := c.guards.states(); send.requests.Load() != before || states[org] != 2 || states["80099999999"] != 0 {
			t.Errorf("states %v", states)
		}
		send.become(func(*http.Request) (*http.Response, error) { return reply(200, nativePrice), nil })
		time.Sleep(11 * time.Second)
		if _, err := c.Price(t.Context(), one, org, notice); err != nil {
			t.Errorf("after the recovery: %v", err)
		}
	})
}

func TestARelayThatDeniesIsLeftAloneUntilTheCredentialChanges(t *testing.T) {
	inBubble(t, func(t *testing.T, c *Client, send *scripted, log *bytes.Buffer) {
		cred := func(token string) *Credential {
			return &Credential{OrganizationFiscalCode: org, Relay: &Relay{Kind: RelayNative, URL: "https://atti.example", Token: token}}
		}
		send.become(answering(401, ""))
		_, err := c.Price(t.Context(), cred("bad"), org, notice)
		wantKind(t, err, KindDenied)
		if _, err = c.Price(t.Context(), cred("bad"), org, notice); !wantKind(t, err, KindDenied).Held || send.requests.Load() != 1 {
			t.Errorf("asked %d times", send.requests.Load())
		}
		if strings.Count(log.String(), "\n") != 1 || strings.Contains(log.String(), "bad") && strings.Contains(log.String(), "Bearer") {
			t.Errorf("want one line without secrets:\n%s", log)
		}
		send.become(answering(200, nativePrice))
		if _, err := c.Price(t.Context(), cred("good"), org, notice); err != nil {
			t.Error(err)
		}
	})
}

func TestWhatIsShownToARelayMakesItsFingerprint(t *testing.T) {
	base := Relay{Kind: RelayNative, URL: "https://a.example", Token: "t", Username: "u", Password: "p"}
	seen := map[fingerprint]string{}
	for name, change := range map[string]func(*Relay){
		"nothing": func(*Relay) {}, "kind": func(r *Relay) { r.Kind = RelayLegacy }, "url": func(r *Relay) { r.URL += "/x" },
		"token": func(r *Relay) { r.Token = "t2" }, "user": func(r *Relay) { r.Username = "u2" }, "password": func(r *Relay) { r.Password = "p2" },
		"signature": func(r *Relay) { r.Signature = &Signature{KeyID: "k", PrivateKey: signingKey()} },
	} {
		r := base
		change(&r)
		id := (&Credential{OrganizationFiscalCode: org, Relay: &r}).fingerprint()
		if twin, ok := seen[id]; ok {
			t.Errorf("%s and %s look alike", name, twin)
		}
		seen[id] = name
	}
	if _, ok := seen[apiKeyOnly.fingerprint()]; ok {
		t.Error("a relay looks like SEND")
	}
}

// A relay that closes a kept-alive connection just as it is used again did not
// see the question; net/http would not repeat a POST unless told that it may.
func TestARelaysDeadConnectionCostsNoPrice(t *testing.T) {
	var requests atomic.Int32
	answer := func(conn net.Conn) {
		requests.Add(1)
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(nativePrice), nativePrice)
	}
	url := rawServer(t, func(n int, conn *net.TCPConn) {
		readRequest(conn)
		answer(conn)
		if n == 1 {
			readRequest(conn) // and closes without a word
		}
	})
	c := newClient(t, Config{BaseURL: "http://127.0.0.1:1"})
	cred := &Credential{OrganizationFiscalCode: org, Relay: &Relay{Kind: RelayNative, URL: url, Token: "t"}}
	for range 2 {
		if _, err := c.Price(t.Context(), cred, org, notice); err != nil {
			t.Error(err)
		}
	}
	if requests.Load() != 2 {
		t.Errorf("%d answers for two questions", requests.Load())
	}
}
