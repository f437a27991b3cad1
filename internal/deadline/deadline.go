// Package deadline is context.WithTimeout at a fraction of its cost, for calls that
// nearly always end long before their deadline.
package deadline

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// A Limit makes contexts that end after a time, or up to 1/64 earlier. Contexts that
// begin at about the same moment end together and share a timer and a channel. A Limit
// has no goroutine, and is safe for concurrent use.
type Limit struct {
	after  time.Duration
	recent [8]atomic.Pointer[moment] // several, so that callers do not contend for one
}

// A moment is when contexts end.
type moment struct {
	context.Context //nolint:containedctx // with the timer

	from, until time.Time // contexts that begin in between share it
}

// New returns a limit of d, which is more than 0.
func New(d time.Duration) *Limit { return &Limit{after: d} }

// Context returns a context that ends by time alone. It has the given context's values,
// but does not end with it. Nothing needs to be stopped.
func (l *Limit) Context(values context.Context) *Context {
	return &Context{values: values, end: l.moment()}
}

func (l *Limit) moment() *moment {
	now := time.Now()
	recent := &l.recent[rand.IntN(len(l.recent))]
	if m := recent.Load(); m != nil && !now.Before(m.from) && now.Before(m.until) {
		return m
	}
	end, stop := context.WithDeadline(context.Background(), now.Add(l.after)) //nolint:gosec // it ends by itself, because others may still use it
	_ = stop
	m := &moment{end, now, now.Add(l.after / 64)}
	recent.Store(m) // if two callers get here at once, each has its own
	return m
}

// A Context is one that [Limit.Context] made.
type Context struct {
	values context.Context //nolint:containedctx // it is a context
	end    *moment
}

var _ context.Context = (*Context)(nil)

// Deadline implements [context.Context].
func (c *Context) Deadline() (time.Time, bool) { return c.end.Deadline() }

// Done implements [context.Context].
func (c *Context) Done() <-chan struct{} { return c.end.Done() }

// Err implements [context.Context].
func (c *Context) Err() error { return c.end.Err() }

// Value implements [context.Context]. Package context looks for a key of its own; if it
// finds the shared context there, contexts derived from this one need no goroutine.
func (c *Context) Value(key any) any {
	if v := c.end.Value(key); v != nil {
		return v
	}
	return c.values.Value(key)
}

// Sleep waits for d, or until ctx ends, and returns why it did.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Jitter returns d, give or take up to a tenth.
func Jitter(d time.Duration) time.Duration {
	return d - d/10 + time.Duration(rand.Int64N(int64(d/5)+1))
}
