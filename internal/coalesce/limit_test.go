package coalesce_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
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
		{"far", far, 32, 1.05},
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

// A server that refuses all at once has not become quick.
func TestRefusalsChangeNoLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newClient(far)
		alone := c.Alone
		c.rate(t.Context(), time.Second, 12, c.Do)
		c.Alone = func(context.Context, int) (int, error) { return 0, errors.New("the server is starting") }
		c.rate(t.Context(), time.Second, 12, c.Do)
		c.Alone = alone
		c.rate(t.Context(), time.Second, 12, c.Do)
		if own := c.Own(); own < 12 {
			t.Errorf("%d callers may have their own after a second of refusals", own)
		}
	})
}
