package deliveries

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

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

func (u *unsteady) Insert(_ context.Context, jobs []river.InsertManyParams) error {
	if u.fails == nil {
		u.taken = append(u.taken, jobs...)
	}
	return u.fails
}

func TestWhatCouldNotBePutInIsLookedAtAgain(t *testing.T) {
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
	for i := range 3 {
		r.save(t, comune, notice(i), fmt.Sprintf("r-%d/0", i))
	}
	lane := positions.DeliveryLane{Kind: positions.DeliverReceipt, OrganizationFiscalCode: comune}
	runner := &unsteady{fails: errors.New("the database is gone")}
	look := func() (time.Duration, error) {
		t.Helper()
		c.advance(lookGap)
		return courier.dispatch(t.Context(), runner)
	}
	for range 3 {
		if pause, err := look(); !errors.Is(err, runner.fails) || pause > lookGap {
			t.Fatal(pause, err)
		}
	}
	runner.fails = nil
	_, err = look()
	must(t, err)
	if len(runner.taken) != 1 {
		t.Fatalf("%d jobs for a receiver of which nobody knows whether it works", len(runner.taken))
	}
	if !courier.lanes.note(lane, c.now(), false, false, 0) {
		t.Fatal("a receiver that works is not worth more jobs")
	}
	_, err = look()
	must(t, err)
	if len(runner.taken) != 1+3 {
		t.Fatalf("%d more jobs for three deliveries", len(runner.taken)-1)
	}
}
