package coalesce

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"
)

// send runs a batch on behalf of all its callers. When one of them leaves, it goes on.
func (g *Group[In, Out]) send(batch []*Call[In, Out]) {
	defer g.answer(batch, time.Now())
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
func (g *Group[In, Out]) answer(batch []*Call[In, Out], began time.Time) {
	g.settle(batch, began)
	for _, c := range batch {
		c.done <- struct{}{}
	}
}

// settle releases the keys of a batch, and answers the waiting calls that it superseded. It
// wakes no worker: this one looks for more at once.
func (g *Group[In, Out]) settle(batch []*Call[In, Out], began time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	g.watch.ended(now.Sub(began))
	if c := batch[0]; c.Err == nil && !c.RunAlone { // a refusal may be quick
		g.limit.tookTogether(now.Sub(began), now)
	}
	for _, c := range batch {
		if c.answered = true; g.Key == nil {
			continue
		}
		g.supersede(c)
		if !c.RunAlone || c.left {
			g.release(c.In)
		}
	}
}
