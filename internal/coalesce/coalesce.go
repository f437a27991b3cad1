// Package coalesce sends what many callers want at the same moment as one statement.
// While there are few callers, each call goes alone and at once; a call never waits for
// others to join it. When there are more than Width callers, calls go together, a few
// statements at a time, and later ones wait for one of these to end.
package coalesce

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
)

// A Limiter counts the callers of all groups that share connections. Its fields are set
// before the first call. It is safe for concurrent use.
type Limiter struct {
	// Width is how many callers may each have a statement of their own. When there
	// are more, calls go together.
	Width int
	// Connections is called once and returns how many statements can run at the same
	// time, 0 for any number. Nil is any number.
	Connections func() int

	once    sync.Once
	callers atomic.Int64
	alone   chan struct{} // has room for as many calls as may run alone after their batch
}

// width returns Width within what the connections allow.
func (l *Limiter) width() int {
	l.once.Do(func() {
		if l.Connections != nil {
			if n := l.Connections(); n > 0 {
				l.Width = min(l.Width, n)
			}
		}
		l.alone = make(chan struct{}, l.Width)
	})
	return l.Width
}

// A Group runs calls of one kind. Its fields are set before the first call. It is
// safe for concurrent use and has no goroutine while no call runs.
type Group[In, Out any] struct {
	Limiter *Limiter
	// Senders is how many statements run at once when calls go together. The fewer there
	// are, the more calls go in each.
	Senders int
	// Limit is how many calls go together at most.
	Limit int
	// Size returns a call's bytes. A batch holds at most MaxBytes; a larger call goes
	// alone. Both need a Key. Without a Size there is no limit.
	Size     func(In) int
	MaxBytes int
	// Key returns what a call is about. Calls with the same key are sent one after the
	// other, in the order in which they came, so that a call which waits on the server
	// holds up only its own key. Without a Key any calls go together.
	Key func(In) string
	// Superseded may answer a waiting call with an error when another with its key has
	// ended, instead of sending it. It is called only for calls that were already
	// waiting when the other was sent: they might have met what that one met. Nil never
	// answers.
	Superseded func(ended *Call[In, Out], waits In) error
	// Alone runs one call. Together runs several, and sets each one's result or RunAlone;
	// its context has no caller's values. If it panics, each of its callers does.
	Alone    func(context.Context, In) (Out, error)
	Together func(context.Context, []*Call[In, Out])

	mu      sync.Mutex
	alone   int              // statements of a single caller
	workers int              // goroutines that send what waits
	waiting []*Call[In, Out] // in the order in which they came
	batches int              // how many were taken
	sent    map[string]bool  // the keys of calls that were sent and are not done
	free    sync.Pool        // of *Call[In, Out]
}

// Do returns the result of Alone or Together for in. It returns early if ctx ends. If that
// is before the call was sent, nothing has happened; after that the outcome is unknown.
func (g *Group[In, Out]) Do(ctx context.Context, in In) (Out, error) {
	callers := int(g.Limiter.callers.Add(1))
	defer g.Limiter.callers.Add(-1)
	width := g.Limiter.width()
	g.mu.Lock()
	if callers <= width && g.alone+g.workers < width && len(g.waiting) == 0 && g.reserve(in) {
		g.alone++
		g.mu.Unlock()
		defer g.finishAlone(in)
		return g.Alone(ctx, in)
	}
	c := g.call(ctx, in)
	c.batch = g.batches
	g.waiting = append(g.waiting, c)
	g.wake()
	g.mu.Unlock()
	if err := c.wait(ctx); err != nil {
		var none Out
		if g.withdraw(c) {
			g.recycle(c)
			return none, fmt.Errorf("waiting to be sent: %w", err)
		}
		return none, fmt.Errorf("waiting for an answer, which may still come: %w", err)
	}
	out, err, runAlone, panicked := c.Out, c.Err, c.RunAlone, c.panicked
	g.recycle(c)
	if panicked {
		panic(err)
	}
	if runAlone {
		defer g.finish(in)
		return g.runAlone(ctx, in)
	}
	return out, err
}

// wake starts a worker if there is something to send and room. A statement of a single
// caller takes no worker's place, because it may be held up. The caller holds the lock.
func (g *Group[In, Out]) wake() {
	if len(g.waiting) > 0 && g.workers < g.Senders && g.alone+g.workers < g.Limiter.width() {
		g.workers++
		go g.work()
	}
}

// withdraw takes a call back, and returns false if it has been sent already.
func (g *Group[In, Out]) withdraw(c *Call[In, Out]) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, other := range g.waiting {
		if other == c {
			g.waiting = append(g.waiting[:i:i], g.waiting[i+1:]...)
			return true
		}
	}
	if c.left = true; c.answered && c.RunAlone {
		g.release(c.In)
	}
	return false
}

// work sends what waits until nothing does.
func (g *Group[In, Out]) work() {
	for {
		// Yield once, so that callers about to queue join this batch: a statement costs
		// more than this.
		runtime.Gosched()
		batch := g.take()
		if batch == nil {
			return
		}
		g.send(batch)
	}
}

// take returns the calls to send next, or nil if the worker is to stop.
func (g *Group[In, Out]) take() []*Call[In, Out] {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) == 0 {
		g.workers--
		return nil
	}
	if g.Key == nil {
		n := min(len(g.waiting), g.Limit)
		batch := g.waiting[:n:n]
		g.waiting = g.waiting[n:]
		return batch
	}
	batch := make([]*Call[In, Out], 0, min(len(g.waiting), g.Limit))
	var rest []*Call[In, Out]
	size := 0
	for i, c := range g.waiting {
		more := 0
		if g.Size != nil {
			more = g.Size(c.In)
		}
		if len(batch) == g.Limit || len(batch) > 0 && size+more > g.MaxBytes {
			rest = append(rest, g.waiting[i:]...)
			break
		}
		if g.reserve(c.In) {
			batch = append(batch, c)
			size += more
		} else {
			rest = append(rest, c)
		}
	}
	g.waiting = rest
	if len(batch) == 0 { // those who sent calls with these keys wake a worker when they are done
		g.workers--
		return nil
	}
	g.batches++
	for _, c := range batch {
		c.batch = g.batches
	}
	return batch
}
