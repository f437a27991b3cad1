package gate_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlsessions/sessions/internal/gate"
)

func TestLockIsHandedOverInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l gate.Lock
		if !l.TryLock() || l.TryLock() {
			t.Fatal("TryLock of a free lock, or of one that is held")
		}
		var order []int
		for i := range 10 {
			go func() {
				if err := l.Lock(t.Context()); err != nil {
					t.Error(err)
				}
				order = append(order, i)
				l.Unlock()
			}()
			synctest.Wait()
		}
		l.Unlock()
		synctest.Wait()
		for i, got := range order {
			if got != i {
				t.Fatalf("in the order %v", order)
			}
		}
		if len(order) != 10 || !l.TryLock() {
			t.Errorf("%v, and the lock is held", order)
		}
	})
}

func TestACallerMayStopWaitingForALock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l gate.Lock
		l.TryLock()
		why := errors.New("why")
		ctx, stop := context.WithTimeoutCause(t.Context(), time.Second, why)
		defer stop()
		if err := l.Lock(ctx); !errors.Is(err, why) {
			t.Errorf("Lock returns %v", err)
		}
		l.Unlock()
		if err := l.Lock(ctx); err != nil {
			t.Errorf("the lock is free: %v", err)
		}
	})
}

// Callers that stop waiting while the lock is handed over neither keep it nor lose it.
func TestLockUnderFire(t *testing.T) {
	t.Parallel()
	var l gate.Lock
	var all sync.WaitGroup
	held, got := 0, 0
	for range 8 {
		all.Go(func() {
			for range 2000 {
				ctx, stop := context.WithCancel(t.Context())
				go stop()
				if l.Lock(ctx) != nil {
					continue
				}
				if held++; held != 1 {
					t.Errorf("%d callers hold the lock", held)
				}
				held--
				got++
				l.Unlock()
			}
		})
	}
	all.Wait()
	if got == 0 || !l.TryLock() {
		t.Errorf("got the lock %d times, and it is held", got)
	}
}
