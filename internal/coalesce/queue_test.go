package coalesce_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlsessions/sessions/internal/coalesce"
)

// A caller that waits in vain leaves, and nothing is kept of it. (In a queue that is searched
// for it this test takes a minute.)
func TestManyLeaveAtOnce(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]func(string) string{
		"of many keys": func(in string) string { return in },
		"of one key":   func(string) string { return "a" },
		"of no key":    nil,
	} {
		synctest.Test(t, func(t *testing.T) {
			const waiters = 32_000
			s := newServer(1, 1, 128)
			s.after, s.Key = time.Hour, key
			var wait sync.WaitGroup
			wait.Go(func() { _, _ = s.Do(t.Context(), "first") })
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			var left atomic.Int64
			for i := range waiters {
				wait.Go(func() {
					if _, err := s.Do(ctx, fmt.Sprint(i)); errors.Is(err, context.DeadlineExceeded) {
						left.Add(1)
					}
				})
			}
			start := time.Now()
			wait.Wait()
			if left.Load() != waiters || time.Since(start) != time.Hour {
				t.Errorf("%s: %d of %d left, the first was done after %v", name, left.Load(), waiters, time.Since(start))
			}
			s.all(t, t.Context(), "last") // nothing is kept of them
		})
	}
}

func TestTheQueueHasABound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(1, 1, 10)
		s.MaxWaiting = 3
		var wait sync.WaitGroup
		for _, in := range []string{"a", "b1", "b2", "b3"} {
			wait.Go(func() {
				if _, err := s.Do(t.Context(), in); err != nil {
					t.Errorf("%s: %v", in, err)
				}
			})
			synctest.Wait()
		}
		if _, err := s.Do(t.Context(), "c"); !errors.Is(err, coalesce.ErrFull) {
			t.Errorf("a fourth waits: %v", err)
		}
		wait.Wait()
		s.all(t, t.Context(), "c")
		s.want(t, "a", "b1", "b2", "b3", "c")
	})
}

// Keys take turns: what waits for one that many want does not wait for the others, nor they for it.
func TestKeysTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(1, 1, 2)
		s.all(t, t.Context(), "z", "a1", "a2", "a3", "b1", "b2", "b3", "c1", "d1")
		s.want(t, "z", "a1+b1", "c1+d1", "a2+b2", "a3+b3")
	})
}
