package sendclient

import (
	"context"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// sessionLife bounds how long a token of a legacy relay is used: the contract
	// does not say how long it lasts.
	sessionLife = 30 * time.Minute
	// sessionMargin is how long before its own end a token is given up.
	sessionMargin = 30 * time.Second
)

// session keeps the token of one organization with its legacy relay. One asker
// logs in, the others wait for the outcome.
type session struct {
	turn chan struct{} // held by the one who logs in

	mu       sync.Mutex
	current  string
	until    time.Time
	failed   Error // the last login that failed,
	failedAt time.Time
}

func newSession() session { return session{turn: make(chan struct{}, 1)} }

// errNoTurn means that ctx ended while another was logging in.
var errNoTurn = &Error{Kind: KindTimeout, Reason: "waiting for a login"}

// token returns a token, and whether it is an old one; or why login failed,
// which those who waited for it are told too: nobody tries a password again that
// has just been refused.
func (s *session) token(ctx context.Context, login func() (string, *Error)) (token string, kept bool, failure *Error) {
	if token, ok := s.usable(time.Now()); ok {
		return token, true, nil
	}
	waiting := time.Now()
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return "", false, errNoTurn
	}
	if token, ok := s.usable(time.Now()); ok {
		return token, false, nil // obtained while we waited
	}
	if failed, ok := s.failedSince(waiting); ok {
		return "", false, failed
	}
	token, failure = login()
	s.settle(token, failure, time.Now())
	return token, false, failure
}

func (s *session) usable(now time.Time) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current, s.current != "" && now.Before(s.until)
}

func (s *session) failedSince(t time.Time) (*Error, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failedAt.Before(t) {
		return nil, false
	}
	failed := s.failed
	return &failed, true
}

func (s *session) settle(token string, failure *Error, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if failure != nil {
		if failure.Kind != KindCancelled && !failure.cutShort { // else it was the asker's haste, which is nobody else's
			s.failed, s.failedAt = *failure, now
		}
		return
	}
	s.current, s.until, s.failedAt = token, endOf(token, now), time.Time{}
}

// drop forgets a token that the relay refused, unless it was replaced already.
func (s *session) drop(refused string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == refused {
		s.current = ""
	}
}

// endOf is when a token obtained now is given up: sessionLife from now, or
// before its own end where it is a JWT that names one. It is not verified: who
// issued it will.
func endOf(token string, now time.Time) time.Time {
	end := now.Add(sessionLife)
	var claims jwt.RegisteredClaims
	if _, _, err := jwt.NewParser().ParseUnverified(token, &claims); err == nil && claims.ExpiresAt != nil {
		if own := claims.ExpiresAt.Add(-sessionMargin); own.Before(end) {
			return own
		}
	}
	return end
}
