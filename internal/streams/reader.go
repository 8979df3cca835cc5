package streams

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/attualizza/attualizza/internal/registry"
	"github.com/attualizza/attualizza/positions"
	"github.com/attualizza/attualizza/sendclient"
)

// reader reads the stream of one organization.
type reader struct {
	*Follower
	org      *registry.Organization
	queue    Queue
	cursor   positions.StreamCursor
	known    bool      // cursor is what the store holds
	verified time.Time // when SEND last said that the stream is active
	readAt   atomic.Int64
}

// run reads until ctx ends. It waits as SEND asks, and ever longer while readings
// fail.
func (r *reader) run(ctx context.Context) {
	r.readAt.Store(time.Now().UnixNano())
	failures := 0
	for ctx.Err() == nil {
		pause, err := r.turn(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			r.readAt.Store(time.Now().UnixNano())
			if failures > 0 {
				r.Logger.InfoContext(ctx, "SEND's stream of an organization is read again", "organization", r.org.FiscalCode, "failures", failures)
			}
			failures = 0
		default:
			r.known = false
			if failures == 0 || errors.Is(err, errAbandoned) || errors.Is(err, errForbidden) {
				r.Logger.WarnContext(ctx, "SEND's stream of an organization cannot be read; trying again", "organization", r.org.FiscalCode, "error", err)
			}
			failures++
			pause = r.backoff(failures, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// backoff is the pause after some failures in a row, with a tenth of chance, and no
// shorter than what SEND asked for.
func (r *reader) backoff(failures int, err error) time.Duration {
	pause := min(r.terms.firstPause<<min(failures-1, 20), r.terms.lastPause)
	pause -= rand.N(pause/10 + 1)
	var call *sendclient.CallError
	if errors.As(err, &call) {
		pause = max(pause, call.RetryAfter)
	}
	return pause
}

// turn reads once, and tells how long to wait before the next time.
func (r *reader) turn(ctx context.Context) (pause time.Duration, err error) {
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	cred, err := r.org.Credential()
	if err != nil {
		return 0, err
	}
	if err := r.open(ctx, cred); err != nil {
		return 0, err
	}
	progress, err := r.Platform.Consume(ctx, cred, r.cursor.StreamID, r.cursor.LastEventID)
	arrived := r.Now()
	var call *sendclient.CallError
	switch {
	case err == nil:
	case errors.As(err, &call) && call.Kind == sendclient.KindTooEarly:
		return max(call.RetryAfter, r.terms.idle), nil
	case errors.As(err, &call) && call.Kind == sendclient.KindGone:
		return 0, r.abandon(ctx, "is gone")
	default:
		return 0, err
	}
	return r.take(ctx, cred, &progress, arrived)
}

// take hands over what the stream told, and only then moves on.
func (r *reader) take(ctx context.Context, cred *sendclient.Credential, p *sendclient.Progress, arrived time.Time) (time.Duration, error) {
	r.meters.count(ctx, "", resultUnreadable, p.Unreadable)
	var events []Event
	for _, e := range p.Events {
		switch {
		case e.ID <= r.cursor.LastEventID: // it was taken over before
			r.meters.count(ctx, e.Category, resultRepeated, 1)
		case effects[e.Category] == none:
			r.meters.count(ctx, e.Category, resultIgnored, 1)
		default:
			events = append(events, Event{
				Organization: r.org.FiscalCode, ID: e.ID, Category: e.Category, IUN: e.IUN, RecIndex: e.RecIndex, ArrivedAt: arrived,
			})
		}
	}
	if len(events) > 0 {
		if err := r.queue.Enqueue(ctx, events); err != nil {
			return 0, fmt.Errorf("hand over %d events: %w", len(events), err)
		}
		for _, e := range events {
			r.meters.count(ctx, e.Category, resultQueued, 1)
		}
	}
	if p.LastEventID <= r.cursor.LastEventID { // no news
		pause := max(p.RetryAfter, r.terms.idle)
		return pause, r.verify(ctx, cred)
	}
	if err := r.move(ctx, positions.StreamCursor{StreamID: r.cursor.StreamID, LastEventID: p.LastEventID}); err != nil {
		return 0, err
	}
	return p.RetryAfter, nil
}

// open finds out which stream to read from where: the one that is stored, else one
// that this program created before, else a new one.
func (r *reader) open(ctx context.Context, cred *sendclient.Credential) error {
	if !r.known {
		cursor, err := r.Store.StreamCursor(ctx, r.org.FiscalCode)
		if err != nil {
			return err
		}
		r.cursor, r.known = cursor, true
	}
	if r.cursor.StreamID != "" {
		return nil
	}
	stream, err := r.find(ctx, cred)
	if err != nil {
		return err
	}
	if stream.ID == "" {
		if stream, err = r.Platform.CreateStream(ctx, cred); err != nil {
			return err
		}
		r.Logger.InfoContext(ctx, "a stream of SEND's events was created", "organization", r.org.FiscalCode, "stream", stream.ID)
	}
	r.verified = time.Now()
	return r.move(ctx, positions.StreamCursor{StreamID: stream.ID})
}

// maxForbidden is how many streams with this program's title may be listed and not be
// shown. One of an earlier version of SEND's API is; when every new one is, making
// more of them would only use up the ten that the organization has.
const maxForbidden = 3

// errForbidden is a failure that somebody has to look at: the key, or its groups.
var errForbidden = fmt.Errorf("SEND lists %d streams titled %q and lets none of them be read: no other is made; look at the key and its groups, and remove these streams", maxForbidden, sendclient.StreamTitle)

// find looks for an active stream with this program's title.
func (r *reader) find(ctx context.Context, cred *sendclient.Credential) (sendclient.Stream, error) {
	list, err := r.Platform.Streams(ctx, cred)
	if err != nil {
		return sendclient.Stream{}, err
	}
	forbidden := 0
	for _, s := range list {
		if s.Title != sendclient.StreamTitle {
			continue
		}
		stream, err := r.Platform.Stream(ctx, cred, s.ID)
		if err != nil && sendclient.KindOf(err) != sendclient.KindGone {
			return sendclient.Stream{}, err
		}
		if err == nil && !stream.Disabled {
			return stream, nil
		}
		if err != nil {
			forbidden++
		}
	}
	if forbidden >= maxForbidden {
		return sendclient.Stream{}, errForbidden
	}
	return sendclient.Stream{}, nil
}

// verify looks once in a while whether a stream that has no news can have any.
func (r *reader) verify(ctx context.Context, cred *sendclient.Credential) error {
	if time.Since(r.verified) < r.terms.verify {
		return nil
	}
	stream, err := r.Platform.Stream(ctx, cred, r.cursor.StreamID)
	switch {
	case sendclient.KindOf(err) == sendclient.KindGone:
		return r.abandon(ctx, "is gone")
	case err != nil:
		return err
	case stream.Disabled:
		return r.abandon(ctx, "was disabled")
	}
	r.verified = time.Now()
	return nil
}

// errAbandoned is a failure too, because what SEND takes for gone it may list again:
// without a pause the same stream would be found and lost for ever.
var errAbandoned = errors.New("it is given up for another, and what happens in between is not told")

// abandon gives up a stream that tells nothing more, which is never without error.
// The next turn opens another.
func (r *reader) abandon(ctx context.Context, why string) error {
	stream := r.cursor.StreamID
	if err := r.move(ctx, positions.StreamCursor{}); err != nil {
		return err
	}
	return fmt.Errorf("stream %s %s: %w", stream, why, errAbandoned)
}

func (r *reader) move(ctx context.Context, to positions.StreamCursor) error {
	if err := r.Store.MoveStreamCursor(ctx, r.org.FiscalCode, r.cursor, to); err != nil {
		return err
	}
	r.cursor = to
	return nil
}
