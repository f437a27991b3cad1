package coalesce

import (
	"context"
	"time"

	"github.com/sqlsessions/sessions/internal/cause"
)

// A Call is what one caller wants, and its answer.
type Call[In, Out any] struct {
	In  In
	Out Out
	Err error
	// RunAlone says that nothing was done for this call, and that it is to run alone. It runs in
	// its caller's goroutine, so that no other call waits for it.
	RunAlone bool

	ctx  context.Context
	size int           // in bytes
	done chan struct{} // receives when Out and Err are there; has room for that

	panicked bool // Err is what its caller is to panic with

	// Guarded by the group's lock.
	queue          *queue[In, Out] // in which it waits
	before, after  *Call[In, Out]  // its neighbours there
	batch          int             // how many had been taken when it came; later the number of its own
	answered, left bool            // Out, Err and RunAlone are there; the caller has gone
}

func (g *Group[In, Out]) call(ctx context.Context, in In) *Call[In, Out] {
	c, ok := g.free.Get().(*Call[In, Out])
	if !ok {
		c = &Call[In, Out]{done: make(chan struct{}, 1)}
	}
	if c.In, c.ctx = in, ctx; g.Size != nil {
		c.size = g.Size(in)
	}
	return c
}

// recycle keeps a call for later. Nothing may refer to it any more.
func (g *Group[In, Out]) recycle(c *Call[In, Out]) {
	*c = Call[In, Out]{done: c.done}
	g.free.Put(c)
}

// latest returns the latest deadline of the callers, if each of them has one.
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

// wait returns nil when Out and Err are there, or why ctx ended if that comes first.
func (c *Call[In, Out]) wait(ctx context.Context) error {
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		return cause.Add(ctx, ctx.Err(), nil)
	}
}
