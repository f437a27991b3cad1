package integration_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions/integration_test/servers"
	"github.com/sqlsessions/sessions/migrations"
)

// A fault is what somebody does to the database of a running application. All
// statements are the administrator's; $TABLE and $ROLE are the application's.
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
	eachServer(t, func(t *testing.T, b backend) {
		admin := b.connect
		if b.dialect == migrations.MySQL { // some of it is done to the whole server
			address := ownedServer(t, servers.MySQL)
			admin = func(t testing.TB) *conns { return b.connectTo(t, address) }
		}
		for _, list := range []map[string]fault{commonFaults, faults[b.dialect]} {
			for name, f := range list {
				if b.dialect == migrations.PostgreSQL && postgresPooler.leavesOut(t, name) {
					continue
				}
				t.Run(name, func(t *testing.T) { testFault(t, admin(t), f) })
			}
		}
	})
}

// ownedServer starts a server that the test may spoil and returns the address of a
// database on it.
func ownedServer(t *testing.T, engine servers.Engine) string {
	t.Helper()
	server, err := servers.StartOwned(t.Context(), engine, os.Stderr)
	check(t, err)
	t.Cleanup(func() { check(t, server.Close()) })
	address, _, err := server.CreateDatabase(t.Context())
	check(t, err)
	return address
}

// connection opens one connection beside the pool, when the server has let go of those
// that were closed.
func (c *conns) connection(t *testing.T) *sql.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	beside := c.connectTo(t, c.url)
	for {
		conn, err := beside.db.Conn(ctx)
		if err == nil {
			return conn
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func testFault(t *testing.T, admin *conns, f fault) {
	role := "faulty_" + admin.name + "_" + strings.ToLower(rand.Text()[:8]) // a pooler keeps connections of a role that was dropped
	c := admin.role(t, role)
	tab := admin.newTable(t)
	tab.grant(t, grantRuntime, role)
	spoil := func(statements []string) {
		t.Helper()
		for _, statement := range statements {
			_, err := admin.db.ExecContext(t.Context(), strings.NewReplacer("$TABLE", tab.name, "$ROLE", role).Replace(statement))
			check(t, err)
		}
	}
	start := func() *app { return newApp(t, &table{conns: c, name: tab.name, store: c.openStore(t, tab.name)}) }
	a := start()
	user, visitor := a.browser(t), a.browser(t)
	user.ok("/login?u=alice")
	user.ok("/set?v=kept")
	before := user.cookie().Value

	var one *sql.Conn
	if f.connections {
		c.close()
	}
	spoil(f.spoil)
	if f.connections {
		one = c.connection(t)
		c.open(t, c)
		a = start()
		user.on(a)
		visitor.on(a)
	}
	a.refused(t, visitor, "/set?v=lost", f.why)
	for _, path := range f.refused {
		a.refused(t, user, path, f.why)
	}
	if !slices.Contains(f.refused, "/read") {
		if got := user.ok("/read"); got != "kept" {
			t.Errorf("with the fault the session holds %q", got)
		}
	}

	spoil(f.mend)
	if f.connections {
		check(t, one.Close())
		c.close()
		c.open(t, c)
		a = start()
		user.on(a)
		visitor.on(a)
	}
	user.again("/read")
	if got := user.ok("/read"); got != "kept" {
		t.Errorf("afterwards the session holds %q", got)
	}
	if got := user.ok("/user"); got != "alice" || user.cookie().Value != before {
		t.Errorf("afterwards the user is %q, or the cookie has changed", got)
	}
	user.ok("/set?v=new")
	visitor.ok("/login?u=bob")
	a.noConnectionInUse(t)
}

// again is ok for a pool that may still hold connections which the server has cut or
// statements that it has forgotten: each costs a request its answer.
func (b *browser) again(path string) {
	b.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if b.get(path).StatusCode == http.StatusOK {
			return
		}
	}
	b.ok(path)
}
