package sqlite_test

import (
	"strconv"
	"testing"

	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// wal is the DSN that the documentation advises.
const wal = "?_pragma=journal_mode(WAL)"

var sqliteModes = map[string]string{
	"wal":                  wal,
	"wal and busy_timeout": wal + "&_pragma=busy_timeout(5000)",
	"bare":                 "",
	"immediate":            "?_txlock=immediate",
	"rollback journal":     "?_pragma=journal_mode(DELETE)&_pragma=busy_timeout(1000)",
}

func eachSQLiteMode(t *testing.T, test func(t *testing.T, tab *testbed.Table, dsn string)) {
	t.Helper()
	for name, parameters := range sqliteModes {
		t.Run("sqlite "+name, func(t *testing.T) {
			c, dsn := testbed.OpenFile(t, parameters)
			test(t, c.NewTable(t), dsn)
		})
	}
}

func TestSQLiteStoreInEveryMode(t *testing.T) {
	for name, parameters := range sqliteModes {
		t.Run("sqlite "+name, func(t *testing.T) {
			t.Parallel()
			c, _ := testbed.OpenFile(t, parameters)
			testbed.RunSuite(t, c, (*testbed.Table).OfTomorrow) // as TestStoreInEveryMode does
		})
	}
}

// Two processes change one session and sessions of their own. Nothing is lost,
// and no client sees an error because of a lock, whatever the DSN says.
func TestSQLiteTwoProcesses(t *testing.T) {
	const workers, changes = 4, 60
	eachSQLiteMode(t, func(t *testing.T, tab *testbed.Table, dsn string) {
		here, there := testbed.NewApp(t, tab), tab.OtherProcess(t, dsn)
		shared := here.Browser(t)
		shared.OK("/set?v=first")
		own := make([]*testbed.Browser, 2*workers)
		testbed.Parallel(2*workers, func(i int) {
			both := shared.Clone(here)
			if own[i] = here.Browser(t); i%2 == 1 {
				both.On(there)
				own[i].On(there)
			}
			for range changes {
				both.OK("/count")
				own[i].OK("/count")
			}
		})
		if n, _ := testbed.Counter.Get(here.Session(t, shared)); n != 2*workers*changes {
			t.Errorf("the shared counter is at %d, want %d", n, 2*workers*changes)
		}
		for _, b := range own {
			if n, _ := testbed.Counter.Get(here.Session(t, b)); n != changes {
				t.Errorf("a process's own counter is at %d, want %d", n, changes)
			}
		}
		// What one process ends is over in the other.
		before := shared.Clone(here)
		shared.On(there).OK("/logout")
		if got := before.OK("/read"); got != "" {
			t.Errorf("after the logout in the other process the session holds %q", got)
		}
	})
}

func TestSQLiteMigrationWhileServing(t *testing.T) {
	eachSQLiteMode(t, func(t *testing.T, tab *testbed.Table, dsn string) {
		there := tab.OtherProcess(t, dsn)
		user := testbed.NewApp(t, tab).Browser(t).On(there)
		done := make(chan struct{})
		go func() {
			defer close(done)
			m := tab.Migrator(t, tab.Name)
			for range 10 {
				if _, err := m.Down(t.Context(), 1); err != nil {
					t.Errorf("down: %v", err)
				}
				if _, err := m.Up(t.Context()); err != nil {
					t.Errorf("up: %v", err)
				}
			}
		}()
		n := 0
		for migrating := true; migrating; n++ {
			select {
			case <-done:
				migrating = false
			default:
			}
			if got := user.OK("/count"); got != strconv.Itoa(n+1) {
				t.Fatalf("the counter is at %s, want %d", got, n+1)
			}
		}
	})
}

// Text and blobs compare as larger than any time, so such an expiry would never pass. The
// table rejects them.
func TestSQLiteTakesNoOtherTypes(t *testing.T) {
	c, _ := testbed.OpenFile(t, wal)
	tab := c.NewTable(t)
	row := testbed.Insert(t, tab.Store, testbed.NewRow(`{}`))
	for _, set := range []string{
		"expires_at = '2020-01-01 00:00:00'", "expires_at = x'00'", "expires_at = 1.5", "absolute_expires_at = 9e999", "reap_after = 'never'",
		"version = 1.5", "version = x'01'", "format = 'new'", "user_id = x'616c696365'", "verifier = 'text'", "data = x'7b7d'", "created_at = 'now'",
	} {
		if _, err := tab.DB.ExecContext(t.Context(), "UPDATE "+tab.Name+" SET "+set); err == nil {
			t.Errorf("%s: the table takes it", set)
		}
	}
	if _, err := tab.Store.Load(t.Context(), row.Ref); err != nil {
		t.Error(err)
	}
}

// Rows that never expire do not stop the reaper from reaching the dead rows after them.
func TestSQLiteReaperBesideFarTimes(t *testing.T) {
	const far, dead, batch = 60, 10, 20
	c, _ := testbed.OpenFile(t, wal)
	tab := c.NewTable(t)
	for range far + dead {
		testbed.Insert(t, tab.Store, testbed.NewRow(`{}`))
	}
	_, err := tab.DB.ExecContext(t.Context(), "UPDATE "+tab.Name+" SET reap_after = rowid, "+
		"expires_at = CASE WHEN rowid > "+strconv.Itoa(far)+" THEN 1 ELSE 9223372036854775807 END")
	testbed.Check(t, err)
	reaped := 0
	for range 2 * (far + dead) / batch {
		n, err := testbed.Reap(t.Context(), tab.Store, batch)
		testbed.Check(t, err)
		reaped += n
	}
	if reaped != dead {
		t.Errorf("%d rows were reaped, want %d", reaped, dead)
	}
}
