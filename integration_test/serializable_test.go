package integration_test

import (
	"context"
	"testing"
	"time"

	"github.com/sqlsessions/sessions/driver"
)

// At serializable PostgreSQL refuses a statement that waited for a row which another then
// changed. However often that happens in a row, a logout, a save and a touch of one
// caller come through.
func TestSerializableRowInUse(t *testing.T) {
	const refused = 8
	eachPostgres(t, func(t *testing.T, b backend) {
		if postgresPooler.leavesOut(t, b.name) {
			return
		}
		tab := b.connectTo(t, withParameters(postgresURL, "default_transaction_isolation=serializable")).newTable(t)
		plain := b.connect(t)
		waiting := func(n int) {
			t.Helper()
			for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
				var found int
				check(t, plain.db.QueryRowContext(t.Context(),
					"SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%"+tab.name+"%'").Scan(&found))
				if found == n {
					return
				}
				if time.Now().After(deadline) {
					t.Fatalf("%d statements wait for the row, want %d", found, n)
				}
			}
		}
		for name, call := range map[string]func(context.Context, driver.Row) error{
			"end":   func(ctx context.Context, r driver.Row) error { return end(ctx, tab.store, r.ID) },
			"touch": func(ctx context.Context, r driver.Row) error { return touch(ctx, tab.store, r.Ref, anHour) },
			"save": func(ctx context.Context, r driver.Row) error {
				_, err := save(ctx, tab.store, r, anHour)
				return err
			},
		} {
			row := insert(t, tab.store, newRow(`{}`))
			// Two others change the row by turns: the next one queues before this one commits.
			begin := func() (change, commit func() error) {
				tx, err := plain.db.BeginTx(t.Context(), nil)
				check(t, err)
				return func() error {
					_, err := tx.ExecContext(t.Context(), "UPDATE "+tab.name+" SET label = 'x' WHERE id = "+tab.literal(row.ID))
					return err
				}, tx.Commit
			}
			change, commit := begin()
			check(t, change())
			done := make(chan error, 1)
			go func() { done <- call(t.Context(), row) }()
			for range refused {
				waiting(1)
				next, commitNext := begin()
				changed := make(chan error, 1)
				go func() { changed <- next() }()
				waiting(2)
				check(t, commit())
				check(t, <-changed)
				commit = commitNext
			}
			waiting(1)
			check(t, commit())
			if err := <-done; err != nil {
				t.Errorf("%s, after %d refusals: %v", name, refused, err)
			}
		}
	})
}
