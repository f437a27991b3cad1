package cluster_test

import (
	"strings"
	"testing"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
	"github.com/sqlsessions/sessions/migrations/migrator"
)

// Migrators that go through one node wait for each other. The lock is a node's
// own: those that go through several do not.
func (g galera) testMigrations(t *testing.T) {
	type result struct {
		steps int
		err   error
	}
	results := make(chan result, 3)
	for range 3 {
		m, err := migrator.New(g.node(t, 0, syncWait), migrations.MySQL, migrator.Options{Schema: "app"})
		testbed.Check(t, err)
		go func() {
			n, err := m.Up(t.Context())
			results <- result{n, err}
		}()
	}
	steps := 0
	for range 3 {
		r := <-results
		testbed.Check(t, r.err)
		steps += r.steps
	}
	if steps != 4 {
		t.Errorf("three migrators ran %d steps", steps)
	}
	for i := range g.Nodes {
		db := g.node(t, i, syncWait)
		m, err := migrator.New(db, migrations.MySQL, migrator.Options{Schema: "app"})
		testbed.Check(t, err)
		status, err := m.Status(t.Context())
		if err != nil || status.Version != status.Latest || status.Dirty {
			t.Errorf("node %d: %+v, %v", i+1, status, err)
		}
		if got, err := g.store(t, db, "sessions").Stats(t.Context()); got.Live != 0 || err != nil {
			t.Errorf("node %d: %d sessions, %v", i+1, got.Live, err)
		}
	}
}

// Reapers on all nodes share the work, but they do not see each other's locks:
// the second to delete a batch has to undo it, and after a few times gives up until its next
// sweep.
func (g galera) testReapers(t *testing.T) {
	table := g.newTable(t)
	first := g.node(t, 0, syncWait)
	const rows = 3000
	_, err := first.ExecContext(t.Context(), "INSERT INTO app."+table+
		" (id, verifier, `data`, version, created_at, absolute_expires_at, expires_at, reap_after, seen_at)"+
		" SELECT UNHEX(LPAD(HEX(seq), 32, '0')), UNHEX(SHA2(seq, 256)), '{}', 1, made, lim, dead, reap, made FROM app.seq_1_to_3000,"+
		" (SELECT now - INTERVAL 1 DAY AS made, now AS lim, now - INTERVAL 3 HOUR AS dead, now - INTERVAL 2 HOUR AS reap"+
		" FROM (SELECT UTC_TIMESTAMP() AS now) AS clock) AS times")
	testbed.Check(t, err)
	live := newApp(t, "node 1", g.store(t, first, table)).ok(t, "/count", "").cookie

	type result struct {
		node, deleted, failed int
		err                   error
	}
	results := make(chan result)
	for i := range g.Nodes {
		reaper := &sessions.Reaper{Store: g.store(t, g.node(t, i, syncWait), table), BatchSize: 25}
		go func() {
			r := result{node: i + 1}
			for range rows {
				var n int
				n, r.err = reaper.Sweep(t.Context())
				if r.deleted += n; r.err == nil || !strings.Contains(r.err.Error(), "Error 1213") {
					break
				}
				r.failed++
			}
			results <- r
		}()
	}
	sum := 0
	for range g.Nodes {
		r := <-results
		t.Logf("node %d: %d deleted, %d sweeps gave up", r.node, r.deleted, r.failed)
		if r.err != nil {
			t.Errorf("node %d: %v", r.node, r.err)
		}
		sum += r.deleted
	}
	if sum != rows {
		t.Errorf("%d rows were deleted by three reapers' count, not %d", sum, rows)
	}
	var left int
	testbed.Check(t, first.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM app."+table).Scan(&left))
	if left != 1 {
		t.Errorf("%d rows are left", left)
	}
	newApp(t, "node 2", g.store(t, g.node(t, 1, syncWait), table)).ok(t, "/count", live)
}
