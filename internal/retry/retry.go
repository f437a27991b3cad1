// Package retry repeats statements that the database undid.
package retry

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	// Few is for statements that may fail: batches, whose rows then run alone, sweeps, lists
	// and those that have waited for a lock.
	Few = 4
	// Many is for a caller's own row, which may be in use.
	Many = 50
)

const maxPause = 20 * time.Millisecond

// Do runs f up to tries times while it returns a transient error, with short random pauses
// between. f must be one statement or one transaction. An error is transient only if it
// means that the database has certainly undone f, such as a deadlock.
func Do(ctx context.Context, tries int, transient func(error) bool, f func() error) error {
	for try := 1; ; try++ {
		err := f()
		if err == nil || try == tries || !transient(err) {
			return err
		}
		timer := time.NewTimer(time.Duration(rand.Int64N(int64(maxPause))))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}
