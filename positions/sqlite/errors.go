package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/attualizza/attualizza/positions"
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
	if unavailable(err) {
		e.Code, e.Message = positions.Unavailable, operation+": the database does not answer"
	}
	return e
}

// unavailable tells faults that pass, or that somebody has to mend outside of
// this program, from defects of ours.
func unavailable(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, sql.ErrConnDone) || errors.Is(err, sql.ErrTxDone) {
		return true
	}
	switch result(err) & 0xff {
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED, lib.SQLITE_IOERR, lib.SQLITE_CORRUPT, lib.SQLITE_FULL, lib.SQLITE_CANTOPEN,
		lib.SQLITE_INTERRUPT, lib.SQLITE_READONLY, lib.SQLITE_NOMEM, lib.SQLITE_PROTOCOL, lib.SQLITE_NOTADB, lib.SQLITE_PERM:
		return true
	}
	// database/sql has no value for it.
	return strings.Contains(err.Error(), "database is closed")
}

func busy(err error) bool { return result(err)&0xff == lib.SQLITE_BUSY }

// taken reports a violated unique or primary key.
func taken(err error) bool {
	code := result(err)
	return code == lib.SQLITE_CONSTRAINT_UNIQUE || code == lib.SQLITE_CONSTRAINT_PRIMARYKEY || code == lib.SQLITE_CONSTRAINT_ROWID
}

// orphan reports a reference to a row that is not there.
func orphan(err error) bool { return result(err) == lib.SQLITE_CONSTRAINT_FOREIGNKEY }

// result returns SQLite's extended result code, 0 for any other error.
func result(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}
