package postgres_test

import (
	"testing"
	"time"

	"github.com/attualizza/attualizza/internal/testservers"
	"github.com/attualizza/attualizza/positions/postgres"
)

func TestConnectionsAndTheWaitForThemAreTold(t *testing.T) {
	s := migrated(t, testservers.Postgres(t), postgres.WithMaxConns(1))
	if used, _, most, _, _ := s.Connections(); used != 0 || most != 1 {
		t.Errorf("at rest %d of %d are in use", used, most)
	}
	_, _, _, before, waitedBefore := s.Connections()
	done := make(chan error, 8)
	for range cap(done) { // of one connection, some wait
		go func() {
			_, err := s.PruneAttempts(t.Context(), time.Now(), 1)
			done <- err
		}()
	}
	for range cap(done) {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if _, _, _, waits, waited := s.Connections(); waits <= before || waited <= waitedBefore {
		t.Errorf("%d waits of %s, before it were %d of %s", waits, waited, before, waitedBefore)
	}
}
