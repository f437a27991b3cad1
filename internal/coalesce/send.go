package coalesce

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
)

// send runs a batch on behalf of all its callers. When one of them leaves, it goes on.
func (g *Group[In, Out]) send(batch []*Call[In, Out]) {
	defer g.answer(batch)
	defer handOver(batch)
	if len(batch) == 1 && g.Key == nil { // cancelling it harms no other
		c := batch[0]
		c.Out, c.Err = g.Alone(c.ctx, c.In)
		return
	}
	ctx := context.Background()
	if last, ok := latest(batch); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, last)
		defer cancel()
	}
	g.Together(ctx, batch)
}

// handOver passes a panic, for example of a driver's hook, to the callers: in their goroutines
// net/http or the like catches it.
func handOver[In, Out any](batch []*Call[In, Out]) {
	p := recover()
	if p == nil {
		return
	}
	err, ok := p.(error)
	if !ok {
		err = fmt.Errorf("%v", p)
	}
	err = fmt.Errorf("%w\n\nin a statement for several callers:\n%s", err, debug.Stack())
	for _, c := range batch {
		c.Err, c.RunAlone, c.panicked = err, false, true
	}
}

// answer wakes the batch's callers, and those whose calls the batch superseded.
func (g *Group[In, Out]) answer(batch []*Call[In, Out]) {
	if g.Key != nil {
		g.settle(batch)
	}
	for _, c := range batch {
		c.done <- struct{}{}
	}
}

// settle releases the keys of a batch, and answers the waiting calls that it superseded.
func (g *Group[In, Out]) settle(batch []*Call[In, Out]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range batch {
		c.answered = true
		if !c.RunAlone || c.left {
			delete(g.sent, g.Key(c.In)) // no need to wake a worker: this one looks for more at once
		}
	}
	if len(g.waiting) == 0 || g.Superseded == nil {
		return
	}
	ended := make(map[string]*Call[In, Out], len(batch))
	for _, c := range batch {
		if !c.RunAlone { // otherwise it has not ended
			ended[g.Key(c.In)] = c
		}
	}
	g.waiting = slices.DeleteFunc(g.waiting, func(c *Call[In, Out]) bool {
		by := ended[g.Key(c.In)]
		if by == nil || c.batch >= by.batch {
			return false
		}
		err := g.Superseded(by, c.In)
		if err != nil {
			c.Err = err
			c.done <- struct{}{}
		}
		return err != nil
	})
}
