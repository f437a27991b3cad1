package express_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/express"
	"github.com/sqlsessions/sessions/memstore"
)

var errDown = errors.New("the database is down")

// What a request finds.
func TestConformanceRequest(t *testing.T) {
	conform(t, []conformanceTest{
		{[]int{21}, "what an application needs is exported", func(t *testing.T) {
			m, err := express.New(memstore.New(), express.Options{Secrets: []string{secret}})
			if err != nil {
				t.Fatal(err)
			}
			b := newBrowser(t, m)
			b.visit(func(s *sessions.Session) {
				if express.Cookie(s).Path != "/" {
					t.Error("no cookie")
				}
				change(s)
			})
			wantViews(t, b, 1)
		}},
		{[]int{27}, "a request that has a session keeps it", func(t *testing.T) {
			store := newSpy()
			m := newManager(t, store)
			b := newBrowser(t, m)
			b.visit(change)
			store.taken()
			b.serve(func(w http.ResponseWriter, r *http.Request) {
				outer := sessions.FromContext(r.Context())
				m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					if sessions.FromContext(r.Context()) != outer {
						t.Error("the inner handler has another session")
					}
				})).ServeHTTP(w, r)
			})
			wantOps(t, store, "get")
		}},
		{[]int{38, 1416}, "no secret is an error", func(t *testing.T) { // at once, and not with the first request
			for _, secrets := range [][]string{nil, {}, {""}, {secret, ""}} {
				if _, err := express.New(newSpy(), express.Options{Secrets: secrets}); !errors.Is(err, sessions.ErrInvalid) || !strings.Contains(err.Error(), "Secrets") {
					t.Errorf("%q: %v", secrets, err)
				}
			}
		}},
		{[]int{54}, "a first request gets a new session", func(t *testing.T) {
			store := newSpy()
			b := newBrowser(t, newManager(t, store))
			res := b.visit(func(s *sessions.Session) {
				if !s.IsNew() {
					t.Error("it is not new")
				}
				change(s)
			})
			wantCookie(t, res, true)
			wantOps(t, store, "set")
		}},
		{[]int{74, 1706}, "the cookie brings the session back", func(t *testing.T) {
			b := newBrowser(t, newManager(t, newSpy()))
			b.visit(change)
			b.visit(change)
			wantViews(t, b, 2)
		}},
		// Express goes on to its error handlers, without a session, too.
		{[]int{93, 1785}, "a store that is down answers with an error", func(t *testing.T) {
			store := newSpy()
			b := newBrowser(t, newManager(t, store))
			b.visit(change)
			store.failing("get", errDown)
			res := b.visit(func(*sessions.Session) { t.Error("the handler ran") })
			wantStatus(t, res, http.StatusServiceUnavailable)
			wantCookie(t, res, false)
		}},
		{[]int{1799}, "a store that is back has the session", func(t *testing.T) {
			store := newSpy()
			b := newBrowser(t, newManager(t, store))
			b.visit(change)
			store.failing("get", errDown)
			wantStatus(t, b.visit(look), http.StatusServiceUnavailable)
			store.failing("get", nil)
			wantViews(t, b, 1)
		}},
		// Upstream's stores may say ENOENT; those here say ErrNotFound.
		{[]int{115}, "a store's not found is no failure", func(t *testing.T) {
			store := newSpy()
			b := newBrowser(t, newManager(t, store))
			b.visit(change)
			was := id(b)
			store.failing("get", fmt.Errorf("spy: %w", sessions.ErrNotFound))
			res := b.visit(change)
			wantStatus(t, res, http.StatusOK)
			if id(b) == was {
				t.Error("the id is the old one")
			}
		}},
		{[]int{141}, "two browsers have two sessions", func(t *testing.T) {
			store := newSpy()
			m := newManager(t, store)
			a, b := newBrowser(t, m), newBrowser(t, m)
			a.visit(change)
			b.visit(change)
			a.visit(change)
			wantViews(t, a, 2)
			wantViews(t, b, 1)
			if n := rows(t, store); n != 2 || id(a) == id(b) {
				t.Errorf("%d sessions, %v", n, id(a) == id(b))
			}
		}},
		{[]int{169}, "a URL without a path is that of /", func(t *testing.T) {
			for _, uri := range []string{"", "http://example.com"} { // a proxy's client may send the latter
				b := newBrowser(t, newManager(t, newSpy()))
				b.request = func(r *http.Request) { r.RequestURI, r.URL.Path = uri, "" }
				wantCookie(t, b.visit(change), true)
			}
		}},
		{[]int{193}, "writing nothing is the beginning of the response", func(t *testing.T) {
			b := newBrowser(t, newManager(t, newSpy()))
			res := b.serve(func(w http.ResponseWriter, r *http.Request) {
				change(sessions.FromContext(r.Context()))
				_, _ = w.Write(nil)
			})
			body, _ := io.ReadAll(res.Body)
			wantCookie(t, res, true)
			if len(body) > 0 {
				t.Errorf("%q", body)
			}
		}},
		// Express drops them when it reads them. Here they can't be set, and are
		// left alone where another program did.
		{[]int{203}, "reserved names do no harm", func(t *testing.T) {
			store := newSpy()
			b := newBrowser(t, newManager(t, store))
			plant(t, store, "x", `{"cookie":{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"},"id":"evil","save":1,"toString":2,"views":3}`)
			b.cookies["connect.sid"] = signed("x", secret)
			b.visit(change)
			wantViews(t, b, 4)
			if got := stored(t, store, "x"); !strings.HasSuffix(got, `"id":"evil","save":1,"toString":2,"views":4}`) {
				t.Error(got)
			}
			b.visit(func(s *sessions.Session) {
				sessions.NewKey[int]("save").Set(s, 1)
				if !errors.Is(s.Err(), sessions.ErrValue) {
					t.Error(s.Err())
				}
			})
		}},
		{[]int{232}, "the keys are those of the values", func(t *testing.T) { // the cookie is no value here
			b := newBrowser(t, newManager(t, newSpy()))
			b.visit(change)
			b.visit(func(s *sessions.Session) {
				if got := s.Keys(); len(got) != 1 || got[0] != "views" {
					t.Error(got)
				}
			})
		}},
		// No handler can assign an id, so NewID is where a bad one can come from.
		// Express answers as if nothing were wrong.
		{[]int{244}, "no session under an id that is none", func(t *testing.T) {
			store := newSpy()
			b := newBrowser(t, newManager(t, store, func(o *express.Options) {
				o.NewID = func(*http.Request) (string, error) { return "", nil }
			}))
			res := b.visit(change)
			wantStatus(t, res, http.StatusServiceUnavailable)
			wantCookie(t, res, false)
			wantOps(t, store)
		}},
		{[]int{395, 418}, "an id that the store does not have is not taken over", func(t *testing.T) {
			store := newSpy()
			b := newBrowser(t, newManager(t, store))
			b.cookies["connect.sid"] = signed("chosen", secret)
			res := b.visit(change)
			wantCookie(t, res, true)
			wantOps(t, store, "get", "set")
			if id(b) == "chosen" || stored(t, store, "chosen") != "" {
				t.Error("the client chose its id")
			}
		}},
		{[]int{445, 469}, "a cookie that is not signed asks the store nothing", func(t *testing.T) {
			store := newSpy()
			plant(t, store, "x", `{"cookie":{"originalMaxAge":null},"views":3}`)
			for _, value := range []string{"x", "s:x", signed("x", "another secret"), signed("x", secret) + "A"} {
				b := newBrowser(t, newManager(t, store))
				b.cookies["connect.sid"] = value
				wantCookie(t, b.visit(change), true)
				wantOps(t, store, "set")
				if id(b) == "x" {
					t.Errorf("%s: the id was taken", value)
				}
			}
		}},
		{[]int{495, 518, 542}, "an expired session is gone", func(t *testing.T) {
			store := newSpy()
			b := newBrowser(t, newManager(t, store, lasting(time.Minute)))
			b.visit(change)
			was := id(b)
			time.Sleep(time.Minute)
			wantCookie(t, b.visit(change), true)
			wantViews(t, b, 1)
			if id(b) == was || stored(t, store, was) != "" {
				t.Error("the old session is there")
			}
		}},
		// Express answers 500, for ever.
		{[]int{567}, "a row without a cookie is passed over", func(t *testing.T) {
			store := newSpy()
			b := newBrowser(t, newManager(t, store))
			plant(t, store, "x", `{"views":3}`)
			b.cookies["connect.sid"] = signed("x", secret)
			res := b.visit(change)
			wantStatus(t, res, http.StatusOK)
			wantViews(t, b, 1)
			if id(b) == "x" {
				t.Error("the id is the old one")
			}
		}},
	})
}
