package express_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/express"
)

// What express-session does and its suite does not test. `cookie` as a function that
// says auto, and paths by segments, are in conformance_connection_test.go.
func TestBeyondConformance(t *testing.T) {
	conform(t, []conformanceTest{
		{nil, "the first of two cookies counts, good or bad", func(t *testing.T) {
			store := newSpy()
			m := newManager(t, store)
			plant(t, store, "x", `{"cookie":{"originalMaxAge":null},"views":3}`)
			for header, want := range map[string]int{
				"connect.sid=" + signed("x", secret) + "; connect.sid=bad": 3,
				"connect.sid=bad; connect.sid=" + signed("x", secret):      0,
			} {
				b := newBrowser(t, m)
				b.request = func(r *http.Request) { r.Header.Set("Cookie", header) }
				wantViews(t, b, want)
			}
		}},
		{nil, "a session's attributes outlive the configuration", func(t *testing.T) {
			store := newSpy()
			b := newBrowser(t, newManager(t, store, lasting(time.Minute)))
			b.visit(change)
			b.manager = newManager(t, store, lasting(time.Hour), rolling, func(o *express.Options) { o.Cookie.Domain = "example.com" })
			wantAttributes(t, b.visit(look), "Path=/; Expires=Sat, 01 Jan 2000 00:01:00 GMT; HttpOnly")
			wantAttributes(t, b.visit(func(s *sessions.Session) { s.Destroy(); change(s) }), "Domain=example.com; Path=/; Expires=Sat, 01 Jan 2000 01:00:00 GMT; HttpOnly")
		}},
		{nil, "auto is decided once", func(t *testing.T) {
			b := newBrowser(t, newManager(t, newSpy(), rolling, secureIs(express.SecureAuto)))
			b.visit(change)
			b.request = direct.request
			wantAttributes(t, b.visit(look), "Path=/; HttpOnly")
		}},
		{nil, "a late change of an old session is saved", func(t *testing.T) {
			store := newSpy()
			b := newBrowser(t, newManager(t, store))
			late := func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.WriteString(w, "begun")
				change(sessions.FromContext(r.Context()))
			}
			b.visit(change)
			b.serve(late)
			wantViews(t, b, 2)
		}},
		// Express makes a row that no cookie names.
		{nil, "a late new session is refused", func(t *testing.T) {
			store := newSpy()
			b := newBrowser(t, newManager(t, store))
			b.serve(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.WriteString(w, "begun")
				s := sessions.FromContext(r.Context())
				change(s)
				if err := s.Save(r.Context()); !errors.Is(err, sessions.ErrTooLate) {
					t.Error(err)
				}
			})
			wantOps(t, store)
		}},
		{nil, "a client that left changes nothing", func(t *testing.T) {
			store := newSpy()
			b := newBrowser(t, newManager(t, store))
			b.request = func(r *http.Request) {
				ctx, cancel := context.WithCancel(r.Context())
				*r = *r.WithContext(ctx)
				cancel()
			}
			wantCookie(t, b.visit(change), true)
			wantOps(t, store, "set")
		}},
		{nil, "answers without a body are like the others", func(t *testing.T) {
			for _, status := range []int{http.StatusNoContent, http.StatusNotModified, http.StatusFound} {
				for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions} {
					store := newSpy()
					b := newBrowser(t, newManager(t, store))
					b.request = func(r *http.Request) { r.Method = method }
					wantCookie(t, b.serve(func(w http.ResponseWriter, r *http.Request) {
						change(sessions.FromContext(r.Context()))
						w.WriteHeader(status)
						wantOps(t, store, "set") // before anybody could follow a redirect
					}), true)
				}
			}
		}},
		// Express makes a row and a cookie with the first, a row alone with the
		// second, and asks its store to delete nothing with the third.
		{nil, "a new and empty session makes no row", func(t *testing.T) {
			for _, f := range []func(*sessions.Session){
				(*sessions.Session).Regenerate,
				func(s *sessions.Session) { mustSave(t, s) }, (*sessions.Session).Destroy, (*sessions.Session).Discard,
			} {
				store := newSpy()
				wantCookie(t, newBrowser(t, newManager(t, store)).visit(f), false)
				wantOps(t, store)
			}
		}},
		{nil, "a new id can keep the data", func(t *testing.T) { // Express has no such thing
			store := newSpy()
			b := newBrowser(t, newManager(t, store))
			b.visit(change)
			was := id(b)
			wantCookie(t, b.visit((*sessions.Session).Regenerate), true)
			wantViews(t, b, 1)
			if id(b) == was || stored(t, store, was) != "" {
				t.Error("the old id is good")
			}
		}},
		{nil, "reload of a new session makes it empty", func(t *testing.T) { // an error in Express
			store := newSpy()
			newBrowser(t, newManager(t, store)).visit(func(s *sessions.Session) {
				change(s)
				if err := s.Reload(t.Context()); err != nil || len(s.Keys()) > 0 {
					t.Error(err, s.Keys())
				}
			})
			wantOps(t, store)
		}},
		// Express writes the expiry of the last save, which may be past.
		{nil, "save begins the expiry anew", func(t *testing.T) {
			store := newSpy()
			b := newBrowser(t, newManager(t, store, lasting(time.Minute)))
			b.visit(change)
			for range 3 { // visits that move the row's expiry alone
				time.Sleep(50 * time.Second)
				b.visit(look)
			}
			b.visit(func(s *sessions.Session) {
				change(s)
				mustSave(t, s)
				if left := time.Until(*storedCookie(t, store, id(b)).Expires); left != time.Minute {
					t.Errorf("%v are left", left)
				}
			})
			time.Sleep(59 * time.Second)
			wantViews(t, b, 2)
		}},
		{nil, "what the JSON says of the expiry does not count", func(t *testing.T) {
			store := newSpy()
			b := newBrowser(t, newManager(t, store))
			plant(t, store, "x", `{"cookie":{"originalMaxAge":1000,"expires":"1999-01-01T00:00:00.000Z"},"views":3}`)
			b.cookies["connect.sid"] = signed("x", secret)
			wantViews(t, b, 3)
		}},
		// Express makes the row again.
		{nil, "a slow request does not bring a session back", func(t *testing.T) {
			store := newSpy()
			m := newManager(t, store, resaving)
			slow, out := newBrowser(t, m), newBrowser(t, m)
			slow.visit(change)
			out.cookies["connect.sid"] = slow.cookies["connect.sid"]
			res := slow.visit(func(s *sessions.Session) {
				change(s)
				out.visit((*sessions.Session).Destroy)
			})
			wantStatus(t, res, http.StatusConflict)
			if n := rows(t, store); n != 0 {
				t.Errorf("%d sessions", n)
			}
		}},
		// Express keeps the one that is written last, whole.
		{nil, "parallel requests keep both changes", func(t *testing.T) {
			m := newManager(t, newSpy())
			a, b := newBrowser(t, m), newBrowser(t, m)
			a.visit(change)
			b.cookies["connect.sid"] = a.cookies["connect.sid"]
			a.visit(func(s *sessions.Session) {
				change(s)
				b.visit(func(s *sessions.Session) { name.Set(s, "ann") })
			})
			wantViews(t, b, 2)
			b.visit(func(s *sessions.Session) {
				if got := s.Keys(); !slices.Equal(got, []string{"views", "name"}) {
					t.Error(got)
				}
			})
		}},
		// Express forgets it, and says nothing.
		{nil, "a change of attributes alone is saved and sent", func(t *testing.T) {
			b := newBrowser(t, newManager(t, newSpy()))
			b.visit(change)
			wantAttributes(t, b.visit(func(s *sessions.Session) {
				if err := express.SetCookie(s, express.CookieOptions{UnsafeScriptAccess: true}); err != nil {
					t.Error(err)
				}
			}), "Path=/")
			wantCookie(t, b.visit(func(s *sessions.Session) { s.SetMaxAge(time.Hour) }), true)
			b.visit(func(s *sessions.Session) {
				if got := express.Cookie(s).MaxAge; got != time.Hour {
					t.Error(got)
				}
			})
		}},
	})
}
