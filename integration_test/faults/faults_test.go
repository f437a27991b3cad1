package faults_test

import (
	"crypto/rand"
	"database/sql"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/sqlsessions/sessions/integration_test/servers"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
)

// A fault is done to the database of a running application. The administrator executes the
// statements; $TABLE and $ROLE are the application's.
type fault struct {
	spoil, mend []string
	connections bool     // it shows on new connections only, and one is open already
	refused     []string // what a user is refused; a visitor gets no session
	why         string   // what the log says
}

var (
	saves      = []string{"/set?v=lost", "/login?u=bob"}
	changes    = append(slices.Clip(saves), "/logout")
	everything = append(slices.Clip(changes), "/read")

	needsGrants = "SELECT, INSERT, UPDATE and DELETE on the table"
	doctorKnows = "`sessions doctor`"
)

var commonFaults = map[string]fault{
	"a grant is missing": {
		spoil: []string{"REVOKE INSERT, UPDATE ON $TABLE FROM $ROLE"}, mend: []string{"GRANT INSERT, UPDATE ON $TABLE TO $ROLE"},
		refused: saves, why: needsGrants,
	},
	"all grants are missing": {
		spoil: []string{"REVOKE SELECT, INSERT, UPDATE, DELETE ON $TABLE FROM $ROLE"},
		mend:  []string{"GRANT SELECT, INSERT, UPDATE, DELETE ON $TABLE TO $ROLE"}, refused: everything, why: needsGrants,
	},
	"a column has another name": {
		spoil: []string{"ALTER TABLE $TABLE RENAME COLUMN user_id TO owner"}, mend: []string{"ALTER TABLE $TABLE RENAME COLUMN owner TO user_id"},
		refused: append(slices.Clip(saves), "/read"), why: doctorKnows,
	},
	"the table has another name": {
		spoil: []string{"ALTER TABLE $TABLE RENAME TO $TABLE_away"}, mend: []string{"ALTER TABLE $TABLE_away RENAME TO $TABLE"},
		refused: everything, why: doctorKnows,
	},
}

var faults = map[migrations.Dialect]map[string]fault{
	migrations.PostgreSQL: {
		"a column is gone": {
			spoil:   []string{"ALTER TABLE $TABLE DROP COLUMN reap_after"},
			mend:    []string{"ALTER TABLE $TABLE ADD COLUMN reap_after timestamptz NOT NULL DEFAULT '2100-01-01'"},
			refused: saves, why: doctorKnows,
		},
		"there is a column more": {
			spoil: []string{"ALTER TABLE $TABLE ADD COLUMN surplus int NOT NULL DEFAULT 1", "ALTER TABLE $TABLE ALTER COLUMN surplus DROP DEFAULT"},
			mend:  []string{"ALTER TABLE $TABLE DROP COLUMN surplus"}, why: doctorKnows,
		},
		"a column has another type": {
			spoil:   []string{"ALTER TABLE $TABLE ALTER COLUMN expires_at TYPE float8 USING extract(epoch FROM expires_at)"},
			mend:    []string{"ALTER TABLE $TABLE ALTER COLUMN expires_at TYPE timestamptz USING to_timestamp(expires_at)"},
			refused: append(slices.Clip(saves), "/read"), why: doctorKnows,
		},
		"the role is read-only": {
			spoil: []string{"ALTER ROLE $ROLE SET default_transaction_read_only = on"}, mend: []string{"ALTER ROLE $ROLE RESET default_transaction_read_only"},
			connections: true, refused: changes, why: "use the primary's address",
		},
		"there are too many connections": {
			spoil: []string{"ALTER ROLE $ROLE CONNECTION LIMIT 1"}, mend: []string{"ALTER ROLE $ROLE CONNECTION LIMIT -1"},
			connections: true, refused: everything, why: "there are too many connections",
		},
	},
	migrations.MySQL: {
		"a column is gone": {
			spoil:   []string{"ALTER TABLE $TABLE DROP COLUMN reap_after"},
			mend:    []string{"ALTER TABLE $TABLE ADD COLUMN reap_after DATETIME NOT NULL DEFAULT '2100-01-01'"},
			refused: saves, why: doctorKnows,
		},
		"there is a column more": {
			spoil: []string{"ALTER TABLE $TABLE ADD COLUMN surplus INT NOT NULL"},
			mend:  []string{"ALTER TABLE $TABLE DROP COLUMN surplus"}, why: doctorKnows,
		},
		"the server is read-only": {
			spoil: []string{"SET GLOBAL read_only = 1"}, mend: []string{"SET GLOBAL read_only = 0"},
			refused: changes, why: "use the primary's address",
		},
		"there are too many connections": {
			spoil: []string{"ALTER USER $ROLE WITH MAX_USER_CONNECTIONS 1", "FLUSH PRIVILEGES"}, mend: []string{"ALTER USER $ROLE WITH MAX_USER_CONNECTIONS 0", "FLUSH PRIVILEGES"},
			connections: true, refused: everything, why: "there are too many connections",
		},
	},
}

