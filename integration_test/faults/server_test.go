package faults_test

import (
	"context"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/integration_test/servers"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
)

// An ownWorld is a world on a server of its own, whose applications have a role of their own.
type ownWorld struct {
	*world
	server *servers.Server
}

const appRole = "app"

func newOwnWorld(t *testing.T, b testbed.Backend, server *servers.Server) *ownWorld {
	t.Helper()
	address, _, err := server.CreateDatabase(t.Context())
	testbed.Check(t, err)
	admin := b.ConnectTo(t, address)
	w := &ownWorld{newWorld(t, admin), server}
	w.through = admin.Role(t, appRole)
	u, err := url.Parse(w.through.URL)
	testbed.Check(t, err)
	u.Host = w.proxy.Addr()
	w.through = admin.ConnectTo(t, u.String())
	grants := []string{"GRANT ALL ON SCHEMA public TO app", "GRANT ALL ON ALL TABLES IN SCHEMA public TO app"}
	if b.Dialect == migrations.MySQL {
		grants = []string{"GRANT ALL ON " + strings.TrimPrefix(u.Path, "/") + ".* TO app"}
	}
	w.execute(t, grants...)
	return w
}

// execute executes statements as the administrator. With $TABLE in it, a statement is for each
// operation's table.
func (w *ownWorld) execute(t *testing.T, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if !strings.Contains(statement, "$TABLE") {
			_, err := w.direct.DB.ExecContext(context.WithoutCancel(t.Context()), statement)
			testbed.Check(t, err)
			continue
		}
		for _, tab := range w.tables {
			tab.Exec(t, statement)
		}
	}
}

