package coalesce_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlsessions/sessions/internal/coalesce"
)

// rate returns how many calls a second end, by so many callers that spend a little time of an
// application with two processors before each.
func (c *client) rate(ctx context.Context, span time.Duration, callers int, do func(context.Context, int) (int, error)) float64 {
	var wait sync.WaitGroup
	application := make(chan struct{}, 2)
	end := time.Now().Add(span)
	var calls atomic.Int64
	for range callers {
		wait.Go(func() {
			time.Sleep(rand.N(time.Millisecond))
			for time.Now().Before(end) {
				application <- struct{}{}
				time.Sleep(40 * time.Microsecond)
				<-application
				_, _ = do(ctx, 0)
				calls.Add(1)
			}
		})
	}
	wait.Wait()
	return float64(calls.Load()) / span.Seconds()
}

// What is found within half a second is right for this server and so many callers, compared with
// a statement for each call.
func TestTheLimitFitsTheServer(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		host    host
		callers int
		want    float64
	}{
		{"near", near, 4, 0.97},
		{"near", near, 8, 1.2},
		{"near", near, 16, 1.5},
		{"near", near, 64, 1.5},
		{"far", far, 8, 0.97},
		{"far", far, 16, 0.97},
		{"far", far, 32, 1.03},
		{"far", far, 64, 1.8},
		{"jumpy", jumpy, 8, 0.9},
		{"jumpy", jumpy, 16, 0.9},
		{"jumpy", jumpy, 64, 1.8},
		{"disk", disk, 8, 0.97},
		{"disk", disk, 16, 0.97},
		{"disk", disk, 64, 1.8},
	} {
		t.Run(fmt.Sprint(test.name, "/", test.callers), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newClient(test.host)
				c.rate(t.Context(), 500*time.Millisecond, test.callers, c.Do)
				found := c.rate(t.Context(), 500*time.Millisecond, test.callers, c.Do)
				alone := c.rate(t.Context(), 500*time.Millisecond, test.callers, c.Alone)
				t.Logf("%.2f times as many calls end as alone; %d callers may have their own", found/alone, c.Own())
				if found < test.want*alone {
					t.Errorf("want %.2f times as many", test.want)
				}
			})
		})
	}
}

// A server that becomes another is found out again, also after a long time without a call.
func TestTheLimitFollowsTheServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newClient(near)
		for _, s := range []struct {
			name   string
			host   host
			silent time.Duration
			want   float64
		}{
			{"near", near, 0, 1.4},
			{"far", far, 0, 0.95},
			{"near again", near, 0, 1.4},
			{"far after an hour", far, time.Hour, 0.95},
		} {
			time.Sleep(s.silent)
			c.host.Store(&s.host)
			c.rate(t.Context(), 5*time.Second, 16, c.Do)
			found := c.rate(t.Context(), 500*time.Millisecond, 16, c.Do)
			alone := c.rate(t.Context(), 500*time.Millisecond, 16, c.Alone)
			t.Logf("%s: %.2f, %d callers", s.name, found/alone, c.Own())
			if found < s.want*alone {
				t.Errorf("%s: %.2f times as many calls end as alone, want %.2f", s.name, found/alone, s.want)
			}
		}
	})
}

// The same holds where calls come without a pause, so that few go alone.
func TestTheLimitFollowsTheServerUnderASteadyLoad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newClient(near)
		c.rate(t.Context(), time.Second, 16, c.Do)
		c.host.Store(&host{away: 50 * time.Millisecond})
		var wait sync.WaitGroup
		var late atomic.Int32
		for i := range 3000 { // some 10 of them at once
			time.Sleep(5 * time.Millisecond)
			wait.Go(func() {
				began := time.Now()
				if _, _ = c.Do(t.Context(), 0); i > 1500 && time.Since(began) > 55*time.Millisecond {
					late.Add(1)
				}
			})
		}
		wait.Wait()
		if n := late.Load(); n > 15 {
			t.Errorf("%d of 1500 calls took longer than their statement, and %d callers may have their own", n, c.Own())
		}
	})
}

