package storetest

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attualizza/attualizza/positions"
)

func attempt(key string) *positions.Attempt {
	return &positions.Attempt{Scope: "key-1/" + comune, Key: key, Fingerprint: []byte{1, 0, 255}, Token: fmt.Sprint("token-", serial.Add(1)), Until: noon.Add(time.Minute)}
}

// finished reserves a key and keeps an answer under it for a day.
func finished(t *testing.T, s positions.Store, key string) *positions.KeptAnswer {
	t.Helper()
	a := attempt(key)
	begun(t, s, a, noon)
	a.Until = noon.AddDate(0, 0, 1)
	answer := &positions.KeptAnswer{Status: 201, Header: map[string]string{"ETag": `"1-à"`, "Content-Type": "application/json"}, Body: []byte("{\"fullName\":\"Forlì 🏛\x00\xff\"}")}
	must(t, s.FinishAttempt(t.Context(), a, answer))
	return answer
}

func begun(t *testing.T, s positions.Store, a *positions.Attempt, now time.Time) {
	t.Helper()
	if kept := got(s.BeginAttempt(t.Context(), a, now))(t); kept != nil {
		t.Fatalf("a free key has an answer: %+v", kept)
	}
}

func refusedBegin(t *testing.T, s positions.Store, a *positions.Attempt, now time.Time, want positions.Code) {
	t.Helper()
	_, err := s.BeginAttempt(t.Context(), a, now)
	wantCode(t, err, want)
}

