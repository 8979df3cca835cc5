package main

import (
	"testing"

	"github.com/attualizza/attualizza/internal/bulkload/loadtest"
	"github.com/attualizza/attualizza/positions"
)

// registered prepares a database in which the ente of the files is registered.
func registered(tb testing.TB, database string) {
	tb.Helper()
	store := opened(tb, database)
	if err := store.Migrate(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	o := &positions.Organization{FiscalCode: loadtest.Organization, CompanyName: "Comune di Prova", BrokerCode: demoBroker}
	if _, err := store.PutOrganization(tb.Context(), o); err != nil {
		tb.Fatal(err)
	}
	if err := store.Close(); err != nil {
		tb.Fatal(err)
	}
}

func opened(tb testing.TB, database string) positions.Store {
	tb.Helper()
	store, err := openStore(tb.Context(), database)
	if err != nil {
		tb.Fatal(err)
	}
	return store
}