// Calls that are slow for reasons of their own do not make the others wait for them.
func TestSlowCallsAreNoCrowd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newClient(far)
		alone, together := c.Alone, c.Together
		slow := func(calls int) { time.Sleep(time.Duration(calls) * 20 * time.Millisecond) }
		c.Alone = func(ctx context.Context, in int) (int, error) {
			slow(in)
			return alone(ctx, in)
		}
		c.Together = func(ctx context.Context, calls []*coalesce.Call[int, int]) {
			slow(slices.MaxFunc(calls, func(a, b *coalesce.Call[int, int]) int { return a.In - b.In }).In)
			together(ctx, calls)
		}
		c.rate(t.Context(), 5*time.Second, 16, func(ctx context.Context, _ int) (int, error) {
			in := 0
			if rand.N(20) == 0 {
				in = 1
			}
			return c.Do(ctx, in)
		})
		if own := c.Own(); own < 14 {
			t.Errorf("%d callers may have their own", own)
		}
	})
}

// A server that refuses all at once has not become quick, nor has one that is not asked.
func TestRefusalsChangeNoLimit(t *testing.T) {
	t.Parallel()
	refused := errors.New("the server is starting")
	for name, refuse := range map[string]func(c *client){
		"alone": func(c *client) {
			c.Alone = func(context.Context, int) (int, error) {
				time.Sleep(30 * time.Microsecond)
				return 0, refused
			}
		},
		"panics": func(c *client) {
			c.Alone = func(context.Context, int) (int, error) {
				time.Sleep(30 * time.Microsecond)
				panic(refused)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newClient(far)
				alone := c.Alone
				do := func(ctx context.Context, in int) (int, error) {
					defer func() { _ = recover() }()
					return c.Do(ctx, in)
				}
				c.rate(t.Context(), time.Second, 12, do)
				refuse(c)
				c.rate(t.Context(), 100*time.Millisecond, 12, do)
				c.Alone = alone
				c.rate(t.Context(), time.Second, 12, do)
				if own := c.Own(); own < 12 {
					t.Errorf("%d callers may have their own after refusals", own)
				}
			})
		})
	}
}

// Nor does a refused statement for many say that the server has room.
func TestARefusedBatchChangesNoLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newClient(near)
		c.rate(t.Context(), time.Second, 16, c.Do)
		before := c.Own()
		c.Together = func(_ context.Context, calls []*coalesce.Call[int, int]) {
			for _, call := range calls {
				call.RunAlone = true
			}
		}
		c.rate(t.Context(), 50*time.Millisecond, 16, c.Do)
		if own := c.Own(); own > before+4 {
			t.Errorf("%d callers may have their own, before the refusals %d", own, before)
		}
	})
}

// One statement at a time carries the writes of many where it has work to do, and two where they
// mostly wait.
func TestCommitsAreShared(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		host host
		want int32
	}{"near": {near, 1}, "far": {far, 2}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newClient(test.host)
				c.Commits = true
				var running, most atomic.Int32
				together := c.Together
				c.Together = func(ctx context.Context, calls []*coalesce.Call[int, int]) {
					if n := running.Add(1); n > most.Load() {
						most.Store(n)
					}
					defer running.Add(-1)
					together(ctx, calls)
				}
				c.rate(t.Context(), 200*time.Millisecond, 64, c.Do)
				most.Store(0)
				c.rate(t.Context(), 200*time.Millisecond, 64, c.Do)
				if n := most.Load(); n != test.want {
					t.Errorf("%d statements for many ran at once, want %d", n, test.want)
				}
			})
		})
	}
}

// While there were too many callers of late, those who come while few wait have their own,
// whatever the limit is.
func TestAfterACrowdAFewHaveTheirOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newClient(near)
		c.rate(t.Context(), time.Second, 16, c.Do)
		together := func(callers int) {
			var wait sync.WaitGroup
			for i := range callers {
				wait.Go(func() { _, _ = c.Do(t.Context(), i) })
			}
			wait.Wait()
		}
		one := c.Alone
		var alone atomic.Int32
		c.Alone = func(ctx context.Context, in int) (int, error) {
			alone.Add(1)
			return one(ctx, in)
		}
		together(64)
		if own := c.Own(); own >= 12 {
			t.Fatalf("%d callers may have their own anyway", own)
		}
		alone.Store(0)
		if together(12); alone.Load() != 12 {
			t.Errorf("%d of 12 had their own after a crowd", alone.Load())
		}
	})
}
