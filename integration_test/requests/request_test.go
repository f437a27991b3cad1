package requests_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// Saved before seen: a client that follows a redirect at once finds what was stored.
func TestRedirectFindsWhatWasStored(t *testing.T) {
	testbed.Each(t, func(t *testing.T, b testbed.Backend) {
		tries := testbed.Times(200)
		a := testbed.NewApp(t, b.NewTable(t))
		found := 0
		var user *testbed.Browser
		for i := range tries {
			if i%5 == 0 {
				user = a.Browser(t) // every fifth begins a session
			}
			if want := fmt.Sprint("value ", i); user.OK("/store?v="+strings.ReplaceAll(want, " ", "+")) == want {
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
	testbed.Each(t, func(t *testing.T, b testbed.Backend) {
		testbed.CountStatements(t, b.NewTable(t))
	})
}

func TestLogOutEverywhere(t *testing.T) {
	testbed.Each(t, func(t *testing.T, b testbed.Backend) {
		a := testbed.NewApp(t, b.NewTable(t))
		phone, laptop, other := a.Browser(t), a.Browser(t), a.Browser(t)
		for _, browser := range []*testbed.Browser{phone, laptop} {
			browser.OK("/login?u=alice")
		}
		other.OK("/login?u=bob")
		if got := laptop.OK("/everywhere"); got != "1 <nil>" {
			t.Errorf("revoked %s, want 1", got)
		}
		for want, browser := range map[string]*testbed.Browser{"": phone, "alice": laptop, "bob": other} {
			if got := browser.OK("/user"); got != want {
				t.Errorf("user is %q, want %q", got, want)
			}
		}
	})
}

func TestStillLoggedInAfterRestart(t *testing.T) {
	testbed.Each(t, func(t *testing.T, b testbed.Backend) {
		tab := b.NewTable(t)
		first := testbed.NewApp(t, tab)
		user := first.Browser(t)
		user.OK("/login?u=alice")
		first.Server.Close()

		again := b.ConnectTo(t, tab.URL)
		second := testbed.NewApp(t, &testbed.Table{Conns: again, Name: tab.Name, Store: again.OpenStore(t, tab.Name)})
		if got := user.On(second).OK("/user"); got != "alice" {
			t.Errorf("user is %q after a restart", got)
		}
	})
}

// Idle and absolute limits hold by the database's clock, with no reaper.
func TestLimitsHoldWithoutReaper(t *testing.T) {
	testbed.Each(t, func(t *testing.T, b testbed.Backend) {
		tab := b.NewTable(t)
		a := testbed.NewApp(t, tab)
		idle, busy := a.Browser(t), a.Browser(t)
		idle.OK("/login?u=alice")
		busy.OK("/login?u=bob")
		for day := range 30 {
			if got := busy.OK("/user"); got != "bob" {
				t.Fatalf("day %d: a busy user was logged out", day)
			}
			if day == 2 {
				if got := idle.OK("/user"); got != "" {
					t.Errorf("an idle user is still %q after two days", got)
				}
			}
			tab.Age(t, 23*time.Hour+59*time.Minute)
		}
		tab.Age(t, time.Hour)
		if got := busy.OK("/user"); got != "" {
			t.Errorf("still %q after 30 days", got)
		}
		if n := tab.Rows(t); n != 2 {
			t.Errorf("%d rows: somebody reaped, and this test shows nothing", n)
		}
	})
}
