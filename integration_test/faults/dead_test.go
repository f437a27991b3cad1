package faults_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/internal/myerr"
	"github.com/sqlsessions/sessions/internal/pgerr"
	"github.com/sqlsessions/sessions/migrations"
)

// After a restart of the server each connection of a pool is dead. That costs no request its
// answer.
func TestDeadConnectionsCostNoAnswer(t *testing.T) {
	const size = 8
	for _, i := range servedBy() {
		b := testbed.Backends[i]
		t.Run(b.Name, func(t *testing.T) {
			if b.Dialect == migrations.PostgreSQL && testbed.PostgresPooler.Name != "" {
				return // the connections are the pooler's
			}
			direct := b.Connect(t).NewTable(t)
			conns := direct.ConnectSized(t, direct.URL, size)
			a := testbed.NewApp(t, &testbed.Table{Conns: conns, Name: direct.Name, Store: conns.OpenStore(t, direct.Name)})
			user := a.Browser(t)
			user.OK("/login?u=alice")
			for _, path := range []string{"/user", "/count", "/regenerate", "/login?u=alice", "/everywhere", "/logout"} {
				endAll(t, direct.Conns, conns, size)
				if got := user.Fetch(path); got.StatusCode != http.StatusOK {
					t.Errorf("%s is answered %d %q; the log:\n%s", path, got.StatusCode, got.Body, a.Log)
				}
			}
			users := make([]*testbed.Browser, 5*size)
			for i := range users {
				users[i] = a.Browser(t)
				users[i].OK(fmt.Sprint("/login?u=user", i))
			}
			endAll(t, direct.Conns, conns, size)
			testbed.Parallel(len(users), func(i int) {
				if got := users[i].Fetch("/user"); got.Body != fmt.Sprint("user", i) {
					t.Errorf("user %d is answered %d %q", i, got.StatusCode, got.Body)
				}
			})
			endAll(t, direct.Conns, conns, size)
			if _, err := a.Store.Stats(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// endAll fills a pool, and ends the server's side of its connections.
func endAll(t *testing.T, admin, c *testbed.Conns, size int) {
	t.Helper()
	id, kill := "SELECT pg_backend_pid()", "SELECT 1 / count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid = %d"
	if c.Dialect == migrations.MySQL {
		id, kill = "SELECT CONNECTION_ID()", "KILL %d"
	}
	var pids []int
	var release []func()
	for len(pids) < size { // some may be dead, from the last time
		var pid int
		var err error
		if c.Pool != nil {
			conn, acquireErr := c.Pool.Acquire(t.Context())
			testbed.Check(t, acquireErr)
			release = append(release, conn.Release)
			err = conn.QueryRow(t.Context(), id).Scan(&pid)
		} else {
			conn, connErr := c.DB.Conn(t.Context())
			testbed.Check(t, connErr)
			release = append(release, func() { _ = conn.Close() })
			err = conn.QueryRowContext(t.Context(), id).Scan(&pid)
		}
		if err != nil {
			release[len(release)-1]()
			release = release[:len(release)-1]
			continue
		}
		pids = append(pids, pid)
	}
	for _, back := range release {
		back()
	}
	for _, pid := range pids {
		var err error
		for err == nil {
			_, err = admin.DB.ExecContext(t.Context(), fmt.Sprintf(kill, pid))
		}
		if pgerr.State(err) != "22012" && myerr.Number(err) != 1094 { // division_by_zero, unknown thread: it is gone
			t.Fatal(err)
		}
	}
}
