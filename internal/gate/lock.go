package gate

import (
	"context"
	"sync"
)

// A Lock is a mutex for which a caller can stop waiting. Callers get it in the order in which
// they came. The zero value is unlocked.
type Lock struct {
	mu      sync.Mutex
	held    bool
	waiting int           // callers that were not handed the lock yet
	handed  chan struct{} // from Unlock to one of them
}

// TryLock takes the lock if it is free.
func (l *Lock) TryLock() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held {
		return false
	}
	l.held = true
	return true
}

// Lock returns when the caller has the lock, or with the reason for which ctx ended.
func (l *Lock) Lock(ctx context.Context) error {
	l.mu.Lock()
	if !l.held {
		l.held = true
		l.mu.Unlock()
		return nil
	}
	if l.handed == nil {
		l.handed = make(chan struct{}, 1)
	}
	l.waiting++
	l.mu.Unlock()
	select {
	case <-l.handed:
		return nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting == 0 { // the one caller that it was handed to
		<-l.handed
		return nil
	}
	l.waiting--
	return context.Cause(ctx)
}

// Unlock hands the lock to the next caller.
func (l *Lock) Unlock() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting == 0 {
		l.held = false
		return
	}
	l.waiting--
	l.handed <- struct{}{}
}
