package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
	"github.com/sqlsessions/sessions/migrations/migrator"
)

// hold begins a transaction on a connection of its own and returns what ends it.
func hold(t *testing.T, dsn string, statements ...string) (release func()) {
	t.Helper()
	db := testbed.OpenDSN(t, dsn).DB
	conn, err := db.Conn(t.Context())
	testbed.Check(t, err)
	for _, statement := range statements {
		_, err := conn.ExecContext(t.Context(), statement)
		testbed.Check(t, err)
	}
	return func() {
		_, err := conn.ExecContext(context.Background(), "ROLLBACK")
		testbed.Check(t, errors.Join(err, conn.Close(), db.Close()))
	}
}

// With WAL neither a long read nor a backup gets in the way of requests.
func TestSQLiteLongRead(t *testing.T) {
	c, dsn := testbed.OpenFile(t, wal)
	tab := c.NewTable(t)
	a := testbed.NewApp(t, tab)
	user := a.Browser(t)
	user.OK("/login?u=alice")
	release := hold(t, dsn, "BEGIN", "SELECT count(*) FROM "+tab.Name)
	defer release()
	copied, backup := make(chan error, 1), filepath.Join(t.TempDir(), "backup.db")
	go func() {
		_, err := tab.DB.ExecContext(t.Context(), "VACUUM INTO '"+backup+"'")
		copied <- err
	}()
	for i := range 200 {
		if got := user.Fetch("/set?v=" + strconv.Itoa(i)); got.StatusCode != http.StatusOK {
			t.Fatalf("change %d: %d", i, got.StatusCode)
		}
	}
	testbed.Check(t, <-copied)
	restored := testbed.OpenDSN(t, "file:"+backup)
	if n, _, err := testbed.Count(t.Context(), restored.OpenStore(t, tab.Name)); n != 1 || err != nil {
		t.Errorf("the backup has %d sessions, %v; want 1", n, err)
	}
}

// A lock that is held for longer than the store's time limit fails closed. With a
// rollback journal a reader is enough, and the log says what to do about it.
func TestSQLiteLockIsHeld(t *testing.T) {
	for name, mode := range map[string]struct {
		parameters, begin string
		reads             bool
	}{
		"wal, a writer":              {wal, "BEGIN IMMEDIATE", true},
		"rollback journal, a writer": {"", "BEGIN EXCLUSIVE", false},
		"rollback journal, a reader": {"", "BEGIN", true},
	} {
		t.Run("sqlite "+name, func(t *testing.T) {
			c, dsn := testbed.OpenFile(t, mode.parameters)
			tab := c.NewTable(t)
			a := testbed.NewApp(t, tab) // which has time for what must succeed
			impatient := testbed.NewApp(t, tab, func(o *sessions.Options) { o.Timeout = 300 * time.Millisecond })
			user := a.Browser(t)
			user.OK("/login?u=alice")
			user.OK("/set?v=kept")
			release := hold(t, dsn, mode.begin, "SELECT count(*) FROM "+tab.Name)
			refused := user.Clone(a).On(impatient)
			impatient.Refused(t, refused, "/set?v=lost", "journal_mode to WAL")
			impatient.Refused(t, refused, "/logout", "journal_mode to WAL")
			impatient.Refused(t, impatient.Browser(t), "/set?v=lost", "journal_mode to WAL")
			if mode.reads {
				user.OK("/read")
			} else {
				impatient.Refused(t, refused, "/read", "load: "+sessions.ErrUnavailable.Error())
			}

			// Nor does an end of the context that is no deadline wait for the lock.
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- testbed.Touch(ctx, tab.Store, testbed.NewRow("").Ref, testbed.AnHour) }()
			waitForRetry(t)
			cancel()
			select {
			case err := <-ended:
				if err == nil {
					t.Error("a touch passed the lock")
				}
			case <-time.After(time.Minute):
				t.Error("the end of the context is not noticed")
			}

			release()
			if got := user.OK("/read"); got != "kept" {
				t.Errorf("the session holds %q", got)
			}
			user.OK("/set?v=new")
			a.NoConnectionInUse(t)
		})
	}
}

