package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Fingerprint tells one configuration from another without showing it: the first 12
// hex digits of the SHA-256 over every key and its value as they are in force,
// wherever they were given. Of secrets only whether they are set takes part, and
// URLs without their passwords: whoever reads a metric must not be able to try
// secrets against it. So the same settings give the same digits at every start and
// on every replica of one version, and replacing a password does not change them.
func (c Config) Fingerprint() string {
	sum := sha256.New()
	for _, a := range c.attrs() {
		_, _ = fmt.Fprintf(sum, "%s=%q\n", a.Key, a.Value.String()) // a hash never fails
	}
	return hex.EncodeToString(sum.Sum(nil))[:12]
}