// hold executes statements in a transaction that is left open, and returns what ends it.
func (w *ownWorld) hold(t *testing.T, statements ...string) (release func()) {
	t.Helper()
	conn := w.direct.Connection(t)
	do := func(statement string) {
		t.Helper()
		_, err := conn.ExecContext(context.WithoutCancel(t.Context()), statement)
		testbed.Check(t, err)
	}
	if w.direct.Dialect == migrations.MySQL { // without it a search locks all that it sees
		do("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
	}
	do("BEGIN")
	for _, statement := range statements {
		if strings.HasPrefix(statement, "LOCK TABLES") { // MySQL locks all of them in one statement, and releases what it had
			var all []string
			for _, tab := range w.tables {
				all = append(all, tab.Name+" WRITE")
			}
			do("LOCK TABLES " + strings.Join(all, ", "))
			continue
		}
		for _, tab := range w.tables {
			do(strings.ReplaceAll(statement, "$TABLE", tab.Name))
		}
	}
	return func() {
		if w.direct.Dialect == migrations.MySQL {
			do("UNLOCK TABLES")
		}
		do("ROLLBACK")
		testbed.Check(t, conn.Close())
	}
}

// A serverFault is done to the server, and undone by what begin returns.
type serverFault struct {
	name     string
	begin    func(t *testing.T, w *ownWorld) (end func())
	patience time.Duration // calmly, unless set
	sentinel error         // ErrUnavailable, unless set
	why      string
	verdicts func(op *operation) verdict
}

func all(v verdict) func(*operation) verdict {
	return func(op *operation) verdict {
		switch {
		case op.touches && v != done:
			return shrugged
		case v == refused && op.name == "migrate":
			return unknown // its first step has been carried out
		}
		return v
	}
}

// lostAll is for connections that are all dead, while the server takes new ones.
func lostAll(op *operation) verdict {
	if op.name == "load" || op.name == "list" {
		return done
	}
	return all(either)(op)
}

// writes is for faults that concern what writes the tables of sessions. Migrations make others.
func writes(v verdict) func(*operation) verdict {
	return func(op *operation) verdict {
		switch {
		case op.name == "load" || op.name == "list" || op.name == "migrate":
			return done
		case op.touches && v != done:
			return shrugged
		}
		return v
	}
}

func nothing() {}

// The faults that all servers know.
var serverFaults = []serverFault{
	{name: "F8 killed with SIGKILL", verdicts: all(refused), begin: func(t *testing.T, w *ownWorld) func() {
		testbed.Check(t, w.server.Crash(t.Context()))
		return func() { testbed.Check(t, w.server.Start(t.Context())) }
	}},
	{name: "F10 restarted under a pool that does not know", verdicts: lostAll, begin: func(t *testing.T, w *ownWorld) func() {
		testbed.Check(t, w.server.Stop(t.Context()))
		testbed.Check(t, w.server.Start(t.Context()))
		return nothing
	}},
	{name: "F14 the table is gone", sentinel: sessions.ErrSchema, verdicts: func(op *operation) verdict {
		if op.name == "migrate" {
			return done
		}
		return all(refused)(op)
	}, begin: func(t *testing.T, w *ownWorld) func() {
		w.execute(t, "ALTER TABLE $TABLE RENAME TO $TABLE_away")
		return func() { w.execute(t, "ALTER TABLE $TABLE_away RENAME TO $TABLE") }
	}},
}

var faultsOf = map[migrations.Dialect][]serverFault{
	migrations.PostgreSQL: {
		{name: "F8 a backend is killed with SIGKILL", verdicts: all(either), begin: func(t *testing.T, w *ownWorld) func() {
			var pid int
			testbed.Check(t, w.direct.DB.QueryRowContext(t.Context(), "SELECT pid FROM pg_stat_activity WHERE usename = 'app' LIMIT 1").Scan(&pid))
			another := w.direct.Connection(t)
			testbed.Check(t, syscall.Kill(pid, syscall.SIGKILL)) // whereupon the server ends all the others, and recovers
			return func() {
				testbed.Await(t, "the server has noticed", func() bool { return another.PingContext(t.Context()) != nil })
				_ = another.Close()
				answers(t, w)
			}
		}},
		{name: "F9 all connections are terminated", verdicts: lostAll, begin: func(t *testing.T, w *ownWorld) func() {
			w.execute(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'")
			return nothing
		}},
		{
			name: "F11 a failover to a read-only server", why: "use the primary's address", verdicts: readOnly,
			begin: role("SET default_transaction_read_only = on", "RESET default_transaction_read_only"),
		},
		{name: "F12 a lock timeout", verdicts: locked, begin: lockTables("SET lock_timeout = 300", "RESET lock_timeout", "LOCK TABLE $TABLE")},
		{name: "F12 a statement timeout", verdicts: timedOut, begin: lockTables("SET statement_timeout = 300", "RESET statement_timeout", "LOCK TABLE $TABLE")},
		{name: "F12 two deadlocks", verdicts: writes(done), begin: signal("40P01", 2)},
		{name: "F12 two serialization failures", verdicts: writes(done), begin: signal("40001", 2)},
		{name: "F12 deadlocks for ever", verdicts: writes(refused), begin: signal("40P01", 1_000_000)},
		{name: "F13 the disk is full", why: "the server has no room left", verdicts: writes(refused), begin: signal("53100", 1_000_000)},
		{name: "F13 too many connections", why: "there are too many connections", verdicts: all(refused), begin: func(t *testing.T, w *ownWorld) func() {
			end := role("CONNECTION LIMIT 0", "CONNECTION LIMIT -1")(t, w)
			w.proxy.Reset() // that of the migration, which others could get
			return end
		}},
		{
			name: "a long transaction holds the rows", patience: hasty, verdicts: held,
			begin: holdRows("SELECT 1 FROM $TABLE WHERE data::text <> '{\"a\":1}' FOR UPDATE"),
		},
	},
	migrations.MySQL: {
		{name: "F9 all connections are killed", verdicts: lostAll, begin: func(t *testing.T, w *ownWorld) func() {
			w.execute(t, "KILL USER app")
			return nothing
		}},
		{name: "F11 a failover to a read-only server", why: "use the primary's address", verdicts: readOnly, begin: func(t *testing.T, w *ownWorld) func() {
			w.execute(t, "SET GLOBAL read_only = 1")
			return func() { w.execute(t, "SET GLOBAL read_only = 0") }
		}},
		{name: "F12 a lock timeout", verdicts: locked, begin: func(t *testing.T, w *ownWorld) func() {
			w.execute(t, "SET GLOBAL lock_wait_timeout = 1")
			w.through.Renew() // it holds for connections that begin
			release := w.hold(t, "LOCK TABLES")
			return func() {
				release()
				w.execute(t, "SET GLOBAL lock_wait_timeout = 86400")
				w.through.Renew()
			}
		}},
		{name: "F12 two deadlocks", verdicts: writes(done), begin: signal("1213", 2)},
		{name: "F12 two lock timeouts", verdicts: writes(done), begin: signal("1205", 2)},
		{name: "F12 deadlocks for ever", verdicts: writes(refused), begin: signal("1213", 1_000_000)},
		{name: "F13 the disk is full", why: "the server has no room left", verdicts: writes(refused), begin: signal("1021", 1_000_000)},
		{name: "F13 too many connections", why: "there are too many connections", verdicts: all(refused), begin: func(t *testing.T, w *ownWorld) func() {
			w.through.Renew()
			w.execute(t, "ALTER USER app WITH MAX_USER_CONNECTIONS 1", "FLUSH PRIVILEGES")
			w.proxy.Reset() // that of the migration, which others could get
			one := w.through.ConnectSized(t, w.directly(t), 1).Connection(t)
			return func() {
				w.execute(t, "ALTER USER app WITH MAX_USER_CONNECTIONS 0", "FLUSH PRIVILEGES")
				testbed.Check(t, one.Close())
			}
		}},
		{name: "a long transaction holds the rows", patience: hasty, verdicts: held, begin: holdRows("SELECT 1 FROM $TABLE WHERE data <> '{\"a\":1}' FOR UPDATE")},
	},
}

// The server fails while all operations run, each with its session loaded and before it has
// written anything.
func TestServerFails(t *testing.T) {
	if testing.Short() { // it takes a server of this machine, and not the one that is tested
		return
	}
	for engine, backends := range map[servers.Engine][]int{servers.PostgreSQL: {testbed.PGXPool, testbed.Postgres}, servers.MySQL: {testbed.MySQL}} {
		for _, i := range backends {
			b := testbed.Backends[i]
			t.Run(b.Name, func(t *testing.T) {
				server, err := servers.StartDurable(t.Context(), engine, os.Stderr)
				testbed.Check(t, err)
				t.Cleanup(func() { testbed.Check(t, server.Close()) })
				w := newOwnWorld(t, b, server)
				for _, list := range [][]serverFault{serverFaults, faultsOf[b.Dialect]} {
					for _, f := range list {
						t.Run(f.name, func(t *testing.T) { f.test(t, w) })
					}
				}
			})
		}
	}
}

func (f *serverFault) test(t *testing.T, w *ownWorld) {
	patience := f.patience
	if patience == 0 {
		patience = calmly
	}
	cells := w.cells(t, patience, f.verdicts)
	for _, c := range cells {
		if c.why = f.why; f.sentinel != nil {
			c.sentinel = f.sentinel
		}
	}
	var end func()
	strike(t, cells, func() { end = f.begin(t, w) }, func() {
		end()
		w.direct.Renew()
	}, f.verdicts)
}
