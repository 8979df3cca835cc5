package document

import (
	"bytes"

	"github.com/attualizza/attualizza/positions"
)

// Attempt is what a store holds of a request sent with a key.
type Attempt struct {
	Fingerprint []byte
	Status      *int // nil while it is carried out
	Header      []byte
	Body        []byte
}

// Answer returns what somebody is told who sends a under a key that is taken.
func (held *Attempt) Answer(a *positions.Attempt) (*positions.KeptAnswer, error) {
	switch {
	case !bytes.Equal(held.Fingerprint, a.Fingerprint):
		return nil, positions.Errorf(positions.Unprocessable, "this Idempotency-Key was sent with another request: use a new one for each request")
	case held.Status == nil:
		return nil, positions.Errorf(positions.Conflict, "the first request with this Idempotency-Key is still being carried out: send it again in a moment")
	}
	answer := &positions.KeptAnswer{Status: *held.Status, Body: held.Body}
	if err := Read(held.Header, &answer.Header); err != nil {
		return nil, err
	}
	return answer, nil
}

// ErrReleased is for a key that was taken, and was given back before it could
// be looked at.
var ErrReleased = positions.Errorf(positions.Conflict, "the first request with this Idempotency-Key ended a moment ago: send it again")
