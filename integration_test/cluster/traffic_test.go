package cluster_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Traffic is what many browsers do at the same time, with accounts of what
// they were promised.
type traffic struct {
	t      testing.TB
	apps   []*app
	strict bool // what was answered with 200 must hold for ever

	wg       sync.WaitGroup
	stop     chan struct{}
	acked    atomic.Int64 // changes that were answered with 200
	refused  atomic.Int64 // requests that were answered with 503
	killed   atomic.Int64 // when the server was gone, in Unix nanoseconds
	counted  []*counted
	mu       sync.Mutex
	dead     []string                 // cookies that must never work again
	undead   map[string]bool          // those that did
	vanished int                      // sessions that were gone without a logout
	back     map[string]time.Duration // when each worker's first change after the kill was done
	workers  []string                 // those that back waits for
}

// A counted session is changed by several workers.
type counted struct {
	cookie    string
	attempted atomic.Int64
	acked     atomic.Int64
}

const (
	countedSessions = 3
	visitors        = 3
	pace            = 3 * time.Millisecond // between a worker's requests: on two processors the servers have to live too
)

// startTraffic lets browsers loose on the applications. Each counted session is
// changed through every application at the same time.
func startTraffic(t testing.TB, strict bool, apps ...*app) *traffic {
	t.Helper()
	tr := &traffic{t: t, apps: apps, strict: strict, stop: make(chan struct{}), undead: map[string]bool{}, back: map[string]time.Duration{}}
	for i := range countedSessions {
		c := &counted{cookie: apps[0].ok(t, "/count", "").cookie}
		c.attempted.Add(1)
		c.acked.Add(1)
		tr.counted = append(tr.counted, c)
		for _, a := range apps {
			name := fmt.Sprintf("%s %d", a.name, i)
			tr.workers = append(tr.workers, name)
			tr.work(func(int) { tr.count(c, a, name) })
		}
	}
	for i := range visitors {
		tr.work(func(round int) { tr.visit(fmt.Sprintf("user %d-%d", i, round), round+i) })
	}
	tr.work(tr.haunt)
	t.Cleanup(tr.end)
	return tr
}

// work runs f again and again until the end.
func (tr *traffic) work(f func(round int)) {
	tr.wg.Go(func() {
		tick := time.NewTicker(pace)
		defer tick.Stop()
		for round := 0; ; round++ {
			select {
			case <-tr.stop:
				return
			case <-tick.C:
				f(round)
			}
		}
	})
}

// end stops the traffic. A second call does nothing.
func (tr *traffic) end() {
	select {
	case <-tr.stop:
	default:
		close(tr.stop)
	}
	tr.wg.Wait()
}

// get asks and reports whether the answer is 200. The only other that is allowed is
// 503, without a cookie; and 409 for a session that the database may have lost
// between a request's own statements.
func (tr *traffic) get(a *app, path, cookie string) (answer, bool) {
	got := a.get(tr.t, path, cookie)
	switch {
	case got.status == http.StatusOK:
		return got, true
	case got.status == http.StatusServiceUnavailable && !got.set:
		tr.refused.Add(1)
	case got.status == http.StatusConflict && !got.set && !tr.strict:
		tr.lostf("%s: GET %s: the session is gone", a.name, path)
	default:
		tr.t.Errorf("%s: GET %s: status %d, Set-Cookie %v", a.name, path, got.status, got.set)
	}
	return got, false
}

// count changes a counted session once.
func (tr *traffic) count(c *counted, a *app, worker string) {
	begun := time.Now()
	c.attempted.Add(1)
	got, ok := tr.get(a, "/count", c.cookie)
	if !ok {
		return
	}
	c.acked.Add(1)
	tr.acked.Add(1)
	tr.done(worker, begun)
	if got.set { // the session was not found, and another was begun
		tr.lostf("%s: a session that nobody ended is gone", a.name)
	}
}

// visit is a browser that comes, logs in, looks around and logs out, each time
// through another application.
func (tr *traffic) visit(user string, first int) {
	next := first
	get := func(path, cookie string) (answer, bool) {
		next++
		return tr.get(tr.apps[next%len(tr.apps)], path, cookie)
	}
	visitor, ok := get("/count", "")
	if !ok {
		return
	}
	loggedIn, ok := get("/login?u="+user[len("user "):], visitor.cookie)
	if !ok {
		return // it may have been done or not
	}
	tr.acked.Add(2)
	tr.bury(visitor.cookie)
	if got, ok := get("/user", loggedIn.cookie); ok && got.body != user[len("user "):] {
		tr.lostf("a login was answered with 200, and the next request is user %q", got.body)
	}
	for !tr.ended() {
		if _, ok := get("/logout", loggedIn.cookie); ok {
			tr.acked.Add(1)
			tr.bury(loggedIn.cookie)
			return
		}
	}
}

// haunt asks with a cookie that was logged out.
func (tr *traffic) haunt(int) {
	tr.mu.Lock()
	cookie := ""
	if len(tr.dead) > 0 {
		cookie = tr.dead[rand.IntN(len(tr.dead))]
	}
	tr.mu.Unlock()
	if cookie != "" {
		tr.see(tr.apps[rand.IntN(len(tr.apps))], cookie)
	}
}

// see reports whether the application answered, and notes when a dead session lives.
func (tr *traffic) see(a *app, cookie string) bool {
	user, ok := tr.get(a, "/user", cookie)
	if !ok {
		return false
	}
	values, ok := tr.get(a, "/counter", cookie)
	if ok && user.body == "" && values.body == "0" {
		return true
	}
	if ok {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		if tr.undead[cookie] = true; tr.strict {
			tr.t.Errorf("%s: a session that was logged out is user %q with counter %s", a.name, user.body, values.body)
		}
	}
	return ok
}

func (tr *traffic) lostf(format string, args ...any) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if tr.vanished++; tr.strict {
		tr.t.Errorf(format, args...)
	}
}

func (tr *traffic) bury(cookie string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.dead = append(tr.dead, cookie)
}

func (tr *traffic) ended() bool {
	select {
	case <-tr.stop:
		return true
	default:
		return false
	}
}
