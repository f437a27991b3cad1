// Package coalesce sends what many callers want at the same moment as one
// statement. Nobody waits for company: a call goes alone and at once while there is
// room, and only those that would have to wait for a connection anyway go together, as
// soon as one is free.
package coalesce

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// A Group runs calls of one kind. Its fields are set before the first call. It is
// safe for concurrent use and has no goroutine while no call runs.
type Group[In, Out any] struct {
	// Width is how many statements run at once, Busy how many of them when callers
	// wait: fewer, so that more of these go together.
	Width, Busy int
	// Connections, asked at the first call, says how many statements can run at
	// once, 0 for any number. Nil is any number.
	Connections func() int
	// Limit is how many calls go together at the most.
	Limit int
	// Doing begins the error of who does not wait any longer.
	Doing string
	// Key is what a call is about. Two calls with one key are never sent
	// together, and in the order they came.
	Key func(In) string
	// Alone runs one call. Together runs several and sets the result of each; when it
	// ends by a panic the program does.
	Alone    func(context.Context, In) (Out, error)
	Together func(context.Context, []*Call[In, Out])

	mu      sync.Mutex
	sized   bool
	running int
	waiting []*Call[In, Out] // in the order they came
}

// A Call is one caller's.
type Call[In, Out any] struct {
	In  In
	Out Out
	Err error

	ctx  context.Context
	done chan struct{}
}

// Do returns what Alone or Together made of in. It returns when ctx ends: before the call
// was sent nothing has happened then, and afterwards nobody knows.
func (g *Group[In, Out]) Do(ctx context.Context, in In) (Out, error) {
	g.mu.Lock()
	g.size()
	if g.running < g.Width && len(g.waiting) == 0 {
		g.running++
		g.mu.Unlock()
		defer g.next()
		return g.Alone(ctx, in)
	}
	c := &Call[In, Out]{In: in, ctx: ctx, done: make(chan struct{})}
	g.waiting = append(g.waiting, c)
	g.mu.Unlock()
	select {
	case <-c.done:
		return c.Out, c.Err
	case <-ctx.Done():
		g.leave(c)
		var none Out
		return none, fmt.Errorf("%s: waiting: %w", g.Doing, ctx.Err())
	}
}

func (g *Group[In, Out]) size() {
	if g.sized || g.Connections == nil {
		return
	}
	g.sized = true
	if n := g.Connections(); n > 0 {
		g.Width, g.Busy = min(g.Width, n), min(g.Busy, n)
	}
}

// leave takes a call back that has not been sent.
func (g *Group[In, Out]) leave(c *Call[In, Out]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, other := range g.waiting {
		if other == c {
			g.waiting = append(g.waiting[:i:i], g.waiting[i+1:]...)
			return
		}
	}
}

// next gives the room of a statement that has ended to those who wait.
func (g *Group[In, Out]) next() {
	if batch := g.take(); batch != nil {
		go func() {
			for ; batch != nil; batch = g.take() {
				g.send(batch)
			}
		}()
	}
}

// take returns the calls to send next, or gives the room back.
func (g *Group[In, Out]) take() []*Call[In, Out] {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) == 0 || g.running > g.Busy {
		g.running--
		return nil
	}
	batch := make([]*Call[In, Out], 0, min(len(g.waiting), g.Limit))
	keys := make(map[string]struct{}, cap(batch))
	var rest []*Call[In, Out]
	for i, c := range g.waiting {
		if len(batch) == g.Limit {
			rest = append(rest, g.waiting[i:]...)
			break
		}
		key := g.Key(c.In)
		if _, there := keys[key]; there {
			rest = append(rest, c)
			continue
		}
		keys[key] = struct{}{}
		batch = append(batch, c)
	}
	g.waiting = rest
	return batch
}

// send runs a batch on behalf of all its callers: one who leaves does not end it.
func (g *Group[In, Out]) send(batch []*Call[In, Out]) {
	if len(batch) == 1 { // nobody else is harmed when it is cancelled
		c := batch[0]
		c.Out, c.Err = g.Alone(c.ctx, c.In)
		close(c.done)
		return
	}
	ctx := context.WithoutCancel(batch[0].ctx)
	if last, ok := latest(batch); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, last)
		defer cancel()
	}
	g.Together(ctx, batch)
	for _, c := range batch {
		close(c.done)
	}
}

// latest returns when the last of the callers gives up, if all of them do.
func latest[In, Out any](batch []*Call[In, Out]) (last time.Time, ok bool) {
	for _, c := range batch {
		deadline, ok := c.ctx.Deadline()
		if !ok {
			return time.Time{}, false
		}
		if deadline.After(last) {
			last = deadline
		}
	}
	return last, true
}
