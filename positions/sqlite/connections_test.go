package sqlite_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"
)

func TestConnectionsInUseAndTheWaitForTheWriterAreTold(t *testing.T) {
	s := migrated(t, filepath.Join(t.TempDir(), "test.db"))
	if used, _, most, _, _ := s.Connections(); used != 0 || most != 5 {
		t.Errorf("at rest %d of %d are in use", used, most)
	}
	tx, err := s.Writer().BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if used, _, _, _, _ := s.Connections(); used != 1 {
		t.Errorf("%d are in use, want the writer", used)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.PruneAttempts(ctx, time.Now(), 1); err == nil {
		t.Fatal("two wrote at once")
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if _, _, _, waits, waited := s.Connections(); waits != 1 || waited < 40*time.Millisecond {
		t.Errorf("%d waits of %s altogether, want one of 50ms", waits, waited)
	}
}
