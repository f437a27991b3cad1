package stores_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// At serializable PostgreSQL refuses a statement that waited for a row which another then
// changed. However often that happens in a row, a logout, a save and a touch of one
// caller come through.
func TestSerializableRowInUse(t *testing.T) {
	testbed.EachPostgres(t, func(t *testing.T, b testbed.Backend) {
		if testbed.PostgresPooler.LeavesOut(t, b.Name) {
			return
		}
		tab := b.ConnectTo(t, testbed.WithParameters(testbed.PostgresURL, "default_transaction_isolation=serializable")).NewTable(t)
		plain := b.Connect(t)
		calls := map[string]func(context.Context, driver.Row) error{
			"end": func(ctx context.Context, r driver.Row) error { return testbed.End(ctx, tab.Store, r.ID) },
			"touch": func(ctx context.Context, r driver.Row) error {
				return testbed.Touch(ctx, tab.Store, r.Ref, testbed.AnHour)
			},
			"save": func(ctx context.Context, r driver.Row) error {
				_, err := testbed.Save(ctx, tab.Store, r, testbed.AnHour)
				return err
			},
		}
		for name, call := range calls {
			for tries := 0; !refusedOften(t, tab, plain, name, call); tries++ {
				if tries == 20 {
					t.Fatalf("%s came through between the others %d times", name, tries)
				}
			}
		}
	})
}

// refusedOften has a call refused eight times before it comes through. Two others change the
// row by turns: the next one queues before this one commits. On a busy machine the call may be
// faster than the next one: then it has come through too early, and refusedOften returns false.
func refusedOften(t *testing.T, tab *testbed.Table, plain *testbed.Conns, name string, call func(context.Context, driver.Row) error) bool {
	t.Helper()
	const refused = 8
	row := testbed.Insert(t, tab.Store, testbed.NewRow(`{}`))
	begin := func() (change, commit func() error) {
		tx, err := plain.DB.BeginTx(t.Context(), nil)
		testbed.Check(t, err)
		t.Cleanup(func() { _ = tx.Rollback() })
		return func() error {
			_, err := tx.ExecContext(t.Context(), "UPDATE "+tab.Name+" SET label = 'x' WHERE id = "+tab.Literal(row.ID))
			return err
		}, tx.Commit
	}
	done := make(chan error, 1)
	// waiting waits until n statements wait for the row, or the call has ended.
	waiting := func(n int) bool {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
			select {
			case err := <-done:
				testbed.Check(t, err)
				return false
			default:
			}
			var found int
			testbed.Check(t, plain.DB.QueryRowContext(t.Context(),
				"SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%"+tab.Name+"%'").Scan(&found))
			if found == n {
				return true
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: %d statements wait for the row, want %d", name, found, n)
			}
		}
	}
	change, commit := begin()
	testbed.Check(t, change())
	go func() { done <- call(t.Context(), row) }()
	for range refused {
		if !waiting(1) {
			testbed.Check(t, commit())
			return false
		}
		next, commitNext := begin()
		changed := make(chan error, 1)
		go func() { changed <- next() }()
		ahead := waiting(2)
		testbed.Check(t, commit())
		testbed.Check(t, <-changed)
		commit = commitNext
		if !ahead {
			testbed.Check(t, commit())
			return false
		}
	}
	inTime := waiting(1)
	testbed.Check(t, commit())
	if !inTime {
		return false
	}
	if err := <-done; err != nil {
		t.Errorf("%s, after %d refusals: %v", name, refused, err)
	}
	return true
}

// A read that PostgreSQL undoes is run again, too. A view stands for the table, and fails the first
// times.
func TestSerializableReads(t *testing.T) {
	testbed.EachPostgres(t, func(t *testing.T, b testbed.Backend) {
		ctx, tab := t.Context(), b.NewTable(t)
		row := testbed.Insert(t, tab.Store, testbed.NewRow(`{}`))
		tab.Exec(t, "CREATE SEQUENCE $TABLE_seq", `CREATE FUNCTION $TABLE_may() RETURNS boolean LANGUAGE plpgsql AS $f$
			BEGIN
				IF nextval('$TABLE_seq') <= 3 THEN RAISE 'as told' USING ERRCODE = '40001'; END IF;
				RETURN true;
			END $f$`, "ALTER TABLE $TABLE RENAME TO $TABLE_real",
			"CREATE VIEW $TABLE AS SELECT r.* FROM $TABLE_real AS r WHERE $TABLE_may()") //nolint:unqueryvet // all there is
		t.Cleanup(func() {
			for _, drop := range []string{"VIEW %s", "TABLE %s_real", "FUNCTION %s_may()", "SEQUENCE %s_seq"} {
				_, err := tab.DB.ExecContext(context.Background(), "DROP "+fmt.Sprintf(drop, tab.Name))
				testbed.Check(t, err)
			}
		})
		for name, read := range map[string]func() error{
			"load":    func() error { _, err := tab.Store.Load(ctx, row.Ref); return err },
			"list":    func() error { _, err := tab.Store.List(ctx, driver.ListRequest{All: true, Limit: 1}); return err },
			"endings": func() error { _, err := tab.Store.Endings(ctx, []driver.Ref{row.Ref}); return err },
			"marks":   func() error { _, err := tab.Store.Marks(ctx, driver.MarksRequest{User: "alice"}); return err },
			"stats":   func() error { _, err := tab.Store.Stats(ctx); return err },
		} {
			tab.Exec(t, "SELECT setval('$TABLE_seq', 1, false)")
			if err := read(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
