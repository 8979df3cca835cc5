// Package outbound holds every address that this program calls to one rule, so
// that no credential or personal data leaves it in clear, whoever gave the
// address: the configuration, an organization, a program that embeds the client.
package outbound

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// CheckBase is [Check] for an address that paths are added to: it has no query
// either.
func CheckBase(raw string) error {
	if strings.Contains(raw, "?") {
		return errors.New("must not have a query: paths are added to it")
	}
	return Check(raw)
}

// Check accepts an absolute https URL, or an http one towards loopback, without
// user and fragment. The error says what the URL must be; it repeats at most
// the scheme and the host, never a password.
func Check(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Hostname() == "" || u.Opaque != "":
		return errors.New("must be an absolute URL like https://host/path")
	case u.User != nil:
		return errors.New("must not hold a user or a password")
	case u.Fragment != "" || strings.Contains(raw, "#"):
		return errors.New("must not have a fragment (#)")
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	}
	return fmt.Errorf("must be https, except towards loopback: %s://%s is not", u.Scheme, u.Host)
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
