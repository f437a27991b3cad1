package coalesce_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlsessions/sessions/internal/coalesce"
)

// What a batch leaves undone runs in its callers' goroutines, as many at once as there may be, and the
// next batch does not wait for it.
func TestCallsRunApart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(2, 1, 4)
		together := s.Together
		s.Together = func(ctx context.Context, calls []*coalesce.Call[string, string]) {
			together(ctx, calls)
			if calls[0].In == "c" {
				for _, c := range calls {
					c.Out, c.Apart = "", true
				}
			}
		}
		start := time.Now()
		left := make(chan error, 1)
		go func() {
			time.Sleep(time.Millisecond)
			ctx, cancel := context.WithTimeout(t.Context(), 3500*time.Millisecond)
			defer cancel()
			_, err := s.Do(ctx, "left")
			left <- err
		}()
		s.all(t, t.Context(), "a", "b", "c", "d", "e", "f", "g", "h")
		if took := time.Since(start); s.most != 3 || took != 4*time.Second { // two apart, and a batch
			t.Errorf("%d ran at once, for %v", s.most, took)
		}
		if err := <-left; err != nil {
			t.Errorf("the one who came later: %v", err)
		}
		slices.Sort(s.sent[3:])
		s.want(t, "a", "b", "c+d+e+f", "c", "d", "e", "f", "g+h+left")
	})
}

func TestWhoWaitsToRunApartCanLeave(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(1, 1, 4)
		s.Together = func(_ context.Context, calls []*coalesce.Call[string, string]) {
			for _, c := range calls {
				c.Apart = true
			}
		}
		var wait sync.WaitGroup
		var late atomic.Int64
		for _, in := range []string{"a", "b", "c"} {
			wait.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
				defer cancel()
				if _, err := s.Do(ctx, in); errors.Is(err, context.DeadlineExceeded) {
					late.Add(1)
				} else if err != nil {
					t.Errorf("%s: %v", in, err)
				}
			})
			synctest.Wait()
		}
		wait.Wait()
		if late.Load() != 2 { // one was sent, and the other waited for it
			t.Errorf("%d were late", late.Load())
		}
	})
}

func TestABatchIsNotLargerThanFull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(1, 1, 10)
		s.Size, s.Full = func(in string) int { return len(in) }, 4
		s.all(t, t.Context(), "z", "aa", "bb", "c", "ddddddd", "ee", "ff")
		s.want(t, "z", "aa+bb", "c", "ddddddd", "ee+ff")
	})
}

// Who happens to be the first of a batch must not tell, by what a driver or a hook finds in the
// context, whose tables the others' statement sees.
func TestABatchHasNobodysValues(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		type tenant struct{}
		s := newServer(1, 1, 10)
		s.Together = func(ctx context.Context, calls []*coalesce.Call[string, string]) {
			if got := ctx.Value(tenant{}); got != nil {
				t.Errorf("a batch has the value %v", got)
			}
			for _, c := range calls {
				c.Out = strings.ToUpper(c.In)
			}
		}
		s.all(t, context.WithValue(t.Context(), tenant{}, "of one caller"), "a", "b", "c")
	})
}

// Whoever waits behind a call keeps no others from being sent, wherever that call runs.
func TestOneCallOfAKeyAtATime(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		leaves time.Duration // when the first of the key does
		want   []string
	}{
		"runs apart":            {time.Minute, []string{"z", "b+a1", "a1", "c+d", "a2"}},
		"its caller has left":   {1500 * time.Millisecond, []string{"z", "b+a1", "a2+c+d"}},
		"its caller leaves now": {2 * time.Second, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newServer(1, 1, 10)
				together := s.Together
				s.Together = func(ctx context.Context, calls []*coalesce.Call[string, string]) {
					together(ctx, calls)
					for _, c := range calls {
						c.Apart = c.In == "a1"
					}
				}
				var wait sync.WaitGroup
				wait.Go(func() { s.all(t, t.Context(), "z", "b") })
				time.Sleep(time.Millisecond)
				wait.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), test.leaves-time.Millisecond)
					defer cancel()
					_, _ = s.Do(ctx, "a1")
				})
				time.Sleep(time.Second) // a1 and b are under way
				for _, in := range []string{"a2", "c", "d"} {
					wait.Go(func() {
						if _, err := s.Do(t.Context(), in); err != nil {
							t.Errorf("%s: %v", in, err)
						}
					})
					time.Sleep(time.Millisecond)
				}
				wait.Wait()
				if slices.Sort(s.sent[2:min(4, len(s.sent))]); test.want != nil {
					s.want(t, test.want...)
				}
			})
		})
	}
}

// While calls that went alone are held up, others with their keys take no room, nor are workers counted.
func TestACallThatIsHeldUpTakesOneRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(4, 2, 10)
		alone := s.Alone
		s.Alone = func(ctx context.Context, in string) (string, error) {
			if in == "x1" || in == "y1" {
				time.Sleep(time.Minute)
			}
			return alone(ctx, in)
		}
		var wait sync.WaitGroup
		for _, in := range []string{"x1", "y1", "x2", "y2", "x3"} {
			wait.Go(func() { _, _ = s.Do(t.Context(), in) })
			synctest.Wait()
		}
		start := time.Now()
		for _, in := range []string{"a", "b", "c", "d"} {
			s.all(t, t.Context(), in)
		}
		if took := time.Since(start); took > 4*time.Second {
			t.Errorf("others took %v", took)
		}
		wait.Wait()
		if n := len(s.sent); s.sent[n-1] != "x3" {
			t.Errorf("sent %q", s.sent)
		}
	})
}

// Who comes when the other has been sent may meet something else, and asks the server.
func TestCallsThatCameLaterAreNotMoot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(1, 1, 10)
		moot := errors.New("moot")
		s.Moot = func(*coalesce.Call[string, string], string) error { return moot }
		var wait sync.WaitGroup
		for _, in := range []string{"z", "a1", "a2", "late", "a3"} {
			if in == "late" { // a1 is under way
				time.Sleep(1500 * time.Millisecond)
				continue
			}
			wait.Go(func() {
				if _, err := s.Do(t.Context(), in); errors.Is(err, moot) != (in == "a2") {
					t.Errorf("%s: %v", in, err)
				}
			})
			synctest.Wait()
		}
		wait.Wait()
		s.want(t, "z", "a1", "a3")
	})
}

// What a batch left undone has no outcome yet, and so tells nothing of those that wait.
func TestCallsApartMakeNoneMoot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(1, 1, 10)
		together := s.Together
		s.Together = func(ctx context.Context, calls []*coalesce.Call[string, string]) {
			together(ctx, calls)
			for _, c := range calls {
				c.Out, c.Apart = "", c.In == "a1"
			}
		}
		s.Moot = func(ended *coalesce.Call[string, string], _ string) error {
			if ended.In == "a1" {
				return errors.New("moot")
			}
			return nil
		}
		var wait sync.WaitGroup
		for _, in := range []string{"z", "a1", "a2"} {
			wait.Go(func() {
				if _, err := s.Do(t.Context(), in); err != nil {
					t.Errorf("%s: %v", in, err)
				}
			})
			synctest.Wait()
		}
		wait.Wait()
		s.want(t, "z", "a1", "a1", "a2")
	})
}
