package integration_test

import (
	"database/sql"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
)

// A search finds rows for many batches. Who has taken the place of one since is not deleted.
func TestReaperFindsSomebodyElse(t *testing.T) {
	eachPostgres(t, func(t *testing.T, b backend) {
		tab := b.newTable(t)
		tab.fill(t, 3)
		if got, err := tab.store.Reap(t.Context(), driver.ReapRequest{Limit: 1}); got.Deleted != 1 || !got.More || err != nil {
			t.Fatalf("deleted %d, %t, %v; want 1 and more to do", got.Deleted, got.More, err)
		}
		for _, statement := range []string{"DELETE FROM ", "VACUUM "} {
			_, err := tab.db.ExecContext(t.Context(), statement+tab.name)
			check(t, err)
		}
		a := newApp(t, tab)
		for range 3 {
			a.browser(t).ok("/set?v=alive")
		}
		places := 0
		check(t, tab.db.QueryRowContext(t.Context(), "SELECT count(*) FROM "+tab.name+" WHERE ctid IN ('(0,1)', '(0,2)', '(0,3)')").Scan(&places))
		if places != 3 {
			t.Fatalf("%d of the 3 places are taken", places)
		}
		if n, err := (&sessions.Reaper{Store: tab.store, BatchSize: 1}).Sweep(t.Context()); n != 0 || err != nil {
			t.Errorf("deleted %d, %v; want none", n, err)
		}
		if n := tab.rows(t); n != 3 {
			t.Errorf("%d rows are left of 3 that are alive", n)
		}
	})
}

// While a transaction can see what was deleted, a backup say, it stays in the index: a batch that went over
// all of it to find the next rows would take longer and longer.
func TestReaperWithAnOldTransaction(t *testing.T) {
	const dead, batch = 5000, 50
	eachPostgres(t, func(t *testing.T, b backend) {
		c := b.connectSized(t, "", 1) // whose counts its own queries can see
		tab := c.newTable(t)
		tab.fill(t, dead)
		backup, err := b.connect(t).db.BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
		check(t, err)
		defer func() { _ = backup.Rollback() }()
		rows := 0
		check(t, backup.QueryRowContext(t.Context(), "SELECT count(*) FROM "+tab.name).Scan(&rows))
		if n, err := (&sessions.Reaper{Store: tab.store, BatchSize: batch, NoRest: true}).Sweep(t.Context()); n != dead || err != nil {
			t.Fatalf("deleted %d, %v; want %d", n, err, dead)
		}
		query := "SELECT pg_stat_get_tuples_returned('" + tab.name + "_reap_after_idx'::regclass) FROM pg_stat_force_next_flush()"
		read := 0
		for deadline := time.Now().Add(20 * time.Second); read < dead && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
			if c.pool != nil {
				check(t, c.pool.QueryRow(t.Context(), query).Scan(&read))
			} else {
				check(t, c.db.QueryRowContext(t.Context(), query).Scan(&read))
			}
		}
		if read < dead || read > 3*dead {
			t.Errorf("went over %d rows in the index to find %d", read, dead)
		}
	})
}
