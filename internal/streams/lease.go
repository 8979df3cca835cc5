package streams

import (
	"context"
	"time"
)

// leaseName is the lease of whoever reads the streams.
const leaseName = "streams"

// terms are the times that leading and reading go by.
type terms struct {
	lease  time.Duration // length of the lease
	every  time.Duration // between two tries for it, and two renewals
	margin time.Duration // reading stops that long before the lease ends
	look   time.Duration // limit of one try
	notice time.Duration // between two looks for changed registrations
	idle   time.Duration // least pause after a reading without news
	// firstPause follows a failure; it doubles up to lastPause.
	firstPause, lastPause time.Duration
	verify                time.Duration // between two looks whether a silent stream is still there
	skew                  time.Duration // the clocks of two replicas differ by less
	spread                time.Duration // over which what becomes due at one instant is carried out
}

var usual = terms{
	lease: 15 * time.Second, every: 5 * time.Second, margin: 3 * time.Second, look: 2 * time.Second,
	notice: 2 * time.Second, idle: time.Second, firstPause: 5 * time.Second, lastPause: 5 * time.Minute, verify: time.Hour, skew: 10 * time.Second, spread: spread,
}

// takeover is the longest that nobody reads after a leader is gone: the lease that
// it renewed at its last moment, the time to the next try, and the try itself.
func (t terms) takeover() time.Duration { return t.lease + t.every + t.look }

// leadership is one time of leading, from a lease to its end. It ends by itself
// before the lease does.
type leadership struct {
	ctx  context.Context
	stop context.CancelFunc
	ends *time.Timer
	done chan struct{}
}

// Run leads whenever it can, until ctx ends, and hands the events over to a queue.
// Every replica calls it. It returns when nothing is read any more, and gives the
// lease back.
func (f *Follower) Run(ctx context.Context, queue Queue) {
	var led *leadership
	failing := false
	tick := time.NewTicker(f.terms.every)
	defer tick.Stop()
	for ctx.Err() == nil {
		has, until, err := f.acquire(ctx)
		if (err != nil) != failing && ctx.Err() == nil {
			if failing = err != nil; failing {
				f.Logger.WarnContext(ctx, "the lease of SEND's streams cannot be had: the store does not answer", "error", err)
			} else {
				f.Logger.InfoContext(ctx, "the lease of SEND's streams is answered for again")
			}
		}
		switch {
		case err != nil: // who leads does so as long as the last lease allows
		case !has && led != nil:
			led.end()
			led = nil
		case has && led != nil && led.prolong(until):
		case has:
			if led != nil {
				led.end()
			}
			led = f.begin(ctx, until, queue)
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	if led != nil {
		led.end()
		f.release(ctx)
	}
}

// acquire tries for the lease, and tells until when reading is allowed: counted
// from before the try.
func (f *Follower) acquire(ctx context.Context) (has bool, until time.Time, err error) {
	until = time.Now().Add(f.terms.lease - f.terms.margin)
	ctx, cancel := context.WithTimeout(ctx, f.terms.look)
	defer cancel()
	has, err = f.Store.AcquireLease(ctx, leaseName, f.holder, f.terms.lease)
	return has, until, err
}

// release lets another replica lead at once; where it fails, the lease ends by
// itself.
func (f *Follower) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.terms.look)
	defer cancel()
	if err := f.Store.ReleaseLease(ctx, leaseName, f.holder); err != nil {
		f.Logger.WarnContext(ctx, "the lease of SEND's streams is not given back; it ends by itself", "error", err)
	}
}

// begin leads until an instant, in the background.
func (f *Follower) begin(ctx context.Context, until time.Time, queue Queue) *leadership {
	l := &leadership{done: make(chan struct{})}
	l.ctx, l.stop = context.WithCancel(ctx)
	l.ends = time.AfterFunc(time.Until(until), l.stop)
	go func() {
		defer close(l.done)
		f.lead(l.ctx, queue)
	}()
	return l
}

// prolong lets the leadership go on until an instant, unless it has ended.
func (l *leadership) prolong(until time.Time) bool {
	if !l.ends.Stop() || l.ctx.Err() != nil {
		return false
	}
	l.ends.Reset(time.Until(until))
	return true
}

// end stops the leadership and waits for what it does.
func (l *leadership) end() {
	l.ends.Stop()
	l.stop()
	<-l.done
}
