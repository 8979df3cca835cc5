package outbound

import (
	"strings"
	"testing"
)

func TestAddressesAreHTTPSExceptTowardsLoopback(t *testing.T) {
	for raw, ok := range map[string]bool{
		"https://api.notifichedigitali.it": true,
		"https://host.example:8443/base":   true,
		"http://127.0.0.1:8090":            true,
		"http://127.9.9.9/x":               true,
		"http://[::1]:8090":                true,
		"http://[::ffff:127.0.0.1]:8090":   true,
		"http://localhost:8090":            true,
		"http://LocalHost:8090":            true,
		"http://[::1%25lo]:8090":           true,
		"http://host.example":              false,
		"http://10.0.0.1":                  false,
		"http://localhost.example":         false,
		"http://127.0.0.1.example":         false,
		"HTTPS://host.example":             true,
		"ftp://127.0.0.1":                  false,
		"https://user:pw@host.example":     false,
		"https://host.example/?key=1":      true,
		"https://host.example/#x":          false,
		"https://host.example/#":           false,
		"https://@host.example":            false,
		"https://host.example/%zz":         false,
		"https://:secret@host.example/%zz": false,
		"https:host.example":               false,
		"//host.example":                   false,
		"/path":                            false,
		"":                                 false,
		"https://":                         false,
		"https://host.example:port":        false,
		"https://:443":                     false,
		"http://2130706433/":               false, // not every way to write 127.0.0.1
	} {
		if err := Check(raw); (err == nil) != ok {
			t.Errorf("%q: %v", raw, err)
		} else if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the error repeats the password: %v", raw, err)
		}
	}
}

func TestABaseHasNoQuery(t *testing.T) {
	for raw, ok := range map[string]bool{
		"https://host.example/base": true, "https://host.example/?key=1": false, "https://host.example?": false, "http://host.example": false,
	} {
		if err := CheckBase(raw); (err == nil) != ok {
			t.Errorf("%q: %v", raw, err)
		}
	}
}
