package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/attualizza/attualizza/internal/bulkload"
	"github.com/attualizza/attualizza/internal/testservers"
	"github.com/attualizza/attualizza/positions"
)

func TestWhatIsRefusedIsForItsOwnersEyesOnlyAlsoInAFileThatIsThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tari.csv.rejected.ndjson")
	if err := os.WriteFile(path, []byte("what was refused last time\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := findings{path: path}
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

func TestAFileIsLoadedWhateverItsNameIsWrittenIn(t *testing.T) {
	url := testservers.Postgres(t)
	store, err := openStore(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := positionsImport{Path: "/tmp/emissione citt\xe0.csv"}
	p := &positions.Position{OrganizationFiscalCode: "77777777777", IUPD: "TARI-1", Status: positions.Draft, Lifecycle: positions.Open}
	change := positions.Change{Actor: positions.Actor{Kind: "OPERATOR"}, Action: "IMPORT", Reason: c.reason()}
	if results, err := store.ImportPositions(t.Context(), []*positions.Position{p}, change); err != nil || !results[0].Created() {
		t.Errorf("%+v, %v", results, err)
	}
	if versions, err := store.Versions(t.Context(), "77777777777", "TARI-1"); err != nil || versions[0].Reason != "import of emissione citt?.csv" {
		t.Errorf("%+v, %v", versions, err)
	}
}