// Whatever is done to the database: fail closed, say why, lose nothing, and go
// on when it is mended.
func TestFaults(t *testing.T) {
	testbed.EachServer(t, func(t *testing.T, b testbed.Backend) {
		admin := b.Connect
		if b.Dialect == migrations.MySQL { // some of it is done to the whole server
			address := testbed.OwnedServer(t, servers.MySQL)
			admin = func(t testing.TB) *testbed.Conns { return b.ConnectTo(t, address) }
		}
		for _, list := range []map[string]fault{commonFaults, faults[b.Dialect]} {
			for name, f := range list {
				if b.Dialect == migrations.PostgreSQL && testbed.PostgresPooler.LeavesOut(t, name) {
					continue
				}
				t.Run(name, func(t *testing.T) { testFault(t, admin(t), f) })
			}
		}
	})
}

func testFault(t *testing.T, admin *testbed.Conns, f fault) {
	role := "faulty_" + admin.Name + "_" + strings.ToLower(rand.Text()[:8]) // a pooler keeps connections of a role that was dropped
	c := admin.Role(t, role)
	tab := admin.NewTable(t)
	tab.Grant(t, testbed.GrantRuntime, role)
	spoil := func(statements []string) {
		t.Helper()
		for _, statement := range statements {
			_, err := admin.DB.ExecContext(t.Context(), strings.NewReplacer("$TABLE", tab.Name, "$ROLE", role).Replace(statement))
			testbed.Check(t, err)
		}
	}
	start := func() *testbed.App {
		return testbed.NewApp(t, &testbed.Table{Conns: c, Name: tab.Name, Store: c.OpenStore(t, tab.Name)})
	}
	a := start()
	user, visitor := a.Browser(t), a.Browser(t)
	user.OK("/login?u=alice")
	user.OK("/set?v=kept")
	before := user.Cookie().Value

	var one *sql.Conn
	if f.connections {
		c.Close()
	}
	spoil(f.spoil)
	if f.connections {
		one = c.Connection(t)
		c.Open(t, c)
		a = start()
		user.On(a)
		visitor.On(a)
	}
	a.Refused(t, visitor, "/set?v=lost", f.why)
	for _, path := range f.refused {
		a.Refused(t, user, path, f.why)
	}
	if !slices.Contains(f.refused, "/read") {
		if got := user.OK("/read"); got != "kept" {
			t.Errorf("with the fault the session holds %q", got)
		}
	}

	spoil(f.mend)
	if f.connections {
		testbed.Check(t, one.Close())
		c.Close()
		c.Open(t, c)
		a = start()
		user.On(a)
		visitor.On(a)
	}
	again(user, "/read")
	if got := user.OK("/read"); got != "kept" {
		t.Errorf("afterwards the session holds %q", got)
	}
	if got := user.OK("/user"); got != "alice" || user.Cookie().Value != before {
		t.Errorf("afterwards the user is %q, or the cookie has changed", got)
	}
	user.OK("/set?v=new")
	visitor.OK("/login?u=bob")
	a.NoConnectionInUse(t)
}

// again is ok for a pool that may still hold connections which the server has cut or
// statements that it has forgotten: each costs a request its answer.
func again(b *testbed.Browser, path string) {
	b.T.Helper()
	testbed.Await(b.T, path+" is answered", func() bool { return b.Fetch(path).StatusCode == http.StatusOK })
}
