package coalesce_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A few statements at a time are no bound on what goes through while each of them is full: here
// two would carry 2,560 calls a second of the 4,000 that come.
func TestFullBatchesWaitForNoOther(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]func(c *client){
		"calls": func(*client) {},
		"bytes": func(c *client) { c.Limit, c.Size, c.MaxBytes = 10_000, func(int) int { return 1000 }, 128_000 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newClient(host{away: 100 * time.Millisecond})
				limit(c)
				var wait sync.WaitGroup
				var failed atomic.Int32
				for i := range 12_000 {
					wait.Go(func() {
						ctx, cancel := context.WithTimeout(t.Context(), time.Second)
						defer cancel()
						if _, err := c.Do(ctx, i); err != nil {
							failed.Add(1)
						}
					})
					time.Sleep(250 * time.Microsecond)
				}
				wait.Wait()
				if n := failed.Load(); n > 0 {
					t.Errorf("%d were not answered within their second", n)
				}
			})
		})
	}
}
