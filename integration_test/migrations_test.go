package integration_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/migrations"
	"github.com/sqlsessions/sessions/migrations/migrator"
	"github.com/sqlsessions/sessions/mysqlstore"
	"github.com/sqlsessions/sessions/pgstore"
)

// steps is how many there are, on each database.
const steps = 4

func (c *conns) migrator(t *testing.T, name string) *migrator.Migrator {
	t.Helper()
	m, err := migrator.New(c.db, c.dialect, migrator.Options{Table: name})
	check(t, err)
	return m
}

// fresh returns the name of a table that does not exist yet and will be dropped.
func (c *conns) fresh(t *testing.T) string {
	t.Helper()
	tab := c.newTable(t)
	m := c.migrator(t, tab.name)
	if _, err := m.Down(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	return tab.name
}

func TestMigrateUpAndDown(t *testing.T) {
	each(t, func(t *testing.T, b backend) {
		c := b.connect(t)
		name := c.fresh(t)
		var ran []string
		m, err := migrator.New(c.db, b.dialect, migrator.Options{Table: name, OnStep: func(s migrations.Step, up bool) {
			ran = append(ran, fmt.Sprint(s.Version, " ", up))
		}})
		check(t, err)
		status, err := m.Status(t.Context())
		check(t, err)
		if status.Version != 0 || status.Latest != steps || len(status.Pending) != steps || status.Dirty {
			t.Errorf("before: %+v", status)
		}
		if n, err := m.Up(t.Context()); n != steps || err != nil {
			t.Fatalf("up: %d, %v", n, err)
		}
		if n, err := m.Up(t.Context()); n != 0 || err != nil {
			t.Errorf("up again: %d, %v", n, err)
		}
		insert(t, c.openStore(t, name), newRow("{}"))
		for _, step := range []struct{ down, want int }{{1, 1}, {2, 2}, {5, 1}, {1, 0}} {
			if n, err := m.Down(t.Context(), step.down); n != step.want || err != nil {
				t.Errorf("down %d: %d, %v; want %d", step.down, n, err, step.want)
			}
		}
		if got, want := fmt.Sprint(ran), "[1 true 2 true 3 true 4 true 4 false 3 false 2 false 1 false]"; got != want {
			t.Errorf("steps %s, want %s", got, want)
		}
		check(t, c.db.PingContext(t.Context())) // the pool was left open
		(&app{table: &table{conns: c}}).noConnectionInUse(t)
	})
}

// Five programs that start at once: one migrates, the others wait and find it done.
func TestMigrateFiveAtOnce(t *testing.T) {
	each(t, func(t *testing.T, b backend) {
		first := b.connect(t)
		for range 3 {
			name := first.fresh(t)
			var did [5]int
			parallel(5, func(i int) {
				n, err := b.connectTo(t, first.url).migrator(t, name).Up(t.Context())
				if err != nil {
					t.Errorf("up: %v", err)
				}
				did[i] = n
			})
			total := 0
			for _, n := range did {
				total += n
			}
			if total != steps {
				t.Errorf("they ran %v steps, want %d in all", did, steps)
			}
		}
	})
}

// A store that meets a schema which does not fit says which command to run.
func TestSchemaThatDoesNotFit(t *testing.T) {
	each(t, func(t *testing.T, b backend) {
		c := b.connect(t)
		name := c.fresh(t)
		store := c.openStore(t, name)
		schemaError := func(what string) {
			t.Helper()
			_, loadErr := store.Load(t.Context(), newRow("").Ref)
			_, countErr := store.Stats(t.Context())
			for _, err := range []error{loadErr, countErr} {
				if !errors.Is(err, sessions.ErrSchema) || !strings.Contains(err.Error(), "sessions migrate up") || !strings.Contains(err.Error(), name) {
					t.Errorf("%s: %v", what, err)
				}
			}
		}
		schemaError("missing table")

		m := c.migrator(t, name)
		_, err := m.Up(t.Context())
		check(t, err)
		_, err = store.Stats(t.Context())
		if postgresPooler.hungUp(err) {
			_, err = store.Stats(t.Context())
		}
		check(t, err)
		_, err = c.db.ExecContext(t.Context(), "ALTER TABLE "+name+" RENAME COLUMN expires_at TO expiry")
		check(t, err)
		schemaError("older schema")
		_, err = c.db.ExecContext(t.Context(), "ALTER TABLE "+name+" RENAME COLUMN expiry TO expires_at")
		check(t, err)

		versions := name + "_schema_migrations"
		_, err = c.db.ExecContext(t.Context(), "UPDATE "+versions+" SET version = 9")
		check(t, err)
		for _, run := range []func() (int, error){
			func() (int, error) { return m.Up(t.Context()) },
			func() (int, error) { return m.Down(t.Context(), 1) },
		} {
			if n, err := run(); n != 0 || !errors.Is(err, migrator.ErrNewer) || !strings.Contains(err.Error(), "version 9") {
				t.Errorf("newer schema: %d, %v", n, err)
			}
		}
		_, err = c.db.ExecContext(t.Context(), "UPDATE "+versions+" SET version = 2, dirty = true")
		check(t, err)
		if n, err := m.Up(t.Context()); n != 0 || !errors.Is(err, migrator.ErrDirty) || !strings.Contains(err.Error(), "migrate force") {
			t.Errorf("dirty schema: %d, %v", n, err)
		}
		check(t, m.Force(t.Context(), steps))
		if status, err := m.Status(t.Context()); err != nil || status.Dirty || status.Version != steps {
			t.Errorf("after force: %+v, %v", status, err)
		}
		if err := m.Force(t.Context(), steps+1); !errors.Is(err, sessions.ErrInvalid) {
			t.Errorf("force to a version that does not exist: %v", err)
		}
	})
}

// A migration that fails half-way: PostgreSQL and SQLite take all of it back,
// MySQL marks it dirty and says so. Nothing of the caller's is touched.
func TestMigrationFails(t *testing.T) {
	each(t, func(t *testing.T, b backend) {
		c := b.connect(t)
		name := c.fresh(t)
		m := c.migrator(t, name)
		_, err := m.Up(t.Context())
		check(t, err)
		_, err = m.Down(t.Context(), steps-1)
		check(t, err)
		// The user has made an index of the third step's name.
		_, err = c.db.ExecContext(t.Context(), "CREATE INDEX "+name+"_reap_after_idx ON "+name+" (created_at)")
		check(t, err)
		if n, err := m.Up(t.Context()); err == nil || !strings.Contains(err.Error(), "step 3 (index sessions reap)") {
			t.Fatalf("up: %d steps, %v", n, err)
		}
		status, err := m.Status(t.Context())
		check(t, err)
		if want := b.dialect == migrations.MySQL; status.Dirty != want || want && status.Version != 3 || !want && status.Version != 1 {
			t.Errorf("after the failure: %+v", status)
		}
		check(t, c.db.PingContext(t.Context()))
	})
}

// Express's table has the name of ours, on MySQL.
func TestMigrateWhereAnotherTableIs(t *testing.T) {
	each(t, func(t *testing.T, b backend) {
		c := b.connect(t)
		name := c.fresh(t)
		for _, statement := range []string{"CREATE TABLE " + name + " (session_id VARCHAR(128) PRIMARY KEY)", "INSERT INTO " + name + " VALUES ('theirs')"} {
			_, err := c.db.ExecContext(t.Context(), statement)
			check(t, err)
		}
		m := c.migrator(t, name)
		n, err := m.Up(t.Context())
		if n != 0 || !errors.Is(err, migrator.ErrTaken) {
			t.Errorf("up: %d steps, %v", n, err)
		}
		if status, err := m.Status(t.Context()); err != nil || status.Version != 0 || status.Dirty {
			t.Errorf("afterwards: %+v, %v", status, err)
		}
		if n, err := m.Down(t.Context(), 3); n != 0 || err != nil {
			t.Errorf("down: %d steps, %v", n, err)
		}
		var rows int
		check(t, c.db.QueryRowContext(t.Context(), "SELECT count(*) FROM "+name).Scan(&rows))
		if rows != 1 {
			t.Errorf("%d rows are left of another program's", rows)
		}
	})
}

func TestOwnSchemaAndNames(t *testing.T) {
	c := backends[0].connect(t)
	_, err := c.db.ExecContext(t.Context(), `CREATE SCHEMA "Auth_1"`)
	check(t, err)
	t.Cleanup(func() { _, _ = c.db.Exec(`DROP SCHEMA "Auth_1" CASCADE`) })
	m, err := migrator.New(c.db, migrations.PostgreSQL, migrator.Options{Schema: "Auth_1", Table: "Order"})
	check(t, err)
	_, err = m.Up(t.Context())
	check(t, err)
	store, err := pgstore.NewPool(c.pool).With(pgstore.Options{Schema: "Auth_1", Table: "Order"})
	check(t, err)
	if n, _, err := count(t.Context(), store); n != 0 || err != nil {
		t.Errorf("count: %d, %v", n, err)
	}
	var public int
	check(t, c.db.QueryRow(`SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename LIKE 'Order%'`).Scan(&public))
	if public != 0 {
		t.Errorf("%d tables are in the wrong schema", public)
	}
	if n, err := m.Down(t.Context(), 9); n != steps || err != nil {
		t.Errorf("down: %d, %v", n, err)
	}
	m, err = migrator.New(c.db, migrations.PostgreSQL, migrator.Options{Schema: "nowhere"})
	check(t, err)
	if _, err := m.Up(t.Context()); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("a schema that does not exist: %v", err)
	}
}

