package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/attualizza/attualizza/internal/outbound"
)

const (
	// maxAnswerBudget is the Nodo's own limit for an answer: a budget above it
	// would be a promise to be late.
	maxAnswerBudget = 2 * time.Second
	// minAnswerBudget leaves SEND a quarter of a second beside what is kept for
	// reading, adding up and writing the answer.
	minAnswerBudget = 500 * time.Millisecond
	// maxDrainDelay leaves time to flush the queues within the 15 s after which
	// the process has stopped.
	maxDrainDelay = 10 * time.Second
	// minKept leaves reconciliation the month that it looks back, and a receipt the
	// days in which the Nodo sends it again.
	minKept = Period(30 * day)
	// minKeptDeliveries is a day more than a delivery is tried for.
	minKeptDeliveries = Period(8 * day)
	// minAdminKey, in characters: below it the key can be guessed.
	minAdminKey = 16
)

// Validate reads the secrets that are given as files, then says everything that
// is wrong, in one line that names each key. kong calls it by itself.
func (c *Config) Validate() error {
	var found problems
	if err := c.readSecretFiles(); err != nil {
		found = append(found, err)
	}
	c.checkListeners(&found)
	c.checkTLS(&found)
	c.checkDependencies(&found)
	c.checkLimits(&found)
	c.checkRetention(&found)
	if n := len(c.AdminKey); n > 0 && n < minAdminKey {
		found.add("ATTUALIZZA_ADMIN_KEY: %d characters are too few, use at least %d; make one with: openssl rand -hex 32", n, minAdminKey)
	}
	if _, err := c.MasterKeyBytes(); err != nil {
		found = append(found, err)
	}
	return found.err()
}

func (c *Config) checkListeners(found *problems) {
	taken := map[string]string{}
	for _, l := range []struct{ key, addr string }{
		{"ATTUALIZZA_NODO_LISTEN", c.NodoListen},
		{"ATTUALIZZA_API_LISTEN", c.APIListen},
		{"ATTUALIZZA_OPS_LISTEN", c.OpsListen},
	} {
		_, port, err := net.SplitHostPort(l.addr)
		if err == nil {
			_, err = strconv.ParseUint(port, 10, 16)
		}
		if err != nil {
			found.add("%s: %q is not HOST:PORT", l.key, l.addr)
			continue
		}
		if other := taken[l.addr]; other != "" && port != "0" {
			found.add("%s: %s is the address of %s already", l.key, l.addr, other)
		}
		taken[l.addr] = l.key
	}
}

// checkTLS: a certificate is of no use without its key, and the Nodo must be
// told from anybody else by its own certificate.
func (c *Config) checkTLS(found *problems) {
	if _, err := c.Proxies(); err != nil {
		*found = append(*found, err)
	}
	if _, err := c.TrustedByAPI(); err != nil {
		*found = append(*found, err)
	}
	if len(c.NodoProxies) > 0 && c.NodoProxyHeader == "" {
		found.add("ATTUALIZZA_NODO_PROXY_HEADER: empty; nobody could be told from anybody else")
	}
	if len(c.NodoProxies) > 0 && c.NodoTLS() {
		found.add("ATTUALIZZA_NODO_PROXIES: either a proxy speaks TLS with the Nodo or this service does (ATTUALIZZA_NODO_TLS_CERT); keep one")
	}
	if c.NodoTLSCert == "" && c.NodoTLSKey == "" && c.NodoTLSClientCA == "" {
		return
	}
	for _, f := range []struct{ key, path string }{
		{"ATTUALIZZA_NODO_TLS_CERT", c.NodoTLSCert},
		{"ATTUALIZZA_NODO_TLS_KEY", c.NodoTLSKey},
		{"ATTUALIZZA_NODO_TLS_CLIENT_CA", c.NodoTLSClientCA},
	} {
		if f.path == "" {
			found.add("%s: missing; certificate, key and client authorities go together", f.key)
		}
	}
	if len(c.NodoTLSClientNames) == 0 {
		found.add("ATTUALIZZA_NODO_TLS_CLIENT_NAMES: empty; no client could be accepted")
	}
}

func (c *Config) checkDependencies(found *problems) {
	if err := checkDatabaseURL(string(c.DatabaseURL)); err != nil {
		found.add("ATTUALIZZA_DATABASE_URL: %w", err)
	}
	if err := checkRedisURL(string(c.RedisURL)); err != nil {
		found.add("ATTUALIZZA_REDIS_URL: %w", err)
	}
	if err := outbound.CheckBase(c.SendURL); err != nil {
		found.add("ATTUALIZZA_SEND_URL: %w", err)
	}
	if err := outbound.CheckBase(c.PDNDTokenURL); err != nil {
		found.add("ATTUALIZZA_PDND_TOKEN_URL: %w", err)
	}
	if strings.TrimSpace(c.PDNDAudience) == "" {
		found.add("ATTUALIZZA_PDND_AUDIENCE: empty")
	}
	c.checkPDNDTokens(found)
}

