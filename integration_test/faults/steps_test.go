package faults_test

import (
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/sqlsessions/sessions/integration_test/faultproxy"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/internal/myerr"
	"github.com/sqlsessions/sessions/internal/pgerr"
	"github.com/sqlsessions/sessions/migrations"
)

// mostTurns is more than any operation takes.
const mostTurns = 100

// calmly is a time limit that no test reaches.
const calmly = time.Minute

// servedBy returns the ways to reach a server. lib/pq sends a statement again that it has sent
// already, and so keeps less than is promised here: see docs/operations.md.
func servedBy() []int {
	if testing.Short() { // many servers are tested
		return []int{testbed.PGXPool, testbed.MySQL}
	}
	return []int{testbed.PGXPool, testbed.Postgres, testbed.MySQL}
}

// A step is what happens to one round trip of an operation.
type step struct {
	name  string
	fault faultproxy.Fault
	kills bool // the server's process for the connection, before it gets the statement
}

const lost, killed = "F4 reset in place of the answer", "F9 connection killed by an administrator"

var steps = []step{
	{"F3 reset before the request", faultproxy.ResetBefore, false},
	{"F4 reset after the request", faultproxy.ResetAfter, false},
	{lost, faultproxy.LoseAnswer, false},
	{"F5 reset in the answer", faultproxy.CutAnswer, false},
	{killed, faultproxy.None, true},
}

// Whichever round trip of an operation fails, and however: a change is made once, a user stays
// signed in, and no request is answered 503.
func TestEachStepFails(t *testing.T) {
	for _, i := range servedBy() {
		b := testbed.Backends[i]
		t.Run(b.Name, func(t *testing.T) {
			direct := b.Connect(t)
			migrated := direct.NewTable(t)
			testbed.Parallel(len(operations), func(i int) {
				op := &operations[i]
				if op.name == "migrate" && b.Name == "pgxpool" {
					return // it takes a database/sql pool
				}
				t.Run(op.name, func(t *testing.T) { testSteps(t, op, migrated.Another(t)) })
			})
		})
	}
}

func testSteps(t *testing.T, op *operation, direct *testbed.Table) {
	u, err := url.Parse(direct.URL)
	testbed.Check(t, err)
	proxy := faultproxy.New(t, u.Host)
	conns := direct.ConnectSized(t, proxy.URL(t, direct.URL), 1)
	through := &testbed.Table{Conns: conns, Name: direct.Name, Store: conns.OpenStore(t, direct.Name)}
	c := newCell(t, op, direct, through, calmly)
	c.eager = true
	for _, s := range steps {
		if (op.long || testing.Short()) && s.name != lost && s.name != killed {
			continue
		}
		if direct.Dialect == migrations.PostgreSQL && testbed.PostgresPooler.LeavesOut(t, s.name) {
			continue
		}
		for n := 1; ; n++ {
			c.fill()
			if !op.long {
				warmUp(c)
			}
			var hooks []func()
			if s.kills {
				hooks = append(hooks, killer(c))
			}
			used := use(c)
			proxy.Next(n, s.fault, hooks...)
			o := op.run(c)
			if !proxy.Happened() {
				if o.err != nil {
					t.Errorf("%s: without a fault: %v", s.name, o.err)
				}
				break
			}
			want := done
			switch {
			case time.Since(used) > idle && want != unknown:
				want = either
			case n == 1 && s.kills && op.once:
				want = either // a driver may notice in time that the connection is dead
			case op.name == "migrate":
				want = either // its last step gives back a lock, which goes with the connection
			case op.once:
				want = unknown
			}
			t.Run(fmt.Sprintf("%s %d", s.name, n), func(t *testing.T) {
				c.T = t
				proxy.Settle() // a revocation may be carried out once more, and later than it was answered
				c.judge(o, want)
				c.recover()
			})
			c.T = t
			if n == mostTurns {
				t.Fatal("no operation ends")
			}
		}
	}
}

// warmUp connects, and prepares all that the operation needs.
func warmUp(c *cell) {
	c.Helper()
	if o := c.op.run(c); o.err != nil {
		c.Fatalf("without a fault: %v", o.err)
	}
	c.fill()
}

// idle is for how long the drivers take it for granted that a connection is alive. Later they
// ask the server first, which is one more round trip.
const idle = 900 * time.Millisecond

// use uses the operation's connection and returns when.
func use(c *cell) time.Time {
	c.Helper()
	at := time.Now()
	for range 3 { // a new connection is asked at its second use
		_, err := c.app.DB.ExecContext(c.Context(), "SELECT 1")
		testbed.Check(c.T, err)
	}
	if c.app.Pool != nil {
		_, err := c.app.Pool.Exec(c.Context(), "SELECT 1")
		testbed.Check(c.T, err)
	}
	return at
}

// killer returns what ends the server's side of the only connection, and waits for it.
func killer(c *cell) func() {
	c.Helper()
	id, kill := "SELECT pg_backend_pid()", "SELECT 1 / count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid = %d"
	if c.app.Dialect == migrations.MySQL {
		id, kill = "SELECT CONNECTION_ID()", "KILL %d"
	}
	var pid int
	if c.app.Pool != nil && c.op.name != "migrate" {
		testbed.Check(c.T, c.app.Pool.QueryRow(c.Context(), id).Scan(&pid))
	} else {
		testbed.Check(c.T, c.app.DB.QueryRowContext(c.Context(), id).Scan(&pid))
	}
	t, ctx, db := c.T, c.Context(), c.calm.DB // a subtest will take their place
	return func() {
		var err error
		for err == nil {
			_, err = db.ExecContext(ctx, fmt.Sprintf(kill, pid))
		}
		if pgerr.State(err) != "22012" && myerr.Number(err) != 1094 { // division_by_zero, unknown thread: it is gone
			t.Error(err)
		}
	}
}