func TestOwnDatabaseOnMySQL(t *testing.T) {
	c := backends[2].connect(t)
	_, err := c.db.ExecContext(t.Context(), "CREATE DATABASE Auth_1")
	check(t, err)
	t.Cleanup(func() { _, _ = c.db.Exec("DROP DATABASE Auth_1") })
	m, err := migrator.New(c.db, migrations.MySQL, migrator.Options{Schema: "Auth_1", Table: "order"})
	check(t, err)
	_, err = m.Up(t.Context())
	check(t, err)
	store, err := mysqlstore.New(c.db).With(mysqlstore.Options{Schema: "Auth_1", Table: "order"})
	check(t, err)
	if n, _, err := count(t.Context(), store); n != 0 || err != nil {
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

// Waiting for another migrator ends by LockTimeout or by the context, and
// leaves no connection behind.
func TestMigratorThatWaits(t *testing.T) {
	each(t, func(t *testing.T, b backend) {
		holder := b.connect(t)
		name := holder.fresh(t)
		held := make(chan struct{})
		release := make(chan struct{})
		first, err := migrator.New(holder.db, b.dialect, migrator.Options{Table: name, OnStep: func(s migrations.Step, _ bool) {
			if s.Version == 1 {
				close(held)
				<-release
			}
		}})
		check(t, err)
		done := make(chan error)
		go func() {
			_, err := first.Up(context.Background())
			done <- err
		}()
		<-held
		waiting := b.connectTo(t, holder.url)
		second, err := migrator.New(waiting.db, b.dialect, migrator.Options{Table: name, LockTimeout: time.Second})
		check(t, err)
		if n, err := second.Up(t.Context()); n != 0 || err == nil || !strings.Contains(err.Error(), "another migration is running") {
			t.Errorf("LockTimeout: %d, %v", n, err)
		}
		third := waiting.migrator(t, name)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if n, err := third.Up(ctx); n != 0 || err == nil || ctx.Err() == nil {
			t.Errorf("context: %d, %v", n, err)
		}
		(&app{table: &table{conns: waiting}}).noConnectionInUse(t)
		close(release)
		check(t, <-done)
		if n, err := second.Up(t.Context()); n != 0 || err != nil {
			t.Errorf("afterwards: %d, %v", n, err)
		}
	})
}
