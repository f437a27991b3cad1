package coalesce_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlsessions/sessions/internal/coalesce"
)

// A server answers after a second, and notes what was sent together.
type server struct {
	coalesce.Group[string, string]
	mu    sync.Mutex
	sent  []string // calls that went together are joined by a plus
	now   int
	most  int
	after time.Duration
}

func newServer(width, busy, limit int) *server {
	s := &server{after: time.Second}
	s.Limiter = &coalesce.Limiter{Width: width}
	s.Senders, s.Limit = busy, limit
	s.Key = func(in string) string { return in[:1] }
	s.Alone = func(ctx context.Context, in string) (string, error) {
		err := s.work(ctx, in)
		return strings.ToUpper(in), err
	}
	s.Together = func(ctx context.Context, calls []*coalesce.Call[string, string]) {
		var all []string
		for _, c := range calls {
			all = append(all, c.In)
		}
		err := s.work(ctx, strings.Join(all, "+"))
		for _, c := range calls {
			if c.Out, c.Err = strings.ToUpper(c.In), err; c.In == "bad" {
				c.Err = errors.New("bad")
			}
		}
	}
	return s
}

func (s *server) work(ctx context.Context, what string) error {
	s.mu.Lock()
	s.sent = append(s.sent, what)
	s.now++
	s.most = max(s.most, s.now)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.now--
		s.mu.Unlock()
	}()
	select {
	case <-time.After(s.after):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// all makes the calls in this order, at the same moment.
func (s *server) all(t *testing.T, ctx context.Context, calls ...string) {
	t.Helper()
	var wait sync.WaitGroup
	for _, in := range calls {
		wait.Go(func() {
			out, err := s.Do(ctx, in)
			if in != "bad" && (err != nil || out != strings.ToUpper(in)) || in == "bad" && err == nil {
				t.Errorf("%s: %q, %v", in, out, err)
			}
		})
		synctest.Wait()
	}
	wait.Wait()
}

func (s *server) want(t *testing.T, sent ...string) {
	t.Helper()
	if !slices.Equal(s.sent, sent) {
		t.Errorf("sent %q, want %q", s.sent, sent)
	}
}

func TestCallsGoAloneWhileThereIsRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(3, 1, 10)
		start := time.Now()
		s.all(t, t.Context(), "a", "b", "c")
		s.want(t, "a", "b", "c")
		if took := time.Since(start); took != time.Second {
			t.Errorf("they took %v, want the second of one", took)
		}
	})
}

func TestCallsThatHaveToWaitGoTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(1, 1, 3)
		s.all(t, t.Context(), "a", "b", "bad", "c", "d", "e")
		s.want(t, "a", "b+c+d", "e+bad") // "b" and "bad" are about one thing, and "bad" queues again after "b"; three is the limit
		s.all(t, t.Context(), "f")
		s.want(t, "a", "b+c+d", "e+bad", "f")
	})
}

func TestFewerStatementsRunWhenCallersWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(3, 2, 100)
		s.all(t, t.Context(), strings.Split("abcdefghijklmnop", "")...)
		if s.most != 3 || len(s.sent) != 4 || len(s.sent[3]) != len("d+e+f+g+h+i+j+k+l+m+n+o+p") {
			t.Errorf("at most %d at once: %q", s.most, s.sent)
		}
	})
}

func TestCallsAboutOneThingKeepTheirOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(1, 1, 10)
		s.all(t, t.Context(), "z", "a1", "a2", "b", "a3", "a4")
		s.want(t, "z", "a1+b", "a2", "a3", "a4")
	})
}

func TestACancelledCallDoesNotHarmTheOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(1, 1, 10)
		ctx, cancel := context.WithCancel(t.Context())
		var wait sync.WaitGroup
		wait.Go(func() { _, _ = s.Do(t.Context(), "a") })
		synctest.Wait()
		for _, in := range []string{"b", "c", "d"} {
			wait.Go(func() {
				own := t.Context()
				if in == "b" {
					own = ctx
				}
				_, err := s.Do(own, in)
				if (in == "b") != errors.Is(err, context.Canceled) || in == "b" && !strings.Contains(err.Error(), "may still come") {
					t.Errorf("%s: %v", in, err)
				}
			})
			synctest.Wait()
		}
		wait.Go(func() {
			left, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			if _, err := s.Do(left, "e"); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "to be sent") {
				t.Errorf("e: %v", err)
			}
		})
		time.Sleep(1500 * time.Millisecond) // b is under way
		cancel()
		wait.Wait()
		s.want(t, "a", "b+c+d") // e left before
	})
}

// A batch ends when the last of its callers would give up, not before.
func TestABatchHasTheLatestDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(1, 1, 10)
		s.after = time.Hour
		start := time.Now()
		var wait sync.WaitGroup
		for _, in := range []string{"a", "b", "c"} {
			wait.Go(func() {
				limit := map[string]time.Duration{"a": time.Second, "b": 2 * time.Second, "c": 5 * time.Second}[in]
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				defer cancel()
				_, err := s.Do(ctx, in)
				if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took != limit {
					t.Errorf("%s: %v after %v", in, err, took)
				}
			})
			synctest.Wait()
		}
		wait.Wait()
		synctest.Wait()
		s.want(t, "a", "b+c")
		if took := time.Since(start); s.now != 0 || took != 5*time.Second {
			t.Errorf("%d still run after %v", s.now, took)
		}
	})
}

// Callers of all groups count together, but no group waits for another's statements.
func TestGroupsCountTheirCallersTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		one, other := newServer(2, 1, 10), newServer(2, 1, 10)
		other.Limiter = one.Limiter
		start := time.Now()
		var wait sync.WaitGroup
		for _, in := range []string{"a", "b"} {
			wait.Go(func() { _, _ = one.Do(t.Context(), in) })
			synctest.Wait()
		}
		other.all(t, t.Context(), "c", "d", "e")
		wait.Wait()
		one.want(t, "a", "b")
		other.want(t, "c", "d+e")
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("they took %v, want two seconds", took)
		}
		other.all(t, t.Context(), "f", "g") // there are no other callers any more
		other.all(t, t.Context(), "h", "i")
		other.want(t, "c", "d+e", "f", "g", "h", "i")
	})
}

// While there are many callers, calls wait to go together even if there is room.
func TestCallersThatComeBackGoTogetherAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const callers, rounds = 12, 20
		s := newServer(4, 1, 100)
		var wait sync.WaitGroup
		for i := range callers {
			wait.Go(func() {
				for range rounds {
					if _, err := s.Do(t.Context(), string(rune('a'+i))); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wait.Wait()
		// Two groups of callers that take turns, after a first round of their own.
		if most := 4 + 2*rounds; len(s.sent) > most {
			t.Errorf("%d statements, want at most %d", len(s.sent), most)
		}
	})
}

func TestNoMoreStatementsThanConnections(t *testing.T) {
	t.Parallel()
	for connections, most := range map[int]int{0: 5, 1: 1, 2: 2, 100: 5} {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(5, 3, 100)
			s.Limiter.Connections = func() int { return connections }
			s.all(t, t.Context(), strings.Split("abcdefghijklmnop", "")...)
			if s.most != most {
				t.Errorf("of %d connections %d were busy at once, want %d", connections, s.most, most)
			}
		})
	}
}

func TestCallsWithoutAKeyAllGoTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(1, 1, 4)
		s.Key = nil
		s.all(t, t.Context(), "z", "a1", "a2", "b", "a1", "a1", "c")
		s.want(t, "z", "a1+a2+b+a1", "a1+c")
	})
}
