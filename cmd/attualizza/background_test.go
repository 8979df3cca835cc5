package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/positions/sqlite"
)

// telling is a store that tells how much was pruned.
type telling struct {
	positions.Store
	pruned chan int
}

func (s telling) PruneAttempts(ctx context.Context, now time.Time, limit int) (int, error) {
	n, err := s.Store.PruneAttempts(ctx, now, limit)
	s.pruned <- n
	return n, err
}

func TestKeptAnswersAreForgottenInBatches(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	store, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "a.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	if err := store.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	begin := func(key string, until time.Time) error {
		_, err := store.BeginAttempt(t.Context(), &positions.Attempt{Scope: "s", Key: key, Fingerprint: []byte{1}, Token: key, Until: until}, time.Now())
		return err
	}
	for i := range forgetBatch + 10 {
		if err := begin(fmt.Sprint("over-", i), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	if err := begin("kept", time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	told := telling{store, make(chan int, 2)}
	s := &service{store: told, logger: slog.New(slog.DiscardHandler)}
	ended := make(chan struct{})
	go func() { defer close(ended); s.forget(ctx) }()
	for _, want := range []int{forgetBatch, 10} {
		if n := <-told.pruned; n != want {
			t.Errorf("a batch forgets %d, want %d", n, want)
		}
	}
	cancel()
	<-ended
	if n, err := store.PruneAttempts(t.Context(), time.Now(), 10_000); err != nil || n != 0 {
		t.Errorf("%d were left, %v", n, err)
	}
	if code := positions.CodeOf(begin("kept", time.Now().Add(time.Hour))); code != positions.Conflict {
		t.Errorf("what is kept answers %q", code)
	}
}
