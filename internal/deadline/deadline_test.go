package deadline_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlsessions/sessions/internal/deadline"
)

// What one of context.WithTimeout does, this one does.
func TestContextEnds(t *testing.T) {
	t.Parallel()
	type made struct {
		ctx    context.Context
		stop   func()
		cancel func() // ends the parent
	}
	ends := map[string]struct {
		how  func(made)
		want error
	}{
		"the time comes":   {func(made) { time.Sleep(time.Second) }, context.DeadlineExceeded},
		"it is stopped":    {func(m made) { m.stop() }, context.Canceled},
		"the parent ends":  {func(m made) { m.cancel() }, context.Canceled},
		"it is not so far": {func(made) { time.Sleep(time.Second - time.Nanosecond) }, nil},
	}
	makes := map[string]func(parent context.Context) (context.Context, func()){
		"of context.WithTimeout": func(parent context.Context) (context.Context, func()) {
			return context.WithTimeout(parent, time.Second)
		},
		"never asked": func(parent context.Context) (context.Context, func()) {
			c := deadline.After(parent, time.Second)
			return c, c.Stop
		},
		"asked before": func(parent context.Context) (context.Context, func()) {
			c := deadline.After(parent, time.Second)
			_ = c.Done()
			return c, c.Stop
		},
		"by the parent's deadline": func(parent context.Context) (context.Context, func()) {
			parent, cancel := context.WithTimeout(parent, time.Second)
			c := deadline.After(parent, time.Hour)
			return c, func() { c.Stop(); cancel() }
		},
	}
	for name, makeOne := range makes {
		for end, e := range ends {
			t.Run(name+", "+end, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					parent, cancel := context.WithCancel(t.Context())
					defer cancel()
					ctx, stop := makeOne(parent)
					defer stop()
					if at, ok := ctx.Deadline(); !ok || time.Until(at) != time.Second {
						t.Errorf("the deadline is in %v, %t", time.Until(at), ok)
					}
					e.how(made{ctx, stop, cancel})
					synctest.Wait()
					if err := ctx.Err(); !errors.Is(err, e.want) {
						t.Errorf("Err is %v, want %v", err, e.want)
					}
					var ended error
					select {
					case <-ctx.Done():
						ended = ctx.Err()
					default:
					}
					if !errors.Is(ended, e.want) {
						t.Errorf("Done says %v, want %v", ended, e.want)
					}
				})
			})
		}
	}
}

func TestContextOfAContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		ctx := deadline.After(context.WithValue(t.Context(), key{}, "value"), time.Second)
		before := ctx.Value(key{})
		child, cancel := context.WithCancel(ctx)
		defer cancel()
		if after := child.Value(key{}); before != "value" || after != "value" {
			t.Errorf("the values are %v and %v", before, after)
		}
		ctx.Stop()
		// The standard library ends the children of its own kinds at once, and needs a goroutine for others.
		if !errors.Is(child.Err(), context.Canceled) {
			t.Errorf("the child has ended with %v", child.Err())
		}
	})
}

func TestWait(t *testing.T) {
	t.Parallel()
	contexts := map[string]func(context.Context) (context.Context, func()){
		"of this package": func(parent context.Context) (context.Context, func()) {
			c := deadline.After(parent, time.Second)
			return c, c.Stop
		},
		"another": func(parent context.Context) (context.Context, func()) {
			return context.WithTimeout(parent, time.Second)
		},
	}
	for name, makeOne := range contexts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				timer := time.NewTimer(time.Hour)
				timer.Stop()
				for range 2 { // with one timer
					for what, c := range map[string]struct {
						after func(done chan<- struct{}, cancel func())
						want  error
						took  time.Duration
					}{
						"done":             {func(done chan<- struct{}, _ func()) { done <- struct{}{} }, nil, time.Second / 2},
						"the parent ended": {func(_ chan<- struct{}, cancel func()) { cancel() }, context.Canceled, time.Second / 2},
						"the time came":    {func(chan<- struct{}, func()) {}, context.DeadlineExceeded, time.Second},
					} {
						parent, cancel := context.WithCancel(t.Context())
						ctx, stop := makeOne(parent)
						done, start := make(chan struct{}, 1), time.Now()
						time.AfterFunc(time.Second/2, func() { c.after(done, cancel) })
						if err := deadline.Wait(ctx, timer, done); !errors.Is(err, c.want) || time.Since(start) != c.took {
							t.Errorf("%s: %v after %v, want %v after %v", what, err, time.Since(start), c.want, c.took)
						}
						stop()
						cancel()
					}
				}
			})
		})
	}
}
