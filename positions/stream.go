package positions

import (
	"context"
	"time"
)

// StreamCursor is how far an organization's stream of SEND's events was read. The
// zero value: no stream is known.
type StreamCursor struct {
	StreamID string
	// LastEventID is the last event that was taken over; empty: none was. SEND
	// forgets it, and those before it, once it is named in a request.
	LastEventID string
}

// NotifiedNotice is a notice that a notification of SEND carries.
type NotifiedNotice struct {
	RecIndex               int // of the recipient, from 0
	OrganizationFiscalCode string
	NAV                    NoticeNumber
}

// Streams keeps what following SEND's streams needs. Errors are as in [Store].
type Streams interface {
	// StreamCursor returns how far an organization's stream was read, the zero
	// value when none is known.
	StreamCursor(ctx context.Context, fiscalCode string) (StreamCursor, error)
	// MoveStreamCursor replaces from by to; the zero value of either stands for
	// none. Stale when from is not what is stored: somebody else reads the stream.
	MoveStreamCursor(ctx context.Context, fiscalCode string, from, to StreamCursor) error

	// NotifiedNotices returns the notices of a notification, known false when
	// [Streams.KeepNotified] was never told of it.
	NotifiedNotices(ctx context.Context, iun string) (notices []NotifiedNotice, known bool, err error)
	// KeepNotified remembers the notices of a notification, be there none. They do
	// not change: telling them again changes nothing.
	KeepNotified(ctx context.Context, iun string, notices []NotifiedNotice) error
	// PricedNotices returns the notices, at most limit, whose last price names a
	// notification. Whose recipient's they are is not known: RecIndex is -1.
	PricedNotices(ctx context.Context, iun string, limit int) ([]NotifiedNotice, error)

	// ReopenPrice makes the last price of a notice out of date since an instant,
	// for as long as no price is saved that was asked for later, see
	// [Price.Outdated]. An earlier instant than one given before changes nothing,
	// nor does a notice without a price.
	ReopenPrice(ctx context.Context, fiscalCode string, nav NoticeNumber, since time.Time) error
}

// ErrStreamMoved is the refusal of a cursor that is not where its reader left it.
var ErrStreamMoved = Errorf(Stale, "somebody else has read the stream on")
