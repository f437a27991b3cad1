package testbed

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/sqlsessions/sessions/integration_test/servers"
	"github.com/sqlsessions/sessions/migrations"
)

// An Abroad is another database of the PostgreSQL server under test, whose tables are foreign
// tables of the first.
type Abroad struct {
	Partitioned bool // the tables there are, as none should be

	far    *Table // which the migrations made there
	server string // as the first database calls it
}

// NewAbroad makes one. The connections are an administrator's. It is dropped after the test.
func (c *Conns) NewAbroad(t *testing.T) *Abroad {
	t.Helper()
	far := Backends[Postgres].ConnectTo(t, NewDatabase(t, servers.PostgreSQL)).NewTable(t)
	a := &Abroad{far: far, server: "abroad_" + far.Name}
	u, err := url.Parse(far.URL)
	Check(t, err)
	password, _ := u.User.Password()
	var port string // which the server itself reaches, also in a container
	Check(t, c.DB.QueryRowContext(t.Context(), "SHOW port").Scan(&port))
	for _, statement := range []string{
		"CREATE EXTENSION IF NOT EXISTS postgres_fdw",
		fmt.Sprintf("CREATE SERVER %s FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '%s', dbname '%s')",
			a.server, port, strings.Trim(u.Path, "/")),
		fmt.Sprintf("CREATE USER MAPPING FOR PUBLIC SERVER %s OPTIONS (user '%s', password '%s', password_required 'false')", a.server, u.User.Username(), password),
	} {
		_, err := c.DB.ExecContext(t.Context(), statement)
		Check(t, err)
	}
	t.Cleanup(func() {
		if _, err := c.DB.ExecContext(context.Background(), "DROP SERVER "+a.server+" CASCADE"); err != nil {
			t.Error(err)
		}
	})
	return a
}

// Table replaces a migrated table by a foreign table.
func (a *Abroad) Table(tab *Table, t testing.TB) {
	t.Helper()
	there := a.far.Another(t)
	if a.Partitioned {
		there.Partition(t)
	}
	tab.Exec(t, "DROP TABLE $TABLE",
		fmt.Sprintf("IMPORT FOREIGN SCHEMA public LIMIT TO (%s) FROM SERVER %s INTO public OPTIONS (import_default 'true')", there.Name, a.server),
		fmt.Sprintf("ALTER FOREIGN TABLE %s RENAME TO $TABLE", there.Name))
}

// Partitions replaces a migrated table by one with four partitions, of which two are abroad. A
// table that has such partitions can have no primary key.
func (a *Abroad) Partitions(tab *Table, t testing.TB) {
	t.Helper()
	all, err := migrations.Steps(migrations.PostgreSQL, "", tab.Name)
	Check(t, err)
	create, _, ok := strings.Cut(all[0].Up, ",\n    CONSTRAINT")
	if !ok {
		t.Fatalf("the first step is another: %s", all[0].Up)
	}
	tab.Exec(t, "DROP TABLE $TABLE", create+") PARTITION BY HASH (id)")
	for i := range 4 {
		values := fmt.Sprintf("PARTITION OF $TABLE FOR VALUES WITH (MODULUS 4, REMAINDER %d)", i)
		if i < 2 {
			tab.Exec(t, fmt.Sprintf("CREATE TABLE $TABLE_%d %s", i, values), fmt.Sprintf("ALTER TABLE $TABLE_%d ADD PRIMARY KEY (id)", i))
			continue
		}
		tab.Exec(t, fmt.Sprintf("CREATE FOREIGN TABLE $TABLE_%d %s SERVER %s OPTIONS (table_name '%s')", i, values, a.server, a.far.Another(t).Name))
	}
	tab.Exec(t, "CREATE INDEX ON $TABLE (user_id, id) WHERE user_id IS NOT NULL", "CREATE INDEX ON $TABLE (reap_after)")
}
