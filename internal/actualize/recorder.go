package actualize

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/attualizza/attualizza/positions"
)

// Journal is where answers become durable.
type Journal interface {
	RecordAnswers(ctx context.Context, answers []positions.Answer) error
}

// Bounds of the group commit.
const (
	batchSize     = 512                    // answers in one commit
	waiting       = 4096                   // answers waiting for a commit; beyond, they are unlogged
	commitTimeout = time.Second            // one commit
	commitTries   = 5                      // tries of a batch that the journal refuses for a reason of its own
	commitPause   = 200 * time.Millisecond // before the second try; doubled after each
	longestPause  = time.Second            // between tries while the journal does not answer
	closingPause  = 50 * time.Millisecond  // between tries once the recorder is closed, for as long as that may take
)

// Recorder makes answers durable by group commit: whoever comes while a commit
// is under way shares the next one. The journal therefore sees few large
// commits instead of many small ones, and an answer still waits for its own.
// While the journal fails nobody waits for it: the records follow if they can.
type Recorder struct {
	journal  Journal
	logger   *slog.Logger
	queue    chan entry
	failing  atomic.Pointer[chan struct{}] // closed while commits fail
	closing  chan struct{}
	end      context.Context // what Close allows; set before closing is closed
	done     chan struct{}
	unlogged atomic.Int64
}

type entry struct {
	answer positions.Answer
	result chan bool // buffered: the committer never waits for who left
}

// NewRecorder starts a recorder. Close flushes and ends it.
func NewRecorder(journal Journal, logger *slog.Logger) *Recorder {
	r := &Recorder{
		journal: journal, logger: logger,
		queue: make(chan entry, waiting), closing: make(chan struct{}), done: make(chan struct{}),
	}
	r.succeeded()
	go r.run()
	return r
}

// Record returns true when the answer is durable. It returns false when ctx
// ends first, when the journal fails, or when too many answers wait already:
// then the reply leaves without its record, which may still follow, and the
// answer counts as unlogged.
func (r *Recorder) Record(ctx context.Context, answer positions.Answer) bool {
	e := entry{answer: answer, result: make(chan bool, 1)}
	select {
	case r.queue <- e:
	default:
		r.unlogged.Add(1)
		return false
	}
	durable := false
	select {
	case durable = <-e.result:
	case <-*r.failing.Load():
	case <-ctx.Done():
	}
	if !durable {
		r.unlogged.Add(1)
	}
	return durable
}

// Unlogged is how many replies left before their record was durable: the most
// that a crash can have lost (attualizza_answers_unlogged_total).
func (r *Recorder) Unlogged() int64 { return r.unlogged.Load() }

// Close commits what waits, for as long as ctx lasts, and ends the recorder.
// Record must not be called any more.
func (r *Recorder) Close(ctx context.Context) {
	r.end = ctx
	close(r.closing)
	<-r.done
}

func (r *Recorder) run() {
	defer close(r.done)
	batch := make([]entry, 0, batchSize)
	for {
		select {
		case e := <-r.queue:
			batch = append(batch[:0], e)
		case <-r.closing:
			r.flush(batch[:0])
			return
		}
		r.commit(r.fill(batch))
	}
}

// flush commits what waits when the recorder is closed.
func (r *Recorder) flush(batch []entry) {
	for len(r.queue) > 0 && r.end.Err() == nil {
		r.commit(r.fill(batch[:0]))
	}
	if left := len(r.queue); left > 0 {
		r.logger.Error("answers not recorded, no time left", "answers", left)
	}
}

// ending tells that Close was called, and so that r.end is set.
func (r *Recorder) ending() bool {
	select {
	case <-r.closing:
		return true
	default:
		return false
	}
}

// failed and succeeded are told by the committer alone.

func (r *Recorder) failed() {
	select {
	case <-*r.failing.Load(): // known already
	default:
		close(*r.failing.Load())
	}
}

func (r *Recorder) succeeded() {
	if now := r.failing.Load(); now != nil {
		select {
		case <-*now:
		default:
			return // it did not fail
		}
	}
	well := make(chan struct{})
	r.failing.Store(&well)
}

// fill adds what waits already, without waiting for more.
func (r *Recorder) fill(batch []entry) []entry {
	for len(batch) < batchSize {
		select {
		case e := <-r.queue:
			batch = append(batch, e)
		default:
			return batch
		}
	}
	return batch
}

// commit makes a batch durable. When the first try fails its askers, and those
// who queue up behind, are told at once, so that no reply waits for a broken
// store, and the record follows: a journal that does not answer is waited for,
// with the queue behind it as the bound. A commit that broke off may have
// happened all the same; then its answers are there twice, alike down to the
// instant of arrival.
func (r *Recorder) commit(batch []entry) {
	answers := make([]positions.Answer, len(batch))
	for i := range batch {
		answers[i] = batch[i].answer
	}
	pause := commitPause
	for try := 1; ; try++ {
		parent := context.Background()
		if r.ending() {
			parent = r.end
		}
		ctx, cancel := context.WithTimeout(parent, commitTimeout)
		err := r.journal.RecordAnswers(ctx, answers)
		cancel()
		if try == 1 {
			for _, e := range batch {
				e.result <- err == nil
			}
		}
		if err == nil {
			r.succeeded()
			return
		}
		r.failed()
		hopeless := try >= commitTries && positions.CodeOf(err) != positions.Unavailable
		if ending := r.ending(); ending && r.end.Err() != nil || !ending && hopeless {
			r.logger.Error("answers not recorded, given up", "answers", len(answers), "error", err)
			return
		}
		if r.ending() {
			time.Sleep(closingPause)
			continue
		}
		select {
		case <-time.After(pause):
			pause = min(2*pause, longestPause)
		case <-r.closing:
		}
	}
}
