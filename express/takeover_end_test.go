package express_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/express/takeover"
)

// staysOut checks that nothing brings the session back.
func (v *move) staysOut(t *testing.T, b *browser, cookie string, old driver.Row) {
	t.Helper()
	out := func(when string) {
		t.Helper()
		if tab := b.tab(v.manager(t)).onlyOld(cookie); tab.loggedIn() {
			t.Errorf("%s: the old cookie logs in", when)
		}
	}
	out("at once")
	v.late(t, old)
	out("after a late save of Node")
	if r, err := takeover.Import(t.Context(), v.manager(t), nil); err != nil || r.Copied > 0 {
		t.Errorf("import: %+v, %v", r, err)
	}
	out("after an import")
	v.from.ImportedOnly = !v.from.ImportedOnly
	out("with the other mode")
	for s, err := range v.next.SessionsOf(t.Context(), "42") {
		t.Errorf("%s of the user is live, %v", s.ID(), err)
	}
}

var endings = map[string]func(t *testing.T, v *move, b *browser){
	"logout": func(_ *testing.T, _ *move, b *browser) { b.visit(func(s *sessions.Session) { s.Destroy() }) },
	"sign-in of another": func(_ *testing.T, _ *move, b *browser) {
		b.visit(func(s *sessions.Session) { s.SetUser("ann") })
	},
	"RevokeUser": func(t *testing.T, v *move, _ *browser) {
		if _, err := v.next.RevokeUser(t.Context(), "42"); err != nil {
			t.Error(err)
		}
	},
	"RevokeAll": func(t *testing.T, v *move, _ *browser) {
		if _, err := v.next.RevokeAll(t.Context()); err != nil {
			t.Error(err)
		}
	},
}

// A session ends at each step of a request that takes it over.
func TestASessionThatEndsDuringTheTakeOver(t *testing.T) {
	t.Parallel()
	for name, end := range endings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, v *move, b *browser, at int) int {
				old, cookie := v.row(t), b.cookies["connect.sid"]
				m, s := v.process(t, at, func(_ *steps, call func() error) error {
					end(t, v, b.tab(v.next))
					return call()
				})
				b.tab(m).visit(func(*sessions.Session) {})
				if s.n >= at {
					v.staysOut(t, b, cookie, old)
				}
				return s.n
			})
		})
	}
}

// A take-over stops at each step, and then the session ends.
func TestASessionThatEndsAfterATakeOverThatStopped(t *testing.T) {
	t.Parallel()
	for name, end := range endings {
		for what, mishap := range mishaps {
			t.Run(name+"/"+what, func(t *testing.T) {
				t.Parallel()
				each(t, func(t *testing.T, v *move, b *browser, at int) int {
					old, cookie := v.row(t), b.cookies["connect.sid"]
					m, s := v.process(t, at, mishap)
					b.tab(m).visit(func(*sessions.Session) {})
					end(t, v, b.tab(v.next))
					v.staysOut(t, b, cookie, old)
					return s.n
				})
			})
		}
	}
}

// A session ends at each step of an import.
func TestASessionThatEndsDuringTheImport(t *testing.T) {
	t.Parallel()
	for name, end := range endings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, v *move, b *browser, at int) int {
				old, cookie := v.row(t), b.cookies["connect.sid"]
				m, s := v.process(t, at, func(_ *steps, call func() error) error {
					end(t, v, b.tab(v.next))
					return call()
				})
				if _, err := takeover.Import(t.Context(), m, nil); err != nil {
					t.Error(err)
				}
				if s.n >= at {
					v.staysOut(t, b, cookie, old)
				}
				return s.n
			})
		})
	}
}

// Where the answer of a statement is lost, a Destroy is answered with an error, or it holds.
func TestDestroyWithAnOldCookieThatStops(t *testing.T) {
	t.Parallel()
	eachMishap(t, func(t *testing.T, _ string, m *sessions.Manager, _ *steps, v *move, b *browser) {
		old, cookie := v.row(t), b.cookies["connect.sid"]
		tab := b.tab(m)
		tab.visit(func(s *sessions.Session) { views.Set(s, 5) })
		destroyed := false
		res := tab.visit(func(s *sessions.Session) { destroyed = true; s.Destroy() })
		if destroyed && res.StatusCode == http.StatusOK {
			v.staysOut(t, b, cookie, old)
		}
	})
}

// Both cookies come with one request, and are those of two users.
func TestDestroyAndSetUserEndTheOldSessionToo(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(s *sessions.Session){
		"Destroy": func(s *sessions.Session) { s.Destroy() },
		"SetUser": func(s *sessions.Session) { s.SetUser("ann") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, v *move, b *browser, at int) int {
				if at > 1 {
					return 0
				}
				old, cookie := v.row(t), b.cookies["connect.sid"]
				native := newBrowser(t, v.next)
				native.visit(func(s *sessions.Session) { views.Set(s, 5) })
				native.cookies["connect.sid"] = cookie
				if res := native.visit(end); res.StatusCode != http.StatusOK {
					t.Errorf("status %d", res.StatusCode)
				}
				v.staysOut(t, b, cookie, old)
				return 0
			})
		})
	}
}

