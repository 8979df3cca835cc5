package positions

import (
	"errors"
	"fmt"
)

// Code says what kind of refusal an [Error] is. Each edge maps it once: REST to
// an HTTP status, SOAP to a fault, a command to an exit code.
type Code string

// The kinds of refusal.
const (
	Invalid       Code = "INVALID"        // the input breaks a rule; nothing was written (REST 400)
	NotFound      Code = "NOT_FOUND"      // no such thing in this organization (REST 404)
	Conflict      Code = "CONFLICT"       // it exists already, or the state forbids it (REST 409)
	Stale         Code = "STALE"          // somebody else changed it first; read again (REST 409 or 412)
	Unprocessable Code = "UNPROCESSABLE"  // well formed, but this service cannot do it (REST 422)
	Unavailable   Code = "UNAVAILABLE"    // the store does not answer; try again (REST 503)
	Internal      Code = "INTERNAL_ERROR" // a defect of ours
)

// Problem is one thing wrong with an input, at a JSON pointer (RFC 6901).
type Problem struct {
	Pointer string `json:"pointer"`
	Detail  string `json:"detail"`
}

// Error is a refusal that says what to do next. Message is for the caller's
// eyes and never holds personal data.
type Error struct {
	Code     Code
	Message  string
	Problems []Problem // for Invalid and Unprocessable: everything wrong, at once
	Err      error     // the cause, for the log
}

func (e *Error) Error() string { return e.Message }

func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an [Error]. A cause given with %w is part of the message and
// stays within reach of errors.Is.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: err.Error(), Err: errors.Unwrap(err)}
}

// CodeOf returns the code of the first [Error] in err's chain, and [Internal]
// for any other error. It returns "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return Internal
}
