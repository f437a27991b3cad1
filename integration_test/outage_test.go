package integration_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/integration_test/servers"
	"github.com/sqlsessions/sessions/migrations"
)

// The database is stopped and started under a running application: fail
// closed, lose nothing, leave nothing behind.
func TestDatabaseGoesAwayAndComesBack(t *testing.T) {
	each(t, func(t *testing.T, b backend) {
		if b.dialect == migrations.SQLite {
			testFileGoesAway(t, b)
			return
		}
		engine := map[migrations.Dialect]servers.Engine{
			migrations.PostgreSQL: servers.PostgreSQL, migrations.MySQL: servers.MySQL,
		}[b.dialect]
		server, err := servers.StartOwned(t.Context(), engine, os.Stderr)
		check(t, err)
		defer server.Close()
		url, _, err := server.CreateDatabase(t.Context())
		check(t, err)
		tab := b.connectTo(t, url).newTable(t)
		testOutage(t, tab, func() { check(t, server.Stop(t.Context())) }, func() { check(t, server.Start(t.Context())) })
	})
}

// testFileGoesAway takes the place of an outage where there is no server.
func testFileGoesAway(t *testing.T, b backend) {
	tab := b.newTable(t)
	tab.db.SetMaxIdleConns(0) // or a connection that has the file open goes on with it
	hide := func(from, to string) {
		for _, suffix := range []string{"", "-wal", "-shm"} {
			if err := os.Rename(from+suffix, to+suffix); err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
		}
	}
	path := tab.url[len("sqlite:"):]
	testOutage(t, tab,
		func() { hide(path, path+".away"); check(t, os.Mkdir(path, 0o700)) },
		func() { check(t, os.Remove(path)); hide(path+".away", path) })
}

func testOutage(t *testing.T, tab *table, stop, start func()) {
	a := newApp(t, tab, func(o *sessions.Options) { o.Timeout = 3 * time.Second })
	user, visitor := a.browser(t), a.browser(t)
	user.ok("/login?u=alice")
	user.ok("/set?v=kept")
	before := user.cookie().Value

	slow := make(chan response, 1)
	go func() { slow <- user.clone(a).get("/slow?v=lost") }()
	resume := <-a.slow
	stop()
	close(resume)
	for what, answer := range map[string]response{
		"a save in flight":     <-slow,
		"a read":               user.get("/read"),
		"a change":             user.get("/set?v=lost"),
		"a logout":             user.get("/logout"),
		"a new session":        visitor.get("/set?v=lost"),
		"a login":              visitor.get("/login?u=bob"),
		"an untouched request": user.get("/untouched"),
	} {
		if answer.StatusCode != http.StatusServiceUnavailable || answer.body != "Service Unavailable\n" {
			t.Errorf("%s: %d %q, want 503", what, answer.StatusCode, answer.body)
		}
		if setsCookie(answer) {
			t.Errorf("%s: a cookie is set: %s", what, answer.Header["Set-Cookie"])
		}
	}
	if got := visitor.ok("/untouched"); got != "hello" {
		t.Errorf("a visitor without a session got %q", got)
	}

	start()
	// The pool may still hold broken connections; each costs a request its answer, never the session.
	deadline := time.Now().Add(30 * time.Second)
	for user.get("/read").StatusCode != http.StatusOK && time.Now().Before(deadline) {
		time.Sleep(50 * time.Millisecond)
	}
	if got := user.ok("/read"); got != "kept" {
		t.Errorf("after the outage the session holds %q", got)
	}
	if got := user.ok("/user"); got != "alice" {
		t.Errorf("after the outage the user is %q", got)
	}
	if user.cookie().Value != before {
		t.Error("the cookie changed")
	}
	a.noConnectionInUse(t)
}

// noConnectionInUse waits for the last request's connection to be put back.
func (a *app) noConnectionInUse(t *testing.T) {
	t.Helper()
	inUse := func() int {
		if a.pool != nil {
			return int(a.pool.Stat().AcquiredConns())
		}
		return a.db.Stats().InUse
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for inUse() > 0 {
		select {
		case <-ctx.Done():
			t.Errorf("%d connections are still in use", inUse())
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// A pool of one connection is enough for everything, since no connection is
// held while a handler runs.
func TestOneConnectionIsEnough(t *testing.T) {
	each(t, func(t *testing.T, b backend) {
		tab := b.connectSized(t, "", 1).newTable(t)
		a := newApp(t, tab)
		user := a.browser(t)
		user.ok("/login?u=alice")
		slow := make(chan response, 1)
		go func() { slow <- user.clone(a).get("/slow") }()
		resume := <-a.slow
		parallel(30, func(int) { user.ok("/count") })
		if got := user.ok("/everywhere"); got != "0 <nil>" {
			t.Errorf("a handler that asks the database: %s", got)
		}
		close(resume)
		if got := <-slow; got.StatusCode != http.StatusOK {
			t.Errorf("slow: %d", got.StatusCode)
		}
		a.noConnectionInUse(t)
	})
}

func TestStoreOnClosedPool(t *testing.T) {
	each(t, func(t *testing.T, b backend) {
		tab := b.newTable(t)
		a := newApp(t, tab)
		user := a.browser(t)
		user.ok("/login?u=alice")
		tab.close()
		if got := user.get("/read"); got.StatusCode != http.StatusServiceUnavailable || setsCookie(got) {
			t.Errorf("a closed pool: %d %s", got.StatusCode, got.Header["Set-Cookie"])
		}
		if _, err := a.manager.Count(t.Context()); !errors.Is(err, sessions.ErrUnavailable) {
			t.Errorf("count on a closed pool: %v", err)
		}
		b.open(t, tab.conns)
	})
}
