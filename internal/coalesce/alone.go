package coalesce

import (
	"context"
	"fmt"
	"time"

	"github.com/sqlsessions/sessions/internal/cause"
)

// runAlone runs a call that its batch left undone, beside the batches to come.
func (g *Group[In, Out]) runAlone(ctx context.Context, in In) (out Out, err error) {
	select {
	case g.Limiter.alone <- struct{}{}:
		defer func() { <-g.Limiter.alone }()
		return g.Alone(ctx, in)
	case <-ctx.Done():
		return out, fmt.Errorf("waiting to be sent: %w", cause.Add(ctx, ctx.Err(), nil))
	}
}

// finish is called when a call of a batch has run alone.
func (g *Group[In, Out]) finish(in In) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.release(in)
	g.wake()
}

// finishAlone is called when a call that was in no batch is done.
func (g *Group[In, Out]) finishAlone(in In, era, callers int, began time.Time, err *error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.single.leave(era)
	now := time.Now()
	g.watch.ended(now.Sub(began))
	if *err == nil { // a refusal may be quick
		g.limit.tookAlone(now.Sub(began), g.Crowded, callers, now)
	}
	g.release(in)
	g.wake()
}
