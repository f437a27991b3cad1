// Package deadline is context.WithTimeout at a fraction of its cost for who mostly waits
// for something else, as a caller whose statement another one sends does.
package deadline

import (
	"context"
	"sync"
	"time"
)

// A Context ends with its parent, at a time, or when it is stopped. It costs its parent
// nothing until somebody asks for Done. It is safe for concurrent use.
type Context struct {
	parent context.Context //nolint:containedctx // it is a context
	at     time.Time

	mu      sync.Mutex
	full    context.Context //nolint:containedctx // with a channel and a timer, once that is needed
	stop    context.CancelFunc
	stopped bool
}

var _ context.Context = (*Context)(nil)

// After returns a context that ends after d. Stop has to be called.
func After(parent context.Context, d time.Duration) *Context {
	at := time.Now().Add(d)
	if first, ok := parent.Deadline(); ok && first.Before(at) {
		at = first
	}
	return &Context{parent: parent, at: at}
}

// Stop ends the context.
func (c *Context) Stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	if c.stop != nil {
		c.stop()
	}
}

// Deadline implements [context.Context].
func (c *Context) Deadline() (time.Time, bool) { return c.at, true }

// Done implements [context.Context].
func (c *Context) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.full == nil {
		c.full, c.stop = context.WithDeadline(c.parent, c.at)
		if c.stopped {
			c.stop()
		}
	}
	return c.full.Done()
}

// Err implements [context.Context].
func (c *Context) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.full != nil:
		return c.full.Err()
	case c.parent.Err() != nil:
		return c.parent.Err()
	case !time.Now().Before(c.at):
		return context.DeadlineExceeded
	case c.stopped:
		return context.Canceled
	}
	return nil
}

// Value implements [context.Context]. Contexts made of this one find the full one by it.
func (c *Context) Value(key any) any {
	c.mu.Lock()
	full := c.full
	c.mu.Unlock()
	if full == nil {
		return c.parent.Value(key)
	}
	return full.Value(key)
}

// Wait returns nil when done receives, or the error of ctx when that ends first. A timer that
// the caller keeps spares the channel and the timer of Done; it must not be used otherwise.
func Wait(ctx context.Context, timer *time.Timer, done <-chan struct{}) error {
	c, ok := ctx.(*Context)
	if !ok {
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	timer.Reset(time.Until(c.at))
	defer timer.Stop()
	select {
	case <-done:
		return nil
	case <-c.parent.Done():
		return c.parent.Err()
	case <-timer.C:
		return context.DeadlineExceeded
	}
}
