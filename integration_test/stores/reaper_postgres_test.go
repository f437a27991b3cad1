package stores_test

import (
	"context"
	"database/sql"
	"fmt"
	"testing"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// One search finds the rows of many batches. A row that has taken the place of one of them
// since then is not deleted.
func TestReaperFindsSomebodyElse(t *testing.T) {
	testbed.EachPostgres(t, func(t *testing.T, b testbed.Backend) {
		tab := b.NewTable(t)
		tab.Fill(t, 3)
		if got, err := tab.Store.Reap(t.Context(), driver.ReapRequest{Limit: 1}); got.Deleted != 1 || !got.More || err != nil {
			t.Fatalf("deleted %d, %t, %v; want 1 and more to do", got.Deleted, got.More, err)
		}
		for _, statement := range []string{"DELETE FROM ", "VACUUM "} {
			_, err := tab.DB.ExecContext(t.Context(), statement+tab.Name)
			testbed.Check(t, err)
		}
		a := testbed.NewApp(t, tab)
		for range 3 {
			a.Browser(t).OK("/set?v=alive")
		}
		places := 0
		testbed.Check(t, tab.DB.QueryRowContext(t.Context(), "SELECT count(*) FROM "+tab.Name+" WHERE ctid IN ('(0,1)', '(0,2)', '(0,3)')").Scan(&places))
		if places != 3 {
			t.Fatalf("%d of the 3 places are taken", places)
		}
		if n, err := (&sessions.Reaper{Store: tab.Store, BatchSize: 1}).Sweep(t.Context()); n != 0 || err != nil {
			t.Errorf("deleted %d, %v; want none", n, err)
		}
		if n := tab.Rows(t); n != 3 {
			t.Errorf("%d rows are left of 3 that are alive", n)
		}
	})
}

// A row that changes between the search and the lock is left out of a large batch. That must not
// be taken for the end: a trigger stands for the change.
func TestReaperGoesOnPastARowThatChanges(t *testing.T) {
	const batch, rows = 10_000, 20_500
	testbed.EachPostgres(t, func(t *testing.T, b testbed.Backend) {
		tab := b.NewTable(t)
		tab.Exec(t, fmt.Sprintf(`INSERT INTO $TABLE (id, verifier, version, data, created_at, absolute_expires_at, seen_at, expires_at, reap_after)
			SELECT lpad(to_hex(i), 32, '0')::uuid, sha256(i::text::bytea), 1, '{}', now(), now() + interval '9 days', now(),
				now() + interval '1 day', now() - interval '1 day'
			FROM generate_series(1, %d) AS i`, rows),
			"CREATE FUNCTION $TABLE_changes() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
			"CREATE TRIGGER changes BEFORE UPDATE ON $TABLE FOR EACH ROW WHEN (OLD.id = lpad('1', 32, '0')::uuid) EXECUTE FUNCTION $TABLE_changes()")
		t.Cleanup(func() {
			_, _ = tab.DB.ExecContext(context.Background(), "DROP FUNCTION "+tab.Name+"_changes() CASCADE")
		})
		if n, err := (&sessions.Reaper{Store: tab.Store, BatchSize: batch, NoRest: true}).Sweep(t.Context()); n != 0 || err != nil {
			t.Errorf("deleted %d, %v; want none", n, err)
		}
		marked := 0
		testbed.Check(t, tab.DB.QueryRowContext(t.Context(), "SELECT count(*) FROM "+tab.Name+" WHERE reap_after < now()").Scan(&marked))
		if marked != 1 {
			t.Errorf("%d rows are still marked, want the one that changes", marked)
		}
	})
}

// While a transaction can see what was deleted, a backup say, it stays in the index: a batch that went over
// all of it to find the next rows would take longer and longer.
func TestReaperWithAnOldTransaction(t *testing.T) {
	const dead, batch = 5000, 50
	testbed.EachPostgres(t, func(t *testing.T, b testbed.Backend) {
		c := b.ConnectSized(t, "", 1) // whose counts its own queries can see
		tab := c.NewTable(t)
		tab.Fill(t, dead)
		backup, err := b.Connect(t).DB.BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
		testbed.Check(t, err)
		defer func() { _ = backup.Rollback() }()
		rows := 0
		testbed.Check(t, backup.QueryRowContext(t.Context(), "SELECT count(*) FROM "+tab.Name).Scan(&rows))
		if n, err := (&sessions.Reaper{Store: tab.Store, BatchSize: batch, NoRest: true}).Sweep(t.Context()); n != dead || err != nil {
			t.Fatalf("deleted %d, %v; want %d", n, err, dead)
		}
		query := "SELECT pg_stat_get_tuples_returned('" + tab.Name + "_reap_after_idx'::regclass) FROM pg_stat_force_next_flush()"
		read := 0
		testbed.Await(t, "the rows that were read are counted", func() bool {
			if c.Pool != nil {
				testbed.Check(t, c.Pool.QueryRow(t.Context(), query).Scan(&read))
			} else {
				testbed.Check(t, c.DB.QueryRowContext(t.Context(), query).Scan(&read))
			}
			return read >= dead
		})
		if read > 3*dead {
			t.Errorf("went over %d rows in the index to find %d", read, dead)
		}
	})
}
