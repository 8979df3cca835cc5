package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// How long another process's lock is waited for.
const (
	busyLimit = 5 * time.Second       // by who has no earlier deadline
	busyRetry = 20 * time.Millisecond // SQLite's own wait (busy_timeout), which no context can cut
)

// patient opens connections that wait while another process holds the file. Waiting
// is the connection's, and so everybody's who uses it: River's statements wait like
// those of the store.
//
// SQLite's own wait is kept short and repeated instead: while it lasts, a context
// that ends is not noticed.
type patient struct{ driver.Connector }

func (p patient) Connect(ctx context.Context) (driver.Conn, error) {
	return patiently(ctx, func() (driver.Conn, error) {
		c, err := p.Connector.Connect(ctx)
		if err != nil {
			return nil, err
		}
		whole, ok := c.(connection)
		if !ok {
			return nil, errors.Join(fmt.Errorf("a connection of %T lacks a method that is needed", p.Driver()), c.Close())
		}
		return patientConn{whole}, nil
	})
}

// connection is what [database/sql] uses of the driver's.
type connection interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// patientConn waits where a lock may have to be taken: with a transaction, which is
// immediate, or with a statement outside of one. Such a statement did nothing when
// it was refused. Prepared statements are used in transactions alone.
type patientConn struct{ connection }

func (c patientConn) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	return patiently(ctx, func() (driver.Tx, error) { return c.connection.BeginTx(ctx, options) })
}

func (c patientConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	return patiently(ctx, func() (driver.Result, error) { return c.connection.ExecContext(ctx, query, args) })
}

func (c patientConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return patiently(ctx, func() (driver.Rows, error) { return c.connection.QueryContext(ctx, query, args) })
}

// patiently repeats f while another process holds the file, until the context ends
// or busyLimit has passed.
func patiently[T any](ctx context.Context, f func() (T, error)) (T, error) {
	deadline := time.Now().Add(busyLimit)
	for {
		value, err := f()
		if err == nil || !busy(err) || time.Now().After(deadline) {
			return value, err
		}
		select {
		case <-ctx.Done():
			return value, ctx.Err()
		case <-time.After(time.Millisecond + rand.N(busyRetry/4)):
		}
	}
}
