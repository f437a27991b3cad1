package coalesce

import (
	"context"
	"time"

	"github.com/sqlsessions/sessions/internal/cause"
)

// A Call is one caller's.
type Call[In, Out any] struct {
	In  In
	Out Out
	Err error
	// Apart says that nothing of this call was done, and that it is to run alone: in its caller's
	// goroutine, so that nobody waits for it.
	Apart bool

	ctx  context.Context
	done chan struct{} // receives once Out and Err are there; has room for that

	panicked bool // Err is what its caller is to panic with

	// With the group's lock.
	turn           int  // how many batches had been taken when it came; then the number of its own
	answered, left bool // Out, Err and Apart are there; the caller has gone
}

func (g *Group[In, Out]) call(ctx context.Context, in In) *Call[In, Out] {
	c, ok := g.free.Get().(*Call[In, Out])
	if !ok {
		c = &Call[In, Out]{done: make(chan struct{}, 1)}
	}
	c.In, c.ctx = in, ctx
	return c
}

// recycle keeps what a call was made of. Nobody else may have it any more.
func (g *Group[In, Out]) recycle(c *Call[In, Out]) {
	*c = Call[In, Out]{done: c.done}
	g.free.Put(c)
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

// wait returns nil when Out and Err are there, or why ctx ended when that comes first.
func (c *Call[In, Out]) wait(ctx context.Context) error {
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		return cause.Add(ctx, ctx.Err(), nil)
	}
}
