// Package retry repeats a statement that the database rolled back.
package retry

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	// Few is how often a statement is tried whose rows can also be done one by one, or later.
	Few = 4
	// Many is for a statement that must not fail because its rows are in use.
	Many = 50
)

const maxPause = 20 * time.Millisecond

// Do runs f until it returns an error that is not transient, tries times at
// most, with a short random pause between. f must be one statement or one
// transaction, and transient must only hold for errors after which the database is
// sure to have undone it, such as a deadlock.
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
