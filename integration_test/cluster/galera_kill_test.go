package cluster_test

import (
	"net/http"
	"testing"

	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// One of three nodes is killed, and the others go on; a second one, and the
// last refuses, until somebody tells it that it is alone.
func (g galera) testNodesDie(t *testing.T) {
	table := g.newTable(t)
	apps := g.apps(t, table, syncWait)
	nodes := g.open(t, anyOf{g.connector(t, 0, syncWait), g.connector(t, 1, syncWait), g.connector(t, 2, syncWait)})
	nodes.SetMaxOpenConns(2) // so few that calls wait for one, and are sent together
	moving := newApp(t, "any node", g.store(t, nodes, table))
	before := [2]int{g.status(t, "wsrep_local_cert_failures", 0, 1, 2), g.status(t, "wsrep_local_bf_aborts", 0, 1, 2)}
	tr := startTraffic(t, true, append(apps, moving)...)
	tr.more(600)
	failures, aborts := g.status(t, "wsrep_local_cert_failures", 0, 1, 2)-before[0], g.status(t, "wsrep_local_bf_aborts", 0, 1, 2)-before[1]
	t.Logf("%d changes, %d failed certifications, %d aborts for a change of another node", tr.acked.Load(), failures, aborts)
	if failures+aborts == 0 {
		t.Error("no changes of different nodes met")
	}
	for _, a := range tr.apps {
		if a.failedWith("Error 1213") {
			t.Errorf("%s: such a change was not tried again", a.name)
		}
	}

	requests := hold(t, apps[0])
	tr.kill(g.Nodes[0].Kill, apps[0])
	requests.fail(t)
	tr.recovered("one of three nodes was killed")
	tr.more(600)
	tr.settle(apps[1], apps[2], moving)
	tr.goesOn(apps[1], apps[2], moving)
	requests.unchanged(t, apps[1], apps[2], moving)
	if got := apps[0].get(t, "/count", tr.counted[0].cookie); got.status != http.StatusServiceUnavailable || got.set {
		t.Errorf("through the dead node: %d, Set-Cookie %v", got.status, got.set)
	}
	g.testMinority(t, tr, apps, moving)
}

// testMinority kills the second of three nodes. The last can't know that the
// others do not go on without it, and so refuses.
func (g galera) testMinority(t *testing.T, tr *traffic, apps []*app, moving *app) {
	testbed.Check(t, g.Nodes[1].Kill())
	last, cookie := apps[2], tr.counted[0].cookie
	testbed.Await(t, "the last node knows that it is alone", func() bool {
		return last.get(t, "/count", cookie).status == http.StatusServiceUnavailable &&
			last.failedWith("this node is not part of the cluster's majority")
	})
	survivors := []*app{last, moving}
	for _, a := range survivors {
		for _, path := range []string{"/user", "/count", "/logout", "/login?u=nobody"} {
			if got := a.get(t, path, cookie); got.status != http.StatusServiceUnavailable || got.set {
				t.Errorf("%s: %s on a node without the others: %d, Set-Cookie %v", a.name, path, got.status, got.set)
			}
		}
		a.printFailures(t)
	}
	_, err := g.node(t, 2, "0").ExecContext(t.Context(), "SET GLOBAL wsrep_provider_options = 'pc.bootstrap=YES'")
	testbed.Check(t, err)
	for _, a := range survivors {
		testbed.Await(t, "the last node goes on alone", func() bool { return a.get(t, "/counter", cookie).status == http.StatusOK })
	}
	tr.goesOn(survivors...)
}
