package retry_test

import (
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/sqlsessions/sessions/internal/retry"
)

func TestLost(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{errors.New("a syntax error"), false},
		{io.ErrUnexpectedEOF, true},
		{io.EOF, true},
		{sqldriver.ErrBadConn, true},
		{&net.OpError{Op: "read", Err: syscall.ECONNRESET}, true},
		{&net.OpError{Op: "write", Err: syscall.EPIPE}, true},
		{&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, false},
		{&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, false},
	} {
		if got := retry.Lost(test.err); got != test.want {
			t.Errorf("%v: %t", test.err, got)
		}
		if got := retry.Lost(fmt.Errorf("query: %w", test.err)); got != test.want {
			t.Errorf("a wrapped %v: %t", test.err, got)
		}
	}
}
