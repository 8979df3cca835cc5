package storetest

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attualizza/attualizza/positions"
)

const long = time.Hour

func acquired(t *testing.T, s positions.Store, name, holder string, length time.Duration, want bool) {
	t.Helper()
	if has := got(s.AcquireLease(t.Context(), name, holder, length))(t); has != want {
		t.Fatalf("%s has %s: %v, want %v", holder, name, has, want)
	}
}

var leaseTests = []test{
	{"a lease is its holder's, who may prolong it, until it is given back", func(t *testing.T, s positions.Store) {
		acquired(t, s, "streams", "a", long, true)
		acquired(t, s, "streams", "a", long, true)
		acquired(t, s, "streams", "b", long, false)
		acquired(t, s, "other", "b", long, true)
		must(t, s.ReleaseLease(t.Context(), "streams", "b")) // not b's to give
		acquired(t, s, "streams", "b", long, false)
		must(t, s.ReleaseLease(t.Context(), "streams", "a"))
		acquired(t, s, "streams", "b", long, true)
		acquired(t, s, "streams", "a", long, false)
	}},
	{"a lease that is over is anybody's, and not its former holder's any more", func(t *testing.T, s positions.Store) {
		acquired(t, s, "streams", "a", 50*time.Millisecond, true)
		time.Sleep(60 * time.Millisecond)
		acquired(t, s, "streams", "b", long, true)
		acquired(t, s, "streams", "a", long, false)
		must(t, s.ReleaseLease(t.Context(), "streams", "a"))
		acquired(t, s, "streams", "a", long, false)
	}},
	{"of many who want a lease at once one has it", func(t *testing.T, s positions.Store) {
		for _, before := range []string{"a free one", "one that is over"} {
			if before == "one that is over" {
				acquired(t, s, before, "dead", time.Microsecond, true)
				time.Sleep(time.Millisecond)
			}
			var won atomic.Int64
			for _, err := range all(crowd, func(i int) error {
				has, err := s.AcquireLease(bounded(t), before, fmt.Sprint("replica ", i), long)
				if has {
					won.Add(1)
				}
				return err
			}) {
				must(t, err)
			}
			if n := won.Load(); n != 1 {
				t.Fatalf("%s: %d have it", before, n)
			}
		}
	}},
}
