package postgres

import (
	"context"
	"errors"
	"io"
	"net"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"

	"github.com/attualizza/attualizza/positions"
)

// SQLSTATE codes (PostgreSQL manual, appendix A).
const (
	uniqueViolation      = "23505"
	foreignKeyViolation  = "23503"
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	lockNotAvailable     = "55P03"
	queryCanceled        = "57014"
	adminShutdown        = "57P01"
	crashShutdown        = "57P02"
	databaseDropped      = "57P04"
	idleSessionTimeout   = "57P05"
	idleInTransaction    = "25P03"
	readOnlyTransaction  = "25006" // a standby, during a failover
)

// failure turns an error of the driver into one that says what to do next. An
// error that does so already passes, as does nil.
func failure(operation string, err error) error {
	if err == nil {
		return nil
	}
	var known *positions.Error
	if errors.As(err, &known) {
		return err
	}
	e := &positions.Error{Code: positions.Internal, Message: operation + ": the database refused a statement", Err: err}
	switch {
	case unavailable(err):
		e.Code, e.Message = positions.Unavailable, operation+": the database does not answer"
	case class(err) == "22": // for example a NUL character, which PostgreSQL cannot store
		e.Code, e.Message = positions.Invalid, operation+": a value cannot be stored"
	}
	return e
}

// unavailable tells faults that pass, or that somebody has to mend outside of
// this program, from defects of ours.
func unavailable(err error) bool {
	if lost(err) || collided(err) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, puddle.ErrClosedPool) {
		return true
	}
	var connecting *pgconn.ConnectError
	if errors.As(err, &connecting) {
		return true
	}
	switch code(err) {
	case queryCanceled, lockNotAvailable, readOnlyTransaction, idleInTransaction:
		return true
	}
	switch class(err) {
	case "08", "53", "57", "58": // connection, resources, operator intervention, system error
		return true
	}
	return false
}

// errMoved means that a notice went from the position that was locked for it to
// another, or was withdrawn, while the lock was waited for.
var errMoved = errors.New("the notice is no longer where it was")

// collided reports that another transaction was in the way: the same again may
// succeed.
func collided(err error) bool {
	if errors.Is(err, errMoved) {
		return true
	}
	switch code(err) {
	case serializationFailure, deadlockDetected:
		return true
	}
	return false
}

// lost reports that an established connection is gone: another one may work.
// A connection that could not be made is not lost, it is refused.
func lost(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	var connecting *pgconn.ConnectError
	if errors.As(err, &connecting) {
		return false
	}
	switch code(err) {
	case adminShutdown, crashShutdown, databaseDropped, idleSessionTimeout, idleInTransaction:
		return true
	}
	var network net.Error
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.As(err, &network) || pgconn.SafeToRetry(err)
}

func code(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func class(err error) string {
	if c := code(err); c != "" {
		return c[:2]
	}
	return ""
}

func taken(err error) bool { return code(err) == uniqueViolation }
