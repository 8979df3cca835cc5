package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
)

const (
	masterKey = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	adminKey  = "an-admin-key-of-enough-letters"
)

func TestWithoutAnythingTheDocumentedDefaultsHold(t *testing.T) {
	got := load(t)
	want := &Config{
		NodoListen: "127.0.0.1:8080", APIListen: "127.0.0.1:8081", OpsListen: "127.0.0.1:8082",
		NodoTLSClientNames: []string{"forwarder.platform.pagopa.it", "forwarder.uat.platform.pagopa.it"}, NodoProxyHeader: "Client-Cert",
		DatabaseURL:  "sqlite:attualizza.db",
		SendURL:      "https://api.uat.notifichedigitali.it",
		PDNDTokenURL: "https://auth.uat.interop.pagopa.it/token.oauth2",
		PDNDAudience: "auth.uat.interop.pagopa.it/client-assertion",
		AnswerBudget: 1800 * time.Millisecond, SendTimeout: 1200 * time.Millisecond,
		MaxInFlight: 256, APIRateLimit: Rate{100, time.Second}, APIMaxBody: 4 << 20, DrainDelay: 3 * time.Second,
		RetentionAnswers: Period(3653 * day), RetentionReceipts: Period(3653 * day), RetentionDeliveries: Period(90 * day),
		LogLevel: "info", LogFormat: "json", TracesKeep: "notable",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestFlagsOverrideVariablesWhichOverrideTheFile(t *testing.T) {
	path := write(t, "c.yaml", "max.in.flight: 1\nanswer:\n  budget: 1100ms\nlog: {level: debug, format: text}\ndrain.delay: 1s\n")
	t.Setenv("ATTUALIZZA_MAX_IN_FLIGHT", "2")
	t.Setenv("ATTUALIZZA_ANSWER_BUDGET", "1200ms")
	t.Setenv("ATTUALIZZA_LOG_LEVEL", "") // as `${LOG_LEVEL:-}` in a compose file: not set
	c := load(t, "--config", path, "--max-in-flight", "3")
	got := []any{c.MaxInFlight, c.AnswerBudget, c.LogLevel, c.LogFormat, c.DrainDelay, c.APIMaxBody}
	want := []any{3, 1200 * time.Millisecond, "debug", "text", time.Second, Size(4 << 20)}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestEveryKeyCanBeGivenInEveryWay(t *testing.T) {
	values := map[string]string{
		"ATTUALIZZA_NODO_LISTEN": "127.0.0.1:1", "ATTUALIZZA_API_LISTEN": "127.0.0.1:2", "ATTUALIZZA_OPS_LISTEN": "[::1]:3",
		"ATTUALIZZA_NODO_TLS_CLIENT_NAMES": "a.example,b.example", "ATTUALIZZA_NODO_PROXIES": "10.0.0.5,fd00::/8", "ATTUALIZZA_API_PROXIES": "10.0.0.6,10.1.0.0/16", "ATTUALIZZA_NODO_PROXY_HEADER": "X-Client-Cert",
		"ATTUALIZZA_DATABASE_URL": "postgres://u:hunter2@db.example/a", "ATTUALIZZA_REDIS_URL": "rediss://:hunter2@r.example:6379/1",
		"ATTUALIZZA_SEND_URL": "http://127.0.0.1:9", "ATTUALIZZA_PDND_TOKEN_URL": "https://p.example/t", "ATTUALIZZA_PDND_AUDIENCE": "aud",
		"ATTUALIZZA_PDND_ISSUER": "interop.example", "ATTUALIZZA_PDND_JWKS_URL": "https://interop.example/jwks.json?v=1", "ATTUALIZZA_PDND_TOKEN_AUDIENCE": "https://ente.example/api",
		"ATTUALIZZA_ANSWER_BUDGET": "2s", "ATTUALIZZA_SEND_TIMEOUT": "1s", "ATTUALIZZA_MAX_IN_FLIGHT": "7",
		"ATTUALIZZA_API_RATE_LIMIT": "5/m", "ATTUALIZZA_API_MAX_BODY": "512KiB", "ATTUALIZZA_DRAIN_DELAY": "0s",
		"ATTUALIZZA_LEGAL_INTEREST":    "2027=1.8,2028=2",
		"ATTUALIZZA_RETENTION_ANSWERS": "400d", "ATTUALIZZA_RETENTION_RECEIPTS": "0", "ATTUALIZZA_RETENTION_DELIVERIES": "8d",
		"ATTUALIZZA_ADMIN_KEY": adminKey, "ATTUALIZZA_MASTER_KEY": masterKey,
		"ATTUALIZZA_LOG_LEVEL": "warn", "ATTUALIZZA_LOG_FORMAT": "text", "ATTUALIZZA_TRACES_KEEP": "sampled",
	}
	special := map[string]bool{ // have tests of their own
		"ATTUALIZZA_NODO_TLS_CERT": true, "ATTUALIZZA_NODO_TLS_KEY": true, "ATTUALIZZA_NODO_TLS_CLIENT_CA": true,
		"ATTUALIZZA_DATABASE_URL_FILE": true, "ATTUALIZZA_REDIS_URL_FILE": true, "ATTUALIZZA_ADMIN_KEY_FILE": true, "ATTUALIZZA_MASTER_KEY_FILE": true,
	}
	for _, a := range (Config{}).attrs() {
		if values[a.Key] == "" && !special[a.Key] {
			t.Errorf("%s is not in this test", a.Key)
		}
	}
	var flags, dotted []string
	for variable, value := range values {
		flag := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(variable, prefix), "_", "-"))
		flags = append(flags, "--"+flag+"="+value)
		dotted = append(dotted, fileKey(variable)+": "+fmt.Sprintf("%q", value))
	}
	byFlag := load(t, flags...)
	byFile := load(t, "--config", write(t, "dotted.yaml", strings.Join(dotted, "\n")))
	byFile.File = ""
	for variable, value := range values {
		t.Setenv(variable, value)
	}
	byVariable := load(t)
	if d := cmp.Diff(byFlag, byVariable); d != "" {
		t.Errorf("flag and variable differ:\n%s", d)
	}
	if d := cmp.Diff(byFlag, byFile); d != "" {
		t.Errorf("flag and file differ:\n%s", d)
	}
	if d := cmp.Diff([]string{"a.example", "b.example"}, byFile.NodoTLSClientNames); d != "" {
		t.Error(d)
	}
}

func TestAFileMayMixNestedMapsDottedKeysAndLists(t *testing.T) {
	path := write(t, "c.yaml", "# ours\nnodo:\n  listen: 127.0.0.1:9000\n  tls.client.names: [a.example, b.example]\nnodo.tls:\n  key: ''\n")
	c := load(t, "--config="+path)
	if c.NodoListen != "127.0.0.1:9000" || len(c.NodoTLSClientNames) != 2 {
		t.Errorf("read %v", c)
	}
	for name, text := range map[string]string{"an empty file": "", "only comments": "# nothing\n"} {
		if c := load(t, "--config", write(t, "c.yaml", text)); c.NodoListen != "127.0.0.1:8080" {
			t.Errorf("%s changes something: %v", name, c)
		}
	}
}

func TestASecretMayBeTheContentOfAFile(t *testing.T) {
	db := write(t, "db", "postgres://u:hunter2@db.example/a\n")
	admin := write(t, "admin", adminKey+"\r\n")
	master := write(t, "master", masterKey)
	t.Setenv("ATTUALIZZA_DATABASE_URL_FILE", db)
	t.Setenv("ATTUALIZZA_ADMIN_KEY_FILE", admin)
	yaml := write(t, "c.yaml", "redis.url.file: "+write(t, "redis", "redis://:hunter2@r.example\n"))
	c := load(t, "--master-key-file", master, "--config", yaml)
	got := []string{string(c.DatabaseURL), string(c.RedisURL), string(c.AdminKey), string(c.MasterKey)}
	want := []string{"postgres://u:hunter2@db.example/a", "redis://:hunter2@r.example", adminKey, masterKey}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if err := c.Validate(); err != nil {
		t.Errorf("a second Validate says %v", err)
	}
	key, err := c.MasterKeyBytes()
	if err != nil || len(key) != 32 || key[31] != 31 {
		t.Errorf("master key %x, %v", key, err)
	}
}

func TestWhatIsWrongIsOneLineThatNamesTheKey(t *testing.T) {
	empty := write(t, "empty", "\n")
	for name, c := range map[string]struct {
		env  map[string]string
		file string
		args []string
		want []string // all in the error
	}{
		"an unknown variable":                        {env: env("ATTUALIZZA_NODO_LISTN", ":1"), want: []string{"ATTUALIZZA_NODO_LISTN", "no such variable"}},
		"an unknown flag":                            {args: []string{"--nodo-listn=:1"}, want: []string{"--nodo-listn"}},
		"an unknown key in the file":                 {file: "nodo:\n  listn: ':1'\n", want: []string{"line 2", "nodo.listn", "no such key"}},
		"a key with underscores in the file":         {file: "nodo_listen: ':1'\n", want: []string{"nodo_listen"}},
		"a key twice in the file":                    {file: "nodo.listen: ':1'\nnodo: {listen: ':2'}\n", want: []string{"nodo.listen", "line 1", "line 2"}},
		"a key without a value in the file":          {file: "redis.url:\n", want: []string{"redis.url", "no value"}},
		"a list for a single value":                  {file: "nodo.listen: [a, b]\n", want: []string{"nodo.listen", "not a list"}},
		"a list of lists":                            {file: "nodo.tls.client.names: [[a]]\n", want: []string{"nodo.tls.client.names", "plain values"}},
		"an alias in the file":                       {file: "nodo.listen: &a ':1'\napi.listen: *a\n", want: []string{"line 2", "api.listen", "aliases"}},
		"a file that is a list":                      {file: "- a\n", want: []string{"--config", "map"}},
		"a file that is not YAML":                    {file: "a: [\n", want: []string{"--config"}},
		"a file of two documents":                    {file: "log.level: info\n---\nlog.level: warn\n", want: []string{"more than one"}},
		"a file that is deep":                        {file: strings.Repeat("{a: ", 40) + "1" + strings.Repeat("}", 40), want: []string{"too deep"}},
		"a file that is huge":                        {file: "#" + strings.Repeat("x", maxFile), want: []string{"larger than 1MiB"}},
		"a file that is not there":                   {args: []string{"--config=/nowhere/c.yaml"}, want: []string{"--config /nowhere/c.yaml", "no such file"}},
		"an unparsable variable":                     {env: env("ATTUALIZZA_MAX_IN_FLIGHT", "many"), want: []string{"ATTUALIZZA_MAX_IN_FLIGHT", "many"}},
		"an unparsable value in the file":            {file: "\nanswer.budget: soon\n", want: []string{"line 2", "answer.budget", "soon"}},
		"an unparsable flag":                         {args: []string{"--drain-delay=soon"}, want: []string{"--drain-delay", "soon"}},
		"a budget above what the Nodo waits":         {env: env("ATTUALIZZA_ANSWER_BUDGET", "2001ms"), want: []string{"ATTUALIZZA_ANSWER_BUDGET", "2.001s", "2s"}},
		"a legal rate that leaves a year out":        {env: env("ATTUALIZZA_LEGAL_INTEREST", "2036=1.8"), want: []string{"ATTUALIZZA_LEGAL_INTEREST", "2036", "missing"}},
		"a legal rate that is none":                  {env: env("ATTUALIZZA_LEGAL_INTEREST", "2027=abc"), want: []string{"ATTUALIZZA_LEGAL_INTEREST", "2027", "abc"}},
		"a budget of nothing":                        {env: env("ATTUALIZZA_ANSWER_BUDGET", "0s"), want: []string{"ATTUALIZZA_ANSWER_BUDGET"}},
		"a price request longer than the budget":     {env: env("ATTUALIZZA_SEND_TIMEOUT", "1900ms"), want: []string{"ATTUALIZZA_SEND_TIMEOUT", "ATTUALIZZA_ANSWER_BUDGET"}},
		"a price request of no time":                 {env: env("ATTUALIZZA_SEND_TIMEOUT", "-1s"), want: []string{"ATTUALIZZA_SEND_TIMEOUT"}},
		"answers kept too short":                     {env: env("ATTUALIZZA_RETENTION_ANSWERS", "29d"), want: []string{"ATTUALIZZA_RETENTION_ANSWERS", "29d", "30d"}},
		"receipts kept too short":                    {env: env("ATTUALIZZA_RETENTION_RECEIPTS", "29d"), want: []string{"ATTUALIZZA_RETENTION_RECEIPTS", "29d", "30d"}},
		"deliveries kept too short":                  {env: env("ATTUALIZZA_RETENTION_DELIVERIES", "7d"), want: []string{"ATTUALIZZA_RETENTION_DELIVERIES", "7d", "8d"}},
		"a retention that is no number of days":      {env: env("ATTUALIZZA_RETENTION_ANSWERS", "10y"), want: []string{"ATTUALIZZA_RETENTION_ANSWERS", "10y", "90d"}},
		"no answer in flight":                        {env: env("ATTUALIZZA_MAX_IN_FLIGHT", "0"), want: []string{"ATTUALIZZA_MAX_IN_FLIGHT"}},
		"a rate without unit":                        {env: env("ATTUALIZZA_API_RATE_LIMIT", "100"), want: []string{"ATTUALIZZA_API_RATE_LIMIT", "100/s"}},
		"a size without unit":                        {env: env("ATTUALIZZA_API_MAX_BODY", "4"), want: []string{"ATTUALIZZA_API_MAX_BODY", "4MiB"}},
		"a size of nothing":                          {env: env("ATTUALIZZA_API_MAX_BODY", "0B"), want: []string{"ATTUALIZZA_API_MAX_BODY"}},
		"a drain that outlasts the stop":             {env: env("ATTUALIZZA_DRAIN_DELAY", "11s"), want: []string{"ATTUALIZZA_DRAIN_DELAY"}},
		"SEND without TLS":                           {env: env("ATTUALIZZA_SEND_URL", "http://send.example"), want: []string{"ATTUALIZZA_SEND_URL", "https"}},
		"SEND without a host":                        {env: env("ATTUALIZZA_SEND_URL", "send.example"), want: []string{"ATTUALIZZA_SEND_URL"}},
		"PDND without TLS":                           {env: env("ATTUALIZZA_PDND_TOKEN_URL", "http://10.0.0.1/t"), want: []string{"ATTUALIZZA_PDND_TOKEN_URL", "https"}},
		"a blank audience":                           {env: env("ATTUALIZZA_PDND_AUDIENCE", " "), want: []string{"ATTUALIZZA_PDND_AUDIENCE"}},
		"an issuer without keys":                     {env: env("ATTUALIZZA_PDND_ISSUER", "interop.example", "ATTUALIZZA_PDND_TOKEN_AUDIENCE", "a"), want: []string{"ATTUALIZZA_PDND_JWKS_URL", "go together"}},
		"keys without issuer and audience":           {env: env("ATTUALIZZA_PDND_JWKS_URL", "https://interop.example/jwks"), want: []string{"ATTUALIZZA_PDND_ISSUER: missing", "ATTUALIZZA_PDND_TOKEN_AUDIENCE: missing"}},
		"keys without TLS":                           {env: env("ATTUALIZZA_PDND_ISSUER", "i", "ATTUALIZZA_PDND_TOKEN_AUDIENCE", "a", "ATTUALIZZA_PDND_JWKS_URL", "http://interop.example/jwks"), want: []string{"ATTUALIZZA_PDND_JWKS_URL", "https"}},
		"an issuer with a blank behind it":           {env: env("ATTUALIZZA_PDND_ISSUER", "i ", "ATTUALIZZA_PDND_TOKEN_AUDIENCE", "a", "ATTUALIZZA_PDND_JWKS_URL", "https://interop.example/jwks"), want: []string{"ATTUALIZZA_PDND_ISSUER", "white space"}},
		"another database":                           {env: env("ATTUALIZZA_DATABASE_URL", "mysql://hunter2@h/d"), want: []string{"ATTUALIZZA_DATABASE_URL", "sqlite:PATH"}},
		"a database URL that does not parse":         {env: env("ATTUALIZZA_DATABASE_URL", "postgres://u:hunter2@h:port/d"), want: []string{"ATTUALIZZA_DATABASE_URL"}},
		"a database without a path":                  {env: env("ATTUALIZZA_DATABASE_URL", "sqlite:"), want: []string{"ATTUALIZZA_DATABASE_URL", "path"}},
		"another cache":                              {env: env("ATTUALIZZA_REDIS_URL", "memcached://:hunter2@h"), want: []string{"ATTUALIZZA_REDIS_URL", "redis://"}},
		"a listener without a port":                  {env: env("ATTUALIZZA_NODO_LISTEN", "127.0.0.1"), want: []string{"ATTUALIZZA_NODO_LISTEN", "HOST:PORT"}},
		"two listeners on one address":               {env: env("ATTUALIZZA_OPS_LISTEN", "127.0.0.1:8080"), want: []string{"ATTUALIZZA_OPS_LISTEN", "ATTUALIZZA_NODO_LISTEN"}},
		"a short admin key":                          {env: env("ATTUALIZZA_ADMIN_KEY", "hunter2"), want: []string{"ATTUALIZZA_ADMIN_KEY", "16"}},
		"a master key that is not base64":            {env: env("ATTUALIZZA_MASTER_KEY", "hunter2!"), want: []string{"ATTUALIZZA_MASTER_KEY", "32 bytes"}},
		"a master key of 16 bytes":                   {env: env("ATTUALIZZA_MASTER_KEY", "AAECAwQFBgcICQoLDA0ODw=="), want: []string{"ATTUALIZZA_MASTER_KEY", "32 bytes"}},
		"a secret given twice":                       {env: env("ATTUALIZZA_ADMIN_KEY", adminKey, "ATTUALIZZA_ADMIN_KEY_FILE", empty), want: []string{"ATTUALIZZA_ADMIN_KEY_FILE", "keep one"}},
		"a secret in an empty file":                  {env: env("ATTUALIZZA_REDIS_URL_FILE", empty), want: []string{"ATTUALIZZA_REDIS_URL_FILE", "empty"}},
		"a secret in no file":                        {env: env("ATTUALIZZA_MASTER_KEY_FILE", "/nowhere/key"), want: []string{"ATTUALIZZA_MASTER_KEY_FILE", "/nowhere/key"}},
		"a certificate alone":                        {env: env("ATTUALIZZA_NODO_TLS_CERT", "c.pem"), want: []string{"ATTUALIZZA_NODO_TLS_KEY", "ATTUALIZZA_NODO_TLS_CLIENT_CA", "together"}},
		"authorities without a certificate":          {env: env("ATTUALIZZA_NODO_TLS_CLIENT_CA", "a.pem"), want: []string{"ATTUALIZZA_NODO_TLS_CERT", "ATTUALIZZA_NODO_TLS_KEY", "together"}},
		"a proxy that is no address":                 {env: env("ATTUALIZZA_NODO_PROXIES", "10.0.0.5,proxy.example"), want: []string{"ATTUALIZZA_NODO_PROXIES", "proxy.example"}},
		"a proxy of the API that is no address":      {env: env("ATTUALIZZA_API_PROXIES", "ingress.example"), want: []string{"ATTUALIZZA_API_PROXIES", "ingress.example"}},
		"everybody as proxy of the API":              {env: env("ATTUALIZZA_API_PROXIES", "::/0"), want: []string{"ATTUALIZZA_API_PROXIES", "everybody"}},
		"everybody as proxy":                         {env: env("ATTUALIZZA_NODO_PROXIES", "0.0.0.0/0"), want: []string{"ATTUALIZZA_NODO_PROXIES", "everybody"}},
		"a proxy and TLS of our own":                 {env: env("ATTUALIZZA_NODO_PROXIES", "10.0.0.5", "ATTUALIZZA_NODO_TLS_CERT", "c", "ATTUALIZZA_NODO_TLS_KEY", "k", "ATTUALIZZA_NODO_TLS_CLIENT_CA", "a"), want: []string{"ATTUALIZZA_NODO_PROXIES", "keep one"}},
		"an unknown log level":                       {env: env("ATTUALIZZA_LOG_LEVEL", "loud"), want: []string{"log-level", "loud"}},
		"two things at once, both told in one line":  {env: env("ATTUALIZZA_MAX_IN_FLIGHT", "0", "ATTUALIZZA_PDND_AUDIENCE", " "), want: []string{"ATTUALIZZA_MAX_IN_FLIGHT", "ATTUALIZZA_PDND_AUDIENCE"}},
		"a mistyped secret of which nothing is told": {file: "master.key: hunter2\nadmin.key: hunter2\n", want: []string{"ATTUALIZZA_MASTER_KEY", "ATTUALIZZA_ADMIN_KEY"}},
	} {
		t.Run(name, func(t *testing.T) {
			for k, v := range c.env {
				t.Setenv(k, v)
			}
			args := c.args
			if c.file != "" {
				args = append(args, "--config", write(t, "c.yaml", c.file))
			}
			_, err := Load(args)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q does not say %q", err, w)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error of several lines: %q", err)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error tells a secret: %q", err)
			}
		})
	}
}

