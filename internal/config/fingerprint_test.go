package config

import (
	"regexp"
	"testing"
)

func TestAFingerprintIsOfWhatIsInForceAndNotOfSecrets(t *testing.T) {
	of := func(args ...string) string {
		t.Helper()
		c, err := Load(args)
		if err != nil {
			t.Fatal(err)
		}
		return c.Fingerprint()
	}
	plain := of()
	if !regexp.MustCompile(`^[0-9a-f]{12}$`).MatchString(plain) {
		t.Fatalf("the fingerprint is %q", plain)
	}
	secret := "--admin-key=1234567890123456"
	for name, c := range map[string]struct {
		a, b string
		same bool
	}{
		"the same settings at another start":  {plain, of(), true},
		"a default that is written out":       {plain, of("--drain-delay=3000ms"), true},
		"another limit":                       {plain, of("--max-in-flight=255"), false},
		"a list in another order":             {of("--nodo-proxies=10.0.0.1,10.0.0.2"), of("--nodo-proxies=10.0.0.2,10.0.0.1"), false},
		"a key and another key":               {of(secret), of("--admin-key=abcdefghijklmnopq"), true},
		"a key and none":                      {of(secret), plain, false},
		"one password of a database, another": {of("--database-url=postgres://u:one@h/d"), of("--database-url=postgres://u:two@h/d"), true},
		"one database, another":               {of("--database-url=postgres://u:one@h/d"), of("--database-url=postgres://u:one@h/e"), false},
	} {
		if (c.a == c.b) != c.same {
			t.Errorf("%s: %s and %s", name, c.a, c.b)
		}
	}
}
