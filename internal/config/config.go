// Package config is the configuration of the service: one struct whose tags say
// for every key its flag, its environment variable, its default and its help.
//
// Flags override environment variables, which override the YAML file named by
// --config; see [Options] for how the three are put together. Whatever is wrong
// (an unknown key, an unparsable value, an impossible combination) is an error
// of one line that names the key. Secrets never appear in errors, nor when a
// Config is printed or logged.
package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// Config holds every key of the service. Commands embed it; kong then fills it
// and calls [Config.Validate]. An empty variable counts as one that is not set.
type Config struct {
	File File `name:"config" help:"YAML file with any of these keys: the variable's name without ATTUALIZZA_, lower case, every _ a dot." placeholder:"FILE"`

	NodoListen string `group:"Listeners" env:"ATTUALIZZA_NODO_LISTEN" default:"127.0.0.1:8080" help:"Address of the SOAP endpoint for the Nodo."`
	APIListen  string `group:"Listeners" name:"api-listen" env:"ATTUALIZZA_API_LISTEN" default:"127.0.0.1:8081" help:"Address of the REST API."`
	OpsListen  string `group:"Listeners" env:"ATTUALIZZA_OPS_LISTEN" default:"127.0.0.1:8082" help:"Address of /livez, /readyz, /metrics and /debug/pprof. Never expose it publicly."`

	NodoTLSCert        string   `group:"Listeners" name:"nodo-tls-cert" env:"ATTUALIZZA_NODO_TLS_CERT" help:"PEM certificate for mutual TLS on the SOAP listener, with those between it and its root. Goes with the next two; all three are read again when they change. Without: plain HTTP, for use behind a TLS proxy or on loopback." placeholder:"FILE"`
	NodoTLSKey         string   `group:"Listeners" name:"nodo-tls-key" env:"ATTUALIZZA_NODO_TLS_KEY" help:"PEM private key of the certificate." placeholder:"FILE"`
	NodoTLSClientCA    string   `group:"Listeners" name:"nodo-tls-client-ca" env:"ATTUALIZZA_NODO_TLS_CLIENT_CA" help:"PEM certificates of the authorities whose client certificates are accepted." placeholder:"FILE"`
	NodoTLSClientNames []string `group:"Listeners" name:"nodo-tls-client-names" env:"ATTUALIZZA_NODO_TLS_CLIENT_NAMES" default:"forwarder.platform.pagopa.it,forwarder.uat.platform.pagopa.it" help:"Accepted CN or SAN of client certificates, separated by commas."`
	NodoProxies        []string `group:"Listeners" name:"nodo-proxies" env:"ATTUALIZZA_NODO_PROXIES" help:"Addresses of the TLS proxies in front of the SOAP listener, such as 10.0.0.5 or 10.0.0.0/24, separated by commas: nobody else is let in then, and they must hand on the client's certificate in the next header. Without: whoever reaches the listener is let in." placeholder:"ADDRESS,..."`
	NodoProxyHeader    string   `group:"Listeners" name:"nodo-proxy-header" env:"ATTUALIZZA_NODO_PROXY_HEADER" default:"Client-Cert" help:"Header in which they hand it on: as RFC 9440 has it, or as PEM with %-escapes (nginx: $$ssl_client_escaped_cert)."`
	APIProxies         []string `group:"Listeners" name:"api-proxies" env:"ATTUALIZZA_API_PROXIES" help:"Addresses of the proxies in front of the REST API, as above: what they add to X-Forwarded-For counts as the caller's address in limits and logs. Without: the address of the connection counts." placeholder:"ADDRESS,..."`

	DatabaseURL     SecretURL `group:"Dependencies" name:"database-url" env:"ATTUALIZZA_DATABASE_URL" default:"${databaseURL}" help:"Where positions and receipts are kept: postgres://... or sqlite:PATH."`
	DatabaseURLFile string    `group:"Dependencies" name:"database-url-file" env:"ATTUALIZZA_DATABASE_URL_FILE" help:"File that holds the database URL." placeholder:"FILE"`
	RedisURL        SecretURL `group:"Dependencies" name:"redis-url" env:"ATTUALIZZA_REDIS_URL" help:"Cache shared by replicas: redis://, rediss:// or unix://; sentinel with ?master_name=, cluster with ?addr=. Without: in-process cache only." placeholder:"URL"`
	RedisURLFile    string    `group:"Dependencies" name:"redis-url-file" env:"ATTUALIZZA_REDIS_URL_FILE" help:"File that holds the Redis URL." placeholder:"FILE"`
	SendURL         string    `group:"Dependencies" name:"send-url" env:"ATTUALIZZA_SEND_URL" default:"https://api.uat.notifichedigitali.it" help:"Base URL of SEND."`
	PDNDTokenURL    string    `group:"Dependencies" name:"pdnd-token-url" env:"ATTUALIZZA_PDND_TOKEN_URL" default:"https://auth.uat.interop.pagopa.it/token.oauth2" help:"Where PDND issues vouchers."`
	PDNDAudience    string    `group:"Dependencies" name:"pdnd-audience" env:"ATTUALIZZA_PDND_AUDIENCE" default:"auth.uat.interop.pagopa.it/client-assertion" help:"Audience of the client assertion sent to PDND."`

	PDNDIssuer        string `group:"Dependencies" name:"pdnd-issuer" env:"ATTUALIZZA_PDND_ISSUER" help:"Issuer (iss) of the PDND tokens accepted on the REST API, as it stands in them: interop.pagopa.it, or uat.interop.pagopa.it. Needs the next two. Without: no PDND token is accepted." placeholder:"ISSUER"`
	PDNDJWKSURL       string `group:"Dependencies" name:"pdnd-jwks-url" env:"ATTUALIZZA_PDND_JWKS_URL" help:"Where that issuer publishes its keys: https://interop.pagopa.it/.well-known/jwks.json, or https://uat.interop.pagopa.it/.well-known/jwks.json." placeholder:"URL"`
	PDNDTokenAudience string `group:"Dependencies" name:"pdnd-token-audience" env:"ATTUALIZZA_PDND_TOKEN_AUDIENCE" help:"Audience that our e-service is registered with on PDND: the aud of its tokens, and of Agid-JWT-Signature, for which it may be set alone. Without: /amount-update is refused." placeholder:"AUDIENCE"`

	AnswerBudget time.Duration `group:"Limits" env:"ATTUALIZZA_ANSWER_BUDGET" default:"1800ms" help:"From the arrival of a SOAP request to its answer, all included; at most 2s."`
	SendTimeout  time.Duration `group:"Limits" env:"ATTUALIZZA_SEND_TIMEOUT" default:"${sendTimeout}" help:"Longest one price request to SEND may take; always also cut by what is left of the budget."`
	MaxInFlight  int           `group:"Limits" env:"ATTUALIZZA_MAX_IN_FLIGHT" default:"256" help:"SOAP answers in preparation at once."`
	APIRateLimit Rate          `group:"Limits" name:"api-rate-limit" env:"ATTUALIZZA_API_RATE_LIMIT" default:"100/s" help:"REST requests per API key, as N/s, N/m or N/h."`
	APIMaxBody   Size          `group:"Limits" name:"api-max-body" env:"ATTUALIZZA_API_MAX_BODY" default:"4MiB" help:"Largest body of a REST request (B, KiB, MiB, GiB)."`
	DrainDelay   time.Duration `group:"Limits" env:"ATTUALIZZA_DRAIN_DELAY" default:"3s" help:"How long requests are still answered after /readyz turned 503; at most 10s."`

	LegalInterest LegalInterest `group:"Amounts" env:"ATTUALIZZA_LEGAL_INTEREST" help:"Legal interest rates (art. 1284 c.c.) decreed since this version was made, as YEAR=PERCENT,...: 2027=1.8,2028=2. A year without one has that of the year before." placeholder:"YEAR=PERCENT,..."`

	RetentionAnswers    Period `group:"Retention" env:"ATTUALIZZA_RETENTION_ANSWERS" default:"3653d" help:"How long what the Nodo was told is kept, in days; then it is deleted. At least 30d, 0: for ever."`
	RetentionReceipts   Period `group:"Retention" env:"ATTUALIZZA_RETENTION_RECEIPTS" default:"3653d" help:"How long receipts are kept whole, in days; then what could name people is taken away. At least 30d, 0: for ever."`
	RetentionDeliveries Period `group:"Retention" env:"ATTUALIZZA_RETENTION_DELIVERIES" default:"90d" help:"How long deliveries that ended are kept, in days; then they are deleted. At least 8d, 0: for ever."`

	AdminKey      Secret `group:"Secrets" env:"ATTUALIZZA_ADMIN_KEY" help:"Key of the operator who registers organizations. Without: admin endpoints answer 401." placeholder:"KEY"`
	AdminKeyFile  string `group:"Secrets" env:"ATTUALIZZA_ADMIN_KEY_FILE" help:"File that holds the admin key." placeholder:"FILE"`
	MasterKey     Secret `group:"Secrets" env:"ATTUALIZZA_MASTER_KEY" help:"32 bytes in base64 that encrypt organizations' secrets at rest. Without: storing a secret is refused." placeholder:"KEY"`
	MasterKeyFile string `group:"Secrets" env:"ATTUALIZZA_MASTER_KEY_FILE" help:"File that holds the master key." placeholder:"FILE"`

	LogLevel  string `group:"Logs" env:"ATTUALIZZA_LOG_LEVEL" enum:"debug,info,warn,error" default:"info" help:"Least serious messages to log: ${enum}."`
	LogFormat string `group:"Logs" env:"ATTUALIZZA_LOG_FORMAT" enum:"json,text" default:"json" help:"Format of the log: ${enum}."`

	TracesKeep string `group:"Logs" name:"traces-keep" env:"ATTUALIZZA_TRACES_KEEP" enum:"notable,sampled" default:"notable" help:"Which traces a collector gets, when OTEL_EXPORTER_OTLP_ENDPOINT names one: those that OTEL_TRACES_SAMPLER chooses (sampled), or besides them every one with a slow, degraded or failed answer (notable)."`
}

