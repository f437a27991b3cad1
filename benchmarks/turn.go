package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"strings"
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
	if e.elsewhere {
		return c, nil
	}
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

// A browser has one session, whose cookie it keeps.
type browser struct {
	mu     sync.Mutex
	header http.Header // replaced, never changed
}

func newBrowser() *browser { return &browser{header: http.Header{}} }

// A reply is the response to a request. Its body is kept only if keep is set.
type reply struct {
	head   http.Header
	status int
	keep   bool
	body   []byte
}

func (p *reply) Header() http.Header { return p.head }

func (p *reply) WriteHeader(status int) {
	if p.status == 0 {
		p.status = status
	}
}

func (p *reply) Write(b []byte) (int, error) {
	p.WriteHeader(http.StatusOK)
	if p.keep {
		p.body = append(p.body, b...)
	}
	return len(b), nil
}

// send makes one request and takes over the cookie of its response. p can be used again.
func (b *browser) send(ctx context.Context, h http.Handler, path string, p *reply) {
	// net/http gives handlers a context that can be cancelled, which costs drivers something.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	b.mu.Lock()
	header := b.header
	b.mu.Unlock()
	r := &http.Request{
		Method: http.MethodGet, URL: &url.URL{Path: path}, RequestURI: path, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: http.NoBody, Host: "localhost", RemoteAddr: "127.0.0.1:50000",
	}
	clear(p.head)
	p.status, p.body = 0, p.body[:0]
	h.ServeHTTP(p, r.WithContext(ctx))
	p.WriteHeader(http.StatusOK)
	for _, line := range p.head["Set-Cookie"] {
		pair, _, _ := strings.Cut(line, ";")
		if strings.HasSuffix(pair, "=") {
			continue // it deletes the cookie, and another line brings the new one
		}
		b.mu.Lock()
		if b.header.Get("Cookie") != pair {
			b.header = http.Header{"Cookie": {pair}}
		}
		b.mu.Unlock()
	}
}

// ask is like send, and returns what the page says.
func (b *browser) ask(ctx context.Context, h http.Handler, path string) (user string, count int, err error) {
	p := &reply{head: http.Header{}, keep: true}
	b.send(ctx, h, path, p)
	user, number, ok := strings.Cut(string(p.body), " ")
	if count, err = strconv.Atoi(number); err != nil || !ok || p.status != http.StatusOK {
		return "", 0, fmt.Errorf("%s answered %d: %.200s", path, p.status, p.body)
	}
	return user, count, nil
}
