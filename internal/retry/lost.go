package retry

import (
	"context"
	sqldriver "database/sql/driver"
	"errors"
	"io"
	"net"
	"time"
)

// Lost reports whether err means that a connection was lost. One that can't be made, or
// whose answer does not come in time, is another matter: it would be no better a moment
// later.
func Lost(err error) bool {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Op != "dial" && !op.Timeout()
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, sqldriver.ErrBadConn)
}

// Read runs f, which changes nothing, and again if its connection was lost. After a restart of
// the server all connections of a pool are dead, and each try finds out about one of them. lost
// returns 0 for an error that means something else, and otherwise how many tries are worth it.
// A connection that is dead says so at once. What took long, a time limit of the driver for
// example, would take as long again.
func Read[Out any](ctx context.Context, lost func(error) (tries int), f func() (Out, error)) (Out, error) {
	const long = time.Second
	began := time.Now()
	out, err := f()
	if err == nil || ctx.Err() != nil {
		return out, err
	}
	for tries := lost(err); tries > 0 && ctx.Err() == nil && time.Since(began) < long; tries-- {
		began = time.Now()
		if out, err = f(); err == nil || lost(err) == 0 {
			break
		}
	}
	return out, err
}
