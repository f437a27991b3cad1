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

// What a batch leaves undone runs in its callers' goroutines, as many at once as the limiter allows,
// and the next batch does not wait for it.
func TestCallsRunAloneAfterTheirBatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(2, 1, 4)
		together := s.Together
		s.Together = func(ctx context.Context, calls []*coalesce.Call[string, string]) {
			together(ctx, calls)
			if calls[0].In == "c" {
				for _, c := range calls {
					c.Out, c.RunAlone = "", true
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
		if took := time.Since(start); s.most != 3 || took != 4*time.Second { // two alone, and a batch
			t.Errorf("%d ran at once, for %v", s.most, took)
		}
		if err := <-left; err != nil {
			t.Errorf("the call that came later: %v", err)
		}
		slices.Sort(s.sent[3:])
		s.want(t, "a", "b", "c+d+e+f", "c", "d", "e", "f", "g+h+left")
	})
}

func TestACallWaitingToRunAloneCanBeCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(1, 1, 4)
		s.Together = func(_ context.Context, calls []*coalesce.Call[string, string]) {
			for _, c := range calls {
				c.RunAlone = true
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

func TestABatchIsNotLargerThanMaxBytes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(1, 1, 10)
		s.Size, s.MaxBytes = func(in string) int { return len(in) }, 4
		s.all(t, t.Context(), "z", "aa", "bb", "c", "ddddddd", "ee", "ff")
		s.want(t, "z", "aa+bb", "c", "ddddddd", "ee+ff")
	})
}

// If a driver or a hook found the first caller's values in the context, they could decide which
// tenant's tables the statement for all of them uses.
func TestABatchHasNoCallersValues(t *testing.T) {
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

// Calls that wait for another with their key hold up no other calls, wherever that one runs.
func TestOneCallOfAKeyAtATime(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		leaves time.Duration // when the first of the key does
		want   []string
	}{
		"runs alone":            {time.Minute, []string{"z", "b+a1", "a1", "c+d", "a2"}},
		"its caller has left":   {1500 * time.Millisecond, []string{"z", "b+a1", "c+d+a2"}},
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
						c.RunAlone = c.In == "a1"
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

// While calls that went alone are held up, others with their keys take up no room and no workers.
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

// A call that comes after the other was sent may meet something else, so it has to be sent.
func TestCallsThatCameLaterAreNotSuperseded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(1, 1, 10)
		superseded := errors.New("superseded")
		s.Superseded = func(_, waits *coalesce.Call[string, string]) bool {
			waits.Err = superseded
			return true
		}
		var wait sync.WaitGroup
		for _, in := range []string{"z", "a1", "a2", "late", "a3"} {
			if in == "late" { // a1 is under way
				time.Sleep(1500 * time.Millisecond)
				continue
			}
			wait.Go(func() {
				if _, err := s.Do(t.Context(), in); errors.Is(err, superseded) != (in == "a2") {
					t.Errorf("%s: %v", in, err)
				}
			})
			synctest.Wait()
		}
		wait.Wait()
		s.want(t, "z", "a1", "a3")
	})
}

// What a batch left undone has no outcome yet, so it says nothing about those that wait.
func TestCallsThatRunAloneSupersedeNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(1, 1, 10)
		together := s.Together
		s.Together = func(ctx context.Context, calls []*coalesce.Call[string, string]) {
			together(ctx, calls)
			for _, c := range calls {
				c.Out, c.RunAlone = "", c.In == "a1"
			}
		}
		s.Superseded = func(ended, waits *coalesce.Call[string, string]) bool {
			waits.Err = errors.New("superseded")
			return ended.In == "a1"
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
