package bulkload

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync"
	"time"

	"github.com/attualizza/attualizza/internal/rest"
	"github.com/attualizza/attualizza/positions"
)

// Store is what Run needs of [positions.Store].
type Store interface {
	ImportPositions(ctx context.Context, ps []*positions.Position, c positions.Change) ([]positions.Imported, error)
}

// Job says how the positions of a source are stored.
type Job struct {
	Store        Store
	Organization string // tax code
	CompanyName  string // of the organization, for rows of CSV that do not name it
	Publish      bool   // make them payable
	DryRun       bool   // judge the positions, store nothing
	Batch        int    // positions of one commit, 1 or more
	MaxBytes     int    // of the file in one batch; a batch ends with the position that exceeds it
	Change       positions.Change
	// Rejected is told of what is refused, Progress of every batch that is done;
	// neither is called by two goroutines at once.
	Rejected func(*Rejection) error
	Progress func(Counts)
}

// Counts tells how far a load is. Positions are counted, not lines.
type Counts struct {
	Read         int64
	Valid        int64 // of a dry run
	Created      int64
	AlreadyThere int64
	Refused      int64
	Reasons      map[string]int64 // of the refusals, at most maxReasons
}

const (
	maxReasons   = 20
	otherReasons = "other reasons"

	// storeTimeout bounds one batch, storeAttempts how often it is tried when the
	// database does not answer.
	storeTimeout  = time.Minute
	storeAttempts = 7
	storePause    = 200 * time.Millisecond // doubled each time
)

// ErrInterrupted ends a load whose context ended. What was counted is stored;
// the same load again goes on.
var ErrInterrupted = errors.New("interrupted")

// batch is a part of the file. read fills in the rest of it.
type batch struct {
	items     []*item
	at        time.Time
	done      chan struct{} // closed when the rest is there
	bodies    []*body
	positions []*positions.Position
	refusals  []*positions.Error
}

// Run loads what the source holds, in its order. When ctx ends, it finishes the
// batch at hand and returns [ErrInterrupted]. It returns what was done, also
// with an error.
func Run(ctx context.Context, source *Source, job Job) (Counts, error) {
	l := &loading{Job: job, counts: Counts{Reasons: map[string]int64{}}}
	reading, stop := context.WithCancel(ctx)
	defer stop()
	workers := runtime.GOMAXPROCS(0)
	unread, ordered := make(chan *batch), make(chan *batch, workers)
	var cause error // of the end; set before ordered is closed
	go func() {
		defer close(ordered)
		defer close(unread)
		cause = l.cut(reading, source, unread, ordered)
	}()
	var judging sync.WaitGroup
	for range workers {
		judging.Go(func() {
			for b := range unread {
				l.judge(b)
				close(b.done)
			}
		})
	}
	for {
		select {
		case <-ctx.Done(): // whoever reads may wait for ever, for a terminal for example
			return l.counts, ErrInterrupted
		case b, more := <-ordered:
			if !more {
				judging.Wait()
				if errors.Is(cause, context.Canceled) {
					cause = ErrInterrupted
				}
				return l.counts, cause
			}
			<-b.done
			if ctx.Err() != nil { // both were there, and select takes either
				return l.counts, ErrInterrupted
			}
			if err := l.store(ctx, b); err != nil {
				return l.counts, err
			}
		}
	}
}

type loading struct {
	Job
	counts Counts
}

// cut makes batches until the end of the file.
func (l *loading) cut(ctx context.Context, source *Source, unread, ordered chan<- *batch) error {
	for {
		b := &batch{at: time.Now(), done: make(chan struct{})}
		var end error
		for size := 0; len(b.items) < l.Batch && size < l.MaxBytes && end == nil; {
			var it *item
			if it, end = source.next(); end == nil {
				b.items = append(b.items, it)
				size += it.size
			}
		}
		if len(b.items) > 0 {
			for _, to := range []chan<- *batch{unread, ordered} { // what is waited for is being judged
				select {
				case to <- b:
				case <-ctx.Done():
					return context.Canceled
				}
			}
		}
		switch {
		case errors.Is(end, io.EOF):
			return nil
		case end != nil:
			return end
		}
	}
}

