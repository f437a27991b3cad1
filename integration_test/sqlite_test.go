package integration_test

import (
	"strconv"
	"testing"
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

func eachSQLiteMode(t *testing.T, test func(t *testing.T, tab *table, dsn string)) {
	t.Helper()
	for name, parameters := range sqliteModes {
		t.Run("sqlite "+name, func(t *testing.T) {
			c, dsn := openFile(t, parameters)
			test(t, c.newTable(t), dsn)
		})
	}
}

func TestSQLiteStoreInEveryMode(t *testing.T) {
	for name, parameters := range sqliteModes {
		t.Run("sqlite "+name, func(t *testing.T) {
			t.Parallel()
			c, _ := openFile(t, parameters)
			runSuite(t, c, (*table).ofTomorrow) // as TestStoreInEveryMode does
		})
	}
}

// Two processes change one session and sessions of their own. Nothing is lost,
// and nobody hears of the lock, whatever the DSN says.
func TestSQLiteTwoProcesses(t *testing.T) {
	const workers, changes = 4, 60
	eachSQLiteMode(t, func(t *testing.T, tab *table, dsn string) {
		here, there := newApp(t, tab), tab.otherProcess(t, dsn)
		shared := here.browser(t)
		shared.ok("/set?v=first")
		own := make([]*browser, 2*workers)
		parallel(2*workers, func(i int) {
			both := shared.clone(here)
			if own[i] = here.browser(t); i%2 == 1 {
				both.on(there)
				own[i].on(there)
			}
			for range changes {
				both.ok("/count")
				own[i].ok("/count")
			}
		})
		if n, _ := counter.Get(here.session(t, shared)); n != 2*workers*changes {
			t.Errorf("the shared counter is at %d, want %d", n, 2*workers*changes)
		}
		for _, b := range own {
			if n, _ := counter.Get(here.session(t, b)); n != changes {
				t.Errorf("a process's own counter is at %d, want %d", n, changes)
			}
		}
		// What one process ends is over in the other.
		before := shared.clone(here)
		shared.on(there).ok("/logout")
		if got := before.ok("/read"); got != "" {
			t.Errorf("after the logout in the other process the session holds %q", got)
		}
	})
}

func TestSQLiteMigrationWhileServing(t *testing.T) {
	eachSQLiteMode(t, func(t *testing.T, tab *table, dsn string) {
		there := tab.otherProcess(t, dsn)
		user := newApp(t, tab).browser(t).on(there)
		done := make(chan struct{})
		go func() {
			defer close(done)
			m := tab.migrator(t, tab.name)
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
			if got := user.ok("/count"); got != strconv.Itoa(n+1) {
				t.Fatalf("the counter is at %s, want %d", got, n+1)
			}
		}
	})
}

// Text and blobs compare as larger than any time, so such an expiry would never pass. The
// table rejects them.
func TestSQLiteTakesNoOtherTypes(t *testing.T) {
	c, _ := openFile(t, wal)
	tab := c.newTable(t)
	row := insert(t, tab.store, newRow(`{}`))
	for _, set := range []string{
		"expires_at = '2020-01-01 00:00:00'", "expires_at = x'00'", "expires_at = 1.5", "absolute_expires_at = 9e999", "reap_after = 'never'",
		"version = 1.5", "version = x'01'", "format = 'new'", "user_id = x'616c696365'", "verifier = 'text'", "data = x'7b7d'", "created_at = 'now'",
	} {
		if _, err := tab.db.ExecContext(t.Context(), "UPDATE "+tab.name+" SET "+set); err == nil {
			t.Errorf("%s: the table takes it", set)
		}
	}
	if _, err := tab.store.Load(t.Context(), row.Ref); err != nil {
		t.Error(err)
	}
}

// Rows that never expire do not stop the reaper from reaching the dead rows after them.
func TestSQLiteReaperBesideFarTimes(t *testing.T) {
	const far, dead, batch = 60, 10, 20
	c, _ := openFile(t, wal)
	tab := c.newTable(t)
	for range far + dead {
		insert(t, tab.store, newRow(`{}`))
	}
	_, err := tab.db.ExecContext(t.Context(), "UPDATE "+tab.name+" SET reap_after = rowid, "+
		"expires_at = CASE WHEN rowid > "+strconv.Itoa(far)+" THEN 1 ELSE 9223372036854775807 END")
	check(t, err)
	reaped := 0
	for range 2 * (far + dead) / batch {
		n, err := reap(t.Context(), tab.store, batch)
		check(t, err)
		reaped += n
	}
	if reaped != dead {
		t.Errorf("%d rows were reaped, want %d", reaped, dead)
	}
}
