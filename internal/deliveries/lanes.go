package deliveries

import (
	"sync"
	"time"

	"github.com/attualizza/attualizza/internal/jobs"
	"github.com/attualizza/attualizza/positions"
)

// Bounds of a lane.
const (
	slots        = 8                      // attempts at once in one lane, for each replica
	patience     = 8                      // attempts that fail one after the other, each for its own reasons, before the lane is narrowed
	breath       = 250 * time.Millisecond // between attempts in a lane that was narrowed so
	longest      = 30 * time.Second       // that a lane is left alone, unless its receiver asks for more
	longestAsked = 5 * time.Minute        // that a lane is left alone because its receiver asks for it
	firstGap     = 50 * time.Millisecond
	lookGap      = time.Second // between two looks after a lane in which something stays due
)

// lanes is what this replica learned of the receivers: one that does not answer is
// left alone for a while and then tried by one attempt alone, so that hundreds of
// them cost nearly nothing. Nothing of it is kept: a replica that starts learns it
// by one attempt of each. It is safe for concurrent use.
type lanes struct {
	mu sync.Mutex
	of map[positions.DeliveryLane]*lane
}

type lane struct {
	works  bool // the last attempt succeeded
	failed int  // attempts that failed since one that did not
	holds  int  // times that it was left alone since one that did not
	until  time.Time
	gap    time.Duration // the last pause between looks; zero: nothing was due at the last one
	look   time.Time     // not to be looked after before
}

func (l *lanes) get(of positions.DeliveryLane) *lane {
	if l.of == nil {
		l.of = map[positions.DeliveryLane]*lane{}
	}
	if l.of[of] == nil {
		l.of[of] = &lane{}
	}
	return l.of[of]
}

// open tells how many attempts may be made at once in a lane: none while it is left
// alone, and one until its receiver is known to work.
func (l *lanes) open(of positions.DeliveryLane, now time.Time) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.get(of).open(now)
}

// closed tells for how long a lane is left alone from now on; 0 or less: it is not.
func (l *lanes) closed(of positions.DeliveryLane, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.get(of).until.Sub(now)
}

func (l *lane) open(now time.Time) int {
	switch {
	case now.Before(l.until):
		return 0
	case l.works:
		return slots
	}
	return 1
}

// note takes in what an attempt came to and reports whether the lane opened wider
// by it. general: whatever goes to this receiver will fail now; wait is what the
// receiver asks for, at least.
func (l *lanes) note(of positions.DeliveryLane, now time.Time, failed, general bool, wait time.Duration) (wider bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.get(of)
	if !failed {
		wider = !at.works
		at.works, at.failed, at.holds, at.until = true, 0, 0, time.Time{}
		if wider {
			at.hurry()
		}
		return wider
	}
	at.failed++
	switch {
	case general:
		at.works = false
		if now.Before(at.until) {
			break // attempts that were made together are one
		}
		at.holds++
		at.until = now.Add(max(min(jobs.Pause(at.holds), longest), min(wait, longestAsked)))
	case at.failed >= patience: // each has pauses of its own; others behind them may be taken
		at.works = false
		if breathed := now.Add(breath); breathed.After(at.until) {
			at.until = breathed
		}
	}
	return false
}

// due tells how many jobs a lane in which so much is due may have now, and when it is
// to be looked after again: soon at first, and less and less often while something
// stays due.
func (l *lanes) due(of positions.DeliveryLane, much int, now time.Time) (jobs int, again time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.get(of)
	if open := at.open(now); open == 0 {
		return 0, at.until
	} else if !now.Before(at.look) {
		jobs = min(open, much)
		at.gap = min(max(firstGap, 2*at.gap), lookGap)
		at.look = now.Add(at.gap)
	}
	return jobs, at.look
}

// hurry has a lane looked after at the next look.
func (l *lanes) hurry(of positions.DeliveryLane) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.get(of).hurry()
}

func (l *lane) hurry() { l.gap, l.look = 0, time.Time{} }

// retry has an organization's lanes tried at the next look, one attempt at a time.
func (l *lanes) retry(fiscalCode string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, kind := range []positions.DeliveryKind{positions.DeliverReceipt, positions.DeliverToSEND} {
		delete(l.of, positions.DeliveryLane{Kind: kind, OrganizationFiscalCode: fiscalCode})
	}
}

// nothing forgets the pauses of lanes in which nothing was due, and what was learned
// of those that nobody knows any more.
func (l *lanes) nothing(due map[positions.DeliveryLane]bool, known func(fiscalCode string) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for of, at := range l.of {
		switch {
		case due[of]:
		case !known(of.OrganizationFiscalCode):
			delete(l.of, of)
		default:
			at.hurry()
		}
	}
}
