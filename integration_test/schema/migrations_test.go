package schema_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
	"github.com/sqlsessions/sessions/migrations/migrator"
)

// steps is how many there are, on each database.
const steps = 4

// fresh returns the name of a table that does not exist yet and will be dropped.
func fresh(t *testing.T, c *testbed.Conns) string {
	t.Helper()
	tab := c.NewTable(t)
	m := c.Migrator(t, tab.Name)
	if _, err := m.Down(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	return tab.Name
}

func TestMigrateUpAndDown(t *testing.T) {
	testbed.Each(t, func(t *testing.T, b testbed.Backend) {
		c := b.Connect(t)
		name := fresh(t, c)
		var ran []string
		m, err := migrator.New(c.DB, b.Dialect, migrator.Options{Table: name, OnStep: func(s migrations.Step, up bool) {
			ran = append(ran, fmt.Sprint(s.Version, " ", up))
		}})
		testbed.Check(t, err)
		status, err := m.Status(t.Context())
		testbed.Check(t, err)
		if status.Version != 0 || status.Latest != steps || len(status.Pending) != steps || status.Dirty {
			t.Errorf("before: %+v", status)
		}
		if n, err := m.Up(t.Context()); n != steps || err != nil {
			t.Fatalf("up: %d, %v", n, err)
		}
		if n, err := m.Up(t.Context()); n != 0 || err != nil {
			t.Errorf("up again: %d, %v", n, err)
		}
		testbed.Insert(t, c.OpenStore(t, name), testbed.NewRow("{}"))
		for _, step := range []struct{ down, want int }{{1, 1}, {2, 2}, {5, 1}, {1, 0}} {
			if n, err := m.Down(t.Context(), step.down); n != step.want || err != nil {
				t.Errorf("down %d: %d, %v; want %d", step.down, n, err, step.want)
			}
		}
		if got, want := fmt.Sprint(ran), "[1 true 2 true 3 true 4 true 4 false 3 false 2 false 1 false]"; got != want {
			t.Errorf("steps %s, want %s", got, want)
		}
		testbed.Check(t, c.DB.PingContext(t.Context())) // the pool was left open
		(&testbed.App{Table: &testbed.Table{Conns: c}}).NoConnectionInUse(t)
	})
}

// Five programs that start at once: one migrates, the others wait and find it done.
func TestMigrateFiveAtOnce(t *testing.T) {
	testbed.Each(t, func(t *testing.T, b testbed.Backend) {
		first := b.Connect(t)
		for range 3 {
			name := fresh(t, first)
			var did [5]int
			testbed.Parallel(5, func(i int) {
				n, err := b.ConnectTo(t, first.URL).Migrator(t, name).Up(t.Context())
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
	testbed.Each(t, func(t *testing.T, b testbed.Backend) {
		c := b.Connect(t)
		name := fresh(t, c)
		store := c.OpenStore(t, name)
		schemaError := func(what string) {
			t.Helper()
			_, loadErr := store.Load(t.Context(), testbed.NewRow("").Ref)
			_, countErr := store.Stats(t.Context())
			for _, err := range []error{loadErr, countErr} {
				if !errors.Is(err, sessions.ErrSchema) || !strings.Contains(err.Error(), "sessions migrate up") || !strings.Contains(err.Error(), name) {
					t.Errorf("%s: %v", what, err)
				}
			}
		}
		schemaError("missing table")

		m := c.Migrator(t, name)
		_, err := m.Up(t.Context())
		testbed.Check(t, err)
		_, err = store.Stats(t.Context())
		if testbed.PostgresPooler.HungUp(err) {
			_, err = store.Stats(t.Context())
		}
		testbed.Check(t, err)
		_, err = c.DB.ExecContext(t.Context(), "ALTER TABLE "+name+" RENAME COLUMN expires_at TO expiry")
		testbed.Check(t, err)
		schemaError("older schema")
		_, err = c.DB.ExecContext(t.Context(), "ALTER TABLE "+name+" RENAME COLUMN expiry TO expires_at")
		testbed.Check(t, err)

		versions := name + "_schema_migrations"
		_, err = c.DB.ExecContext(t.Context(), "UPDATE "+versions+" SET version = 9")
		testbed.Check(t, err)
		for _, run := range []func() (int, error){
			func() (int, error) { return m.Up(t.Context()) },
			func() (int, error) { return m.Down(t.Context(), 1) },
		} {
			if n, err := run(); n != 0 || !errors.Is(err, migrator.ErrNewer) || !strings.Contains(err.Error(), "version 9") {
				t.Errorf("newer schema: %d, %v", n, err)
			}
		}
		_, err = c.DB.ExecContext(t.Context(), "UPDATE "+versions+" SET version = 2, dirty = true")
		testbed.Check(t, err)
		if n, err := m.Up(t.Context()); n != 0 || !errors.Is(err, migrator.ErrDirty) || !strings.Contains(err.Error(), "migrate force") {
			t.Errorf("dirty schema: %d, %v", n, err)
		}
		testbed.Check(t, m.Force(t.Context(), steps))
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
	testbed.Each(t, func(t *testing.T, b testbed.Backend) {
		c := b.Connect(t)
		name := fresh(t, c)
		m := c.Migrator(t, name)
		_, err := m.Up(t.Context())
		testbed.Check(t, err)
		_, err = m.Down(t.Context(), steps-1)
		testbed.Check(t, err)
		// The user has made an index of the third step's name.
		_, err = c.DB.ExecContext(t.Context(), "CREATE INDEX "+name+"_reap_after_idx ON "+name+" (created_at)")
		testbed.Check(t, err)
		if n, err := m.Up(t.Context()); err == nil || !strings.Contains(err.Error(), "step 3 (index sessions reap)") {
			t.Fatalf("up: %d steps, %v", n, err)
		}
		status, err := m.Status(t.Context())
		testbed.Check(t, err)
		if want := b.Dialect == migrations.MySQL; status.Dirty != want || want && status.Version != 3 || !want && status.Version != 1 {
			t.Errorf("after the failure: %+v", status)
		}
		testbed.Check(t, c.DB.PingContext(t.Context()))
	})
}

// A version that can't be noted, as on a server that has become read-only, leaves no transaction
// in the application's connection: all that it saved later would be lost.
func TestVersionIsNotNoted(t *testing.T) {
	refuse := map[migrations.Dialect]string{
		migrations.PostgreSQL: "ALTER TABLE $V ADD CHECK (version >= %d)",
		migrations.MySQL:      "ALTER TABLE $V ADD CHECK (version >= %d)",
		migrations.SQLite:     "CREATE TRIGGER $V_refuses BEFORE INSERT ON $V WHEN NEW.version < %d BEGIN SELECT RAISE(ABORT, 'refused'); END",
	}
	testbed.Each(t, func(t *testing.T, b testbed.Backend) {
		c := b.Connect(t)
		name := fresh(t, c)
		m := c.Migrator(t, name)
		_, err := m.Up(t.Context())
		testbed.Check(t, err)
		_, err = c.DB.ExecContext(t.Context(), strings.ReplaceAll(fmt.Sprintf(refuse[b.Dialect], steps), "$V", name+"_schema_migrations"))
		testbed.Check(t, err)
		one := b.ConnectSized(t, c.URL, 1)
		if n, err := one.Migrator(t, name).Down(t.Context(), 1); n != 0 || err == nil {
			t.Errorf("down: %d steps, %v", n, err)
		}
		testbed.Insert(t, one.OpenStore(t, name), testbed.NewRow("{}"))
		if n := (&testbed.Table{Conns: c, Name: name}).Rows(t); n != 1 {
			t.Errorf("%d rows are there after an insert", n)
		}
	})
}

// Express's table has the name of ours, on MySQL.
func TestMigrateWhereAnotherTableIs(t *testing.T) {
	testbed.Each(t, func(t *testing.T, b testbed.Backend) {
		c := b.Connect(t)
		name := fresh(t, c)
		for _, statement := range []string{"CREATE TABLE " + name + " (session_id VARCHAR(128) PRIMARY KEY)", "INSERT INTO " + name + " VALUES ('theirs')"} {
			_, err := c.DB.ExecContext(t.Context(), statement)
			testbed.Check(t, err)
		}
		m := c.Migrator(t, name)
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
		testbed.Check(t, c.DB.QueryRowContext(t.Context(), "SELECT count(*) FROM "+name).Scan(&rows))
		if rows != 1 {
			t.Errorf("%d rows are left of another program's", rows)
		}
	})
}

// Waiting for another migrator ends by LockTimeout or by the context, and
// leaves no connection behind.
func TestMigratorThatWaits(t *testing.T) {
	testbed.Each(t, func(t *testing.T, b testbed.Backend) {
		holder := b.Connect(t)
		name := fresh(t, holder)
		held := make(chan struct{})
		release := make(chan struct{})
		first, err := migrator.New(holder.DB, b.Dialect, migrator.Options{Table: name, OnStep: func(s migrations.Step, _ bool) {
			if s.Version == 1 {
				close(held)
				<-release
			}
		}})
		testbed.Check(t, err)
		done := make(chan error)
		go func() {
			_, err := first.Up(context.Background())
			done <- err
		}()
		<-held
		waiting := b.ConnectTo(t, holder.URL)
		second, err := migrator.New(waiting.DB, b.Dialect, migrator.Options{Table: name, LockTimeout: time.Second})
		testbed.Check(t, err)
		if n, err := second.Up(t.Context()); n != 0 || err == nil || !strings.Contains(err.Error(), "another migration is running") {
			t.Errorf("LockTimeout: %d, %v", n, err)
		}
		third := waiting.Migrator(t, name)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if n, err := third.Up(ctx); n != 0 || err == nil || ctx.Err() == nil {
			t.Errorf("context: %d, %v", n, err)
		}
		(&testbed.App{Table: &testbed.Table{Conns: waiting}}).NoConnectionInUse(t)
		close(release)
		testbed.Check(t, <-done)
		if n, err := second.Up(t.Context()); n != 0 || err != nil {
			t.Errorf("afterwards: %d, %v", n, err)
		}
	})
}
