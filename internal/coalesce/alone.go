package coalesce

import (
	"context"
	"fmt"

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

// reserve reports whether a call may be sent now, and marks its key as sent. It may not
// while another with its key is under way. The caller holds the lock.
func (g *Group[In, Out]) reserve(in In) bool {
	if g.Key == nil {
		return true
	}
	key := g.Key(in)
	if g.sent[key] {
		return false
	}
	if g.sent == nil {
		g.sent = map[string]bool{}
	}
	g.sent[key] = true
	return true
}

// release lets the next call with this key go, and wakes a worker for those that wait for
// room. The caller holds the lock.
func (g *Group[In, Out]) release(in In) {
	if g.Key != nil {
		delete(g.sent, g.Key(in))
	}
	g.wake()
}

// finish is called when a call of a batch has run alone.
func (g *Group[In, Out]) finish(in In) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.release(in)
}

// finishAlone is called when a call that was in no batch is done.
func (g *Group[In, Out]) finishAlone(in In) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.alone--
	g.release(in)
}
