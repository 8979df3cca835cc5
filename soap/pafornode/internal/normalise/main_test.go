package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTheGeneratedTypesAreUpToDate(t *testing.T) {
	dir := t.TempDir()
	if err := run("../../contract", dir); err != nil {
		t.Fatal(err)
	}
	fresh, err := os.ReadFile(filepath.Join(dir, "wire", "pafornode.gen.go"))
	if err != nil {
		t.Fatal(err)
	}
	stored, err := os.ReadFile("../../wire/pafornode.gen.go")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(stored), string(fresh)); diff != "" {
		t.Errorf("wire/pafornode.gen.go is stale, run go generate ./soap/pafornode: %s", diff)
	}
}
