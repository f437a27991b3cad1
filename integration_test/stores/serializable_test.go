package stores_test

import (
	"context"
	"testing"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// At serializable PostgreSQL refuses a statement that waited for a row which another then
// changed. However often that happens in a row, a logout, a save and a touch of one
// caller come through.
func TestSerializableRowInUse(t *testing.T) {
	const refused = 8
	testbed.EachPostgres(t, func(t *testing.T, b testbed.Backend) {
		if testbed.PostgresPooler.LeavesOut(t, b.Name) {
			return
		}
		tab := b.ConnectTo(t, testbed.WithParameters(testbed.PostgresURL, "default_transaction_isolation=serializable")).NewTable(t)
		plain := b.Connect(t)
		waiting := func(n int) {
			t.Helper()
			for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
				var found int
				testbed.Check(t, plain.DB.QueryRowContext(t.Context(),
					"SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%"+tab.Name+"%'").Scan(&found))
				if found == n {
					return
				}
				if time.Now().After(deadline) {
					t.Fatalf("%d statements wait for the row, want %d", found, n)
				}
			}
		}
		for name, call := range map[string]func(context.Context, driver.Row) error{
			"end": func(ctx context.Context, r driver.Row) error { return testbed.End(ctx, tab.Store, r.ID) },
			"touch": func(ctx context.Context, r driver.Row) error {
				return testbed.Touch(ctx, tab.Store, r.Ref, testbed.AnHour)
			},
			"save": func(ctx context.Context, r driver.Row) error {
				_, err := testbed.Save(ctx, tab.Store, r, testbed.AnHour)
				return err
			},
		} {
			row := testbed.Insert(t, tab.Store, testbed.NewRow(`{}`))
			// Two others change the row by turns: the next one queues before this one commits.
			begin := func() (change, commit func() error) {
				tx, err := plain.DB.BeginTx(t.Context(), nil)
				testbed.Check(t, err)
				return func() error {
					_, err := tx.ExecContext(t.Context(), "UPDATE "+tab.Name+" SET label = 'x' WHERE id = "+tab.Literal(row.ID))
					return err
				}, tx.Commit
			}
			change, commit := begin()
			testbed.Check(t, change())
			done := make(chan error, 1)
			go func() { done <- call(t.Context(), row) }()
			for range refused {
				waiting(1)
				next, commitNext := begin()
				changed := make(chan error, 1)
				go func() { changed <- next() }()
				waiting(2)
				testbed.Check(t, commit())
				testbed.Check(t, <-changed)
				commit = commitNext
			}
			waiting(1)
			testbed.Check(t, commit())
			if err := <-done; err != nil {
				t.Errorf("%s, after %d refusals: %v", name, refused, err)
			}
		}
	})
}