// A browser can hold several old cookies of one name; which comes first depends on the path.
func TestDestroyEndsAllOldCookies(t *testing.T) {
	t.Parallel()
	v := newMove(t)
	first, second := v.login(t), v.login(t)
	one, two := first.cookies["connect.sid"], second.cookies["connect.sid"]
	first.request = func(r *http.Request) {
		r.Header.Set("Cookie", "connect.sid="+one+"; connect.sid="+two+"; connect.sid=s%3Aforged.x")
	}
	first.visit(func(s *sessions.Session) { s.Destroy() })
	for i, cookie := range []string{one, two} {
		if newBrowser(t, v.next).onlyOld(cookie).loggedIn() {
			t.Errorf("cookie %d still logs in", i)
		}
	}
	if n := count(t, v.old); n != 0 {
		t.Errorf("%d old sessions are left", n)
	}
}

// An old cookie that opens nothing any more ends nothing either.
func TestAnOldCookieThatOpensNothingEndsNothing(t *testing.T) {
	t.Parallel()
	for name, use := range map[string]func(b *browser){
		"after the minute": func(b *browser) {
			b.visit(func(*sessions.Session) {})
			b.visit(func(*sessions.Session) {})
			time.Sleep(2 * time.Minute) // synctest
		},
		"after a sign-in": func(b *browser) { b.visit(func(s *sessions.Session) { s.SetUser("42") }) },
	} {
		synctest.Test(t, func(t *testing.T) {
			v := newMove(t)
			b := v.login(t)
			b.tb = t
			cookie := b.cookies["connect.sid"]
			use(b)
			thief := newBrowser(t, v.next).onlyOld(cookie)
			thief.visit(func(s *sessions.Session) { s.Destroy() })
			thief.onlyOld(cookie).visit(func(s *sessions.Session) { s.SetUser("thief") })
			if !b.loggedIn() {
				t.Errorf("%s: the old cookie ended the session", name)
			}
		})
	}
}

// When the store can't be asked, a logout is not reported as done.
func TestDestroyFailsIfTheOldSessionStays(t *testing.T) {
	t.Parallel()
	v := newMove(t)
	b := newBrowser(t, v.next)
	b.visit(func(s *sessions.Session) { views.Set(s, 5) })
	b.cookies["connect.sid"] = v.login(t).cookies["connect.sid"]
	down, err := takeover.New(&broken{Store: v.store, create: true}, v.options, v.from)
	if err != nil {
		t.Fatal(err)
	}
	b.manager = down
	if res := b.visit(func(s *sessions.Session) { s.Destroy() }); res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("status %d, Set-Cookie %q", res.StatusCode, strings.Join(res.Header["Set-Cookie"], ", "))
	}
}

// RevokeUser reaches what was not taken over yet, and what is a copy; and spares others.
func TestRevokeUserReachesTheOldTable(t *testing.T) {
	t.Parallel()
	v := newMove(t)
	b, other := v.login(t), newBrowser(t, v.old)
	other.visit(func(s *sessions.Session) { views.Set(s, 1); passport.Set(s, map[string]any{"user": 43}) })
	other.manager = v.next
	if n, err := v.next.RevokeUser(t.Context(), "42"); n != 0 || err != nil {
		t.Errorf("revoked %d, %v", n, err)
	}
	if b.loggedIn() {
		t.Error("who was revoked logs in by the old cookie")
	}
	if value(other, views) != 1 {
		t.Error("another user was revoked")
	}
	v.login(t) // at the Express application, afterwards
	if r := v.imports(t); r != (takeover.Report{Read: 1, Ended: 1}) {
		t.Errorf("import after the revocation: %+v", r)
	}
	for s := range v.next.SessionsOf(t.Context(), "42") {
		t.Errorf("a session of the user is listed: %s", s.ID())
	}
}

func TestCopiesAreListedAndNotCounted(t *testing.T) {
	t.Parallel()
	v := newMove(t)
	v.login(t)
	v.imports(t)
	listed := 0
	for s, err := range v.next.SessionsOf(t.Context(), "42") {
		listed++
		if n, _ := views.Get(s); n != 1 || err != nil {
			t.Errorf("views is %d, %v", n, err)
		}
		// An administrator's change does not put it to use.
		views.Set(s, 7)
		if err := s.Save(t.Context()); err != nil && !errors.Is(err, sessions.ErrEnded) {
			t.Error(err)
		}
	}
	if n := count(t, v.next); listed != 1 || n != 0 {
		t.Errorf("%d are listed and %d counted, want 1 and 0", listed, n)
	}
}
