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
	"testing/synctest"
	"time"

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

// What failed at once is tried again, once for each connection. What took long is not: a driver
// may call its own time limit a lost connection.
func TestReadAgain(t *testing.T) {
	t.Parallel()
	for took, want := range map[time.Duration]int{0: 6, 10 * time.Millisecond: 6, 2 * time.Second: 1} {
		synctest.Test(t, func(t *testing.T) {
			calls := 0
			_, err := retry.Read(t.Context(), func(error) int { return 5 }, func() (int, error) {
				calls++
				time.Sleep(took)
				return 0, io.EOF
			})
			if calls != want || !errors.Is(err, io.EOF) {
				t.Errorf("each took %v: %d calls, %v; want %d", took, calls, err, want)
			}
		})
	}
}
