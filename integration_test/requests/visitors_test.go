package requests_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// A visitor's session ends by AnonymousTimeout, and a user's by IdleTimeout, also if it began
// as a visitor's; by the database's clock, with no reaper.
func TestAVisitorsSessionEndsSooner(t *testing.T) {
	testbed.Each(t, func(t *testing.T, b testbed.Backend) {
		tab := b.NewTable(t)
		a := testbed.NewApp(t, tab, func(o *sessions.Options) { o.AnonymousTimeout = time.Hour })
		idle, busy, user := a.Browser(t), a.Browser(t), a.Browser(t)
		for _, browser := range []*testbed.Browser{idle, busy, user} {
			browser.OK("/set?v=mine")
		}
		sees := func(when string, browser *testbed.Browser, want string) {
			t.Helper()
			if got := browser.OK("/read"); got != want {
				t.Errorf("%s: it reads %q, want %q", when, got, want)
			}
		}
		tab.Age(t, 50*time.Minute)
		sees("after 50 minutes", busy, "mine")
		user.OK("/login?u=alice")
		tab.Age(t, 50*time.Minute)
		sees("after 100 minutes unused", idle, "")
		sees("used in between", busy, "mine")
		if n := tab.Live(t); n != 2 {
			t.Errorf("%d sessions are live, want 2", n)
		}
		tab.Age(t, 20*time.Hour)
		sees("after 20 hours", busy, "")
		sees("signed in, after 20 hours", user, "logged in")
		tab.Age(t, 23*time.Hour)
		sees("signed in, after 23 hours more", user, "logged in")
		user.OK("/logout")
		user.OK("/set?v=again")
		tab.Age(t, 59*time.Minute)
		sees("signed out, 59 minutes ago", user, "again")
		tab.Age(t, 61*time.Minute)
		sees("signed out, and unused for an hour", user, "")
	})
}

// What AdmitAnonymous refuses is in no table and has no cookie, and a flood makes as many rows
// as are admitted.
func TestAFloodOfVisitors(t *testing.T) {
	const requests, admitted = 300, 20
	testbed.Each(t, func(t *testing.T, b testbed.Backend) {
		tab := b.NewTable(t)
		places := make(chan struct{}, admitted)
		a := testbed.NewApp(t, tab, func(o *sessions.Options) {
			o.AdmitAnonymous = func(*http.Request) error {
				select {
				case places <- struct{}{}:
					return nil
				default:
					return errors.New("too many")
				}
			}
		})
		codes := make(chan int, requests)
		testbed.Parallel(requests, func(int) {
			res := a.Browser(t).Fetch("/set?v=x")
			if (res.StatusCode == http.StatusOK) != testbed.SetsCookie(res) {
				t.Errorf("status %d with Set-Cookie %q", res.StatusCode, res.Header["Set-Cookie"])
			}
			codes <- res.StatusCode
		})
		close(codes)
		counts := map[int]int{}
		for code := range codes {
			counts[code]++
		}
		if counts[http.StatusOK] != admitted || counts[http.StatusTooManyRequests] != requests-admitted || tab.Rows(t) != admitted {
			t.Errorf("%d rows, and the answers are %v", tab.Rows(t), counts)
		}
		before := tab.Statements.Load()
		user := a.Browser(t)
		user.OK("/read")
		user.OK("/user")
		if n := tab.Statements.Load() - before; n != 0 {
			t.Errorf("%d statements for a visitor who looks", n)
		}
		user.OK("/login?u=alice")
		if got := user.OK("/user"); got != "alice" {
			t.Errorf("a user is kept out too: %q", got)
		}
	})
}
