package coalesce_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlsessions/sessions/internal/coalesce"
)

// A host is the model of a server: a statement takes its round trip, one of the processors for a
// while, longer for each call in it, and the disk. Time is that of synctest, so what the model
// gives depends on no machine.
type host struct {
	away   time.Duration // the round trip
	jitter time.Duration // longer on average
	disk   time.Duration // which several statements share
	hangs  bool
}

const (
	hostProcessors = 2
	perStatement   = 60 * time.Microsecond
	perCall        = 6 * time.Microsecond
)

var (
	near  = host{away: 10 * time.Microsecond}
	far   = host{away: time.Millisecond}
	jumpy = host{away: 300 * time.Microsecond, jitter: 400 * time.Microsecond}
	disk  = host{away: 10 * time.Microsecond, disk: time.Millisecond}
)

// A client is a group before such a server, with a pool of connections.
type client struct {
	coalesce.Group[int, int]
	host        atomic.Pointer[host]
	processors  chan struct{}
	connections chan struct{}
}

func newClient(h host) *client {
	c := &client{processors: make(chan struct{}, hostProcessors), connections: make(chan struct{}, 16)}
	c.host.Store(&h)
	c.Limiter = &coalesce.Limiter{Width: 16, Patience: 50 * time.Millisecond}
	c.Crowded, c.Senders, c.Limit = 2.25, 2, 128
	c.Alone = func(ctx context.Context, in int) (int, error) { return in, c.send(ctx, 1) }
	c.Together = func(ctx context.Context, calls []*coalesce.Call[int, int]) {
		err := c.send(ctx, len(calls))
		for _, call := range calls {
			call.Out, call.Err = call.In, err
		}
	}
	return c
}

func (c *client) send(ctx context.Context, calls int) error {
	select {
	case c.connections <- struct{}{}:
		defer func() { <-c.connections }()
	case <-ctx.Done():
		return ctx.Err()
	}
	h := c.host.Load()
	if h.hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	time.Sleep(h.away + time.Duration(float64(h.jitter)*rand.ExpFloat64()))
	c.processors <- struct{}{}
	work := perStatement + time.Duration(calls)*perCall
	time.Sleep(time.Duration(float64(work) * (1 + rand.ExpFloat64()) / 2))
	<-c.processors
	time.Sleep(h.disk)
	return nil
}

// Statements that hang keep others waiting for a moment only, single ones and those of many.
func TestOthersGoWhileStatementsHang(t *testing.T) {
	t.Parallel()
	for _, hanging := range []int{2, 6, 12, 16} {
		synctest.Test(t, func(t *testing.T) {
			const patience = 5 * time.Second
			c := newClient(near)
			if hanging == 16 { // all that run at once, but not all connections
				c.connections = make(chan struct{}, 64)
			}
			c.host.Store(&host{hangs: true})
			var wait sync.WaitGroup
			for range hanging {
				wait.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), patience)
					defer cancel()
					_, _ = c.Do(ctx, 0)
				})
				time.Sleep(time.Microsecond)
			}
			synctest.Wait()
			c.host.Store(&near)
			start := time.Now()
			var others sync.WaitGroup
			for i := range 64 {
				others.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), patience)
					defer cancel()
					if _, err := c.Do(ctx, i); err != nil {
						t.Error(err)
					}
				})
			}
			others.Wait()
			if took := time.Since(start); took > 500*time.Millisecond {
				t.Errorf("with %d that hang the others took %v", hanging, took)
			}
			wait.Wait()
		})
	}
}

// The same holds for statements that carry many calls, of which there are two at a time.
func TestOthersGoWhileBatchesHang(t *testing.T) {
	t.Parallel()
	for _, hanging := range []int32{1, 2} {
		synctest.Test(t, func(t *testing.T) {
			c := newClient(near)
			var left atomic.Int32
			left.Store(hanging)
			together := c.Together
			c.Together = func(ctx context.Context, calls []*coalesce.Call[int, int]) {
				if left.Add(-1) < 0 {
					together(ctx, calls)
					return
				}
				<-ctx.Done()
				for _, call := range calls {
					call.Err = ctx.Err()
				}
			}
			wave := func(calls int, failed *atomic.Int32) {
				var wait sync.WaitGroup
				for i := range calls {
					wait.Go(func() {
						ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
						defer cancel()
						if _, err := c.Do(ctx, i); err != nil {
							failed.Add(1)
						}
					})
				}
				wait.Wait()
			}
			var inThem, behind atomic.Int32
			go wave(256, &inThem)
			time.Sleep(10 * time.Millisecond)
			start := time.Now()
			wave(64, &behind)
			if took := time.Since(start); behind.Load() != 0 || took > 500*time.Millisecond {
				t.Errorf("behind %d that hang %d failed, after %v", hanging, behind.Load(), took)
			}
			time.Sleep(time.Minute)
			if inThem.Load() == 0 {
				t.Error("none hung")
			}
		})
	}
}
