package requests_test

import (
	"errors"
	"net/http"
	"slices"
	"testing"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// A logout ends the session even if other requests have given it new tokens since the
// logout loaded it.
func TestLogoutBesideANewToken(t *testing.T) {
	testbed.Each(t, func(t *testing.T, b testbed.Backend) {
		for name, paths := range map[string][]string{
			"regenerate":       {"/regenerate"},
			"regenerate twice": {"/regenerate", "/regenerate"},
			"signed in again":  {"/login?u=alice"},
			"changes as well":  {"/set?v=a", "/regenerate", "/count", "/login?u=alice", "/set?v=b"},
		} {
			t.Run(name, func(t *testing.T) {
				a := testbed.NewApp(t, b.NewTable(t))
				user := a.Browser(t)
				user.OK("/login?u=alice")
				user.OK("/set?v=private")
				tab := user.Clone(a) // has the same cookie, and gets the new ones
				tokens := []*testbed.Browser{user.Clone(a)}
				got := a.WhileItWaits(t, user, "/slow?then=logout", func() {
					for _, path := range paths {
						tab.OK(path)
						tokens = append(tokens, tab.Clone(a))
					}
					if got := tab.OK("/read"); got == "" {
						t.Error("the session was gone before the logout")
					}
				})
				if got.StatusCode != http.StatusOK || got.Body != "slow" {
					t.Errorf("the logout was answered %d %q", got.StatusCode, got.Body)
				}
				for i, token := range append(tokens, user) {
					if who, what := token.OK("/user"), token.OK("/read"); who != "" || what != "" {
						t.Errorf("after the logout token %d opens the session of %q with %q", i, who, what)
					}
				}
				if n := a.Live(t); n != 0 {
					t.Errorf("%d rows are left", n)
				}
			})
		}
	})
}

// All of them have loaded the session, and then save at once.
func TestLogoutAmongNewTokens(t *testing.T) {
	paths := []string{
		"/slow?then=logout", "/slow?then=regenerate", "/slow?then=login", "/slow?then=regenerate&v=a",
		"/slow?v=b", "/slow?then=login&v=c", "/slow", "/slow?then=regenerate",
	}
	testbed.Each(t, func(t *testing.T, b testbed.Backend) {
		a := testbed.NewApp(t, b.NewTable(t))
		for range 10 {
			user := a.Browser(t)
			user.OK("/login?u=alice")
			answers := make(chan int)
			resume := make([]chan struct{}, len(paths))
			browsers := make([]*testbed.Browser, len(paths))
			for i, path := range paths {
				browsers[i] = user.Clone(a)
				go func() {
					got := browsers[i].Fetch(path)
					if ok := got.StatusCode == http.StatusOK; !ok && (i == 0 || got.StatusCode != http.StatusConflict) {
						t.Errorf("%s was answered %d", path, got.StatusCode)
					}
					answers <- i
				}()
				resume[i] = <-a.Slow
			}
			for i := range resume {
				close(resume[len(resume)-1-i]) // the logout last
			}
			for range paths {
				<-answers
			}
			for i, browser := range slices.Concat(browsers, []*testbed.Browser{user}) {
				if who := browser.OK("/user"); who != "" {
					t.Errorf("after the logout browser %d is %q", i, who)
				}
			}
			if n := a.Live(t); n != 0 {
				t.Fatalf("%d rows are left", n)
			}
		}
	})
}

// The name on a page that lists devices ends the session, whatever token it has by then.
func TestRevokeAfterANewToken(t *testing.T) {
	testbed.Each(t, func(t *testing.T, b testbed.Backend) {
		a := testbed.NewApp(t, b.NewTable(t))
		for name, paths := range map[string][]string{
			"regenerate":      {"/regenerate"},
			"signed in again": {"/login?u=alice"},
			"both, and again": {"/login?u=alice", "/regenerate", "/login?u=alice"},
		} {
			user := a.Browser(t)
			user.OK("/login?u=alice")
			listed := sessions.ID(user.OK("/id"))
			for _, path := range paths {
				user.OK(path)
			}
			if got := sessions.ID(user.OK("/id")); got != listed {
				t.Errorf("%s: the ID was %s and is %s", name, listed, got)
			}
			for _, other := range []string{"", "bob"} {
				if err := a.Manager.Revoke(t.Context(), other, listed); !errors.Is(err, sessions.ErrNotFound) {
					t.Errorf("%s: revoked for %q: %v", name, other, err)
				}
			}
			if got := user.OK("/user"); got != "alice" {
				t.Errorf("%s: the user is %q", name, got)
			}
			if err := a.Manager.Revoke(t.Context(), "alice", listed); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if got := user.OK("/user"); got != "" {
				t.Errorf("%s: after the revocation the user is %q", name, got)
			}
			if err := a.Manager.Revoke(t.Context(), "alice", listed); !errors.Is(err, sessions.ErrNotFound) {
				t.Errorf("%s: revoked twice: %v", name, err)
			}
		}
		if n := a.Live(t); n != 0 {
			t.Errorf("%d rows are left", n)
		}
	})
}
