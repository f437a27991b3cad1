package testbed

import (
	"context"
	"fmt"
	"net/url"
	"testing"

	"github.com/sqlsessions/sessions/migrations"
)

// The grants of docs/operations.md.
var (
	// GrantRuntime is for the application.
	GrantRuntime = "GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %s"
	createRole   = map[migrations.Dialect]string{
		migrations.PostgreSQL: "CREATE ROLE %s LOGIN PASSWORD 'pw'",
		migrations.MySQL:      "CREATE USER %s IDENTIFIED BY 'pw'",
	}
	dropRole = map[migrations.Dialect]string{
		migrations.PostgreSQL: "DROP OWNED BY %[1]s; DROP ROLE %[1]s",
		migrations.MySQL:      "DROP USER %s",
	}
	// GrantCleanup is for a role that only cleans up. FOR UPDATE needs UPDATE, on PostgreSQL of
	// any column, on MySQL of the table.
	GrantCleanup = map[migrations.Dialect]string{
		migrations.PostgreSQL: "GRANT SELECT, DELETE, UPDATE (reap_after) ON %s TO %s",
		migrations.MySQL:      "GRANT SELECT, DELETE, UPDATE ON %s TO %s",
	}
)

// Role makes a role without grants and connects as it. It is dropped after the test.
func (c *Conns) Role(t *testing.T, name string) *Conns {
	t.Helper()
	_, err := c.DB.ExecContext(t.Context(), fmt.Sprintf(createRole[c.Dialect], name))
	Check(t, err)
	t.Cleanup(func() {
		if _, err := c.DB.ExecContext(context.Background(), fmt.Sprintf(dropRole[c.Dialect], name)); err != nil {
			t.Error(err)
		}
	})
	u, err := url.Parse(c.URL)
	Check(t, err)
	u.User = url.UserPassword(name, "pw")
	return c.ConnectTo(t, u.String())
}

// Grant gives the role a grant on the table.
func (tab *Table) Grant(t *testing.T, grant, role string) {
	t.Helper()
	_, err := tab.DB.ExecContext(t.Context(), fmt.Sprintf(grant, tab.Name, role))
	Check(t, err)
}
