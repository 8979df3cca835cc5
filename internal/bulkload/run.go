package bulkload

import (
	"bytes"
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
	Publish      bool   // make them payable, those too that are there as drafts and unchanged
	DryRun       bool   // judge the positions, store nothing
	Batch        int    // positions of one commit, 1 or more
	MaxBytes     int    // of the file in one batch; a batch ends with the position that exceeds it
	Change       positions.Change
	// Rejected is told of what is refused, Warned of what is probably a slip in
	// what is not, Progress of every batch that is done; none is called by two
	// goroutines at once.
	Rejected func(*Rejection) error
	Warned   func(*Warning) error
	Progress func(Counts)
}

// Counts tells how far a load is. Positions are counted, not lines.
type Counts struct {
	Read         int64
	Valid        int64 // of a dry run
	Created      int64
	Published    int64 // that were there as drafts
	AlreadyThere int64
	Drafts       int64 // of those created and already there: nobody can pay them
	WithWarnings int64 // of those not refused
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

	// endTimeout bounds the wait for whoever reads and judges when a load ends early.
	endTimeout = 500 * time.Millisecond
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
	warnings  [][]positions.Problem
}

// Run loads what the source holds, in its order. When ctx ends, it finishes the
// batch at hand and returns [ErrInterrupted]. It returns what was done, also
// with an error.
func Run(ctx context.Context, source *Source, job Job) (Counts, error) {
	l := &loading{Job: job, counts: Counts{Reasons: map[string]int64{}}}
	reading, stop := context.WithCancel(ctx)
	workers := runtime.GOMAXPROCS(0)
	unread, ordered, ended := make(chan *batch), make(chan *batch, workers), make(chan struct{})
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
	go func() {
		judging.Wait()
		close(ended)
	}()
	defer func() {
		stop()
		select { // nothing goes on afterwards, save a read that never ends
		case <-ended:
		case <-time.After(endTimeout):
		}
	}()
	for {
		select {
		case <-ctx.Done(): // whoever reads may wait for ever, for a terminal for example
			return l.counts, ErrInterrupted
		case b, more := <-ordered:
			if !more {
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
	b.bodies, b.positions, b.refusals, b.warnings = make([]*body, n), make([]*positions.Position, n), make([]*positions.Error, n), make([][]positions.Problem, n)
	for i, it := range b.items {
		var err error
		if b.bodies[i], b.positions[i], err = l.position(it, b.at); err != nil {
			b.refusals[i] = refusalOf(err)
		} else {
			b.warnings[i] = rest.Warnings(b.positions[i])
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
	} else if original, ok := corrected(it.text); ok {
		it.text, it.csv = original.text, original.csv
		switch {
		case len(it.text) == 0:
			return nil, nil, positions.Errorf(positions.Invalid, "the original is not here: correct it in the file that was loaded first")
		case it.csv && !bytes.HasPrefix(bytes.TrimSpace(it.text), []byte("{")):
			return nil, nil, positions.Errorf(positions.Invalid,
				"the text is of rows of CSV, not a body: correct them in the CSV file that was loaded first and load that again")
		}
	}
	p, err = rest.ReadPosition(it.text, l.Organization, at)
	if b != nil && (len(b.problems) > 0 || len(b.follow) > 0 && err != nil) {
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
	for _, pointer := range b.follow {
		blamed[pointer] = true
	}
	var rest *positions.Error
	if errors.As(err, &rest) {
		for _, p := range rest.Problems {
			if !blamed[p.Pointer] {
				all = append(all, p)
			}
		}
	}
	if len(all) == 0 {
		return err
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
				continue
			case r.Published:
				l.counts.Published++
			case r.AlreadyThere:
				l.counts.AlreadyThere++
			default:
				l.counts.Created++
			}
			if r.Draft || r.Created() && !l.Publish {
				l.counts.Drafts++
			}
		}
	}
	l.counts.Read += int64(len(b.items))
	for i, refusal := range b.refusals {
		if refusal == nil {
			if err := l.warn(b, i); err != nil {
				return err
			}
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

// warn tells what is warned of about the i-th position of a batch.
func (l *loading) warn(b *batch, i int) error {
	if len(b.warnings[i]) == 0 {
		return nil
	}
	l.counts.WithWarnings++
	if l.Warned == nil {
		return nil
	}
	for _, w := range b.items[i].warnings(b.bodies[i], b.positions[i].IUPD, b.warnings[i]) {
		if err := l.Warned(w); err != nil {
			return err
		}
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