const (
	defaultDatabaseURL = "sqlite:attualizza.db"
	defaultSendTimeout = 1200 * time.Millisecond
)

// Load reads the configuration of a program that has no other flags. A program
// with commands embeds [Config] in them and gives [Options] to kong instead.
func Load(args []string) (*Config, error) {
	var c Config
	parser, err := kong.New(&c, Options()...)
	if err != nil {
		return nil, err
	}
	if _, err := parser.Parse(args); err != nil {
		return nil, err
	}
	return &c, nil
}

// NodoTLS reports whether the SOAP listener speaks TLS.
func (c *Config) NodoTLS() bool { return c.NodoTLSCert != "" }

// Proxies are the addresses of NodoProxies. [Config.Validate] has read them before.
func (c *Config) Proxies() ([]netip.Prefix, error) {
	return networks("ATTUALIZZA_NODO_PROXIES", c.NodoProxies)
}

// TrustedByAPI are the addresses of APIProxies. [Config.Validate] has read them before.
func (c *Config) TrustedByAPI() ([]netip.Prefix, error) {
	return networks("ATTUALIZZA_API_PROXIES", c.APIProxies)
}

// networks reads a variable's addresses and networks.
func networks(variable string, texts []string) (all []netip.Prefix, err error) {
	for _, text := range texts {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			address, single := netip.ParseAddr(text)
			if single != nil {
				return nil, fmt.Errorf("%s: %q is neither an address nor a network such as 10.0.0.0/24", variable, text)
			}
			prefix = netip.PrefixFrom(address, address.BitLen())
		}
		if prefix.Bits() == 0 {
			return nil, fmt.Errorf("%s: %s is everybody, and anybody can write a header; name the proxies", variable, text)
		}
		all = append(all, prefix.Masked())
	}
	return all, nil
}

