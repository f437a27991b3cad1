package coalesce

import (
	"context"
	"fmt"

	"github.com/sqlsessions/sessions/internal/cause"
)

// runApart runs a call that its batch left undone, beside the batches to come.
func (g *Group[In, Out]) runApart(ctx context.Context, in In) (out Out, err error) {
	select {
	case g.Crowd.apart <- struct{}{}:
		defer func() { <-g.Crowd.apart }()
		return g.Alone(ctx, in)
	case <-ctx.Done():
		return out, fmt.Errorf("%s: waiting to be sent: %w", g.Doing, cause.Add(ctx, ctx.Err(), nil))
	}
}

// claim says whether a call may be sent, for none with its key is. The caller holds the lock.
func (g *Group[In, Out]) claim(in In) bool {
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

// done is for a call that was sent and ran apart.
func (g *Group[In, Out]) done(in In) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.release(in)
}

// release lets the next call with this key go, and whoever waits for room. The caller holds the lock.
func (g *Group[In, Out]) release(in In) {
	if g.Key != nil {
		delete(g.sent, g.Key(in))
	}
	g.wake()
}
