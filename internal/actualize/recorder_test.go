package actualize

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/attualizza/attualizza/positions"
)

// journal is a store whose commits can be held up and made to fail.
type journal struct {
	mu      sync.Mutex
	commits [][]positions.Answer
	hold    chan struct{}
	fail    int
	failure error
}

func (j *journal) RecordAnswers(ctx context.Context, answers []positions.Answer) error {
	if j.hold != nil {
		select {
		case <-j.hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.fail > 0 {
		j.fail--
		if j.failure != nil {
			return j.failure
		}
		return errors.New("the store is down")
	}
	j.commits = append(j.commits, answers)
	return nil
}

func (j *journal) answers() (n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, c := range j.commits {
		n += len(c)
	}
	return n
}

func TestWhoComesDuringACommitSharesTheNext(t *testing.T) {
	j := &journal{hold: make(chan struct{})}
	r := NewRecorder(j, slog.New(slog.DiscardHandler))
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if !r.Record(t.Context(), positions.Answer{At: time.Now()}) {
				t.Error("not durable")
			}
		})
	}
	time.Sleep(50 * time.Millisecond)
	close(j.hold)
	wg.Wait()
	r.Close(t.Context())
	if len(j.commits) > 3 || j.answers() != 100 {
		t.Fatalf("%d answers in %d commits", j.answers(), len(j.commits))
	}
}

func TestNobodyWaitsLongerThanItsOwnTime(t *testing.T) {
	j := &journal{hold: make(chan struct{})}
	r := NewRecorder(j, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	started := time.Now()
	if r.Record(ctx, positions.Answer{At: time.Now()}) {
		t.Fatal("said durable while the commit was held up")
	}
	if took := time.Since(started); took > 200*time.Millisecond {
		t.Fatalf("waited %s", took)
	}
	if r.Unlogged() != 1 {
		t.Fatalf("%d unlogged", r.Unlogged())
	}
	close(j.hold)
	r.Close(t.Context())
	if j.answers() != 1 {
		t.Fatal("the record must follow its reply")
	}
}

func TestAFailedCommitIsTriedAgainWithoutTheAskers(t *testing.T) {
	j := &journal{fail: 2}
	r := NewRecorder(j, slog.New(slog.DiscardHandler))
	if r.Record(t.Context(), positions.Answer{At: time.Now()}) {
		t.Fatal("said durable after a failed commit")
	}
	r.Close(t.Context()) // flushes
	if j.answers() != 1 || r.Unlogged() != 1 {
		t.Fatalf("%d recorded, %d unlogged", j.answers(), r.Unlogged())
	}
}

func TestAJournalThatDoesNotAnswerIsWaitedFor(t *testing.T) {
	j := &journal{fail: commitTries + 2, failure: positions.Errorf(positions.Unavailable, "the database does not answer")}
	r := NewRecorder(j, slog.New(slog.DiscardHandler))
	r.Record(t.Context(), positions.Answer{At: time.Now()})
	for range 100 {
		if j.answers() == 1 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	r.Close(t.Context())
	if j.answers() != 1 {
		t.Fatal("an answer was given up while the journal did not answer")
	}
}

func TestWhileTheJournalFailsNobodyWaitsForIt(t *testing.T) {
	j := &journal{fail: 4}
	r := NewRecorder(j, slog.New(slog.DiscardHandler))
	if r.Record(t.Context(), positions.Answer{At: time.Now()}) {
		t.Fatal("said durable after a failed commit")
	}
	for range 10 { // the first one's commit is being tried again, for three seconds
		started := time.Now()
		if r.Record(t.Context(), positions.Answer{At: time.Now()}) {
			t.Fatal("said durable behind a failing commit")
		}
		if took := time.Since(started); took > 150*time.Millisecond {
			t.Fatalf("waited %s", took)
		}
	}
	deadline := time.Now().Add(10 * time.Second)
	for !r.Record(t.Context(), positions.Answer{At: time.Now()}) { // well again by itself
		if time.Now().After(deadline) {
			t.Fatal("still not durable long after the journal was mended")
		}
		time.Sleep(20 * time.Millisecond)
	}
	unlogged := int(r.Unlogged())
	r.Close(t.Context())
	if n := j.answers(); n != unlogged+1 {
		t.Fatalf("%d recorded of %d: each must follow its reply", n, unlogged+1)
	}
}

func TestClosingTakesNoLongerThanItMay(t *testing.T) {
	j := &journal{hold: make(chan struct{})} // hangs for ever
	r := NewRecorder(j, slog.New(slog.DiscardHandler))
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 3 * batchSize {
		r.Record(gone, positions.Answer{At: time.Now()})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	started := time.Now()
	r.Close(ctx)
	if took := time.Since(started); took > commitTimeout+time.Second { // the commit under way may end first
		t.Fatalf("took %s", took)
	}
}

func TestTheQueueIsBounded(t *testing.T) {
	j := &journal{hold: make(chan struct{})}
	r := NewRecorder(j, slog.New(slog.DiscardHandler))
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range waiting + batchSize + 100 {
		r.Record(gone, positions.Answer{At: time.Now()})
	}
	if n := r.Unlogged(); n != waiting+batchSize+100 {
		t.Fatalf("%d unlogged", n)
	}
	close(j.hold)
	r.Close(t.Context())
	if n := j.answers(); n > waiting+batchSize || n < waiting {
		t.Fatalf("%d recorded", n)
	}
}
