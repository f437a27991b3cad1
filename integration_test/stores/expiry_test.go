package stores_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
)

// A save that began before the row expired brings it back, however late it gets the row. An
// ending that comes after the expiry, and before that save is done, must not leave it alive.
func TestASaveAcrossTheExpiryOutlivesNoEnding(t *testing.T) {
	endAll := func(req driver.EndAllRequest) func(ctx context.Context, s driver.Store, row driver.Row) error {
		return func(ctx context.Context, s driver.Store, _ driver.Row) error {
			req.Reason, req.Keep, req.Limit = "revoked", time.Hour, 10
			_, err := s.EndAll(ctx, req)
			return err
		}
	}
	for name, c := range map[string]struct {
		end  func(ctx context.Context, s driver.Store, row driver.Row) error
		want error
		live int
	}{
		"by ID": {end: func(ctx context.Context, s driver.Store, row driver.Row) error {
			return s.End(ctx, driver.EndRequest{ID: row.ID, Reason: "logout", Keep: time.Hour})
		}},
		"by version": {end: func(ctx context.Context, s driver.Store, row driver.Row) error {
			return s.End(ctx, driver.EndRequest{ID: row.ID, Version: row.Version, Reason: "evicted", Keep: time.Hour})
		}, want: driver.ErrConflict, live: 1},
		"by user":    {end: endAll(driver.EndAllRequest{User: "alice"})},
		"everything": {end: endAll(driver.EndAllRequest{All: true})},
	} {
		t.Run(name, func(t *testing.T) {
			testbed.EachServer(t, func(t *testing.T, b testbed.Backend) {
				tab, others := b.NewTable(t), b.Connect(t)
				for !acrossTheExpiry(t, tab, others.DB, func(row driver.Row) {
					if err := c.end(t.Context(), tab.Store, row); !errors.Is(err, c.want) {
						t.Errorf("the ending returned %v, want %v", err, c.want)
					}
				}) {
				}
				if n := tab.Live(t); n != c.live {
					t.Errorf("%d sessions are live, want %d", n, c.live)
				}
			})
		})
	}
}

// acrossTheExpiry has a save wait for its row until the row has expired, and end run before the
// save gets it. It returns false if the save came too late.
func acrossTheExpiry(t *testing.T, tab *testbed.Table, others *sql.DB, end func(row driver.Row)) bool {
	t.Helper()
	row := testbed.NewRow(`{"n":1}`)
	row.User = "alice"
	row = testbed.Insert(t, tab.Store, row)
	tx, err := others.BeginTx(t.Context(), nil)
	testbed.Check(t, err)
	defer func() { _ = tx.Rollback() }()
	soon := map[migrations.Dialect]string{
		migrations.PostgreSQL: "now() + interval '2 seconds'", migrations.MySQL: "UTC_TIMESTAMP(6) + INTERVAL 2 SECOND",
	}[tab.Dialect]
	tab.Change(t, row.ID, "expires_at = "+soon)
	_, err = tx.ExecContext(t.Context(), "UPDATE "+tab.Name+" SET label = 'x' WHERE id = "+tab.Literal(row.ID))
	testbed.Check(t, err)

	saved, ended := make(chan error, 1), make(chan struct{})
	go func() {
		_, err := testbed.Save(t.Context(), tab.Store, row, testbed.AnHour)
		saved <- err
	}()
	awaitWaiting(t, tab, others, 1, nil)
	now := map[migrations.Dialect]string{migrations.PostgreSQL: "now()", migrations.MySQL: "UTC_TIMESTAMP(6)"}[tab.Dialect]
	testbed.Await(t, "the row has expired", func() bool { return count(t, tab, "expires_at > "+now) == 0 })
	go func() {
		defer close(ended)
		end(row)
	}()
	awaitWaiting(t, tab, others, 2, ended)
	testbed.Check(t, tx.Rollback())
	<-ended
	err = <-saved
	if err != nil && !errors.Is(err, driver.ErrNotFound) {
		t.Fatalf("save: %v", err)
	}
	return err == nil
}

// awaitWaiting waits until n statements wait for a row of the table, or until over is closed.
func awaitWaiting(t *testing.T, tab *testbed.Table, others *sql.DB, n int, over <-chan struct{}) {
	t.Helper()
	query := "SELECT count(*) FROM performance_schema.data_locks WHERE lock_status = 'WAITING' AND object_name = '" + tab.Name + "'"
	switch {
	case tab.Dialect == migrations.PostgreSQL:
		query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%" + tab.Name + "%'"
	case testbed.MariaDB(t):
		query = `SELECT count(DISTINCT w.requesting_trx_id)
			FROM information_schema.innodb_lock_waits AS w JOIN information_schema.innodb_locks AS l ON l.lock_id = w.requested_lock_id
			WHERE l.lock_table LIKE '%` + tab.Name + "%'"
	}
	testbed.Await(t, "the statements wait for the row", func() bool {
		select {
		case <-over:
			return true
		default:
		}
		if tab.Dialect == migrations.MySQL {
			time.Sleep(150 * time.Millisecond) // MariaDB's tables stay as they are while they are read more often
		}
		var waiting int
		testbed.Check(t, others.QueryRowContext(t.Context(), query).Scan(&waiting))
		return waiting >= n
	})
}
