package integration_test

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
	"github.com/sqlsessions/sessions/migrations"
	"github.com/sqlsessions/sessions/migrations/migrator"
)

// hold begins a transaction on a connection of its own and returns what ends it.
func hold(t *testing.T, dsn string, statements ...string) (release func()) {
	t.Helper()
	db := openDSN(t, dsn).db
	conn, err := db.Conn(t.Context())
	check(t, err)
	for _, statement := range statements {
		_, err := conn.ExecContext(t.Context(), statement)
		check(t, err)
	}
	return func() {
		_, err := conn.ExecContext(context.Background(), "ROLLBACK")
		check(t, errors.Join(err, conn.Close(), db.Close()))
	}
}

// refused is for what must be answered 503, change nothing and say why in the log.
func (a *app) refused(t *testing.T, user *browser, path, why string) {
	t.Helper()
	got := user.get(path)
	if got.StatusCode != http.StatusServiceUnavailable || setsCookie(got) {
		t.Errorf("%s: %d %s, want 503 and no cookie", path, got.StatusCode, got.Header["Set-Cookie"])
	}
	if !strings.Contains(a.log.String(), why) {
		t.Errorf("%s: the log does not say %q:\n%s", path, why, a.log.String())
	}
}

// With WAL neither a long read nor a backup gets in the way of requests.
func TestSQLiteLongRead(t *testing.T) {
	c, dsn := openFile(t, wal)
	tab := c.newTable(t)
	a := newApp(t, tab)
	user := a.browser(t)
	user.ok("/login?u=alice")
	release := hold(t, dsn, "BEGIN", "SELECT count(*) FROM "+tab.name)
	defer release()
	copied, backup := make(chan error, 1), filepath.Join(t.TempDir(), "backup.db")
	go func() {
		_, err := tab.db.ExecContext(t.Context(), "VACUUM INTO '"+backup+"'")
		copied <- err
	}()
	for i := range 200 {
		if got := user.get("/set?v=" + strconv.Itoa(i)); got.StatusCode != http.StatusOK {
			t.Fatalf("change %d: %d", i, got.StatusCode)
		}
	}
	check(t, <-copied)
	restored := openDSN(t, "file:"+backup)
	if n, _, err := count(t.Context(), restored.openStore(t, tab.name)); n != 1 || err != nil {
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
			c, dsn := openFile(t, mode.parameters)
			tab := c.newTable(t)
			a := newApp(t, tab, func(o *sessions.Options) { o.Timeout = 300 * time.Millisecond })
			user := a.browser(t)
			user.ok("/login?u=alice")
			user.ok("/set?v=kept")
			release := hold(t, dsn, mode.begin, "SELECT count(*) FROM "+tab.name)
			a.refused(t, user, "/set?v=lost", "journal_mode to WAL")
			a.refused(t, user, "/logout", "journal_mode to WAL")
			a.refused(t, a.browser(t), "/set?v=lost", "journal_mode to WAL")
			if mode.reads {
				user.ok("/read")
			} else {
				a.refused(t, user, "/read", "load: "+sessions.ErrUnavailable.Error())
			}

			// Nor does an end of the context that is no deadline wait for the lock.
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- touch(ctx, tab.store, newRow("").Ref, anHour) }()
			waitForRetry(t)
			cancel()
			select {
			case err := <-ended:
				if err == nil {
					t.Error("a touch passed the lock")
				}
			case <-time.After(10 * time.Second):
				t.Error("the end of the context is not noticed")
			}

			release()
			if got := user.ok("/read"); got != "kept" {
				t.Errorf("the session holds %q", got)
			}
			user.ok("/set?v=new")
			a.noConnectionInUse(t)
		})
	}
}

