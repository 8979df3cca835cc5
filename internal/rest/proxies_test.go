package rest

import (
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

// from is a header as a proxy hands it on.
func from(address string) http.Header { return http.Header{"X-Forwarded-For": {address}} }

func behindAProxy(c *Config) {
	c.RateLimit = 2
	c.Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
}

func TestStrangersBehindAProxyAreLimitedEachByTheirOwnAddress(t *testing.T) {
	h := openHouse(t).furnish(t)
	for name, c := range map[string]struct {
		path, key string
		status    int
	}{
		"what needs no key": {"/info", "", 200},
		"wrong keys":        {base + "/debtpositions", "abcdefghijklmnop.wrong", 401},
	} {
		h.url = h.again(t, behindAProxy)
		ask := func(header http.Header) int {
			return h.do(t, call{method: "GET", path: c.path, key: c.key, header: header}).status
		}
		for range 2 {
			if status := ask(from("192.0.2.1")); status != c.status {
				t.Errorf("%s: %d", name, status)
			}
		}
		if status := ask(from("192.0.2.1")); status != 429 {
			t.Errorf("%s: too many of one address: %d", name, status)
		}
		if status := ask(from("192.0.2.2")); status != c.status {
			t.Errorf("%s, of another address: %d", name, status)
		}
		if status := ask(from("192.0.2.3, 192.0.2.1")); status != 429 {
			t.Errorf("%s: an address that the caller wrote itself counts: %d", name, status)
		}
	}
}

func TestWithoutAProxyNobodyCanSayToBeSomebodyElse(t *testing.T) {
	h := openHouse(t).furnish(t)
	h.url = h.again(t, func(c *Config) { c.RateLimit = 2 })
	statuses := []int{}
	for _, address := range []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"} {
		statuses = append(statuses, h.do(t, call{method: "GET", path: "/info", header: from(address)}).status)
	}
	if statuses[0] != 200 || statuses[1] != 200 || statuses[2] != 429 {
		t.Errorf("answered %v", statuses)
	}
}

func TestLoginsBehindAProxyAreCountedByTheCallersAddress(t *testing.T) {
	h := openHouse(t).furnish(t)
	h.url = h.again(t, behindAProxy)
	try := func(address string) int {
		return h.do(t, call{method: "POST", path: "/login", header: from(address), body: `{"username":"nobody","password":"guess"}`}).status
	}
	for range 2 {
		if status := try("192.0.2.1"); status != 200 {
			t.Fatal(status)
		}
	}
	if try("192.0.2.1") != 429 || try("192.0.2.2") != 200 {
		t.Error("logins are not counted by address")
	}
}

func TestAuditAndLogTellTheAddressBehindTheProxy(t *testing.T) {
	var audit lockedBuffer
	h := openHouse(t).furnish(t)
	h.url = h.again(t, behindAProxy, func(c *Config) { c.Audit = slog.New(slog.NewJSONHandler(&audit, nil)) })
	h.want(t, 200, call{method: "PUT", path: base, key: "admin", body: organizationJSON, header: http.Header{
		"X-Forwarded-For": {"198.51.100.7, 192.0.2.1"}, "Content-Type": {"application/json"},
	}})
	if !strings.Contains(audit.String(), `"from":"192.0.2.1"`) || !strings.Contains(h.log.String(), `"address":"192.0.2.1"`) || strings.Contains(h.log.String(), "198.51.100.7") {
		t.Errorf("on record: %s", audit.String())
	}
}
