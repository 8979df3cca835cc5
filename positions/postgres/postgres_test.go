package postgres_test

import (
	"errors"
	"testing"

	"go.uber.org/goleak"

	"github.com/attualizza/attualizza/internal/testservers"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/postgres"
	"github.com/attualizza/attualizza/positions/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, url string, options ...postgres.Option) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), url, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func migrated(t testing.TB, url string, options ...postgres.Option) *postgres.Store {
	t.Helper()
	s := open(t, url, options...)
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTheStorePassesTheConformanceSuite(t *testing.T) {
	// Wide limits: the suite is about what is stored, on however slow a machine.
	const patient = "&connect_timeout=30&statement_timeout=30000&lock_timeout=10000"
	database := testservers.PostgresCopies(func(url string) error {
		s, err := postgres.Open(t.Context(), url)
		if err != nil {
			return err
		}
		return errors.Join(s.Migrate(t.Context()), s.Close())
	})
	storetest.Run(t, func(t *testing.T) positions.Store { return open(t, database(t)+patient) })
}
