package sessions_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/memstore"
	"github.com/sqlsessions/sessions/observe"
)

func rotating(o *sessions.Options) { o.RotateAfter = time.Hour }

func TestRotationByAge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, memstore.New(), rotating)
		v := loggedIn(t, m)
		time.Sleep(59 * time.Minute)
		first := v.twin()
		if res := v.visit(func(*sessions.Session) {}); ours(t, res) != nil {
			t.Error("a new token before its time")
		}
		time.Sleep(time.Minute)
		v.visit(func(*sessions.Session) {})
		if v.cookie == first.cookie || !v.alive() || id(v) != id(first) {
			t.Error("no new token after an hour, or another session's")
		}
		// Requests that were under way present the old one. They can still write, and get no
		// cookie, which would replace the newer one.
		time.Sleep(29 * time.Second)
		res := first.visit(func(s *sessions.Session) { count.Update(s, func(n int) int { return n + 1 }); s.SetMaxAge(time.Hour) })
		wantStatus(t, res, http.StatusOK)
		if ours(t, res) != nil || value(v, count) != 2 {
			t.Errorf("cookie %v, count %d; want none and 2", ours(t, res), value(v, count))
		}
		time.Sleep(time.Second)
		if first.alive() || !v.alive() {
			t.Errorf("after the grace: old alive %v, new alive %v", first.alive(), v.alive())
		}
	})
}

// A browser can have a cookie for the host and one for the domain, and get the new token in one.
func TestTokensFromBeforeAndAfterARotation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, memstore.New(), rotating)
		v, stranger := loggedIn(t, m), loggedIn(t, m)
		time.Sleep(time.Hour)
		before := v.twin()
		v.visit(func(*sessions.Session) {})
		for _, cookies := range [][]string{{before.cookie, v.cookie}, {v.cookie, before.cookie}} {
			line := cookieName + "=" + strings.Join(cookies, "; "+cookieName+"=")
			seen, res := withHeader(t, m, line)
			if seen != 1 || res.Header["Set-Cookie"] != nil {
				t.Errorf("the handler saw %d, and the cookies are %q", seen, res.Header["Set-Cookie"])
			}
			if seen, _ := withHeader(t, m, line+"; "+cookieName+"="+stranger.cookie); seen != 0 {
				t.Error("beside the cookie of another session it was given one")
			}
		}
	})
}

// A request that was loaded before the rotation saves after it.
func TestASaveBesideARotation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, memstore.New(), rotating)
		v := loggedIn(t, m)
		time.Sleep(time.Hour - time.Second)
		slow := v.twin()
		res := slow.visit(func(s *sessions.Session) {
			time.Sleep(2 * time.Second)
			v.visit(func(s *sessions.Session) { name.Set(s, "v") })
			count.Update(s, func(n int) int { return n + 1 })
			s.SetMaxAge(time.Hour)
		})
		wantStatus(t, res, http.StatusOK)
		if ours(t, res) != nil {
			t.Error("an old token was sent over a newer one")
		}
		if value(v, count) != 2 || value(v, name) != "v" {
			t.Errorf("count %d, name %q", value(v, count), value(v, name))
		}
	})
}

// Six requests of one page find the token old at once: one of them replaces it.
func TestParallelRotation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, memstore.New(), rotating)
		v := loggedIn(t, m)
		time.Sleep(time.Hour)
		first, in, cookies := v.twin(), make(chan struct{}), make(chan *http.Cookie)
		for range 6 {
			go func() {
				cookies <- ours(t, first.twin().visit(func(*sessions.Session) { <-in }))
			}()
		}
		synctest.Wait()
		close(in)
		n := 0
		for range 6 {
			if c := <-cookies; c != nil {
				n++
				v.cookie = c.Value
			}
		}
		if n != 1 || !v.alive() || !first.alive() {
			t.Errorf("%d new tokens, new alive %v, old alive %v; want 1", n, v.alive(), first.alive())
		}
	})
}

// A change of privileges gives no grace, and ends the one that an earlier rotation gave.
func TestASignInEndsTheGrace(t *testing.T) {
	t.Parallel()
	for what, renew := range map[string]func(*sessions.Session){
		"SetUser":    func(s *sessions.Session) { s.SetUser("ann") },
		"Regenerate": func(s *sessions.Session) { s.Regenerate() },
	} {
		synctest.Test(t, func(t *testing.T) {
			m := newManager(t, memstore.New(), rotating)
			v := loggedIn(t, m)
			planted := v.twin()
			time.Sleep(time.Hour)
			v.visit(func(*sessions.Session) {})
			middle := v.twin()
			if !planted.alive() {
				t.Fatal("no grace")
			}
			v.visit(renew)
			if planted.alive() || middle.alive() || !v.alive() {
				t.Errorf("%s: alive: %v, %v, new %v", what, planted.alive(), middle.alive(), v.alive())
			}
			// With the rotation due and a sign-in in the same request, there is none either.
			time.Sleep(time.Hour)
			middle = v.twin()
			v.visit(renew)
			if middle.alive() || !v.alive() {
				t.Errorf("%s, rotation due: alive: %v, new %v", what, middle.alive(), v.alive())
			}
		})
	}
}

// A request that only read is not bothered when its session ends before its token is replaced.
func TestAReaderDoesNotMindTheEndWhenARotationIsDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, memstore.New(), rotating)
		v := loggedIn(t, m)
		time.Sleep(time.Hour)
		res := v.twin().visit(func(*sessions.Session) {
			if _, err := m.RevokeAll(t.Context()); err != nil {
				t.Error(err)
			}
		})
		wantStatus(t, res, http.StatusOK)
		if ours(t, res) != nil || v.alive() {
			t.Error("a cookie came, or the session is alive")
		}
	})
}

func TestReplay(t *testing.T) {
	t.Parallel()
	for _, end := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var seen []observe.Refuse
			m := newManager(t, memstore.New(), func(o *sessions.Options) {
				o.EndOnReplay = end
				o.Observer = &observe.Observer{Refuse: func(_ context.Context, r observe.Refuse) { seen = append(seen, r) }}
			})
			v := loggedIn(t, m)
			old, name := v.twin(), id(v)
			v.visit(func(s *sessions.Session) { s.SetUser("ann") })
			time.Sleep(30 * time.Second)
			old.twin().visit(func(s *sessions.Session) {
				if !s.IsNew() {
					t.Error("a replaced token opens the session")
				}
			})
			if len(seen) != 0 || !v.alive() {
				t.Errorf("within 30 seconds: %v, alive %v", seen, v.alive())
			}
			time.Sleep(time.Second)
			wantStatus(t, old.twin().visit(func(*sessions.Session) {}), http.StatusOK)
			if len(seen) != 1 || seen[0].ID != name || v.alive() == end {
				t.Errorf("later: %v, alive %v", seen, v.alive())
			}
			if end && reason(v) != sessions.ReasonReplay {
				t.Errorf("the reason is %q", reason(v))
			}
		})
	}
}
