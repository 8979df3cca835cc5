package positions

import (
	"context"
	"time"
)

// Leases let one of several replicas do what only one may do. Errors are as in
// [Store].
type Leases interface {
	// AcquireLease takes a lease that is free or over, or prolongs the holder's
	// own, for a length from now, and reports whether the holder has it. Now is the
	// database's clock where replicas share one, so that theirs may differ. A holder
	// counts the length from before its call: it never believes in a lease that
	// somebody else has.
	AcquireLease(ctx context.Context, name, holder string, length time.Duration) (bool, error)
	// ReleaseLease gives a lease back, if it is the holder's.
	ReleaseLease(ctx context.Context, name, holder string) error
}
