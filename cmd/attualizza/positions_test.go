package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/attualizza/attualizza/internal/bulkload"
)

func TestWhatIsRefusedIsForItsOwnersEyesOnlyAlsoInAFileThatIsThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tari.csv.rejected.ndjson")
	if err := os.WriteFile(path, []byte("what was refused last time\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := rejections{path: path}
	if err := r.write(&bulkload.Rejection{Line: 1}); err != nil {
		t.Fatal(err)
	}
	if err := r.close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != `{"rejectedLine":1,"errors":null}`+"\n" {
		t.Errorf("%q, %v", text, err)
	}
}