var attemptTests = []test{
	{"a finished request is answered again as it was answered first, every byte of it", func(t *testing.T, s positions.Store) {
		answer := finished(t, s, "k")
		for _, at := range []time.Time{noon, noon.AddDate(0, 0, 1).Add(-time.Microsecond)} {
			same(t, "the answer", got(s.BeginAttempt(t.Context(), attempt("k"), at))(t), answer)
		}
		empty := attempt("empty")
		begun(t, s, empty, noon)
		must(t, s.FinishAttempt(t.Context(), empty, &positions.KeptAnswer{Status: 204}))
		same(t, "an answer without anything", got(s.BeginAttempt(t.Context(), attempt("empty"), noon))(t), &positions.KeptAnswer{Status: 204})
	}},
	{"an answer is forgotten when its time is over", func(t *testing.T, s positions.Store) {
		finished(t, s, "k")
		begun(t, s, attempt("k"), noon.AddDate(0, 0, 1))
		refusedBegin(t, s, attempt("k"), noon, positions.Conflict) // what was kept before is gone
	}},
	{"the same key is another one elsewhere", func(t *testing.T, s positions.Store) {
		finished(t, s, "k")
		other := attempt("k")
		other.Scope = "key-2/" + comune
		begun(t, s, other, noon)
		begun(t, s, attempt("K"), noon)
	}},
	{"another request under a key is refused, finished or not", func(t *testing.T, s positions.Store) {
		finished(t, s, "done")
		begun(t, s, attempt("doing"), noon)
		for _, key := range []string{"done", "doing"} {
			other := attempt(key)
			other.Fingerprint = []byte{2}
			refusedBegin(t, s, other, noon, positions.Unprocessable)
		}
	}},
	{"a request that is being carried out is in the way until its reservation lapses", func(t *testing.T, s positions.Store) {
		first := attempt("k")
		begun(t, s, first, noon)
		refusedBegin(t, s, attempt("k"), first.Until.Add(-time.Microsecond), positions.Conflict)
		second := attempt("k")
		second.Until = noon.Add(2 * time.Minute)
		begun(t, s, second, first.Until)
		// The first comes back to life, and has no say any more.
		wantCode(t, s.FinishAttempt(t.Context(), first, &positions.KeptAnswer{Status: 201}), positions.Stale)
		must(t, s.AbandonAttempt(t.Context(), first))
		refusedBegin(t, s, attempt("k"), first.Until, positions.Conflict)
		must(t, s.FinishAttempt(t.Context(), second, &positions.KeptAnswer{Status: 409}))
		if kept := got(s.BeginAttempt(t.Context(), attempt("k"), first.Until))(t); kept.Status != 409 {
			t.Fatalf("kept %+v", kept)
		}
	}},
	{"a key that is given back is free, and an answer is not given back", func(t *testing.T, s positions.Store) {
		a := attempt("k")
		begun(t, s, a, noon)
		must(t, s.AbandonAttempt(t.Context(), a))
		must(t, s.AbandonAttempt(t.Context(), a))
		begun(t, s, a, noon)
		must(t, s.FinishAttempt(t.Context(), a, &positions.KeptAnswer{Status: 200}))
		must(t, s.AbandonAttempt(t.Context(), a))
		if kept := got(s.BeginAttempt(t.Context(), attempt("k"), noon))(t); kept == nil {
			t.Fatal("the answer is gone")
		}
	}},
	{"pruning forgets what is over, a batch at a time, and nothing else", func(t *testing.T, s positions.Store) {
		for i := range 5 {
			finished(t, s, fmt.Sprint("done-", i))
		}
		begun(t, s, attempt("doing"), noon) // lapses after a minute
		day := noon.AddDate(0, 0, 1)
		for _, step := range []struct {
			now         time.Time
			limit, want int
		}{{noon, 10, 0}, {noon.Add(time.Minute), 10, 1}, {day.Add(-time.Microsecond), 10, 0}, {day, 2, 2}, {day, 2, 2}, {day, 2, 1}, {day, 2, 0}} {
			if n := got(s.PruneAttempts(t.Context(), step.now, step.limit))(t); n != step.want {
				t.Fatalf("%+v: %d were forgotten", step, n)
			}
		}
		begun(t, s, attempt("done-0"), noon)
	}},
	{"of the same request many times at once one is carried out", func(t *testing.T, s positions.Store) {
		for _, before := range []string{"a free key", "a lapsed one"} {
			key, now := before, noon
			if before == "a lapsed one" {
				begun(t, s, attempt(key), noon)
				now = noon.Add(time.Minute)
			}
			var won atomic.Int64
			errs := all(crowd, func(int) error {
				mine := attempt(key)
				mine.Until = now.Add(time.Minute)
				kept, err := s.BeginAttempt(bounded(t), mine, now)
				switch {
				case kept != nil:
					return fmt.Errorf("an answer that nobody gave: %+v", kept)
				case err == nil:
					won.Add(1)
				}
				return err
			})
			if n := count(t, errs, positions.Conflict); n != 1 || won.Load() != 1 {
				t.Fatalf("%s: %d were carried out", before, n)
			}
		}
	}},
	{"retries beside the request that carries on get its answer or are told to wait, and it happens once", func(t *testing.T, s positions.Store) {
		var carriedOut, replayed atomic.Int64
		ctx := bounded(t)
		errs := all(crowd, func(i int) error {
			for {
				a := attempt("k")
				kept, err := s.BeginAttempt(ctx, a, noon)
				switch {
				case kept != nil:
					if kept.Status != 201 {
						return fmt.Errorf("status %d is replayed", kept.Status)
					}
					replayed.Add(1)
					return nil
				case positions.CodeOf(err) == positions.Conflict:
					continue
				case err != nil:
					return err
				}
				if carriedOut.Add(1) < 3 { // the first two fail, and give the key back
					if err := s.AbandonAttempt(ctx, a); err != nil {
						return err
					}
					continue
				}
				return s.FinishAttempt(ctx, a, &positions.KeptAnswer{Status: 201})
			}
		})
		count(t, errs, "")
		if carriedOut.Load() != 3 || replayed.Load() != crowd-1 {
			t.Fatalf("carried out %d times, replayed %d times", carriedOut.Load(), replayed.Load())
		}
	}},
	{"pruners at once forget each request once", func(t *testing.T, s positions.Store) {
		const requests = 30
		for i := range requests {
			begun(t, s, attempt(fmt.Sprint("k-", i)), noon)
		}
		var pruned atomic.Int64
		errs := all(8, func(int) error {
			for range requests {
				n, err := s.PruneAttempts(bounded(t), noon.Add(time.Hour), 3)
				pruned.Add(int64(n))
				if err != nil {
					return err
				}
			}
			return nil
		})
		count(t, errs, "")
		if pruned.Load() != requests {
			t.Fatalf("%d of %d were forgotten", pruned.Load(), requests)
		}
	}},
}
