package rest

import (
	"context"
	"iter"
	"math/rand/v2"
	"time"
)

// maxAttempts is how often a change is tried when others change the same thing
// at the same time.
const maxAttempts = 8

// firstPause is the longest pause before the second attempt; it doubles with
// every further one.
const firstPause = 5 * time.Millisecond

// attempts goes round as often as a change may be tried. In between it pauses
// for a random while, so that those who met do not meet again, and it ends early
// with ctx.
func attempts(ctx context.Context) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range maxAttempts {
			if i > 0 {
				select {
				case <-ctx.Done():
					return
				case <-time.After(rand.N(firstPause << (i - 1))):
				}
			}
			if !yield(i) {
				return
			}
		}
	}
}
