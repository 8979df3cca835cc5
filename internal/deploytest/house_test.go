package deploytest

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/attualizza/attualizza/internal/config"
)

const (
	root   = "../.."
	folder = root + "/deploy"
	// stopsWithin is the contract's: SIGTERM ends the process in so many seconds.
	stopsWithin = 15
)

// text reads a file below deploy/.
func text(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// documents decodes every YAML document of a file below deploy/ as a T.
func documents[T any](t *testing.T, name string) []T {
	t.Helper()
	var all []T
	for decoder := yaml.NewDecoder(bytes.NewReader([]byte(text(t, name)))); ; {
		var one T
		switch err := decoder.Decode(&one); {
		case errors.Is(err, io.EOF):
			return all
		case err != nil:
			t.Fatalf("%s: %v", name, err)
		}
		all = append(all, one)
	}
}

func document[T any](t *testing.T, name string) T {
	t.Helper()
	all := documents[T](t, name)
	if len(all) != 1 {
		t.Fatalf("%s: %d documents", name, len(all))
	}
	return all[0]
}

// variables are those of the service.
func variables() map[string]bool {
	names := map[string]bool{}
	for i := range reflect.TypeFor[config.Config]().NumField() {
		if name := reflect.TypeFor[config.Config]().Field(i).Tag.Get("env"); name != "" {
			names[name] = true
		}
	}
	return names
}

// accepted loads the configuration that the variables make, with the secrets of
// mounted, a folder of the container, taken from held, a folder of ours.
func accepted(t *testing.T, env map[string]string, mounted, held string) *config.Config {
	t.Helper()
	known := variables()
	for name, value := range env {
		if strings.HasPrefix(name, "ATTUALIZZA_") && !known[name] {
			t.Errorf("no such variable: %s", name)
		}
		if rest, ok := strings.CutPrefix(value, mounted+"/"); ok {
			value = filepath.Join(held, rest)
		}
		t.Setenv(name, value)
	}
	cfg, err := config.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// TestMain forgets the variables of whoever runs the tests.
func TestMain(m *testing.M) {
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "ATTUALIZZA_") {
			_ = os.Unsetenv(name)
		}
	}
	os.Exit(m.Run())
}
