// Package coalesce sends what many callers want at the same moment as one statement.
// While there are few callers, each call goes alone and at once; a call never waits for
// others to join it. When there are more, calls go together, a few statements at a time, and
// later ones wait for one of these to end. How many are few is found out, see [limit].
package coalesce

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// ErrFull is wrapped by the error of a call that came when [Group].MaxWaiting others waited.
var ErrFull = errors.New("too many calls wait for the database already")

var errPanics = errors.New("it panics")

// A Limiter counts the callers of all groups that share connections. Its fields are set
// before the first call. It is safe for concurrent use.
type Limiter struct {
	// Width is how many callers at most may each have a statement of their own. No more
	// statements of a group run at once, but for those that are late.
	Width int
	// Connections is called once and returns how many statements can run at the same
	// time, 0 for any number. Nil is any number.
	Connections func() int
	// Patience is how long a statement may take before others go in its place, if those
	// before it took less. Zero is for ever.
	Patience time.Duration

	once    sync.Once
	most    int // statements of a group, late ones included
	callers atomic.Int64
	alone   chan struct{} // has room for as many calls as may run alone after their batch
}

// width returns Width within what the connections allow.
func (l *Limiter) width() int {
	l.once.Do(func() {
		l.most = 4 * l.Width
		if l.Connections != nil {
			if n := l.Connections(); n > 0 {
				l.Width, l.most = min(l.Width, n), n
			}
		}
		l.alone = make(chan struct{}, l.Width)
	})
	return l.Width
}

// A Group runs calls of one kind. Its fields are set before the first call. It is
// safe for concurrent use and has no goroutine while no call runs.
type Group[In, Out any] struct {
	Limiter *Limiter
	// Crowded is how many times the shortest time a single caller's statement may take
	// before fewer callers have their own; 0 for any number of times.
	Crowded float64
	// Commits says that a statement has a commit for all its calls. Where more of them run at
	// once they carry fewer each, and one at a time is faster unless they mostly wait.
	Commits bool
	// Senders is how many statements run at once when calls go together. The fewer
	// there are, the more calls go in each; so a batch that is full waits for none of them.
	Senders int
	// Limit is how many calls go together at most, and MaxWaiting how many wait.
	Limit, MaxWaiting int
	// Size returns a call's bytes. A batch holds at most MaxBytes; a larger call goes
	// alone. Without a Size there is no limit.
	Size     func(In) int
	MaxBytes int
	// Key returns what a call is about. Calls with the same key are sent one after the
	// other, in the order in which they came, so that a call which waits on the server
	// holds up only its own key. Without a Key any calls go together.
	Key func(In) string
	// Superseded may answer a waiting call, when another with its key has ended, instead of
	// sending it: it then sets its result and returns true. It is called only for calls that
	// were already waiting when the other was sent, so that they might have met what that one
	// met. Nil never answers.
	Superseded func(ended, waits *Call[In, Out]) bool
	// Alone runs one call. Together runs several, and sets each one's result or RunAlone;
	// its context has no caller's values. If it panics, each of its callers does.
	Alone    func(context.Context, In) (Out, error)
	Together func(context.Context, []*Call[In, Out])

	mu      sync.Mutex
	limit   limit
	single  crew                       // statements of a single caller
	workers crew                       // goroutines that send what waits
	watch   watch                      // for statements that take long
	ready   queue[In, Out]             // what may be sent
	lines   map[string]*queue[In, Out] // what waits behind each key that is ready or under way
	waiting int                        // in all of these
	batches int                        // how many were taken
	free    sync.Pool                  // of *Call[In, Out]
}

