package stores_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
)

// setBack returns the table as it is for a database whose clock was set back by an hour.
//
//   - PostgreSQL looks for now() in a schema before its own.
//   - The clock of a MySQL connection can be set, after the store has looked at the connection.
//   - The rows of SQLite move into the future instead.
func setBack(t *testing.T, tab *testbed.Table) *testbed.Table {
	t.Helper()
	parameters := ""
	switch tab.Dialect {
	case migrations.SQLite:
		tab.Age(t, -time.Hour)
		return tab
	case migrations.PostgreSQL:
		schema := "clock_" + tab.Name
		tab.Exec(t, "CREATE SCHEMA "+schema,
			"CREATE FUNCTION "+schema+".now() RETURNS timestamptz STABLE LANGUAGE sql AS $f$ SELECT pg_catalog.now() - interval '1 hour' $f$")
		t.Cleanup(func() { _, _ = tab.DB.Exec("DROP SCHEMA " + schema + " CASCADE") })
		parameters = "search_path=" + schema + ",public,pg_catalog"
	case migrations.MySQL:
		behind := tab.ConnectSized(t, tab.URL, 1)
		store := behind.OpenStore(t, tab.Name)
		_, err := store.Stats(t.Context())
		testbed.Check(t, err)
		_, err = behind.DB.ExecContext(t.Context(), fmt.Sprintf("SET timestamp = %d", time.Now().Add(-time.Hour).Unix()))
		testbed.Check(t, err)
		return &testbed.Table{Conns: behind, Name: tab.Name, Store: store}
	}
	behind := tab.ConnectTo(t, testbed.WithParameters(tab.URL, parameters))
	return &testbed.Table{Conns: behind, Name: tab.Name, Store: behind.OpenStore(t, tab.Name)}
}

// A row that ended stays dead if the clock is set back to before it ended, and a sign-in that
// began before a revocation is still refused.
func TestTheClockIsSetBack(t *testing.T) {
	for _, i := range []int{testbed.PGXPool, testbed.MySQL, testbed.SQLite} {
		b := testbed.Backends[i]
		if b.Dialect == migrations.PostgreSQL && testbed.PostgresPooler.LeavesOut(t, b.Name) {
			continue
		}
		t.Run(b.Name, func(t *testing.T) { testSetBack(t, b.NewTable(t)) })
	}
}

func testSetBack(t *testing.T, tab *testbed.Table) {
	ctx := t.Context()
	rows := insertMany(t, tab, 4, "alice")
	why := map[driver.ID]string{rows[0].ID: "logout", rows[1].ID: "logout"}
	for _, row := range rows {
		if why[row.ID] == "logout" {
			testbed.Check(t, tab.Store.End(ctx, driver.EndRequest{ID: row.ID, Reason: "logout", Keep: 2 * time.Hour}))
		} else {
			why[row.ID] = "revoked"
		}
	}
	result, err := tab.Store.EndAll(ctx, driver.EndAllRequest{
		User: "alice", Limit: 10, Reason: "revoked", Keep: 2 * time.Hour, Mark: driver.Mark{Number: 7, Keep: 2 * time.Hour},
	})
	if result.Ended != 2 || err != nil {
		t.Fatalf("ended %+v, %v", result, err)
	}

	began := time.Now()
	behind := setBack(t, tab)
	live := testbed.Insert(t, behind.Store, testbed.NewRow(`{}`))
	if got, err := behind.Store.Load(ctx, live.Ref); err != nil || behind.Conns != tab.Conns && time.Since(got.CreatedAt) < 59*time.Minute {
		t.Fatalf("the clock was not set back: %v, %v", got.CreatedAt, err)
	}
	testbed.Check(t, behind.Store.End(ctx, driver.EndRequest{ID: live.ID}))
	for _, row := range rows {
		if _, err := behind.Store.Load(ctx, row.Ref); !errors.Is(err, driver.ErrNotFound) {
			t.Errorf("load: %v", err)
		}
		if err := testbed.Touch(ctx, behind.Store, row.Ref, testbed.AnHour); !errors.Is(err, driver.ErrNotFound) {
			t.Errorf("touch: %v", err)
		}
		if _, err := testbed.Save(ctx, behind.Store, row, testbed.Day); !errors.Is(err, driver.ErrNotFound) {
			t.Errorf("save: %v", err)
		}
		if _, err := testbed.Create(ctx, behind.Store, row, testbed.Day); !errors.Is(err, driver.ErrExists) {
			t.Errorf("create: %v", err)
		}
		endings, err := behind.Store.Endings(ctx, []driver.Ref{row.Ref})
		if len(endings) != 1 || err != nil || endings[0].Reason != why[row.ID] {
			t.Errorf("endings: %+v, %v", endings, err)
		}
	}
	for what, list := range map[string]driver.ListRequest{"all": {All: true, Limit: 10}, "alice": {User: "alice", Limit: 10}} {
		if got, err := behind.Store.List(ctx, list); len(got) != 0 || err != nil {
			t.Errorf("list %s: %d, %v", what, len(got), err)
		}
	}
	marks, err := behind.Store.Marks(ctx, driver.MarksRequest{ID: live.ID, User: "alice"})
	if len(marks) != 1 || err != nil || marks[0].Age > time.Since(began) {
		t.Errorf("marks: %+v, %v", marks, err)
	}
	if n, err := testbed.Reap(ctx, behind.Store, 10); n != 0 || err != nil {
		t.Errorf("reaped %d, %v", n, err)
	}
	if got, err := behind.Store.Stats(ctx); got.Live != 0 || err != nil {
		t.Errorf("counted %+v, %v", got, err)
	}
}