func TestAShortBudgetAloneIsAccepted(t *testing.T) {
	t.Setenv("ATTUALIZZA_ANSWER_BUDGET", "500ms") // cuts the default price request
	load(t)
}

func TestTheAudienceOfSignaturesMayStandAlone(t *testing.T) {
	t.Setenv("ATTUALIZZA_PDND_TOKEN_AUDIENCE", "https://ente.example/api")
	load(t)
}

func TestErrorsCanBeTakenApart(t *testing.T) {
	t.Setenv("ATTUALIZZA_MASTER_KEY_FILE", "/nowhere/key")
	if _, err := Load(nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v is not fs.ErrNotExist", err)
	}
}

func TestSecretsAreNeverShown(t *testing.T) {
	c := load(t, "--admin-key="+adminKey, "--master-key="+masterKey,
		"--database-url=postgres://u:hunter2@db.example/a?sslpassword=hunter2", "--redis-url=redis://:hunter2@r.example:6379/0")
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("start", "config", c)
	asJSON, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"String": c.String(), "%v": fmt.Sprintf("%v", c), "%+v": fmt.Sprintf("%+v", *c), "%#v": fmt.Sprintf("%#v", *c),
		"slog": log.String(), "JSON": string(asJSON),
	} {
		for _, secret := range []string{"hunter2", adminKey, masterKey} {
			if strings.Contains(text, secret) {
				t.Errorf("%s shows %q: %s", name, secret, text)
			}
		}
		if !strings.Contains(text, "db.example") {
			t.Errorf("%s does not show where the database is: %s", name, text)
		}
	}
	if s := c.String(); !strings.Contains(s, "ATTUALIZZA_MAX_IN_FLIGHT=256") || !strings.Contains(s, "ATTUALIZZA_ADMIN_KEY=set") {
		t.Error(s)
	}
}

