package integration_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
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

// A client that hangs up neither loses a save nor half-finishes a logout.
func TestClientHangsUp(t *testing.T) {
	each(t, func(t *testing.T, b backend) {
		a := newApp(t, b.newTable(t))
		user := a.browser(t)
		user.ok("/login?u=alice")
		ctx, cancel := context.WithCancel(t.Context())
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, a.server.URL+"/slow?v=saved", nil)
		check(t, err)
		left := make(chan error, 1)
		go func() {
			answer, err := user.Do(r)
			if err == nil {
				answer.Body.Close()
			}
			left <- err
		}()
		resume := <-a.slow
		cancel()
		if err := <-left; err == nil {
			t.Error("the client did not hang up")
		}
		close(resume)
		a.server.Close() // waits for the handler
		s := a.session(t, user)
		if got, _ := value.Get(s); got != "saved" {
			t.Errorf("the session holds %q, want what the handler stored", got)
		}
	})
}

// Who hangs up before the session is there costs the database no connection.
func TestClientHangsUpEarly(t *testing.T) {
	eachServer(t, func(t *testing.T, b backend) {
		tab := b.connectSized(t, "", 2).newTable(t)
		a := newApp(t, tab)
		user := a.browser(t)
		user.ok("/login?u=alice")
		ctx, hangUp := context.WithCancel(t.Context())
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/user", nil)
		r.AddCookie(user.cookie())
		var opened int64
		if tab.pool != nil {
			opened = tab.pool.Stat().NewConnsCount()
		}
		unlock := tab.lock(t)
		answer := httptest.NewRecorder()
		served := make(chan struct{})
		go func() {
			defer close(served)
			a.server.Config.Handler.ServeHTTP(answer, r)
		}()
		tab.waitForLock(t)
		hangUp()
		unlock()
		<-served
		if answer.Code != http.StatusOK || answer.Body.String() != "alice" {
			t.Errorf("answered %d %q", answer.Code, answer.Body)
		}
		if tab.pool != nil && tab.pool.Stat().NewConnsCount() != opened {
			t.Errorf("%d connections were opened, %d before", tab.pool.Stat().NewConnsCount(), opened)
		}
	})
}

// lock lets nobody read the table.
func (tab *table) lock(t *testing.T) (unlock func()) {
	t.Helper()
	conn := tab.connection(t)
	do := func(statement string) {
		t.Helper()
		_, err := conn.ExecContext(t.Context(), statement)
		check(t, err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if tab.dialect == migrations.MySQL {
		do("LOCK TABLES " + tab.name + " WRITE")
		return func() { do("UNLOCK TABLES") }
	}
	do("BEGIN")
	do("LOCK TABLE " + tab.name)
	return func() { do("COMMIT") }
}

// waitForLock waits until somebody waits for the table.
func (tab *table) waitForLock(t *testing.T) {
	t.Helper()
	query := "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = '" + tab.name + "'::regclass"
	if tab.dialect == migrations.MySQL {
		query = "SELECT count(*) FROM information_schema.processlist WHERE state LIKE 'Waiting for table%' AND db = DATABASE()"
	}
	watcher := tab.connection(t)
	defer watcher.Close()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		n := 0
		check(t, watcher.QueryRowContext(t.Context(), query).Scan(&n))
		if n > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("nobody waits for the table")
		}
	}
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
