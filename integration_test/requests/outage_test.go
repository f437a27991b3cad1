package requests_test

import (
	"errors"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/integration_test/servers"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
)

// The database is stopped and started under a running application: fail
// closed, lose nothing, leave nothing behind.
func TestDatabaseGoesAwayAndComesBack(t *testing.T) {
	testbed.Each(t, func(t *testing.T, b testbed.Backend) {
		if b.Dialect == migrations.SQLite {
			testFileGoesAway(t, b)
			return
		}
		engine := map[migrations.Dialect]servers.Engine{
			migrations.PostgreSQL: servers.PostgreSQL, migrations.MySQL: servers.MySQL,
		}[b.Dialect]
		server, err := servers.StartOwned(t.Context(), engine, os.Stderr)
		testbed.Check(t, err)
		defer server.Close()
		url, _, err := server.CreateDatabase(t.Context())
		testbed.Check(t, err)
		tab := b.ConnectTo(t, url).NewTable(t)
		testOutage(t, tab, func() { testbed.Check(t, server.Stop(t.Context())) }, func() { testbed.Check(t, server.Start(t.Context())) })
	})
}

// testFileGoesAway takes the place of an outage where there is no server.
func testFileGoesAway(t *testing.T, b testbed.Backend) {
	tab := b.NewTable(t)
	tab.DB.SetMaxIdleConns(0) // or a connection that has the file open goes on with it
	hide := func(from, to string) {
		for _, suffix := range []string{"", "-wal", "-shm"} {
			if err := os.Rename(from+suffix, to+suffix); err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
		}
	}
	path := tab.URL[len("sqlite:"):]
	testOutage(t, tab,
		func() { hide(path, path+".away"); testbed.Check(t, os.Mkdir(path, 0o700)) },
		func() { testbed.Check(t, os.Remove(path)); hide(path+".away", path) })
}

func testOutage(t *testing.T, tab *testbed.Table, stop, start func()) {
	a := testbed.NewApp(t, tab, func(o *sessions.Options) { o.Timeout = 3 * time.Second })
	user, visitor := a.Browser(t), a.Browser(t)
	user.OK("/login?u=alice")
	user.OK("/set?v=kept")
	before := user.Cookie().Value

	slow := make(chan testbed.Response, 1)
	go func() { slow <- user.Clone(a).Fetch("/slow?v=lost") }()
	resume := <-a.Slow
	stop()
	close(resume)
	for what, answer := range map[string]testbed.Response{
		"a save in flight":     <-slow,
		"a read":               user.Fetch("/read"),
		"a change":             user.Fetch("/set?v=lost"),
		"a logout":             user.Fetch("/logout"),
		"a new session":        visitor.Fetch("/set?v=lost"),
		"a login":              visitor.Fetch("/login?u=bob"),
		"an untouched request": user.Fetch("/untouched"),
	} {
		if answer.StatusCode != http.StatusServiceUnavailable || answer.Body != "Service Unavailable\n" {
			t.Errorf("%s: %d %q, want 503", what, answer.StatusCode, answer.Body)
		}
		if testbed.SetsCookie(answer) {
			t.Errorf("%s: a cookie is set: %s", what, answer.Header["Set-Cookie"])
		}
	}
	if got := visitor.OK("/untouched"); got != "hello" {
		t.Errorf("a visitor without a session got %q", got)
	}

	start()
	// The pool may still hold broken connections; each costs a request its answer, never the session.
	testbed.Await(t, "the user is served", func() bool { return user.Fetch("/read").StatusCode == http.StatusOK })
	if got := user.OK("/read"); got != "kept" {
		t.Errorf("after the outage the session holds %q", got)
	}
	if got := user.OK("/user"); got != "alice" {
		t.Errorf("after the outage the user is %q", got)
	}
	if user.Cookie().Value != before {
		t.Error("the cookie changed")
	}
	a.NoConnectionInUse(t)
}

// A pool of one connection is enough for everything, since no connection is
// held while a handler runs.
func TestOneConnectionIsEnough(t *testing.T) {
	testbed.Each(t, func(t *testing.T, b testbed.Backend) {
		tab := b.ConnectSized(t, "", 1).NewTable(t)
		a := testbed.NewApp(t, tab)
		user := a.Browser(t)
		user.OK("/login?u=alice")
		slow := make(chan testbed.Response, 1)
		go func() { slow <- user.Clone(a).Fetch("/slow") }()
		resume := <-a.Slow
		testbed.Parallel(30, func(int) { user.OK("/count") })
		if got := user.OK("/everywhere"); got != "0 <nil>" {
			t.Errorf("a handler that asks the database: %s", got)
		}
		close(resume)
		if got := <-slow; got.StatusCode != http.StatusOK {
			t.Errorf("slow: %d", got.StatusCode)
		}
		a.NoConnectionInUse(t)
	})
}

func TestStoreOnClosedPool(t *testing.T) {
	testbed.Each(t, func(t *testing.T, b testbed.Backend) {
		tab := b.NewTable(t)
		a := testbed.NewApp(t, tab)
		user := a.Browser(t)
		user.OK("/login?u=alice")
		tab.Close()
		if got := user.Fetch("/read"); got.StatusCode != http.StatusServiceUnavailable || testbed.SetsCookie(got) {
			t.Errorf("a closed pool: %d %s", got.StatusCode, got.Header["Set-Cookie"])
		}
		if _, err := a.Manager.Count(t.Context()); !errors.Is(err, sessions.ErrUnavailable) {
			t.Errorf("count on a closed pool: %v", err)
		}
		b.Open(t, tab.Conns)
	})
}
