package main

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/attualizza/attualizza/internal/testservers"
	"github.com/attualizza/attualizza/soap/pafornode"
)

// The doors open before the organizations are loaded, and whoever is let in then is
// refused: a load balancer must not send anybody.
func TestNobodyIsSentToAServiceThatDoesNotKnowTheOrganizations(t *testing.T) {
	t.Parallel()
	database := testservers.Postgres(t)
	sim := newSimulator(t)
	first := newHouseOn(t, sim, database, "")
	eventually(t, 30*time.Second, "the first replica is ready", func() bool {
		status, _ := first.get(t, "ops", "/readyz")
		return status == http.StatusOK
	})
	e := first.ente(t)
	d := e.publish(t, digital, withoutSEND) // the replicas of this suite share no master key

	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `LOCK TABLE organizations IN ACCESS EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}
	second := newHouseOn(t, sim, database, "")
	there := &ente{h: second, fiscalCode: e.fiscalCode, key: e.key}
	read := func() int {
		status, _, err := there.callREST(http.MethodGet, "/debtpositions/"+d.iupd, e.key, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		return status
	}
	eventually(t, 20*time.Second, "the migrations are seen to be applied", func() bool {
		_, body := second.get(t, "ops", "/readyz")
		return strings.Contains(body, "organizations are not loaded")
	})
	for began := time.Now(); time.Since(began) < 3*time.Second; time.Sleep(100 * time.Millisecond) {
		if status, body := second.get(t, "ops", "/readyz"); status != http.StatusServiceUnavailable {
			t.Fatalf("readyz: %d %s", status, body)
		}
		if second.jobs.Load() != nil {
			t.Fatal("jobs are carried out for organizations that nobody knows")
		}
	}
	if status, _ := second.get(t, "ops", "/livez"); status != http.StatusOK {
		t.Errorf("livez: %d", status)
	}
	wantsFault(t, there.ask(t, pafornode.VerifyPaymentNotice, d.nav), "PAA_SYSTEM_ERROR")

	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, 10*time.Second, "it is ready", func() bool {
		status, _ := second.get(t, "ops", "/readyz")
		return status == http.StatusOK
	})
	if status := read(); status != http.StatusOK {
		t.Errorf("REST once it is ready: %d", status)
	}
	wants(t, there.ask(t, pafornode.VerifyPaymentNotice, d.nav), d.amount)
	eventually(t, 10*time.Second, "jobs are carried out", func() bool { return second.jobs.Load() != nil })
}
