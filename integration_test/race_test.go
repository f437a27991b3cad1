package integration_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
)

const crowd = 200

// parallel runs f n times at once and waits.
func parallel(n int, f func(i int)) {
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { f(i) })
	}
	group.Wait()
}

func (a *app) session(t *testing.T, b *browser) *sessions.Session {
	t.Helper()
	s, err := a.manager.Load(t.Context(), b.cookie().Value)
	check(t, err)
	return s
}

// No lost update: requests that change different keys all win.
func TestParallelRequestsAddKeys(t *testing.T) {
	each(t, func(t *testing.T, b backend) {
		a := newApp(t, b.newTable(t))
		user := a.browser(t)
		user.ok("/set?v=first")
		parallel(crowd, func(i int) { user.ok("/add?k=" + strconv.Itoa(i)) })
		keys := a.session(t, user).Keys()
		if len(keys) != crowd+1 {
			t.Errorf("%d keys at the end, want %d", len(keys), crowd+1)
		}
	})
}

// No lost update: requests that Update one key are all applied, also when two
// managers, as on two machines, share no memory.
func TestParallelRequestsUpdateOneCounter(t *testing.T) {
	each(t, func(t *testing.T, b backend) {
		tab := b.newTable(t)
		nodes := []*app{newApp(t, tab), newApp(t, &table{conns: tab.conns, name: tab.name, store: tab.openStore(t, tab.name)})}
		user := nodes[0].browser(t)
		user.ok("/set?v=first")
		browsers := []*browser{user, user.clone(nodes[0])}
		browsers[1].on(nodes[1])
		seen := make([]bool, crowd+1)
		var mu sync.Mutex
		parallel(crowd, func(i int) {
			n, _ := strconv.Atoi(browsers[i%2].ok("/count"))
			mu.Lock()
			defer mu.Unlock()
			if n > 0 && n <= crowd {
				seen[n] = true
			}
		})
		if n, _ := counter.Get(nodes[0].session(t, user)); n != crowd {
			t.Errorf("the counter is at %d, want %d", n, crowd)
		}
		if !seen[1] {
			t.Error("nobody saw the counter at 1")
		}
	})
}

// No resurrection: whatever ends a session while a request is running, the
// request does not bring it back, and one that wrote is told so.
func TestSlowRequestDoesNotBringBack(t *testing.T) {
	ends := map[string]func(t *testing.T, a *app, user *browser){
		"logout":     func(t *testing.T, a *app, user *browser) { user.ok("/logout") },
		"regenerate": func(t *testing.T, a *app, user *browser) { user.ok("/regenerate") },
		"login":      func(t *testing.T, a *app, user *browser) { user.ok("/login?u=bob") },
		"revoke": func(t *testing.T, a *app, user *browser) {
			check(t, a.manager.Revoke(t.Context(), "alice", a.session(t, user).ID()))
		},
		"revoke user": func(t *testing.T, a *app, user *browser) {
			n, err := a.manager.RevokeUser(t.Context(), "alice")
			if n < 1 || err != nil {
				t.Errorf("revoked %d, %v", n, err)
			}
		},
		"revoke all": func(t *testing.T, a *app, user *browser) {
			_, err := a.manager.RevokeAll(t.Context())
			check(t, err)
		},
		"expiry": func(t *testing.T, a *app, user *browser) { a.age(t, 25*time.Hour) },
		"expiry and reaper": func(t *testing.T, a *app, user *browser) {
			a.age(t, 48*time.Hour)
			_, err := reap(t.Context(), a.store, 100)
			check(t, err)
		},
	}
	each(t, func(t *testing.T, b backend) {
		a := newApp(t, b.newTable(t))
		for name, end := range ends {
			t.Run(name, func(t *testing.T) {
				for _, path := range []string{"/slow?v=late", "/slow"} {
					user := a.browser(t)
					user.ok("/login?u=alice")
					old := user.clone(a)
					answer := make(chan response, 1)
					go func() { answer <- old.clone(a).get(path) }()
					resume := <-a.slow
					end(t, a, user)
					close(resume)
					got := <-answer
					if wrote := strings.Contains(path, "v="); wrote && (got.StatusCode != http.StatusConflict || strings.Contains(got.body, "slow")) {
						t.Errorf("a request that wrote was answered %d %q, want 409 and nothing of its answer", got.StatusCode, got.body)
					} else if !wrote && got.StatusCode != http.StatusOK {
						t.Errorf("a request that only read was answered %d", got.StatusCode)
					}
					if setsCookie(got) {
						t.Errorf("the slow answer sets a cookie: %s", got.Header["Set-Cookie"])
					}
					if who := old.ok("/user"); who != "" {
						t.Errorf("the old cookie is %q again", who)
					}
				}
			})
		}
	})
}

// Logout against everything at once, many times: a dead session stays dead.
func TestLogoutStorm(t *testing.T) {
	each(t, func(t *testing.T, b backend) {
		a := newApp(t, b.newTable(t))
		for range 10 {
			user := a.browser(t)
			user.ok("/login?u=alice")
			replay := user.clone(a)
			parallel(12, func(i int) {
				path := []string{"/count", "/add?k=" + fmt.Sprint(i), "/read", "/set?v=x"}[i%4]
				if i == 11 {
					path = "/logout"
				}
				// No jar: whatever the answers say, these go on with the old cookie.
				if got := replay.clone(a).get(path); got.StatusCode != http.StatusOK && got.StatusCode != http.StatusConflict {
					t.Errorf("%s: %d", path, got.StatusCode)
				}
			})
			if who := replay.ok("/user"); who != "" {
				t.Fatalf("%q came back after logout", who)
			}
		}
		// The only rows left are sessions that anonymous requests began after the logout.
		for s, err := range a.manager.All(t.Context()) {
			check(t, err)
			if s.User() != "" {
				t.Errorf("a row of %q is left", s.User())
			}
		}
	})
}