// A connection from before a migration says "no such table" while the file is locked. The
// store waits for the lock and finds the table. A table that is missing, or lacks a column, is
// an error at once.
func TestSQLiteMigratesBesideAnOpenConnection(t *testing.T) {
	old, dsn := testbed.OpenFile(t, "?_pragma=journal_mode(DELETE)")
	old.DB.SetMaxOpenConns(1)
	store := old.OpenStore(t, "t_later")
	if _, _, err := testbed.Count(t.Context(), store); !errors.Is(err, sessions.ErrSchema) {
		t.Fatalf("before the migration: %v, want ErrSchema", err)
	}
	migrated := testbed.OpenDSN(t, dsn)
	_, err := migrated.DB.ExecContext(t.Context(), "CREATE TABLE other (x)")
	testbed.Check(t, err)
	if _, _, err := testbed.Count(t.Context(), store); !errors.Is(err, sessions.ErrSchema) {
		t.Fatalf("after a migration of another table: %v, want ErrSchema", err)
	}
	m, err := migrator.New(migrated.DB, migrations.SQLite, migrator.Options{Table: "t_later"})
	testbed.Check(t, err)
	_, err = m.Up(t.Context())
	testbed.Check(t, err)

	release := hold(t, dsn, "BEGIN EXCLUSIVE")
	loaded := make(chan error, 1)
	go func() {
		_, err := store.Load(t.Context(), testbed.NewRow("").Ref)
		loaded <- err
	}()
	waitForRetry(t)
	release()
	if err := <-loaded; !errors.Is(err, sessions.ErrNotFound) {
		t.Errorf("a load beside the lock: %v, want ErrNotFound", err)
	}

	_, err = migrated.DB.ExecContext(t.Context(), "ALTER TABLE t_later RENAME COLUMN label TO other")
	testbed.Check(t, err)
	if _, err := store.Load(t.Context(), testbed.NewRow("").Ref); !errors.Is(err, sessions.ErrSchema) {
		t.Errorf("a load without a column: %v, want ErrSchema", err)
	}
}

// waitForRetry waits until a call pauses before its next try.
func waitForRetry(t *testing.T) {
	t.Helper()
	const pauses = "[select]:\ngithub.com/sqlsessions/sessions/internal/retry.Do("
	testbed.Await(t, "a call waits for the lock", func() bool { return strings.Contains(testbed.Stacks(), pauses) })
}

func TestSQLiteIsFull(t *testing.T) {
	c, _ := testbed.OpenFile(t, wal)
	c.DB.SetMaxOpenConns(1) // the limit is the connection's
	tab := c.NewTable(t)
	a := testbed.NewApp(t, tab)
	user := a.Browser(t)
	user.OK("/set?v=kept")
	limit := func(pages string) {
		_, err := tab.DB.ExecContext(t.Context(), "PRAGMA max_page_count = "+pages)
		testbed.Check(t, err)
	}
	limit("1") // becomes what the file has
	long := strings.Repeat("x", 40_000)
	a.Refused(t, user, "/set?v="+long, "max_page_count")
	a.Refused(t, a.Browser(t), "/set?v="+long, "max_page_count")
	if got := user.OK("/read"); got != "kept" {
		t.Errorf("the session holds %q", got)
	}
	limit("100000")
	user.OK("/set?v=" + long)
	if got := user.OK("/read"); got != long {
		t.Errorf("with more room the session holds %.20q", got)
	}
}

func TestSQLiteFileIsDamaged(t *testing.T) {
	c, dsn := testbed.OpenFile(t, "")
	tab := c.NewTable(t)
	path := strings.TrimPrefix(dsn, "file:")
	whole := testbed.NewApp(t, tab)
	user := whole.Browser(t)
	user.OK("/login?u=alice")
	tab.Close()
	good, err := os.ReadFile(path)
	testbed.Check(t, err)
	var pageSize int
	probe, err := sql.Open("sqlite", dsn)
	testbed.Check(t, err)
	testbed.Check(t, errors.Join(probe.QueryRow("PRAGMA page_size").Scan(&pageSize), probe.Close()))
	for name, damage := range map[string]func([]byte) []byte{
		"no database":   func([]byte) []byte { return []byte(strings.Repeat("this is no database\n", 100)) },
		"broken pages":  func(b []byte) []byte { return append(b[:pageSize:pageSize], make([]byte, len(b)-pageSize)...) },
		"cut off":       func(b []byte) []byte { return b[:pageSize] },
		"header broken": func(b []byte) []byte { return append(make([]byte, 50), b[50:]...) },
	} {
		t.Run("sqlite "+name, func(t *testing.T) {
			testbed.Check(t, os.WriteFile(path, damage(append([]byte(nil), good...)), 0o600))
			c := testbed.OpenDSN(t, dsn)
			a := testbed.NewApp(t, &testbed.Table{Conns: c, Name: tab.Name, Store: c.OpenStore(t, tab.Name)})
			for _, path := range []string{"/user", "/set?v=lost"} {
				a.Refused(t, user.Clone(whole).On(a), path, "the file is damaged or is not a SQLite database")
			}
			c.Close()
			testbed.Check(t, os.WriteFile(path, good, 0o600))
			again := testbed.OpenDSN(t, dsn)
			back := testbed.NewApp(t, &testbed.Table{Conns: again, Name: tab.Name, Store: again.OpenStore(t, tab.Name)})
			if got := user.Clone(whole).On(back).OK("/user"); got != "alice" {
				t.Errorf("with the file restored the user is %q", got)
			}
		})
	}
	tab.Open(t, tab.Conns)
}
