package requests_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sqlsessions/sessions/integration_test/testbed"
)

const crowd = 200

// No lost update: requests that change different keys all win.
func TestParallelRequestsAddKeys(t *testing.T) {
	testbed.Each(t, func(t *testing.T, b testbed.Backend) {
		a := testbed.NewApp(t, b.NewTable(t))
		user := a.Browser(t)
		user.OK("/set?v=first")
		testbed.Parallel(crowd, func(i int) { user.OK("/add?k=" + strconv.Itoa(i)) })
		keys := a.Session(t, user).Keys()
		if len(keys) != crowd+1 {
			t.Errorf("%d keys at the end, want %d", len(keys), crowd+1)
		}
	})
}

// No lost update: requests that Update one key are all applied, also when two
// managers, as on two machines, share no memory.
func TestParallelRequestsUpdateOneCounter(t *testing.T) {
	testbed.Each(t, func(t *testing.T, b testbed.Backend) {
		tab := b.NewTable(t)
		nodes := []*testbed.App{testbed.NewApp(t, tab), testbed.NewApp(t, &testbed.Table{Conns: tab.Conns, Name: tab.Name, Store: tab.OpenStore(t, tab.Name)})}
		user := nodes[0].Browser(t)
		user.OK("/set?v=first")
		browsers := []*testbed.Browser{user, user.Clone(nodes[0])}
		browsers[1].On(nodes[1])
		seen := make([]bool, crowd+1)
		var mu sync.Mutex
		testbed.Parallel(crowd, func(i int) {
			n, _ := strconv.Atoi(browsers[i%2].OK("/count"))
			mu.Lock()
			defer mu.Unlock()
			if n > 0 && n <= crowd {
				seen[n] = true
			}
		})
		if n, _ := testbed.Counter.Get(nodes[0].Session(t, user)); n != crowd {
			t.Errorf("the counter is at %d, want %d", n, crowd)
		}
		if !seen[1] {
			t.Error("nobody saw the counter at 1")
		}
	})
}

// No resurrection: whatever ends a session while a request is running, the
// request does not bring it back, and a request that wrote gets an error.
func TestSlowRequestDoesNotBringBack(t *testing.T) {
	ends := map[string]func(t *testing.T, a *testbed.App, user *testbed.Browser){
		"logout":     func(t *testing.T, a *testbed.App, user *testbed.Browser) { user.OK("/logout") },
		"regenerate": func(t *testing.T, a *testbed.App, user *testbed.Browser) { user.OK("/regenerate") },
		"login":      func(t *testing.T, a *testbed.App, user *testbed.Browser) { user.OK("/login?u=bob") },
		"revoke": func(t *testing.T, a *testbed.App, user *testbed.Browser) {
			testbed.Check(t, a.Manager.Revoke(t.Context(), "alice", a.Session(t, user).ID()))
		},
		"revoke user": func(t *testing.T, a *testbed.App, user *testbed.Browser) {
			n, err := a.Manager.RevokeUser(t.Context(), "alice")
			if n < 1 || err != nil {
				t.Errorf("revoked %d, %v", n, err)
			}
		},
		"revoke all": func(t *testing.T, a *testbed.App, user *testbed.Browser) {
			_, err := a.Manager.RevokeAll(t.Context())
			testbed.Check(t, err)
		},
		"expiry": func(t *testing.T, a *testbed.App, user *testbed.Browser) { a.Age(t, 25*time.Hour) },
		"expiry and reaper": func(t *testing.T, a *testbed.App, user *testbed.Browser) {
			a.Age(t, 48*time.Hour)
			_, err := testbed.Reap(t.Context(), a.Store, 100)
			testbed.Check(t, err)
		},
	}
	testbed.Each(t, func(t *testing.T, b testbed.Backend) {
		a := testbed.NewApp(t, b.NewTable(t))
		for name, end := range ends {
			t.Run(name, func(t *testing.T) {
				for _, path := range []string{"/slow?v=late", "/slow"} {
					user := a.Browser(t)
					user.OK("/login?u=alice")
					old := user.Clone(a)
					answer := make(chan testbed.Response, 1)
					go func() { answer <- old.Clone(a).Fetch(path) }()
					resume := <-a.Slow
					end(t, a, user)
					close(resume)
					got := <-answer
					if wrote := strings.Contains(path, "v="); wrote && (got.StatusCode != http.StatusConflict || strings.Contains(got.Body, "slow")) {
						t.Errorf("a request that wrote was answered %d %q, want 409 and nothing of its answer", got.StatusCode, got.Body)
					} else if !wrote && got.StatusCode != http.StatusOK {
						t.Errorf("a request that only read was answered %d", got.StatusCode)
					}
					if testbed.SetsCookie(got) {
						t.Errorf("the slow answer sets a cookie: %s", got.Header["Set-Cookie"])
					}
					if who := old.OK("/user"); who != "" {
						t.Errorf("the old cookie is %q again", who)
					}
				}
			})
		}
	})
}

// Logout against everything at once, many times: a dead session stays dead.
func TestLogoutStorm(t *testing.T) {
	testbed.Each(t, func(t *testing.T, b testbed.Backend) {
		a := testbed.NewApp(t, b.NewTable(t))
		for range 10 {
			user := a.Browser(t)
			user.OK("/login?u=alice")
			replay := user.Clone(a)
			testbed.Parallel(12, func(i int) {
				path := []string{"/count", "/add?k=" + fmt.Sprint(i), "/read", "/set?v=x"}[i%4]
				if i == 11 {
					path = "/logout"
				}
				// No jar: whatever the answers say, these go on with the old cookie.
				if got := replay.Clone(a).Fetch(path); got.StatusCode != http.StatusOK && got.StatusCode != http.StatusConflict {
					t.Errorf("%s: %d", path, got.StatusCode)
				}
			})
			if who := replay.OK("/user"); who != "" {
				t.Fatalf("%q came back after logout", who)
			}
		}
		// The only rows left are sessions that anonymous requests began after the logout.
		for s, err := range a.Manager.All(t.Context()) {
			testbed.Check(t, err)
			if s.User() != "" {
				t.Errorf("a row of %q is left", s.User())
			}
		}
	})
}
