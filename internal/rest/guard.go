package rest

import (
	"context"
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/attualizza/attualizza/positions"
)

// admission marks a request that the guard let through to its operation.
const admission = "rest.admission"

// guard lets a request through to its operation when the document, its key and
// its limits allow. Nothing else decides that.
func (s *server) guard(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		op := s.operation(c)
		if op == nil || op.Access == forAll {
			// Without an operation it ends as 404 or 405: New made sure that there is no such route.
			if err := s.limit(c, s.addresses, c.RealIP()); err != nil {
				return err
			}
			c.SetRequest(r.WithContext(context.WithValue(r.Context(), strangerKey{}, stranger{c.RealIP(), c.Response().Header()})))
			return next(c)
		}
		// Guessing keys is limited by address, the only name a stranger has. Only
		// wrong keys count, and an address that sent too many is not looked up, save
		// for a key that was right before: strangers may share a proxy's address.
		from := stranger{c.RealIP(), c.Response().Header()}
		credential := credentialOf(r.Header)
		if !s.recognized.has(credential) {
			if err := s.mayGuess(from); err != nil {
				return err
			}
		}
		who, err := s.authenticate(r.Context(), credential)
		switch {
		case positions.CodeOf(err) == unauthorized:
			s.recognized.settle(credential, false)
			return errors.Join(s.guessed(from), err)
		case err != nil:
			return err
		}
		s.recognized.settle(credential, true)
		r = r.WithContext(context.WithValue(r.Context(), callerKey{}, who))
		c.SetRequest(r)
		if err := s.limit(c, s.keyLimits, who.id()); err != nil {
			return err
		}
		if err := s.authorize(op.Access, who, c.Param("organizationFiscalCode")); err != nil {
			return err
		}
		if who.key != nil {
			s.touch(r.Context(), who.key.ID)
		}
		c.Set(admission, true)
		return next(c)
	}
}

// stranger is who makes a request without a key that is known yet: an address,
// and the header of the answer, in which its limits are told.
type stranger struct {
	address string
	header  http.Header
}

type strangerKey struct{}

func strangerOf(ctx context.Context) stranger {
	from, ok := ctx.Value(strangerKey{}).(stranger)
	if !ok {
		from.header = http.Header{}
	}
	return from
}

// mayGuess refuses an address that sent too many wrong keys.
func (s *server) mayGuess(from stranger) error {
	if s.guesses.exhausted(from.address, s.Now(), from.header) {
		return tooMany(s.guesses)
	}
	return nil
}

// guessed counts a wrong key.
func (s *server) guessed(from stranger) error {
	if s.guesses.take(from.address, s.Now(), from.header) {
		return nil
	}
	return tooMany(s.guesses)
}

func (s *server) limit(c echo.Context, l *limits, name string) error {
	if l.take(name, s.Now(), c.Response().Header()) {
		return nil
	}
	return tooMany(l)
}

func tooMany(l *limits) error {
	return positions.Errorf(tooManyRequests, "at most %d requests a second", l.burst)
}

// authorize decides by the operation's access, the key and the organization in
// the path. What belongs to another organization does not exist.
func (s *server) authorize(a access, who caller, organization string) error {
	foreign := organization != "" && who.key != nil && !who.of(organization)
	switch {
	case a == forOperator && s.adminHash == nil:
		return positions.Errorf(unauthorized, "this service has no operator's key: set ATTUALIZZA_ADMIN_KEY")
	case foreign:
		return &positions.Error{Code: positions.NotFound, Message: "there is no such organization", Err: errForeign}
	case a == forOperator && !who.operator:
		return positions.Errorf(forbidden, "this takes the operator's key")
	case a == forOperator:
		return nil
	case who.operator:
		return positions.Errorf(forbidden, "the operator's key does not open an organization's positions: issue it a key")
	case a == forWriter && who.key.Role != positions.Writer:
		return positions.Errorf(forbidden, "a %s key cannot change anything", who.key.Role)
	case a == forWriter, a == forReader:
		return nil
	}
	return positions.Errorf(forbidden, "nobody may do this")
}

// touch records that a key was used. That it could not is no reason to turn its
// bearer away.
func (s *server) touch(ctx context.Context, id string) {
	now := s.Now()
	if !s.touched.due(id, now) {
		return
	}
	if err := s.Store.TouchKey(ctx, id, now); err != nil {
		s.Logger.WarnContext(ctx, "use of a key not recorded", "key", id, "error", err)
	}
}
