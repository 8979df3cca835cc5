package deliveries

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"

	"github.com/riverqueue/river"

	"github.com/attualizza/attualizza/internal/registry"
	"github.com/attualizza/attualizza/internal/secrets"
	"github.com/attualizza/attualizza/positions"
)

// unsteady takes no jobs while it fails, and notes those that it takes.
type unsteady struct {
	fails error
	taken []river.InsertManyParams
}

func (u *unsteady) Work(string, int) error { return nil }

func (u *unsteady) Insert(_ context.Context, jobs []river.InsertManyParams) ([]int, error) {
	if u.fails == nil {
		u.taken = append(u.taken, jobs...)
	}
	return nil, u.fails
}

// The store hides what it told of for a minute: whoever asked must not forget it.
func TestQueuesWhoseJobsCouldNotBePutInAreLookedAtAgain(t *testing.T) {
	db, c := sqliteOnly(t), &clock{}
	register(t, db, comune, "https://gestionale.example")
	box, err := secrets.New(masterKey)
	must(t, err)
	directory := registry.New(db.store, box, slog.New(slog.DiscardHandler), nil)
	directory.Start(t.Context())
	t.Cleanup(directory.Close)
	courier, err := New(Config{Outbox: db.store, Directory: directory, Secrets: box, Logger: slog.New(slog.DiscardHandler), Now: c.now})
	must(t, err)
	t.Cleanup(func() { must(t, courier.Close()) })
	r := &replica{database: db, courier: courier, clock: c}
	r.save(t, comune, notice(1), "r-1/0")

	runner := &unsteady{fails: errors.New("the database is gone")}
	want := positions.DeliveryQueue{Kind: positions.DeliverReceipt, OrganizationFiscalCode: comune, NAV: notice(1)}
	if err := courier.dispatch(t.Context(), runner, nil); !errors.Is(err, runner.fails) {
		t.Fatal(err)
	}
	for range 2 {
		again := courier.again.take()
		if !slices.Equal(again, []positions.DeliveryQueue{want}) {
			t.Fatalf("to be looked at again: %v", again)
		}
		if err := courier.dispatch(t.Context(), runner, again); !errors.Is(err, runner.fails) {
			t.Fatal(err)
		}
	}
	runner.fails = nil
	if err := courier.dispatch(t.Context(), runner, courier.again.take()); err != nil || len(courier.again.take()) != 0 || len(runner.taken) != 1 {
		t.Fatalf("put in: %d jobs, %v", len(runner.taken), err)
	}
}