// MasterKeyBytes returns the 32 bytes of the master key, nil when none is set.
func (c *Config) MasterKeyBytes() ([]byte, error) {
	if c.MasterKey == "" {
		return nil, nil
	}
	key, err := base64.StdEncoding.DecodeString(string(c.MasterKey))
	if err != nil || len(key) != 32 {
		return nil, errors.New("ATTUALIZZA_MASTER_KEY: not 32 bytes in base64; make one with: openssl rand -base64 32")
	}
	return key, nil
}

// readSecretFiles puts the content of every ..._FILE in its place, once.
func (c *Config) readSecretFiles() error {
	var found problems
	for _, s := range []struct {
		variable string
		value    *string
		unset    string // the value that means nothing was given
		file     *string
	}{
		{"ATTUALIZZA_DATABASE_URL", (*string)(&c.DatabaseURL), defaultDatabaseURL, &c.DatabaseURLFile},
		{"ATTUALIZZA_REDIS_URL", (*string)(&c.RedisURL), "", &c.RedisURLFile},
		{"ATTUALIZZA_ADMIN_KEY", (*string)(&c.AdminKey), "", &c.AdminKeyFile},
		{"ATTUALIZZA_MASTER_KEY", (*string)(&c.MasterKey), "", &c.MasterKeyFile},
	} {
		if *s.file == "" {
			continue
		}
		if *s.value != s.unset {
			found.add("%s: given both directly and by %s_FILE; keep one", s.variable, s.variable)
			continue
		}
		text, err := os.ReadFile(*s.file)
		if err != nil {
			found.add("%s_FILE: %w", s.variable, err)
			continue
		}
		// Editors and `echo` end the file with a newline.
		if *s.value = strings.TrimRight(string(text), "\r\n"); *s.value == "" {
			found.add("%s_FILE: %s is empty", s.variable, *s.file)
			continue
		}
		*s.file = ""
	}
	return found.err()
}

// String lists every key with its value, secrets masked, on one line.
func (c Config) String() string {
	var b strings.Builder
	for i, a := range c.attrs() {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%s=%s", a.Key, a.Value)
	}
	return b.String()
}

// LogValue is [Config.String] as a group of attributes.
func (c Config) LogValue() slog.Value { return slog.GroupValue(c.attrs()...) }

// attrs reads the struct itself, so that a new key cannot be forgotten; what
// must not be shown is masked by its type.
func (c Config) attrs() []slog.Attr {
	v := reflect.ValueOf(c)
	var attrs []slog.Attr
	for i := range v.NumField() {
		name, ok := v.Type().Field(i).Tag.Lookup("env")
		if !ok {
			continue
		}
		text := fmt.Sprint(v.Field(i))
		if names, ok := v.Field(i).Interface().([]string); ok {
			text = strings.Join(names, ",")
		}
		attrs = append(attrs, slog.String(name, text))
	}
	return attrs
}
