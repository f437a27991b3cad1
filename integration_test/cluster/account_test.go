package cluster_test

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// more waits until n more changes were answered with 200.
func (tr *traffic) more(n int64) {
	tr.t.Helper()
	want := tr.acked.Load() + n
	testbed.Await(tr.t, strconv.FormatInt(n, 10)+" more changes", func() bool { return tr.acked.Load() >= want })
}

// kill ends a server and notes when it was gone. The workers of the lost
// applications are not waited for.
func (tr *traffic) kill(kill func() error, lost ...*app) {
	tr.t.Helper()
	for _, a := range lost {
		tr.workers = slices.DeleteFunc(tr.workers, func(w string) bool { return w[:len(w)-2] == a.name })
	}
	testbed.Check(tr.t, kill())
	tr.killed.Store(time.Now().UnixNano())
}

// done notes the first change of a worker that was begun after the kill.
func (tr *traffic) done(worker string, begun time.Time) {
	killed := tr.killed.Load()
	if killed == 0 || begun.UnixNano() < killed {
		return
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if _, again := tr.back[worker]; !again {
		tr.back[worker] = time.Duration(time.Now().UnixNano() - killed)
	}
}

// recovered waits until every worker's changes succeed again, and prints how
// long that took.
func (tr *traffic) recovered(what string) {
	tr.t.Helper()
	testbed.Await(tr.t, "every worker succeeds again", func() bool {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		return !slices.ContainsFunc(tr.workers, func(w string) bool { return tr.back[w] == 0 })
	})
	tr.mu.Lock()
	defer tr.mu.Unlock()
	times := slices.Sorted(maps.Values(tr.back))
	tr.t.Logf("%s: first change %v after the kill, every worker %v after it", what,
		times[0].Round(10*time.Millisecond), times[len(times)-1].Round(10*time.Millisecond))
}

// losses is what the traffic was promised and did not find.
type losses struct{ changes, sessions, logouts int64 }

// settle ends the traffic and compares what was promised with what is there.
func (tr *traffic) settle(apps ...*app) (l losses) {
	t := tr.t
	t.Helper()
	tr.end()
	for _, c := range tr.counted {
		got, err := strconv.ParseInt(apps[0].ok(t, "/counter", c.cookie).body, 10, 64)
		testbed.Check(t, err)
		l.changes += max(0, c.acked.Load()-got)
		if got > c.attempted.Load() {
			t.Errorf("a counter is %d after %d changes were tried", got, c.attempted.Load())
		}
		if tr.strict && got < c.acked.Load() {
			t.Errorf("a counter is %d after %d changes were answered with 200", got, c.acked.Load())
		}
	}
	for i, cookie := range tr.dead {
		if !tr.see(apps[i%len(apps)], cookie) {
			t.Errorf("no answer when all is well again")
		}
	}
	l.sessions, l.logouts = int64(tr.vanished), int64(len(tr.undead))
	t.Logf("%d changes answered with 200, %d requests with 503; lost: %d changes, %d sessions, %d of %d logouts",
		tr.acked.Load(), tr.refused.Load(), l.changes, l.sessions, l.logouts, len(tr.dead))
	var allowed []error
	if !tr.strict {
		allowed = append(allowed, sessions.ErrEnded)
	}
	for _, a := range tr.apps {
		a.printFailures(t, allowed...)
	}
	return l
}

// goesOn makes sure that all is as usual: the sessions that are there take changes, and new ones can be made.
func (tr *traffic) goesOn(apps ...*app) {
	tr.t.Helper()
	for _, a := range apps {
		for _, c := range tr.counted {
			before, err := strconv.Atoi(a.ok(tr.t, "/counter", c.cookie).body)
			testbed.Check(tr.t, err)
			for i := range 5 {
				if got := a.ok(tr.t, "/count", c.cookie).body; got != strconv.Itoa(before+i+1) {
					tr.t.Errorf("%s: the counter went from %d to %s", a.name, before+i, got)
				}
			}
		}
		cookie := a.ok(tr.t, "/login?u=late", "").cookie
		if got := a.ok(tr.t, "/user", cookie).body; got != "late" {
			tr.t.Errorf("%s: after a login the user is %q", a.name, got)
		}
	}
}
