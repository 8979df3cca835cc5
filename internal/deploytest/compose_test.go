package deploytest

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

type composition struct {
	Services map[string]struct {
		Environment map[string]string `yaml:"environment"`
		Secrets     []string          `yaml:"secrets"`
		Networks    []string          `yaml:"networks"`
		NetworkMode string            `yaml:"network_mode"`
		Volumes     []string          `yaml:"volumes"`
		Ports       []string          `yaml:"ports"`
		ReadOnly    bool              `yaml:"read_only"`
		User        string            `yaml:"user"`
		StopGrace   string            `yaml:"stop_grace_period"`
	} `yaml:"services"`
	Networks map[string]any                   `yaml:"networks"`
	Volumes  map[string]any                   `yaml:"volumes"`
	Secrets  map[string]struct{ File string } `yaml:"secrets"`
}

var replicas = []string{"attualizza-1", "attualizza-2"}

// madeSecrets runs the script of the folder in a copy of it.
func madeSecrets(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	script := filepath.Join(dir, "secrets")
	if err := os.WriteFile(script, []byte(text(t, "compose/secrets")), 0o755); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time changes nothing
		if out, err := exec.Command("/bin/sh", script).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	return filepath.Join(dir, "secrets.d")
}

func TestComposeNamesOnlyWhatItDefines(t *testing.T) {
	c, made := document[composition](t, "compose/compose.yaml"), madeSecrets(t)
	for name, s := range c.Services {
		for _, secret := range s.Secrets {
			if c.Secrets[secret].File != "./secrets.d/"+secret {
				t.Errorf("%s: secret %s is in %q", name, secret, c.Secrets[secret].File)
			}
			if _, err := os.Stat(filepath.Join(made, secret)); err != nil {
				t.Errorf("%s: the script does not make it: %v", name, err)
			}
		}
		for _, network := range s.Networks {
			if _, ok := c.Networks[network]; !ok {
				t.Errorf("%s: no network %s", name, network)
			}
		}
		if of, ok := strings.CutPrefix(s.NetworkMode, "service:"); ok && !slices.Contains(replicas, of) {
			t.Errorf("%s: no service %s", name, of)
		}
		for _, port := range s.Ports {
			if !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s: %s is open to everybody", name, port)
			}
		}
		for _, volume := range s.Volumes {
			source, _, _ := strings.Cut(volume, ":")
			if !strings.HasPrefix(source, ".") {
				if _, ok := c.Volumes[source]; !ok {
					t.Errorf("%s: no volume %s", name, source)
				}
				continue
			}
			// Dashboards and rules come from folders of their own, whose files are
			// looked for as soon as the folder is there.
			path := filepath.Join(folder, "compose", source)
			if _, err := os.Stat(path); err != nil && exists(filepath.Dir(path)) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func TestTheReplicasOfComposeStart(t *testing.T) {
	c, made := document[composition](t, "compose/compose.yaml"), madeSecrets(t)
	defaults := regexp.MustCompile(`\$\{[A-Z_]+:-([^}]*)\}`)
	for _, name := range replicas {
		s, ok := c.Services[name]
		if !ok {
			t.Fatalf("no service %s", name)
		}
		env := map[string]string{}
		for k, v := range s.Environment {
			env[k] = defaults.ReplaceAllString(v, "$1")
		}
		cfg := accepted(t, env, "/run/secrets", made)
		if cfg.RedisURL == "" || cfg.MasterKey == "" || cfg.AdminKey == "" || !strings.HasPrefix(string(cfg.DatabaseURL), "postgres://") {
			t.Errorf("%s lacks a dependency or a key: %v", name, cfg)
		}
		for k, v := range env {
			if secret, ok := strings.CutPrefix(v, "/run/secrets/"); ok && !slices.Contains(s.Secrets, secret) {
				t.Errorf("%s: %s names a secret that is not mounted", name, k)
			}
		}
		if d, err := time.ParseDuration(s.StopGrace); err != nil || d <= stopsWithin*time.Second {
			t.Errorf("%s: stop_grace_period %q cuts off a process that drains", name, s.StopGrace)
		}
		if !s.ReadOnly || s.User != "65532:65532" {
			t.Errorf("%s: writable root, or user %q", name, s.User)
		}
	}
}

func TestTheSandboxOfComposeIsAcceptedAsSEND(t *testing.T) {
	env := map[string]string{}
	for line := range strings.Lines(text(t, "compose/sandbox.env")) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), "="); ok && strings.HasPrefix(k, "ATTUALIZZA_") {
			env[k] = v
		}
	}
	if len(env) != 2 {
		t.Fatalf("%v", env)
	}
	accepted(t, env, "/nowhere", "")
}

// TestTheProxyKnowsTheDoors: the container's doors, the proxy's servers and what
// Prometheus asks are the same.
func TestTheProxyKnowsTheDoors(t *testing.T) {
	door := map[string]string{}
	for _, m := range regexp.MustCompile(`ATTUALIZZA_([A-Z]+)_LISTEN=0\.0\.0\.0:(\d+)`).FindAllStringSubmatch(text(t, "container/Containerfile"), -1) {
		door[m[1]] = m[2]
	}
	if len(door) != 3 {
		t.Fatalf("doors of the container: %v", door)
	}
	proxy, prometheus := text(t, "compose/haproxy.cfg"), text(t, "compose/prometheus.yaml")
	for _, name := range replicas {
		for _, d := range []string{"NODO", "API"} {
			for _, server := range []string{
				"server " + name + " " + name + ":" + door[d] + " check port " + door["OPS"] + "\n",
				"server " + name + "-unready " + name + ":" + door[d] + " backup\n",
			} {
				if !strings.Contains(proxy, server) {
					t.Errorf("the proxy lacks: %s", server)
				}
			}
		}
		if !strings.Contains(prometheus, `"`+name+":"+door["OPS"]+`"`) {
			t.Errorf("Prometheus does not ask %s", name)
		}
	}
	for _, path := range regexp.MustCompile(`httpchk GET (\S+)`).FindAllStringSubmatch(proxy, -1) {
		answersOps(t, path[1])
	}
}

// answersOps holds a path to the routes of the ops door.
func answersOps(t *testing.T, path string) {
	t.Helper()
	source, err := fs.ReadFile(os.DirFS(root), "cmd/attualizza/operations.go")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(source), `"GET `+path+`"`) {
		t.Errorf("the ops door does not answer %s", path)
	}
}
