package integration_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/migrations"
	"github.com/sqlsessions/sessions/storetest"
)

// The grants of docs/operations.md.
var (
	createRole = map[migrations.Dialect]string{
		migrations.PostgreSQL: "CREATE ROLE %s LOGIN PASSWORD 'pw'",
		migrations.MySQL:      "CREATE USER %s IDENTIFIED BY 'pw'",
	}
	dropRole = map[migrations.Dialect]string{
		migrations.PostgreSQL: "DROP OWNED BY %[1]s; DROP ROLE %[1]s",
		migrations.MySQL:      "DROP USER %s",
	}
	grantRuntime = "GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %s"
	// FOR UPDATE asks for UPDATE: on PostgreSQL of any column, on MySQL of the table.
	grantCleanup = map[migrations.Dialect]string{
		migrations.PostgreSQL: "GRANT SELECT, DELETE, UPDATE (reap_after) ON %s TO %s",
		migrations.MySQL:      "GRANT SELECT, DELETE, UPDATE ON %s TO %s",
	}
)

// role makes a role and returns a pool of its own. Its grants are its tables'.
func (c *conns) role(t *testing.T, name string) *conns {
	t.Helper()
	_, err := c.db.ExecContext(t.Context(), fmt.Sprintf(createRole[c.dialect], name))
	check(t, err)
	t.Cleanup(func() {
		if _, err := c.db.ExecContext(context.Background(), fmt.Sprintf(dropRole[c.dialect], name)); err != nil {
			t.Error(err)
		}
	})
	u, err := url.Parse(c.url)
	check(t, err)
	u.User = url.UserPassword(name, "pw")
	return c.connectTo(t, u.String())
}

func (tab *table) grant(t *testing.T, grant, role string) {
	t.Helper()
	_, err := tab.db.ExecContext(t.Context(), fmt.Sprintf(grant, tab.name, role))
	check(t, err)
}

// The whole contract under the runtime role, which can do nothing else.
func TestRuntimeRoleIsEnough(t *testing.T) {
	eachServer(t, func(t *testing.T, b backend) {
		admin := b.connect(t)
		role := "runtime_" + b.name
		runtime := admin.role(t, role)
		tables := map[sessions.Store]*table{}
		storetest.Run(t, storetest.Harness{
			New: func(t *testing.T) sessions.Store {
				tab := admin.newTable(t)
				tab.grant(t, grantRuntime, role)
				store := runtime.openStore(t, tab.name)
				tables[store] = tab
				return store
			},
			Age: func(t *testing.T, s sessions.Store, d time.Duration) { tables[s].age(t, d) },
		})
		tab := admin.newTable(t)
		tab.grant(t, grantRuntime, role)
		for _, statement := range []string{"DROP TABLE %s", "TRUNCATE TABLE %s", "ALTER TABLE %s ADD COLUMN x int", "CREATE INDEX x ON %s (version)", "SELECT * FROM %s_schema_migrations"} {
			if _, err := runtime.db.ExecContext(t.Context(), fmt.Sprintf(statement, tab.name)); err == nil {
				t.Errorf("the runtime role may "+statement, tab.name)
			}
		}
	})
}

// The reaper works under a role that can make no session.
func TestCleanupRoleIsEnough(t *testing.T) {
	eachServer(t, func(t *testing.T, b backend) {
		admin := b.connect(t)
		role := "cleanup_" + b.name
		cleanup := admin.role(t, role)
		tab := admin.newTable(t)
		tab.fill(t, 50)
		tab.grant(t, grantCleanup[b.dialect], role)
		store := cleanup.openStore(t, tab.name)
		reaper := &sessions.Reaper{Store: store}
		if n, err := reaper.DryRun(t.Context()); n != 50 || err != nil {
			t.Errorf("dry run: %d, %v", n, err)
		}
		if n, err := reaper.Sweep(t.Context()); n != 50 || err != nil {
			t.Errorf("sweep: %d, %v", n, err)
		}
		if _, err := create(t.Context(), store, newRow("{}"), day); err == nil {
			t.Error("the cleanup role may make a session")
		}
	})
}

func TestMigrationRoleIsEnough(t *testing.T) {
	eachServer(t, func(t *testing.T, b backend) {
		admin := b.connect(t)
		role := "migration_" + b.name
		migration := admin.role(t, role)
		grant := "GRANT CREATE ON SCHEMA public TO " + role
		if b.dialect == migrations.MySQL {
			u, err := url.Parse(admin.url)
			check(t, err)
			grant = "GRANT CREATE, INDEX, DROP, SELECT, INSERT, DELETE ON " + strings.Trim(u.Path, "/") + ".* TO " + role
		}
		_, err := admin.db.ExecContext(t.Context(), grant)
		check(t, err)
		m := migration.migrator(t, "made_by_"+role)
		if n, err := m.Up(t.Context()); n != steps || err != nil {
			t.Errorf("up: %d, %v", n, err)
		}
		if n, err := m.Down(t.Context(), steps); n != steps || err != nil {
			t.Errorf("down: %d, %v", n, err)
		}
		if b.dialect == migrations.MySQL {
			_, _ = admin.db.ExecContext(t.Context(), "DROP TABLE made_by_"+role+"_schema_migrations")
		}
	})
}