func TestEveryCommandOfAProgramHasItsOwnVariables(t *testing.T) {
	var program struct {
		Serve   struct{ Config } `cmd:""`
		Version struct{}         `cmd:""`
		Sandbox struct {
			Listen string `env:"ATTUALIZZA_SANDBOX_LISTEN"`
		} `cmd:""`
	}
	parse := func(args ...string) error {
		parser, err := kong.New(&program, Options()...)
		if err != nil {
			t.Fatal(err)
		}
		_, err = parser.Parse(args)
		return err
	}
	t.Setenv("ATTUALIZZA_SANDBOX_LISTEN", ":1") // another command's: known
	if err := parse("serve"); err != nil || program.Serve.MaxInFlight != 256 {
		t.Errorf("serve: %v", err)
	}
	t.Setenv("ATTUALIZZA_MAX_IN_FLIGHT", "0")
	if err := parse("serve"); err == nil || !strings.Contains(err.Error(), "ATTUALIZZA_MAX_IN_FLIGHT") {
		t.Errorf("an embedded Config is not validated: %v", err)
	}
	t.Setenv("ATTUALIZZA_NONSENSE", "1")
	if err := parse("version"); err != nil {
		t.Errorf("a command without configuration is stopped by it: %v", err)
	}
}

func TestTheHelpTellsEveryVariableAndDefault(t *testing.T) {
	var help bytes.Buffer
	var c Config
	parser, err := kong.New(&c, append(Options(), kong.Writers(&help, &help), kong.Exit(func(int) {}))...)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = parser.Parse([]string{"--help"}) // goes on after our Exit, to no purpose
	for i := range reflect.TypeFor[Config]().NumField() {
		tag := reflect.TypeFor[Config]().Field(i).Tag
		if name := tag.Get("env"); !strings.Contains(help.String(), name) {
			t.Errorf("help does not tell %s", name)
		}
		if d := tag.Get("default"); d != "" && !strings.HasPrefix(d, "$") && !strings.Contains(unwrapped(help.String()), d) {
			t.Errorf("help does not tell the default %s", d)
		}
	}
}

func unwrapped(s string) string { return strings.Join(strings.Fields(s), "") }

// load starts from an environment without our variables.
func load(t *testing.T, args ...string) *Config {
	t.Helper()
	c, err := Load(args)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func env(pairs ...string) map[string]string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return m
}

// TestMain forgets the variables of whoever runs the tests.
func TestMain(m *testing.M) {
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, prefix) {
			_ = os.Unsetenv(name)
		}
	}
	os.Exit(m.Run())
}
