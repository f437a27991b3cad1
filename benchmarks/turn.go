package main

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A turn is what was measured of one contender in one round.
type turn struct {
	requests int64
	elapsed  time.Duration
	times    []time.Duration // sorted
	lost     int64           // changes of parallel requests
	used     counters
}

// perSecond is the throughput of a turn.
func (t *turn) perSecond() float64 { return float64(t.requests) / t.elapsed.Seconds() }

// counters are sums that only grow.
type counters struct{ statements, allocations, bytes, journal, size int64 }

func (c counters) minus(o counters) counters {
	return counters{
		c.statements - o.statements, c.allocations - o.allocations, c.bytes - o.bytes, c.journal - o.journal, c.size - o.size,
	}
}

func (e *entry) counters(ctx context.Context) (c counters, err error) {
	c.statements = e.wire.statements.Load()
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	c.allocations, c.bytes = int64(mem.Mallocs), int64(mem.TotalAlloc)
	if c.journal, err = e.Journal(ctx); err != nil {
		return c, err
	}
	c.size, err = e.Size(ctx, e.Pick("session%", "sessions"))
	return c, err
}

// turn lets callers work for a while. Each has sessions of its own, as browsers do.
func (e *entry) turn(ctx context.Context, work workload, callers int, span time.Duration) (*turn, error) {
	sessions := e.all
	if len(sessions) < callers {
		return nil, fmt.Errorf("%d callers need more than %d sessions", callers, len(sessions))
	}
	counted := 0
	var err error
	if work.together > 0 {
		sessions = sessions[:callers]
		if counted, err = e.count(ctx, sessions); err != nil {
			return nil, err
		}
	}
	lanes := make([]lane, callers*max(work.together, 1))
	for i := range lanes {
		lanes[i] = lane{path: work.path, handler: e.handler, times: make([]time.Duration, 0, 1<<20/len(lanes)), reply: reply{head: http.Header{}}}
	}
	runtime.GC() // of what others left
	before, err := e.counters(ctx)
	if err != nil {
		return nil, err
	}
	result := drive(ctx, lanes, callers, span, sessions)
	after, err := e.counters(ctx)
	if err != nil {
		return nil, err
	}
	result.used = after.minus(before)
	failures := 0
	for i := range lanes {
		failures += lanes[i].failures
		result.times = append(result.times, lanes[i].times...)
	}
	slices.Sort(result.times)
	result.requests = int64(len(result.times))
	if failures > 0 {
		return nil, fmt.Errorf("%d of %d requests failed", failures, result.requests)
	}
	if work.together > 0 {
		now, err := e.count(ctx, sessions)
		if err != nil {
			return nil, err
		}
		result.lost = result.requests - int64(now-counted)
	}
	return result, ctx.Err()
}

// A lane makes one request after the other.
type lane struct {
	path     string
	handler  http.Handler
	times    []time.Duration
	failures int
	reply    reply
}

func (l *lane) request(ctx context.Context, b *browser) {
	begin := time.Now()
	b.send(ctx, l.handler, l.path, &l.reply)
	l.times = append(l.times, time.Since(begin))
	if l.reply.status != http.StatusOK {
		l.failures++
	}
}

// drive gives each caller as many lanes as it sends requests at once.
func drive(ctx context.Context, lanes []lane, callers int, span time.Duration, sessions []*browser) *turn {
	each := len(lanes) / callers
	var over atomic.Bool
	var wait sync.WaitGroup
	begin := time.Now()
	for caller := range callers {
		wait.Go(func() {
			mine := lanes[caller*each : (caller+1)*each]
			for i := caller; !over.Load() && ctx.Err() == nil; i += callers {
				b := sessions[i%(len(sessions)/callers*callers)]
				if each == 1 {
					mine[0].request(ctx, b)
					continue
				}
				var group sync.WaitGroup
				for i := range mine {
					group.Go(func() { mine[i].request(ctx, b) })
				}
				group.Wait()
			}
		})
	}
	timer := time.AfterFunc(span, func() { over.Store(true) })
	defer timer.Stop()
	wait.Wait()
	return &turn{elapsed: time.Since(begin)}
}

// count adds up what the sessions counted.
func (e *entry) count(ctx context.Context, sessions []*browser) (sum int, err error) {
	for _, b := range sessions {
		_, n, err := b.ask(ctx, e.handler, "/read")
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}