// A connection from before a migration says "no such table" while the file is locked. The
// store waits for the lock and finds the table; one that is missing, or lacks a column, is
// told as that at once.
func TestSQLiteMigratesBesideAnOpenConnection(t *testing.T) {
	old, dsn := openFile(t, "?_pragma=journal_mode(DELETE)")
	old.db.SetMaxOpenConns(1)
	store := old.openStore(t, "t_later")
	if _, _, err := count(t.Context(), store); !errors.Is(err, sessions.ErrSchema) {
		t.Fatalf("before the migration: %v, want ErrSchema", err)
	}
	migrated := openDSN(t, dsn)
	_, err := migrated.db.ExecContext(t.Context(), "CREATE TABLE other (x)")
	check(t, err)
	if _, _, err := count(t.Context(), store); !errors.Is(err, sessions.ErrSchema) {
		t.Fatalf("after a migration of another table: %v, want ErrSchema", err)
	}
	m, err := migrator.New(migrated.db, migrations.SQLite, migrator.Options{Table: "t_later"})
	check(t, err)
	_, err = m.Up(t.Context())
	check(t, err)

	release := hold(t, dsn, "BEGIN EXCLUSIVE")
	loaded := make(chan error, 1)
	go func() {
		_, err := store.Load(t.Context(), newRow("").Ref)
		loaded <- err
	}()
	waitForRetry(t)
	release()
	if err := <-loaded; !errors.Is(err, sessions.ErrNotFound) {
		t.Errorf("a load beside the lock: %v, want ErrNotFound", err)
	}

	_, err = migrated.db.ExecContext(t.Context(), "ALTER TABLE t_later RENAME COLUMN label TO other")
	check(t, err)
	if _, err := store.Load(t.Context(), newRow("").Ref); !errors.Is(err, sessions.ErrSchema) {
		t.Errorf("a load without a column: %v, want ErrSchema", err)
	}
}

// waitForRetry waits until a call pauses before its next try.
func waitForRetry(t *testing.T) {
	t.Helper()
	const pauses = "[select]:\ngithub.com/sqlsessions/sessions/internal/retry.Do("
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(stacks(), pauses); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no call waits for the lock")
		}
	}
}

func TestSQLiteIsFull(t *testing.T) {
	c, _ := openFile(t, wal)
	c.db.SetMaxOpenConns(1) // the limit is the connection's
	tab := c.newTable(t)
	a := newApp(t, tab)
	user := a.browser(t)
	user.ok("/set?v=kept")
	limit := func(pages string) {
		_, err := tab.db.ExecContext(t.Context(), "PRAGMA max_page_count = "+pages)
		check(t, err)
	}
	limit("1") // becomes what the file has
	long := strings.Repeat("x", 40_000)
	a.refused(t, user, "/set?v="+long, "max_page_count")
	a.refused(t, a.browser(t), "/set?v="+long, "max_page_count")
	if got := user.ok("/read"); got != "kept" {
		t.Errorf("the session holds %q", got)
	}
	limit("100000")
	user.ok("/set?v=" + long)
	if got := user.ok("/read"); got != long {
		t.Errorf("with more room the session holds %.20q", got)
	}
}

func TestSQLiteFileIsDamaged(t *testing.T) {
	c, dsn := openFile(t, "")
	tab := c.newTable(t)
	path := strings.TrimPrefix(dsn, "file:")
	whole := newApp(t, tab)
	user := whole.browser(t)
	user.ok("/login?u=alice")
	tab.close()
	good, err := os.ReadFile(path)
	check(t, err)
	var pageSize int
	probe, err := sql.Open("sqlite", dsn)
	check(t, err)
	check(t, errors.Join(probe.QueryRow("PRAGMA page_size").Scan(&pageSize), probe.Close()))
	for name, damage := range map[string]func([]byte) []byte{
		"no database":   func([]byte) []byte { return []byte(strings.Repeat("this is no database\n", 100)) },
		"broken pages":  func(b []byte) []byte { return append(b[:pageSize:pageSize], make([]byte, len(b)-pageSize)...) },
		"cut off":       func(b []byte) []byte { return b[:pageSize] },
		"header broken": func(b []byte) []byte { return append(make([]byte, 50), b[50:]...) },
	} {
		t.Run("sqlite "+name, func(t *testing.T) {
			check(t, os.WriteFile(path, damage(append([]byte(nil), good...)), 0o600))
			c := openDSN(t, dsn)
			a := newApp(t, &table{conns: c, name: tab.name, store: c.openStore(t, tab.name)})
			for _, path := range []string{"/user", "/set?v=lost"} {
				a.refused(t, user.clone(whole).on(a), path, "the file is damaged or is no SQLite database")
			}
			c.close()
			check(t, os.WriteFile(path, good, 0o600))
			again := openDSN(t, dsn)
			back := newApp(t, &table{conns: again, name: tab.name, store: again.openStore(t, tab.name)})
			if got := user.clone(whole).on(back).ok("/user"); got != "alice" {
				t.Errorf("with the file restored the user is %q", got)
			}
		})
	}
	tab.open(t, tab.conns)
}