// checkPDNDTokens: a token proves nothing without its issuer's keys, and one
// made for another e-service must not open this one.
func (c *Config) checkPDNDTokens(found *problems) {
	if c.PDNDIssuer != "" || c.PDNDJWKSURL != "" {
		for _, k := range []struct{ key, value string }{
			{"ATTUALIZZA_PDND_ISSUER", c.PDNDIssuer},
			{"ATTUALIZZA_PDND_JWKS_URL", c.PDNDJWKSURL},
			{"ATTUALIZZA_PDND_TOKEN_AUDIENCE", c.PDNDTokenAudience},
		} {
			if k.value == "" {
				found.add("%s: missing; ATTUALIZZA_PDND_ISSUER, ATTUALIZZA_PDND_JWKS_URL and ATTUALIZZA_PDND_TOKEN_AUDIENCE go together", k.key)
			}
		}
	}
	for _, k := range []struct{ key, value string }{
		{"ATTUALIZZA_PDND_ISSUER", c.PDNDIssuer},
		{"ATTUALIZZA_PDND_TOKEN_AUDIENCE", c.PDNDTokenAudience},
	} {
		if k.value != strings.TrimSpace(k.value) {
			found.add("%s: has white space around it, which no token has", k.key)
		}
	}
	if c.PDNDJWKSURL != "" {
		if err := outbound.Check(c.PDNDJWKSURL); err != nil {
			found.add("ATTUALIZZA_PDND_JWKS_URL: %w", err)
		}
	}
}

func (c *Config) checkLimits(found *problems) {
	switch {
	case c.AnswerBudget < minAnswerBudget:
		found.add("ATTUALIZZA_ANSWER_BUDGET: %v is less than %v, which leaves no time to ask SEND", c.AnswerBudget, minAnswerBudget)
	case c.AnswerBudget > maxAnswerBudget:
		found.add("ATTUALIZZA_ANSWER_BUDGET: %v is more than the %v that the Nodo waits", c.AnswerBudget, maxAnswerBudget)
	}
	switch {
	case c.SendTimeout <= 0:
		found.add("ATTUALIZZA_SEND_TIMEOUT: %v is no time at all", c.SendTimeout)
	case c.SendTimeout > c.AnswerBudget && c.SendTimeout != defaultSendTimeout:
		// The default is not an operator's wish: a short budget alone is fine
		// and cuts it.
		found.add("ATTUALIZZA_SEND_TIMEOUT: %v is more than ATTUALIZZA_ANSWER_BUDGET, %v", c.SendTimeout, c.AnswerBudget)
	}
	if c.MaxInFlight < 1 {
		found.add("ATTUALIZZA_MAX_IN_FLIGHT: %d; at least 1", c.MaxInFlight)
	}
	if c.APIRateLimit.Requests < 1 || c.APIRateLimit.Per <= 0 {
		found.add("ATTUALIZZA_API_RATE_LIMIT: %v; at least one request", c.APIRateLimit)
	}
	if c.APIMaxBody < 1 {
		found.add("ATTUALIZZA_API_MAX_BODY: %v; at least 1B", c.APIMaxBody)
	}
	if c.DrainDelay < 0 || c.DrainDelay > maxDrainDelay {
		found.add("ATTUALIZZA_DRAIN_DELAY: %v is not between 0s and %v", c.DrainDelay, maxDrainDelay)
	}
}

// checkRetention: what is still looked at must not be gone.
func (c *Config) checkRetention(found *problems) {
	for _, k := range []struct {
		key         string
		kept, least Period
	}{
		{"ATTUALIZZA_RETENTION_ANSWERS", c.RetentionAnswers, minKept},
		{"ATTUALIZZA_RETENTION_RECEIPTS", c.RetentionReceipts, minKept},
		{"ATTUALIZZA_RETENTION_DELIVERIES", c.RetentionDeliveries, minKeptDeliveries},
	} {
		if k.kept != 0 && k.kept < k.least {
			found.add("%s: %v is less than %v, during which it is still needed; 0 keeps for ever", k.key, k.kept, k.least)
		}
	}
}

// The errors of these two do not repeat the URL, which may hold a password.

func checkDatabaseURL(raw string) error {
	if path, ok := strings.CutPrefix(raw, "sqlite:"); ok {
		if path == "" {
			return errors.New("sqlite: needs the path of a file behind it")
		}
		return nil
	}
	u, err := url.Parse(raw)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") || u.Opaque != "" {
		return errors.New("must be postgres://... or sqlite:PATH")
	}
	return nil
}

func checkRedisURL(raw string) error {
	if raw == "" {
		return nil
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Opaque != "":
	case (u.Scheme == "redis" || u.Scheme == "rediss") && u.Host != "":
		return nil
	case u.Scheme == "unix" && u.Path != "":
		return nil
	}
	return errors.New("must be redis://host:port, rediss://host:port or unix:///path")
}

// problems are errors told together on one line.
type problems []error

func (p *problems) add(format string, args ...any) { *p = append(*p, fmt.Errorf(format, args...)) }

func (p problems) err() error {
	if len(p) == 0 {
		return nil
	}
	return p
}

func (p problems) Error() string {
	var lines []string
	for _, err := range p {
		lines = append(lines, err.Error())
	}
	return strings.Join(lines, "; ")
}

func (p problems) Unwrap() []error { return p }