// judge reads the positions of a batch.
func (l *loading) judge(b *batch) {
	n := len(b.items)
	b.bodies, b.positions, b.refusals = make([]*body, n), make([]*positions.Position, n), make([]*positions.Error, n)
	for i, it := range b.items {
		var err error
		if b.bodies[i], b.positions[i], err = l.position(it, b.at); err != nil {
			b.refusals[i] = refusalOf(err)
		}
	}
}

func (l *loading) position(it *item, at time.Time) (b *body, p *positions.Position, err error) {
	if it.refused != nil {
		return nil, nil, it.refused
	}
	if it.rows != nil {
		b = bodyOf(it.header, it.rows, l.CompanyName)
		it.text = b.text
	} else if text, ok := corrected(it.text); ok {
		if it.text = text; len(text) == 0 {
			return nil, nil, positions.Errorf(positions.Invalid, "the original is not here: correct it in the file that was loaded first")
		}
	}
	p, err = rest.ReadPosition(it.text, l.Organization, at)
	if b != nil && len(b.problems) > 0 {
		err = b.refusal(err)
	}
	if err == nil && l.Publish {
		err = p.Publish(at)
	}
	return b, p, err
}

// refusal puts what is wrong with the cells before what is wrong with the body
// elsewhere.
func (b *body) refusal(err error) error {
	all, blamed := b.problems, map[string]bool{}
	for _, p := range all {
		blamed[p.Pointer] = true
	}
	var rest *positions.Error
	if errors.As(err, &rest) {
		for _, p := range rest.Problems {
			if !blamed[p.Pointer] {
				all = append(all, p)
			}
		}
	}
	return &positions.Error{Code: positions.Invalid, Message: "the row is not valid", Problems: all}
}

// store stores what is valid of a batch and tells what is not.
func (l *loading) store(ctx context.Context, b *batch) error {
	var valid []*positions.Position
	var places []int
	for i, p := range b.positions {
		if b.refusals[i] == nil {
			valid, places = append(valid, p), append(places, i)
		}
	}
	if l.DryRun {
		l.counts.Valid += int64(len(valid))
	} else {
		results, err := l.patiently(ctx, valid, b.at)
		if err != nil {
			return err
		}
		for j, r := range results {
			switch {
			case r.Refused != nil:
				b.refusals[places[j]] = r.Refused
			case r.AlreadyThere:
				l.counts.AlreadyThere++
			default:
				l.counts.Created++
			}
		}
	}
	l.counts.Read += int64(len(b.items))
	for i, refusal := range b.refusals {
		if refusal == nil {
			continue
		}
		r := b.items[i].rejection(b.bodies[i], refusal)
		l.counts.refused(r.reason)
		if l.Rejected != nil {
			if err := l.Rejected(r); err != nil {
				return err
			}
		}
	}
	if l.Progress != nil {
		l.Progress(l.counts)
	}
	return nil
}

// patiently stores a batch, and again when the database does not answer. A batch
// that was begun is finished even when ctx ends.
func (l *loading) patiently(ctx context.Context, ps []*positions.Position, at time.Time) ([]positions.Imported, error) {
	for attempt, pause := 1, storePause; ; attempt, pause = attempt+1, 2*pause {
		results, err := l.imported(ctx, ps, at)
		if positions.CodeOf(err) != positions.Unavailable || attempt == storeAttempts {
			return results, err
		}
		select {
		case <-ctx.Done():
			return nil, ErrInterrupted
		case <-time.After(pause):
		}
	}
}

// imported stores a batch. When the store cannot hold one of its positions and
// does not say which, halves are tried, so that it is refused alone.
func (l *loading) imported(ctx context.Context, ps []*positions.Position, at time.Time) ([]positions.Imported, error) {
	if len(ps) == 0 {
		return nil, nil
	}
	change := l.Change
	change.At = at
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	results, err := l.Store.ImportPositions(limited, ps, change)
	cancel()
	if positions.CodeOf(err) != positions.Invalid {
		return results, err
	}
	if len(ps) == 1 {
		return []positions.Imported{{Refused: refusalOf(err)}}, nil
	}
	first, err := l.imported(ctx, ps[:len(ps)/2], at)
	if err != nil {
		return nil, err
	}
	second, err := l.imported(ctx, ps[len(ps)/2:], at)
	return append(first, second...), err
}

func (c *Counts) refused(reason string) {
	c.Refused++
	if _, known := c.Reasons[reason]; !known && len(c.Reasons) >= maxReasons {
		reason = otherReasons
	}
	c.Reasons[reason]++
}
