package coalesce_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlsessions/sessions/internal/coalesce"
)

// The outcome of one call answers those that wait for it, and no others.
func TestSupersededCallsAreNotSent(t *testing.T) {
	t.Parallel()
	for _, first := range []string{"a1", "bad"} { // "bad" fails, and says nothing of "b2"
		synctest.Test(t, func(t *testing.T) {
			s := newServer(1, 1, 10)
			superseded := errors.New("superseded")
			s.Superseded = func(ended, waits *coalesce.Call[string, string]) bool {
				if ended.In[0] != waits.In[0] || ended.Out != strings.ToUpper(ended.In) {
					t.Errorf("%q, which gave %q, was compared with %q", ended.In, ended.Out, waits.In)
				}
				if ended.Err != nil || waits.In[1] != '2' {
					return false
				}
				waits.Err = superseded
				return true
			}
			start := time.Now()
			var wait sync.WaitGroup
			errs := map[string]error{}
			var mu sync.Mutex
			for _, in := range []string{"z", first, first[:1] + "2", first[:1] + "3", "c2"} {
				wait.Go(func() {
					_, err := s.Do(t.Context(), in)
					mu.Lock()
					defer mu.Unlock()
					errs[in] = err
				})
				synctest.Wait()
			}
			wait.Wait()
			if first == "bad" {
				s.want(t, "z", "bad+c2", "b2", "b3")
				return
			}
			s.want(t, "z", "a1+c2", "a3")
			if !errors.Is(errs["a2"], superseded) || errs["a3"] != nil || errs["c2"] != nil {
				t.Error(errs)
			}
			if took := time.Since(start); took != 3*time.Second {
				t.Errorf("they took %v", took)
			}
		})
	}
}

// Calls are recycled, whatever became of them.
func TestEachGetsItsOwnAnswerWhileOthersLeave(t *testing.T) {
	t.Parallel()
	t.Run("of any key", func(t *testing.T) { t.Parallel(); answersWhileOthersLeave(t, nil) })
	t.Run("of one of a few keys", func(t *testing.T) {
		t.Parallel()
		answersWhileOthersLeave(t, func(in string) string { return in[len(in)-1:] })
	})
}

func answersWhileOthersLeave(t *testing.T, key func(string) string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		const callers, rounds = 32, 100
		s := newServer(4, 2, 8)
		s.Key = key
		together := s.Together
		s.Together = func(ctx context.Context, calls []*coalesce.Call[string, string]) {
			together(ctx, calls)
			for _, c := range calls {
				if c.RunAlone = rand.IntN(4) == 0; c.RunAlone {
					c.Out, c.Err = "", nil
				}
			}
		}
		var wait sync.WaitGroup
		var answered atomic.Int64
		for i := range callers {
			wait.Go(func() {
				for round := range rounds {
					ctx, stop := context.WithTimeout(t.Context(), time.Duration(rand.IntN(20_000))*time.Millisecond)
					in := fmt.Sprintf("%d of %d", round, i)
					switch out, err := s.Do(ctx, in); {
					case err == nil && out == strings.ToUpper(in):
						answered.Add(1)
					case !errors.Is(err, context.DeadlineExceeded):
						t.Errorf("%s: %q, %v", in, out, err)
					}
					stop()
				}
			})
		}
		wait.Wait()
		if n := answered.Load(); n == 0 || n == callers*rounds {
			t.Errorf("%d of %d calls were answered", n, callers*rounds)
		}
		time.Sleep(time.Minute) // batches whose callers have all left end
		for i := range 10 {     // and nothing is kept of them
			s.all(t, t.Context(), fmt.Sprint("at last ", i))
		}
	})
}
