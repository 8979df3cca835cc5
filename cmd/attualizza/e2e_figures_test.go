package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/testservers"
)

// slowest remembers the slowest answer under each fault; with
// FIGURES set they are printed after the tests.
var slowest = figures{worst: map[string]time.Duration{}}

type figures struct {
	mu    sync.Mutex
	worst map[string]time.Duration
}

func (f *figures) note(what string, took time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.worst[what] = max(f.worst[what], took)
}

func (f *figures) print() {
	f.mu.Lock()
	defer f.mu.Unlock()
	var names []string
	for name := range f.worst {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(os.Stderr, "slowest %8s  %s\n", f.worst[name].Round(time.Millisecond), name)
	}
}

func contains(text, part string) bool { return strings.Contains(text, part) }

// show writes a value with its pointers followed.
func show(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// durableStore makes databases for figures: commits wait for the disk, as in
// production.
type durableStore struct {
	name     string
	database func(b *testing.B) string
}

func durableStores(b *testing.B) []durableStore {
	b.Helper()
	server := testservers.StartPostgres(b, testservers.Durable())
	return []durableStore{
		{"PostgreSQL", func(*testing.B) string { return server.Database() }},
		{"SQLite", func(b *testing.B) string { return "sqlite:" + filepath.Join(b.TempDir(), "figures.db") }},
	}
}
