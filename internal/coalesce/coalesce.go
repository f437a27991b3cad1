// Package coalesce sends what many callers want at the same moment as one
// statement. Nobody waits for company: a call goes alone and at once while callers are
// few. While they are more than a width, calls go together, in few statements at a time,
// and who comes meanwhile waits for one of these to end.
package coalesce

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
)

// A Crowd is the callers of all groups that share connections. Its fields are set
// before the first call. It is safe for concurrent use.
type Crowd struct {
	// Width is how many callers may each have a statement of their own. When there
	// are more, calls go together.
	Width int
	// Connections, asked at the first call, says how many statements can run at
	// once, 0 for any number. Nil is any number.
	Connections func() int

	once    sync.Once
	callers atomic.Int64
	apart   chan struct{} // has room for as many calls as may run apart at once
}

// size returns Width within what the connections allow.
func (c *Crowd) size() int {
	c.once.Do(func() {
		if c.Connections != nil {
			if n := c.Connections(); n > 0 {
				c.Width = min(c.Width, n)
			}
		}
		c.apart = make(chan struct{}, c.Width)
	})
	return c.Width
}

// A Group runs calls of one kind. Its fields are set before the first call. It is
// safe for concurrent use and has no goroutine while no call runs.
type Group[In, Out any] struct {
	Crowd *Crowd
	// Busy is how many statements run at once when calls go together: fewer, so that more
	// go in each.
	Busy int
	// Limit is how many calls go together at the most.
	Limit int
	// Size is how large a call is, and Full how large those together may be, but for one that is
	// larger by itself. They are for calls with a Key; nil is without a limit.
	Size func(In) int
	Full int
	// Doing begins the error of who does not wait any longer.
	Doing string
	// Key is what a call is about. Of the calls with one key one is sent at a time, in the order they
	// came, so that a server where it has to wait keeps no other. Nil lets any calls go together.
	Key func(In) string
	// Moot, asked about a call that waits when one with its key has ended, may answer
	// it with an error in place of the server. It is asked about those alone that waited
	// already when the other was sent, so that what the other met they might have met. Nil
	// never answers.
	Moot func(ended *Call[In, Out], waits In) error
	// Alone runs one call. Together runs several and sets the result of each, or Apart; its
	// context has no caller's values. When it panics, each of its callers does.
	Alone    func(context.Context, In) (Out, error)
	Together func(context.Context, []*Call[In, Out])

	mu      sync.Mutex
	alone   int              // statements of a caller of their own
	workers int              // goroutines that send what waits
	waiting []*Call[In, Out] // in the order they came
	turns   int              // how many batches were taken
	sent    map[string]bool  // the keys of those that were sent and are not done
	free    sync.Pool        // of *Call[In, Out]
}

// Do returns what Alone or Together made of in. It returns when ctx ends: before the call
// was sent nothing has happened then, and afterwards nobody knows.
func (g *Group[In, Out]) Do(ctx context.Context, in In) (Out, error) {
	callers := int(g.Crowd.callers.Add(1))
	defer g.Crowd.callers.Add(-1)
	width := g.Crowd.size()
	g.mu.Lock()
	if callers <= width && g.alone+g.workers < width && len(g.waiting) == 0 && g.claim(in) {
		g.alone++
		g.mu.Unlock()
		defer g.end(in)
		return g.Alone(ctx, in)
	}
	c := g.call(ctx, in)
	c.turn = g.turns
	g.waiting = append(g.waiting, c)
	g.wake()
	g.mu.Unlock()
	if err := c.wait(ctx); err != nil {
		var none Out
		if g.leave(c) {
			g.recycle(c)
			return none, fmt.Errorf("%s: waiting to be sent: %w", g.Doing, err)
		}
		return none, fmt.Errorf("%s: waiting for an answer, which may still come: %w", g.Doing, err)
	}
	out, err, apart, panicked := c.Out, c.Err, c.Apart, c.panicked
	g.recycle(c)
	if panicked {
		panic(err)
	}
	if apart {
		defer g.done(in)
		return g.runApart(ctx, in)
	}
	return out, err
}

// wake lets a worker begin where there is something for it and room. What goes alone takes no
// worker's place, for it may be held up. The caller holds the lock.
func (g *Group[In, Out]) wake() {
	if len(g.waiting) > 0 && g.workers < g.Busy && g.alone+g.workers < g.Crowd.size() {
		g.workers++
		go g.work()
	}
}

// leave takes a call back and returns false when it has been sent.
func (g *Group[In, Out]) leave(c *Call[In, Out]) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, other := range g.waiting {
		if other == c {
			g.waiting = append(g.waiting[:i:i], g.waiting[i+1:]...)
			return true
		}
	}
	if c.left = true; c.answered && c.Apart {
		g.release(c.In)
	}
	return false
}

// end gives the room of a statement that went alone to those who wait.
func (g *Group[In, Out]) end(in In) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.alone--
	g.release(in)
}

// work sends what waits until nothing does.
func (g *Group[In, Out]) work() {
	for {
		// Who is about to call comes along: a statement costs more than this.
		runtime.Gosched()
		batch := g.take()
		if batch == nil {
			return
		}
		g.send(batch)
	}
}

// take returns the calls to send next, or gives the room back.
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
		if len(batch) == g.Limit || len(batch) > 0 && size+more > g.Full {
			rest = append(rest, g.waiting[i:]...)
			break
		}
		if g.claim(c.In) {
			batch = append(batch, c)
			size += more
		} else {
			rest = append(rest, c)
		}
	}
	g.waiting = rest
	if len(batch) == 0 { // whoever sent their keys comes back for them
		g.workers--
		return nil
	}
	g.turns++
	for _, c := range batch {
		c.turn = g.turns
	}
	return batch
}
