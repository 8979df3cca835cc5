package deploytest

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var (
	variable = regexp.MustCompile(`ATTUALIZZA_[A-Z0-9_]*[A-Z0-9]`)
	image    = regexp.MustCompile(`(?m)^\s*(?:- )?(?:image:|FROM) *([^\s]+)`)
	pinned   = regexp.MustCompile(`^[^:@]+(/[^:@]+)*(:[A-Za-z]*[0-9][\w.-]*|:\$\{VERSION:-dev\}|@sha256:[0-9a-f]{64})$`)
)

// eachFile calls see with every file that says how the service is run.
func eachFile(t *testing.T, see func(path, text string)) {
	t.Helper()
	files := []string{filepath.Join(root, "docs", "deployment.md")}
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && entry.Name() == "secrets.d" {
			return fs.SkipDir
		}
		if err == nil && entry.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		see(path, string(b))
	}
}

func TestEveryVariableNamedExists(t *testing.T) {
	known, seen := variables(), 0
	isGroup := func(name string) bool { // ATTUALIZZA_NODO_TLS_*
		for k := range known {
			if strings.HasPrefix(k, name+"_") {
				return true
			}
		}
		return false
	}
	eachFile(t, func(path, text string) {
		for _, name := range variable.FindAllString(text, -1) {
			seen++
			if !known[name] && !(isGroup(name) && strings.Contains(text, name+"_*")) {
				t.Errorf("%s: no such variable: %s", path, name)
			}
		}
	})
	if seen < 30 {
		t.Errorf("only %d variables were found: the search is wrong", seen)
	}
}

func TestEveryImageIsPinned(t *testing.T) {
	seen := 0
	eachFile(t, func(path, text string) {
		switch filepath.Base(path) {
		case "deployment.yaml": // kustomization.yaml says which
			return
		}
		if !strings.HasSuffix(path, ".yaml") && !strings.HasSuffix(path, "Containerfile") {
			return
		}
		for _, m := range image.FindAllStringSubmatch(text, -1) {
			seen++
			if m[1] != "scratch" && !pinned.MatchString(m[1]) {
				t.Errorf("%s: not pinned: %s", path, m[1])
			}
		}
	})
	if seen < 8 {
		t.Errorf("only %d images were found: the search is wrong", seen)
	}
}

func TestTheUnitGivesEverySecretAsAFile(t *testing.T) {
	settings := map[string][]string{}
	for line := range strings.Lines(text(t, "systemd/attualizza.service")) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(name, "#") {
			settings[name] = append(settings[name], value)
		}
	}
	loaded := map[string]string{}
	for _, c := range settings["LoadCredential"] {
		name, path, _ := strings.Cut(c, ":")
		loaded[name] = path
	}
	known := variables()
	for _, e := range settings["Environment"] {
		name, value, _ := strings.Cut(e, "=")
		credential, ok := strings.CutPrefix(value, "%d/")
		if !known[name] || !strings.HasSuffix(name, "_FILE") || !ok || loaded[credential] == "" {
			t.Errorf("Environment=%s names no credential that is loaded", e)
		}
		delete(loaded, credential)
	}
	if len(loaded) != 0 {
		t.Errorf("credentials that nothing reads: %v", loaded)
	}
	postinst := text(t, "debian/postinst")
	for _, c := range settings["LoadCredential"] {
		if name, _, _ := strings.Cut(c, ":"); !strings.Contains(postinst, "\nsecret "+name+" ") {
			t.Errorf("the package does not make the credential %s, without which the unit cannot start", name)
		}
	}
	if s, err := strconv.Atoi(settings["TimeoutStopSec"][0]); err != nil || s <= stopsWithin {
		t.Errorf("TimeoutStopSec=%v cuts off a process that drains", settings["TimeoutStopSec"])
	}
	if settings["ExecStart"][0] != "/usr/bin/attualizza serve" {
		t.Errorf("ExecStart=%v", settings["ExecStart"])
	}
}

func TestTheSettingsOfThePackageAreAcceptedWhenSwitchedOn(t *testing.T) {
	env := map[string]string{}
	for line := range strings.Lines(text(t, "systemd/attualizza.env")) {
		if name, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "#"), "="); ok && strings.HasPrefix(name, "ATTUALIZZA_") {
			env[name] = value
		}
	}
	if len(env) < 8 {
		t.Fatalf("only %d settings were found", len(env))
	}
	accepted(t, env, "/nowhere", "")
}
