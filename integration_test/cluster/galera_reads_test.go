package cluster_test

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// What was answered through one node is there for the next request through
// another, and what was logged out is not.
func (g galera) testReads(t *testing.T) {
	table := g.newTable(t)
	without := 0
	g.readAcross(t, g.apps(t, table, "0"), func(string, ...any) { without++ })
	t.Logf("wsrep_sync_wait=0: %d of %d requests saw less than was answered", without, rounds*4)
	g.readAcross(t, g.apps(t, table, syncWait), t.Errorf)
}

const rounds = 150

func (g galera) readAcross(t *testing.T, apps []*app, stale func(format string, args ...any)) {
	counting := apps[0].ok(t, "/count", "").cookie
	n := 1
	for i := range rounds {
		one, other := apps[i%3], apps[(i+1)%3]
		user := strconv.Itoa(i)
		if got := one.ok(t, "/count", counting); got.set {
			stale("a session that is there was not found through %s", one.name)
			counting, n = got.cookie, 0
		}
		n++
		if got := other.ok(t, "/counter", counting).body; got != strconv.Itoa(n) {
			stale("changed to %d through %s, %s through %s", n, one.name, got, other.name)
		}
		loggedIn := one.ok(t, "/login?u="+user, "").cookie
		if got := other.ok(t, "/user", loggedIn).body; got != user {
			stale("logged in through %s, user %q through %s", one.name, got, other.name)
		}
		one.ok(t, "/logout", loggedIn)
		if got := other.ok(t, "/user", loggedIn).body; got != "" {
			stale("logged out through %s, user %q through %s", one.name, got, other.name)
		}
	}
}

// A revocation through one node finds the sessions that were made through another.
func (g galera) testRevocation(t *testing.T) {
	table := g.newTable(t)
	for _, wait := range []string{"0", "1", syncWait} {
		apps := g.apps(t, table, wait)
		missed := 0
		for i := range rounds {
			user := fmt.Sprintf("user-%s-%d", wait, i)
			apps[i%3].ok(t, "/login?u="+user, "")
			n, err := apps[(i+1)%3].manager.RevokeUser(t.Context(), user)
			testbed.Check(t, err)
			if n == 0 {
				missed++
			}
		}
		t.Logf("wsrep_sync_wait=%s: %d of %d revocations missed the session", wait, missed, rounds)
		if missed > 0 && wait == syncWait {
			t.Errorf("wsrep_sync_wait=%s: %d revocations missed the session", wait, missed)
		}
	}
}

// A node that is far behind answers with what it has, unless it is told to wait.
func (g galera) testLaggingNode(t *testing.T) {
	table := g.newTable(t)
	one := g.apps(t, table, syncWait)[0]
	patient := g.apps(t, table, syncWait, func(o *sessions.Options) { o.Timeout = time.Second })[1]
	hasty := g.apps(t, table, "0")[1]
	user := one.ok(t, "/login?u=alice", "").cookie
	patient.ok(t, "/user", user) // its statements are prepared
	hasty.ok(t, "/user", user)

	conn, err := g.node(t, 1, "0").Conn(t.Context())
	testbed.Check(t, err)
	defer conn.Close()
	_, err = conn.ExecContext(t.Context(), "FLUSH TABLES WITH READ LOCK") // nothing is applied from now on
	testbed.Check(t, err)
	one.ok(t, "/logout", user)
	if got := hasty.ok(t, "/user", user).body; got != "alice" {
		t.Errorf("the node that is behind answered with user %q; is it behind?", got)
	}
	if got := patient.get(t, "/user", user); got.status != http.StatusServiceUnavailable || got.set {
		t.Errorf("a node that can't catch up in time: %d, Set-Cookie %v, want 503", got.status, got.set)
	}
	_, err = conn.ExecContext(t.Context(), "UNLOCK TABLES")
	testbed.Check(t, err)
	if got := patient.ok(t, "/user", user).body; got != "" {
		t.Errorf("logged out, and user %q", got)
	}
}
