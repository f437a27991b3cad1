package coalesce

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
)

// send runs a batch on behalf of all its callers: one who leaves does not end it.
func (g *Group[In, Out]) send(batch []*Call[In, Out]) {
	defer g.answer(batch)
	defer handOver(batch)
	if len(batch) == 1 && g.Key == nil { // nobody else is harmed when it is cancelled
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

// handOver gives a panic, of a driver's hook say, to the callers: in their goroutines somebody like
// net/http catches it.
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
		c.Err, c.Apart, c.panicked = err, false, true
	}
}

// answer lets the callers of a batch go, and those to whom its outcome says it all.
func (g *Group[In, Out]) answer(batch []*Call[In, Out]) {
	if g.Key != nil {
		g.settle(batch)
	}
	for _, c := range batch {
		c.done <- struct{}{}
	}
}

func (g *Group[In, Out]) settle(batch []*Call[In, Out]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range batch {
		c.answered = true
		if !c.Apart || c.left {
			delete(g.sent, g.Key(c.In)) // this worker looks for more at once
		}
	}
	if len(g.waiting) == 0 || g.Moot == nil {
		return
	}
	ended := make(map[string]*Call[In, Out], len(batch))
	for _, c := range batch {
		if !c.Apart { // else it has not ended
			ended[g.Key(c.In)] = c
		}
	}
	g.waiting = slices.DeleteFunc(g.waiting, func(c *Call[In, Out]) bool {
		of := ended[g.Key(c.In)]
		if of == nil || c.turn >= of.turn {
			return false
		}
		err := g.Moot(of, c.In)
		if err != nil {
			c.Err = err
			c.done <- struct{}{}
		}
		return err != nil
	})
}
