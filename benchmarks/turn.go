package main

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// A turn is what was measured of one contender in one round.
type turn struct {
	requests int64
	failures int64
	elapsed  time.Duration
	times    histogram
	lost     int64 // changes of parallel requests that are gone
	used     counters
}

// counters are sums that only grow.
type counters struct{ statements, trips, allocations, bytes, journal, size int64 }

func (c counters) minus(o counters) counters {
	return counters{
		c.statements - o.statements, c.trips - o.trips, c.allocations - o.allocations,
		c.bytes - o.bytes, c.journal - o.journal, c.size - o.size,
	}
}

// An entry is a contender that is ready to be measured.
type entry struct {
	contender
	env      *env
	database string
	handler  http.Handler
	small    []*browser
	large    []*browser
}

func (t *entry) counters(ctx context.Context) (c counters, err error) {
	c.statements, c.trips = t.env.wire.statements.Load(), t.env.wire.trips.Load()
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	c.allocations, c.bytes = int64(mem.Mallocs), int64(mem.TotalAlloc)
	if c.journal, err = t.env.server.journal(ctx); err != nil {
		return c, err
	}
	c.size, err = t.env.server.size(ctx, t.database)
	return c, err
}

// of returns the sessions that a workload is about.
func (t *entry) of(work workload) []*browser {
	if work.large {
		return t.large
	}
	return t.small
}

// refresh makes what is measured next independent of what was before: the table has no room that
// others left, and no session is due for a touch, which a library that touches at most once a
// minute would make of the first read.
func (t *entry) refresh(ctx context.Context, work workload) error {
	if err := t.env.server.compact(ctx, t.database, t.env.url); err != nil {
		return fmt.Errorf("benchmarks: %s: compact: %w", t.name, err)
	}
	return visit(ctx, t.handler, t.of(work))
}

// turn lets callers work for a while. Each has sessions of its own, as browsers do.
func (t *entry) turn(ctx context.Context, work workload, callers int, span time.Duration) (*turn, error) {
	sessions := t.of(work)
	if len(sessions) < callers {
		return nil, fmt.Errorf("benchmarks: %d callers need more than %d sessions", callers, len(sessions))
	}
	if work.together > 0 {
		sessions = sessions[:callers]
	}
	counted := 0
	if work.together > 0 {
		var err error
		if counted, err = t.count(ctx, sessions); err != nil {
			return nil, err
		}
	}
	runtime.GC() // of what others left
	before, err := t.counters(ctx)
	if err != nil {
		return nil, err
	}
	result := t.drive(ctx, work, callers, span, sessions)
	after, err := t.counters(ctx)
	if err != nil {
		return nil, err
	}
	result.used = after.minus(before)
	if work.together > 0 {
		now, err := t.count(ctx, sessions)
		if err != nil {
			return nil, err
		}
		result.lost = result.requests - result.failures - int64(now-counted)
	}
	return result, nil
}

func (t *entry) drive(ctx context.Context, work workload, callers int, span time.Duration, sessions []*browser) *turn {
	lanes := max(work.together, 1)
	parts := make([]turn, callers*lanes)
	var over atomic.Bool
	var wait sync.WaitGroup
	begin := time.Now()
	for caller := range callers {
		wait.Go(func() {
			mine := parts[caller*lanes : (caller+1)*lanes]
			replies := make([]reply, lanes)
			for i := range replies {
				replies[i].head = http.Header{}
			}
			for i := caller; !over.Load() && ctx.Err() == nil; i += callers {
				b := sessions[i%(len(sessions)/callers*callers)]
				if lanes == 1 {
					mine[0].one(ctx, t.handler, b, work.next(), &replies[0])
					continue
				}
				var group sync.WaitGroup
				for lane := range lanes {
					group.Go(func() { mine[lane].one(ctx, t.handler, b, work.next(), &replies[lane]) })
				}
				group.Wait()
			}
		})
	}
	timer := time.AfterFunc(span, func() { over.Store(true) })
	defer timer.Stop()
	wait.Wait()
	all := &turn{elapsed: time.Since(begin)}
	for i := range parts {
		all.requests += parts[i].requests
		all.failures += parts[i].failures
		all.times.merge(&parts[i].times)
	}
	return all
}

func (t *turn) one(ctx context.Context, h http.Handler, b *browser, path string, p *reply) {
	begin := time.Now()
	b.send(ctx, h, path, p)
	t.times.add(time.Since(begin))
	t.requests++
	if p.status != http.StatusOK {
		t.failures++
	}
}

// count adds up what the sessions counted.
func (t *entry) count(ctx context.Context, sessions []*browser) (sum int, err error) {
	for _, b := range sessions {
		_, n, err := b.ask(ctx, t.handler, pathRead)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", t.name, err)
		}
		sum += n
	}
	return sum, nil
}
