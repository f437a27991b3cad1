package schema_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
	"github.com/sqlsessions/sessions/migrations/migrator"
	"github.com/sqlsessions/sessions/mysqlstore"
	"github.com/sqlsessions/sessions/pgstore"
)

func TestOwnSchemaAndNames(t *testing.T) {
	c := testbed.Backends[testbed.PGXPool].Connect(t)
	_, err := c.DB.ExecContext(t.Context(), `CREATE SCHEMA "Auth_1"`)
	testbed.Check(t, err)
	t.Cleanup(func() { _, _ = c.DB.Exec(`DROP SCHEMA "Auth_1" CASCADE`) })
	m, err := migrator.New(c.DB, migrations.PostgreSQL, migrator.Options{Schema: "Auth_1", Table: "Order"})
	testbed.Check(t, err)
	_, err = m.Up(t.Context())
	testbed.Check(t, err)
	store, err := pgstore.NewPool(c.Pool).With(pgstore.Options{Schema: "Auth_1", Table: "Order"})
	testbed.Check(t, err)
	if n, _, err := testbed.Count(t.Context(), store); n != 0 || err != nil {
		t.Errorf("count: %d, %v", n, err)
	}
	var public int
	testbed.Check(t, c.DB.QueryRow(`SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename LIKE 'Order%'`).Scan(&public))
	if public != 0 {
		t.Errorf("%d tables are in the wrong schema", public)
	}
	if n, err := m.Down(t.Context(), 9); n != steps || err != nil {
		t.Errorf("down: %d, %v", n, err)
	}
	m, err = migrator.New(c.DB, migrations.PostgreSQL, migrator.Options{Schema: "nowhere"})
	testbed.Check(t, err)
	if _, err := m.Up(t.Context()); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("a schema that does not exist: %v", err)
	}
}

func TestOwnDatabaseOnMySQL(t *testing.T) {
	c := testbed.Backends[testbed.MySQL].Connect(t)
	_, err := c.DB.ExecContext(t.Context(), "CREATE DATABASE Auth_1")
	testbed.Check(t, err)
	t.Cleanup(func() { _, _ = c.DB.Exec("DROP DATABASE Auth_1") })
	m, err := migrator.New(c.DB, migrations.MySQL, migrator.Options{Schema: "Auth_1", Table: "order"})
	testbed.Check(t, err)
	_, err = m.Up(t.Context())
	testbed.Check(t, err)
	store, err := mysqlstore.New(c.DB).With(mysqlstore.Options{Schema: "Auth_1", Table: "order"})
	testbed.Check(t, err)
	if n, _, err := testbed.Count(t.Context(), store); n != 0 || err != nil {
		t.Errorf("count: %d, %v", n, err)
	}
	if n, err := m.Down(t.Context(), 9); n != steps || err != nil {
		t.Errorf("down: %d, %v", n, err)
	}
}

// No name reaches a statement that is not made of letters, digits and underscores.
func TestNamesAreRefused(t *testing.T) {
	for _, name := range []string{`a"b`, "a`b", "a'b", "a b", "a.b", "a;b", "a-b", "1a", "é", "a\x00", strings.Repeat("a", 46), strings.Repeat("a", 64)} {
		_, pgErr := pgstore.New(nil).With(pgstore.Options{Table: name})
		_, schemaErr := pgstore.New(nil).With(pgstore.Options{Schema: name})
		_, myErr := mysqlstore.New(nil).With(mysqlstore.Options{Table: name})
		_, migrateErr := migrator.New(nil, migrations.MySQL, migrator.Options{Table: name})
		_, stepsErr := migrations.Steps(migrations.SQLite, "", name)
		for what, err := range map[string]error{"pgstore": pgErr, "schema": schemaErr, "mysqlstore": myErr, "migrator": migrateErr, "steps": stepsErr} {
			if !errors.Is(err, sessions.ErrInvalid) || !strings.Contains(err.Error(), "45 letters") {
				t.Errorf("%s takes %q: %v", what, name, err)
			}
		}
	}
	if _, err := pgstore.New(nil).With(pgstore.Options{Table: strings.Repeat("a", 45)}); err != nil {
		t.Errorf("a name of 45 letters: %v", err)
	}
}
