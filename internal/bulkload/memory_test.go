package bulkload

import (
	"context"
	"io"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/attualizza/attualizza/internal/bulkload/loadtest"
	"github.com/attualizza/attualizza/positions"
)

// endless is a file that is made while it is read.
type endless struct {
	next, end int
	rest      []byte
}

func (e *endless) Read(p []byte) (int, error) {
	if len(e.rest) == 0 {
		if e.next == e.end {
			return 0, io.EOF
		}
		e.rest = []byte(loadtest.Line(e.next) + "\n")
		e.next++
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

// blackHole keeps nothing, so that the memory is the load's own.
type blackHole struct{}

func (blackHole) ImportPositions(_ context.Context, ps []*positions.Position, _ positions.Change) ([]positions.Imported, error) {
	return make([]positions.Imported, len(ps)), nil
}

func TestMemoryDoesNotGrowWithTheFile(t *testing.T) {
	const many, bound = 20_000, 24 << 20 // the file has 20 MB
	var peak atomic.Uint64
	watch := func(Counts) {
		var m runtime.MemStats
		runtime.GC() // what is alive
		runtime.ReadMemStats(&m)
		peak.Store(max(peak.Load(), m.HeapAlloc))
	}
	for name, c := range map[string]struct {
		store Store
		batch int
	}{"without a store": {blackHole{}, 1000}, "into SQLite": {newStore(t), 1000}, "in batches larger than their bytes": {blackHole{}, 10_000}} {
		t.Run(name, func(t *testing.T) {
			peak.Store(0)
			r := loaded(t, c.store, NDJSON, &endless{end: many}, func(j *Job) { j.Batch, j.MaxBytes, j.Progress = c.batch, 1<<20, watch })
			r.wants(t, many, 0, 0)
			t.Logf("at most %d KiB are alive", peak.Load()>>10)
			if peak.Load() > bound {
				t.Errorf("%d bytes are alive, at most %d should be", peak.Load(), bound)
			}
		})
	}
}
