package origin

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var trusted = Proxies{netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("2001:db8::5/128")}

func TestTheCallerIsTheRightMostAddressThatIsNoTrustedProxy(t *testing.T) {
	for name, c := range map[string]struct {
		remote    string
		forwarded []string
		want      string
	}{
		"nobody in between":                                  {"192.0.2.1:4711", nil, "192.0.2.1"},
		"a stranger who says to be somebody else":            {"192.0.2.1:4711", []string{"198.51.100.7"}, "192.0.2.1"},
		"a stranger who says to be a proxy":                  {"192.0.2.1:4711", []string{"10.0.0.9"}, "192.0.2.1"},
		"one proxy":                                          {"10.0.0.5:4711", []string{"192.0.2.1"}, "192.0.2.1"},
		"one proxy, and a caller who wrote the header first": {"10.0.0.5:4711", []string{"198.51.100.7, 192.0.2.1"}, "192.0.2.1"},
		"the same in headers of their own":                   {"10.0.0.5:4711", []string{"198.51.100.7", "192.0.2.1"}, "192.0.2.1"},
		"two proxies":                                        {"10.0.0.5:4711", []string{"198.51.100.7, 192.0.2.1, 10.0.0.6"}, "192.0.2.1"},
		"a caller who pretends to be a proxy behind one":     {"10.0.0.5:4711", []string{"10.0.0.6, 192.0.2.1"}, "192.0.2.1"},
		"a proxy that says nothing":                          {"10.0.0.5:4711", nil, "10.0.0.5"},
		"a caller among the proxies":                         {"10.0.0.5:4711", []string{"10.0.0.6"}, "10.0.0.6"},
		"a proxy that says nonsense":                         {"10.0.0.5:4711", []string{"192.0.2.1, unknown"}, "10.0.0.5"},
		"an empty header":                                    {"10.0.0.5:4711", []string{""}, "10.0.0.5"},
		"a port beside the address":                          {"10.0.0.5:4711", []string{"192.0.2.1:80"}, "192.0.2.1"},
		"version 6":                                          {"[2001:db8::5]:4711", []string{"2001:db8::6"}, "2001:db8::6"},
		"version 6 with a port":                              {"[2001:db8::5]:4711", []string{"[2001:db8::6]:80"}, "2001:db8::6"},
		"version 6 in brackets":                              {"[2001:db8::5]:4711", []string{"[2001:db8::6]"}, "2001:db8::6"},
		"version 4 written as version 6":                     {"[::ffff:10.0.0.5]:4711", []string{"::ffff:192.0.2.1"}, "192.0.2.1"},
		"something that is no address":                       {"@", []string{"192.0.2.1"}, "@"},
	} {
		r := &http.Request{RemoteAddr: c.remote, Header: http.Header{"X-Forwarded-For": c.forwarded}}
		if got := trusted.Of(r); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
		if got, want := Proxies(nil).Of(r), Proxies(nil).Of(&http.Request{RemoteAddr: c.remote}); got != want {
			t.Errorf("%s, with no proxy trusted: %s, want %s", name, got, want)
		}
	}
}

func TestWhatACallerWritesNeverCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		written := rapid.SliceOfN(rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"10.0.0.6", "198.51.100.7", "", ",", "[", "::"})), 0, 5).Draw(t, "written")
		header := http.Header{"X-Forwarded-For": {strings.Join(append(written, "192.0.2.1", "10.0.0.6"), ",")}}
		if got := trusted.Of(&http.Request{RemoteAddr: "10.0.0.5:1", Header: header}); got != "192.0.2.1" {
			t.Fatalf("%q: %s", header, got)
		}
	})
}