// Do returns the result of Alone or Together for in. It returns early if ctx ends. If that
// is before the call was sent, nothing has happened; after that the outcome is unknown.
func (g *Group[In, Out]) Do(ctx context.Context, in In) (out Out, err error) {
	callers := int(g.Limiter.callers.Add(1))
	defer g.Limiter.callers.Add(-1)
	width, began := g.Limiter.width(), time.Now()
	g.mu.Lock()
	g.look(began)
	if g.limit.most == 0 {
		g.limit.most, g.limit.own = width, float64(width)
	}
	if g.mayGoAlone(callers) && g.claim(in) {
		era := g.single.join()
		g.mu.Unlock()
		err = errPanics // unless it returns
		defer g.finishAlone(in, era, callers, began, &err)
		return g.Alone(ctx, in)
	}
	if g.MaxWaiting > 0 && g.waiting >= g.MaxWaiting {
		defer g.mu.Unlock()
		return out, fmt.Errorf("%w: %d", ErrFull, g.waiting)
	}
	c := g.call(ctx, in)
	g.enqueue(c)
	g.wake()
	g.keepWatch()
	g.mu.Unlock()
	if err := c.wait(ctx); err != nil {
		if g.withdraw(c) {
			g.recycle(c)
			return out, fmt.Errorf("waiting to be sent: %w", err)
		}
		return out, fmt.Errorf("waiting for an answer, which may still come: %w", err)
	}
	var runAlone, panicked bool
	out, err, runAlone, panicked = c.Out, c.Err, c.RunAlone, c.panicked
	g.recycle(c)
	if panicked {
		panic(err)
	}
	if runAlone {
		defer g.finish(in)
		return g.runAlone(ctx, in)
	}
	return out, err
}

// mayGoAlone reports whether a call may have a statement of its own. The caller holds the lock.
func (g *Group[In, Out]) mayGoAlone(callers int) bool {
	allowed := g.limit.allows(callers)
	if g.single.size()+g.workers.size() >= g.Limiter.width() {
		return false
	}
	if allowed {
		return g.ready.first == nil
	}
	return g.limit.due(callers)
}

// wake starts a worker if there is something to send and room. A statement of a single
// caller takes no worker's place, because it may be held up. The caller holds the lock.
func (g *Group[In, Out]) wake() {
	if g.ready.first != nil && g.workers.size() < g.senders() && g.single.size()+g.workers.size() < g.Limiter.width() &&
		g.single.all()+g.workers.all() < g.Limiter.most {
		go g.work(g.workers.join())
	}
}

// senders returns how many workers there may be at the moment. The caller holds the lock.
func (g *Group[In, Out]) senders() int {
	if g.ready.calls >= g.Limit || g.MaxBytes > 0 && g.ready.bytes >= g.MaxBytes {
		return g.Limiter.width()
	}
	if g.Commits && g.limit.works() {
		return 1
	}
	return g.Senders
}

// withdraw takes a call back, and returns false if it has been sent already.
func (g *Group[In, Out]) withdraw(c *Call[In, Out]) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c.queue != nil {
		ready := c.queue == &g.ready
		if g.dequeue(c); ready {
			g.release(c.In)
		}
		return true
	}
	if c.left = true; c.answered && c.RunAlone {
		g.release(c.In)
		g.wake()
	}
	return false
}

// work sends what is ready until nothing is.
func (g *Group[In, Out]) work(era int) {
	for {
		// Yield once, so that callers about to queue join this batch: a statement costs
		// more than this.
		runtime.Gosched()
		var batch []*Call[In, Out]
		if batch, era = g.take(era); batch == nil {
			return
		}
		g.send(batch)
	}
}

// take returns the calls to send next, or nil if the worker is to stop.
func (g *Group[In, Out]) take(era int) ([]*Call[In, Out], int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.workers.leave(era)
	g.look(time.Now())
	if g.ready.first == nil || g.workers.size() >= g.senders() { // one that was late came back
		return nil, 0 // what waits behind keys that were sent is ready, and wakes a worker, when those are done
	}
	var batch []*Call[In, Out]
	size := 0
	g.batches++
	for c := g.ready.first; c != nil && len(batch) < g.Limit; c = g.ready.first {
		if size += c.size; len(batch) > 0 && size > g.MaxBytes && g.Size != nil {
			break
		}
		g.dequeue(c)
		c.batch = g.batches
		batch = append(batch, c)
	}
	era = g.workers.join()
	g.wake() // another may be full
	return batch, era
}
