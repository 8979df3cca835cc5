// Package origin tells where a request comes from when proxies stand in front.
//
// A proxy adds the address that it was called from at the right end of the header
// X-Forwarded-For. Everything further left was there before and is whatever the
// caller wrote. So the header is read from the right, only when the connection is a
// trusted proxy's, and only as far as trusted proxies go: the first address that is
// none of them is the caller's.
package origin

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Proxies are the networks of the proxies that are trusted; none: no header is
// believed.
type Proxies []netip.Prefix

// Of returns the address of a request's caller, without a port. When all that is told
// are trusted proxies, it is the one furthest away; when a proxy tells something that
// is no address, it is that proxy's own.
func (p Proxies) Of(r *http.Request) string {
	at, ok := address(r.RemoteAddr)
	if !ok {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil {
			return r.RemoteAddr
		}
		return host
	}
	if !p.trusts(at) {
		return at.String()
	}
	told := r.Header.Values("X-Forwarded-For")
	for i := len(told) - 1; i >= 0; i-- {
		for rest, more := told[i], true; more; {
			var last string
			rest, last, more = cutLast(rest)
			next, ok := address(strings.TrimSpace(last))
			if !ok {
				return at.String()
			}
			if at = next; !p.trusts(at) {
				return at.String()
			}
		}
	}
	return at.String()
}

func (p Proxies) trusts(a netip.Addr) bool {
	for _, network := range p {
		if network.Contains(a) {
			return true
		}
	}
	return false
}

// cutLast takes the last item off a list; more tells that there are others.
func cutLast(list string) (rest, last string, more bool) {
	i := strings.LastIndexByte(list, ',')
	if i < 0 {
		return "", list, false
	}
	return list[:i], list[i+1:], true
}

// address reads an address with or without a port, which some proxies write too.
func address(text string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(text)
	if err != nil {
		if both, bothErr := netip.ParseAddrPort(text); bothErr == nil {
			a, err = both.Addr(), nil
		} else {
			a, err = netip.ParseAddr(strings.Trim(text, "[]"))
		}
	}
	return a.Unmap().WithZone(""), err == nil
}
