package integration_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
)

// Saved before seen: whoever follows a redirect at once finds what was stored.
func TestRedirectFindsWhatWasStored(t *testing.T) {
	each(t, func(t *testing.T, b backend) {
		const tries = 1000
		a := newApp(t, b.newTable(t))
		found := 0
		var user *browser
		for i := range tries {
			if i%5 == 0 {
				user = a.browser(t) // every fifth begins a session
			}
			if want := fmt.Sprint("value ", i); user.ok("/store?v="+strings.ReplaceAll(want, " ", "+")) == want {
				found++
			}
		}
		t.Logf("%d of %d", found, tries)
		if found != tries {
			t.Errorf("found what was stored %d times of %d", found, tries)
		}
	})
}

func TestStatementsPerRequest(t *testing.T) {
	each(t, func(t *testing.T, b backend) {
		testStatements(t, b.newTable(t))
	})
}

// testStatements checks the README's table.
func testStatements(t *testing.T, tab *table) {
	t.Helper()
	_, err := tab.store.Stats(t.Context()) // a store may look at its connections before its first statement
	check(t, err)
	for name, maxAge := range map[string]time.Duration{"without MaxAge": 0, "with MaxAge": 10 * time.Hour} {
		a := newApp(t, tab, func(o *sessions.Options) { o.Cookie.MaxAge = maxAge })
		user := a.browser(t)
		statements := func(what string, want int64, path string) response {
			t.Helper()
			before := tab.statements.Load()
			r := user.get(path)
			if got := tab.statements.Load() - before; got != want || r.StatusCode != http.StatusOK {
				t.Errorf("%s, %s: %d with %d statements, want %d", name, what, r.StatusCode, got, want)
			}
			return r
		}
		statements("an untouched visitor", 0, "/untouched")
		statements("an anonymous read", 0, "/read")
		statements("a new session", 1, "/set?v=a")
		statements("read only", 1, "/read")
		statements("changed", 2, "/set?v=b")
		statements("an equal value set again", 1, "/set?v=b")
		tab.age(t, time.Hour)
		if r := statements("read only with the idle clock due", 2, "/read"); setsCookie(r) != (maxAge > 0) {
			t.Errorf("%s: with the idle clock due Set-Cookie is %q", name, r.Header["Set-Cookie"])
		}
		statements("read only, the idle clock moved", 1, "/read")
		tab.age(t, time.Hour)
		statements("changed with the idle clock due", 2, "/set?v=c")
		statements("regenerate with change", 2, "/login?u=alice")
		statements("logout", 2, "/logout")
		statements("after logout", 0, "/read")
		user.setCookies(&http.Cookie{Name: "session", Value: strings.Repeat("x", 109), Path: "/"})
		statements("a forged cookie", 0, "/read")
	}
}

func TestLogOutEverywhere(t *testing.T) {
	each(t, func(t *testing.T, b backend) {
		a := newApp(t, b.newTable(t))
		phone, laptop, other := a.browser(t), a.browser(t), a.browser(t)
		for _, browser := range []*browser{phone, laptop} {
			browser.ok("/login?u=alice")
		}
		other.ok("/login?u=bob")
		if got := laptop.ok("/everywhere"); got != "1 <nil>" {
			t.Errorf("revoked %s, want 1", got)
		}
		for want, browser := range map[string]*browser{"": phone, "alice": laptop, "bob": other} {
			if got := browser.ok("/user"); got != want {
				t.Errorf("user is %q, want %q", got, want)
			}
		}
	})
}

func TestStillLoggedInAfterRestart(t *testing.T) {
	each(t, func(t *testing.T, b backend) {
		tab := b.newTable(t)
		first := newApp(t, tab)
		user := first.browser(t)
		user.ok("/login?u=alice")
		first.server.Close()

		again := b.connectTo(t, tab.url)
		second := newApp(t, &table{conns: again, name: tab.name, store: again.openStore(t, tab.name)})
		if got := user.on(second).ok("/user"); got != "alice" {
			t.Errorf("user is %q after a restart", got)
		}
	})
}

// Idle and absolute limits hold by the database's clock, with no reaper.
func TestLimitsHoldWithoutReaper(t *testing.T) {
	each(t, func(t *testing.T, b backend) {
		tab := b.newTable(t)
		a := newApp(t, tab)
		idle, busy := a.browser(t), a.browser(t)
		idle.ok("/login?u=alice")
		busy.ok("/login?u=bob")
		for day := range 30 {
			if got := busy.ok("/user"); got != "bob" {
				t.Fatalf("day %d: a busy user was logged out", day)
			}
			if day == 2 {
				if got := idle.ok("/user"); got != "" {
					t.Errorf("an idle user is still %q after two days", got)
				}
			}
			tab.age(t, 23*time.Hour+59*time.Minute)
		}
		tab.age(t, time.Hour)
		if got := busy.ok("/user"); got != "" {
			t.Errorf("still %q after 30 days", got)
		}
		if n := tab.rows(t); n != 2 {
			t.Errorf("%d rows: somebody reaped, and this test shows nothing", n)
		}
	})
}
