package deadline_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlsessions/sessions/internal/deadline"
)

const after = 64 * time.Second

// Each context ends by its time, at most a sixty-fourth of that early, whenever it began.
func TestContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limit := deadline.New(after)
		var all sync.WaitGroup
		shared := map[time.Time]int{}
		for range 300 {
			ctx, began := limit.Context(t.Context()), time.Now()
			at, ok := ctx.Deadline()
			if !ok || ctx.Err() != nil {
				t.Fatalf("it begins with the deadline %v, %t and the error %v", at, ok, ctx.Err())
			}
			shared[at]++
			all.Go(func() {
				<-ctx.Done()
				if took := time.Since(began); took > after || took < after-time.Second || !time.Now().Equal(at) {
					t.Errorf("it ended after %v, at %v, with the deadline %v", took, time.Now(), at)
				}
				if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
					t.Errorf("it ended with %v", ctx.Err())
				}
			})
			time.Sleep(10 * time.Millisecond)
		}
		if len(shared) > 50 { // of 8 at a time, for 3 seconds
			t.Errorf("300 contexts ended at %d moments", len(shared))
		}
		all.Wait()
	})
}

// What is made of a context has its values and ends with it. Its end does not follow that
// of the context that the values come from.
func TestContextOfAContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		values, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
		ctx := deadline.New(after).Context(values)
		child, stop := context.WithCancel(ctx)
		defer stop()
		ended := false
		context.AfterFunc(ctx, func() { ended = true })
		stopped := context.AfterFunc(ctx, func() { t.Error("this was stopped") })
		cancel()
		time.Sleep(after - time.Nanosecond)
		synctest.Wait()
		if v := child.Value(key{}); v != "value" || child.Err() != nil || ended || !stopped() {
			t.Errorf("before the end: value %v, error %v, ended %t", v, child.Err(), ended)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if !errors.Is(child.Err(), context.DeadlineExceeded) || !ended {
			t.Errorf("at the end: error %v, ended %t", child.Err(), ended)
		}
	})
}

func TestContextIsCheap(t *testing.T) { //nolint:paralleltest // it counts allocations and goroutines
	limit := deadline.New(time.Hour)
	before := runtime.NumGoroutine()
	allocations := testing.AllocsPerRun(1000, func() { <-limitedDone(limit.Context(t.Context())) })
	if allocations > 1 {
		t.Errorf("%v allocations, want 1", allocations)
	}
	for range 10 {
		_, stop := context.WithCancel(limit.Context(t.Context()))
		defer stop()
	}
	if n := runtime.NumGoroutine() - before; n > 0 {
		t.Errorf("%d goroutines for what was made of 10 contexts", n)
	}
}

// limitedDone asks as a driver does, and returns what receives.
func limitedDone(ctx context.Context) <-chan struct{} {
	select {
	case <-ctx.Done():
		return nil
	default:
		return closed
	}
}

var closed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()
