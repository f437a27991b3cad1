package express_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
)

func mustSave(t *testing.T, s *sessions.Session) {
	t.Helper()
	if err := s.Save(t.Context()); err != nil {
		t.Error(err)
	}
}

// The methods of req.session.
func TestConformanceSession(t *testing.T) {
	conform(t, []conformanceTest{
		{[]int{1822}, "destroy ends the session", func(t *testing.T) {
			store := newSpy()
			b := newBrowser(t, newManager(t, store))
			b.visit(change)
			was := id(b)
			// Express leaves the cookie in the browser.
			wantAttributes(t, b.visit((*sessions.Session).Destroy), "Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly")
			if stored(t, store, was) != "" || id(b) != "" {
				t.Error("it is there")
			}
		}},
		{[]int{1838}, "regenerate replaces the session", func(t *testing.T) {
			store := newSpy()
			b := newBrowser(t, newManager(t, store))
			b.visit(change)
			was := id(b)
			wantCookie(t, b.visit(func(s *sessions.Session) {
				s.Destroy()
				if len(s.Keys()) > 0 {
					t.Error(s.Keys())
				}
				name.Set(s, "ann")
			}), true)
			wantViews(t, b, 0)
			if id(b) == was || stored(t, store, was) != "" || value(b, name) != "ann" {
				t.Error("it was not replaced")
			}
		}},
		{[]int{1863}, "reload reads what was saved", func(t *testing.T) {
			store := newSpy()
			m := newManager(t, store)
			a, b := newBrowser(t, m), newBrowser(t, m)
			a.visit(change)
			b.cookies = a.cookies
			a.visit(func(s *sessions.Session) {
				b.visit(change) // a parallel request
				name.Set(s, "lost")
				if err := s.Reload(t.Context()); err != nil {
					t.Error(err)
				}
				if n, _ := views.Get(s); n != 2 || has(name, s) {
					t.Errorf("%d, %v", n, has(name, s))
				}
			})
		}},
		{[]int{1903}, "reload of a session that is gone is an error", func(t *testing.T) {
			m := newManager(t, newSpy())
			a, b := newBrowser(t, m), newBrowser(t, m)
			a.visit(change)
			b.cookies["connect.sid"] = a.cookies["connect.sid"]
			a.visit(func(s *sessions.Session) {
				b.visit((*sessions.Session).Destroy)
				if err := s.Reload(t.Context()); !errors.Is(err, sessions.ErrEnded) {
					t.Error(err)
				}
				if n, _ := views.Get(s); n != 1 {
					t.Error("what there was is forgotten")
				}
			})
		}},
		{[]int{1977}, "save saves at once", func(t *testing.T) {
			store := newSpy()
			b := newBrowser(t, newManager(t, store))
			b.visit(func(s *sessions.Session) {
				change(s)
				mustSave(t, s)
				if n := rows(t, store); n != 1 {
					t.Errorf("%d sessions", n)
				}
			})
			wantViews(t, b, 1)
		}},
		{[]int{1995, 2044}, "what was saved is not saved again", func(t *testing.T) {
			store := newSpy()
			b := newBrowser(t, newManager(t, store))
			wantCookie(t, b.visit(func(s *sessions.Session) { change(s); mustSave(t, s) }), true)
			wantOps(t, store, "set")
			b.visit(func(s *sessions.Session) { change(s); mustSave(t, s) })
			wantOps(t, store, "get", "set")
		}},
		{[]int{2018}, "nor is what was reloaded", func(t *testing.T) {
			store := newSpy()
			b := newBrowser(t, newManager(t, store))
			b.visit(change)
			store.taken()
			b.visit(func(s *sessions.Session) {
				change(s)
				mustSave(t, s)
				if err := s.Reload(t.Context()); err != nil {
					t.Error(err)
				}
			})
			wantOps(t, store, "get", "set", "get")
			wantViews(t, b, 2)
		}},
		{[]int{2070}, "touch moves the expiry", func(t *testing.T) {
			store := newSpy()
			b := newBrowser(t, newManager(t, store, lasting(time.Minute)))
			b.visit(change)
			store.taken()
			time.Sleep(time.Second) // too little for a touch of its own accord
			b.visit(look)
			wantOps(t, store, "get")
			b.visit(touch)
			wantOps(t, store, "get", "touch")
			time.Sleep(time.Minute - time.Millisecond)
			wantViews(t, b, 1)
		}},
	})
}
