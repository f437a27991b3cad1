package schema_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
	"github.com/sqlsessions/sessions/storetest"
)

// The whole contract under the runtime role, which can do nothing else. The server checks
// grants, so one driver is enough.
func TestRuntimeRoleIsEnough(t *testing.T) {
	testbed.EachEngine(t, func(t *testing.T, b testbed.Backend) {
		admin := b.Connect(t)
		role := "runtime_" + b.Name
		runtime := admin.Role(t, role)
		migrated := admin.NewTable(t)
		tables := map[sessions.Store]*testbed.Table{}
		storetest.Run(t, storetest.Harness{
			New: func(t *testing.T) sessions.Store {
				tab := migrated.Another(t)
				tab.Grant(t, testbed.GrantRuntime, role)
				store := runtime.OpenStore(t, tab.Name)
				tables[store] = tab
				return store
			},
			Age: func(t *testing.T, s sessions.Store, d time.Duration) { tables[s].Age(t, d) },
		})
		tab := admin.NewTable(t)
		tab.Grant(t, testbed.GrantRuntime, role)
		for _, statement := range []string{
			"DROP TABLE %s", "TRUNCATE TABLE %s", "ALTER TABLE %s ADD COLUMN x int", "CREATE INDEX x ON %s (version)",
			"SELECT * FROM %s_schema_migrations",
		} {
			if _, err := runtime.DB.ExecContext(t.Context(), fmt.Sprintf(statement, tab.Name)); err == nil {
				t.Errorf("the runtime role may "+statement, tab.Name)
			}
		}
	})
}

// The reaper works under a role that can make no session.
func TestCleanupRoleIsEnough(t *testing.T) {
	testbed.EachServer(t, func(t *testing.T, b testbed.Backend) {
		admin := b.Connect(t)
		role := "cleanup_" + b.Name
		cleanup := admin.Role(t, role)
		tab := admin.NewTable(t)
		tab.Fill(t, 50)
		tab.Grant(t, testbed.GrantCleanup[b.Dialect], role)
		store := cleanup.OpenStore(t, tab.Name)
		if stats, err := store.Stats(t.Context()); stats.Dead != 50 || err != nil {
			t.Errorf("stats: %+v, %v", stats, err)
		}
		reaper := &sessions.Reaper{Store: store}
		if n, err := reaper.Sweep(t.Context()); n != 50 || err != nil {
			t.Errorf("sweep: %d, %v", n, err)
		}
		if _, err := testbed.Create(t.Context(), store, testbed.NewRow("{}"), testbed.Day); err == nil {
			t.Error("the cleanup role may make a session")
		}
	})
}

func TestMigrationRoleIsEnough(t *testing.T) {
	testbed.EachServer(t, func(t *testing.T, b testbed.Backend) {
		admin := b.Connect(t)
		role := "migration_" + b.Name
		migration := admin.Role(t, role)
		grant := "GRANT CREATE ON SCHEMA public TO " + role
		if b.Dialect == migrations.MySQL {
			u, err := url.Parse(admin.URL)
			testbed.Check(t, err)
			grant = "GRANT CREATE, INDEX, DROP, SELECT, INSERT, DELETE ON " + strings.Trim(u.Path, "/") + ".* TO " + role
		}
		_, err := admin.DB.ExecContext(t.Context(), grant)
		testbed.Check(t, err)
		m := migration.Migrator(t, "made_by_"+role)
		if n, err := m.Up(t.Context()); n != steps || err != nil {
			t.Errorf("up: %d, %v", n, err)
		}
		if n, err := m.Down(t.Context(), steps); n != steps || err != nil {
			t.Errorf("down: %d, %v", n, err)
		}
		if b.Dialect == migrations.MySQL {
			_, _ = admin.DB.ExecContext(t.Context(), "DROP TABLE made_by_"+role+"_schema_migrations")
		}
	})
}
