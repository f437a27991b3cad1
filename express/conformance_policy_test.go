package express_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/express"
)

func rolling(o *express.Options)  { o.Rolling = true }
func resaving(o *express.Options) { o.Resave = true }
func saveNew(o *express.Options)  { o.SaveUninitialized = true }

// A policyCase makes one request to a new or to an existing session.
type policyCase struct {
	lines   []int
	name    string
	options []func(*express.Options)
	exists  bool
	visit   func(*sessions.Session)
	cookie  bool
	ops     []string
}

// When a session is saved and its cookie sent.
func TestConformancePolicy(t *testing.T) {
	type options = []func(*express.Options)
	var list []conformanceTest
	for _, c := range []policyCase{
		{[]int{1098}, "not rolling by default", nil, true, look, false, []string{"get"}},
		{[]int{1117}, "rolling, nothing changed", options{rolling}, true, look, true, []string{"get"}},
		{[]int{1136}, "rolling, new and empty", options{rolling}, false, look, false, nil},
		{[]int{1147}, "rolling, new, empty and wanted", options{rolling, saveNew}, false, look, true, []string{"set"}},
		{[]int{1158}, "rolling, new", options{rolling}, false, change, true, []string{"set"}},
		// The default is the one that Express's next version has.
		{[]int{1174, 1217}, "not saved again by default", nil, true, look, false, []string{"get"}},
		{[]int{1195}, "saved again, nothing changed", options{resaving}, true, look, false, []string{"get", "set"}},
		{[]int{1237}, "saved if changed", nil, true, change, false, []string{"get", "set"}},
		// The default is the one that its authors recommend.
		{[]int{1328, 1350}, "new and empty is not saved by default", nil, false, look, false, nil},
		{[]int{1339}, "new, empty and wanted", options{saveNew}, false, look, true, []string{"set"}},
		{[]int{1361}, "new is saved", nil, false, change, true, []string{"set"}},
		{[]int{1398}, "new and empty is not touched", nil, false, touch, false, nil},
		{[]int{1729}, "changed, and its cookie lasts by the clock", options{lasting(time.Hour)}, true, change, true, []string{"get", "set"}},
		{nil, "not changed, and its cookie lasts by the clock", options{lasting(time.Hour)}, true, look, false, []string{"get"}},
		{[]int{2128}, "changed, and its cookie lasts with the browser", nil, true, change, false, []string{"get", "set"}},
	} {
		list = append(list, conformanceTest{c.lines, c.name, func(t *testing.T) {
			store := newSpy()
			b := newBrowser(t, newManager(t, store, c.options...))
			if c.exists {
				b.visit(change)
				store.taken()
			}
			wantCookie(t, b.visit(c.visit), c.cookie)
			wantOps(t, store, c.ops...)
		}})
	}
	conform(t, append(list, conformanceTest{[]int{1273}, "a value named cookie within another counts", func(t *testing.T) {
		store := newSpy()
		b := newBrowser(t, newManager(t, store))
		user := sessions.NewKey[map[string]string]("user")
		b.visit(func(s *sessions.Session) { user.Set(s, map[string]string{"cookie": "a"}) })
		store.taken()
		b.visit(func(s *sessions.Session) { user.Set(s, map[string]string{"cookie": "b"}) })
		wantOps(t, store, "get", "set")
		if got := value(b, user)["cookie"]; got != "b" {
			t.Error(got)
		}
	}}))
}

// Express answers 200 with the cookie, and passes the error on when it is too late. That is right
// for a touch: the answer of a request that only read needs nothing of it.
func TestConformanceStoreErrors(t *testing.T) {
	var list []conformanceTest
	for _, c := range []struct {
		line  int
		op    string
		name  string
		visit func(*sessions.Session)
		want  int
	}{
		{1296, "touch", "a touch that fails is none of the client's business", look, http.StatusOK},
		{1376, "set", "a save that fails is an error", change, http.StatusServiceUnavailable},
		{1614, "destroy", "a destroy that fails is an error", (*sessions.Session).Destroy, http.StatusServiceUnavailable},
	} {
		list = append(list, conformanceTest{[]int{c.line}, c.name, func(t *testing.T) {
			store := newSpy()
			b := newBrowser(t, newManager(t, store, rolling))
			b.visit(change)
			time.Sleep(time.Hour) // so that a touch is worth while
			store.failing(c.op, errDown)
			res := b.visit(c.visit)
			wantStatus(t, res, c.want)
			wantCookie(t, res, c.want == http.StatusOK)
			store.failing(c.op, nil)
			wantViews(t, b, 1)
		}})
	}
	conform(t, list)
}

func TestConformanceIDs(t *testing.T) {
	named := func(text string) func(*express.Options) {
		return func(o *express.Options) {
			o.NewID = func(*http.Request) (string, error) { return text, nil }
		}
	}
	conform(t, []conformanceTest{
		{[]int{1030}, "the default is 24 bytes", func(t *testing.T) {
			seen := map[string]bool{}
			for range 20 {
				b := newBrowser(t, newManager(t, newSpy()))
				b.visit(change)
				raw, err := base64.RawURLEncoding.DecodeString(id(b))
				if len(raw) != 24 || err != nil || seen[id(b)] {
					t.Errorf("%q, %v", id(b), err)
				}
				seen[id(b)] = true
			}
		}},
		{[]int{1037}, "one's own", func(t *testing.T) {
			b := newBrowser(t, newManager(t, newSpy(), named("apple")))
			b.visit(change)
			if want := signed("apple", secret); b.cookies["connect.sid"] != want {
				t.Error(b.cookies)
			}
			wantViews(t, b, 1)
		}},
		{[]int{1046}, "characters that a cookie can't hold", func(t *testing.T) {
			store := newSpy()
			b := newBrowser(t, newManager(t, store, named("%;\"é/a b.")))
			b.visit(change)
			if got := b.cookies["connect.sid"]; !strings.HasPrefix(got, "s%3A%25%3B%22%C3%A9%2Fa%20b..") {
				t.Error(got)
			}
			wantViews(t, b, 1)
			if stored(t, store, "%;\"é/a b.") == "" {
				t.Error("another id was stored")
			}
		}},
		{[]int{1055}, "it has the request", func(t *testing.T) {
			b := newBrowser(t, newManager(t, newSpy(), func(o *express.Options) {
				o.NewID = func(r *http.Request) (string, error) { return r.Header.Get("X-ID"), nil }
			}))
			b.request = func(r *http.Request) { r.Header.Set("X-ID", "mine") }
			b.visit(change)
			if id(b) != "mine" {
				t.Error(id(b))
			}
		}},
		{[]int{1082}, "the cookie's name by default", func(t *testing.T) {
			b := newBrowser(t, newManager(t, newSpy()))
			if res := b.visit(change); !strings.HasPrefix(res.Header.Get("Set-Cookie"), "connect.sid=s%3A") {
				t.Error(res.Header)
			}
		}},
		{[]int{1089}, "the cookie's name", func(t *testing.T) {
			b := newBrowser(t, newManager(t, newSpy(), func(o *express.Options) { o.Name = "session_id" }))
			if res := b.visit(change); !strings.HasPrefix(res.Header.Get("Set-Cookie"), "session_id=s%3A") {
				t.Error(res.Header)
			}
			wantViews(t, b, 1)
		}},
	})
}

func TestConformanceSecrets(t *testing.T) {
	secrets := func(list ...string) func(*express.Options) {
		return func(o *express.Options) { o.Secrets = list }
	}
	conform(t, []conformanceTest{
		{[]int{1420}, "a text", func(t *testing.T) {
			b := newBrowser(t, newManager(t, newSpy(), secrets("awesome cat")))
			b.visit(change)
			if b.cookies["connect.sid"] != signed(id(b), "awesome cat") {
				t.Error(b.cookies)
			}
			wantViews(t, b, 1)
		}},
		{[]int{1442}, "bytes that are no text", func(t *testing.T) {
			b := newBrowser(t, newManager(t, newSpy(), secrets("\x00\xff\xfe")))
			b.visit(change)
			if b.cookies["connect.sid"] != signed(id(b), "\x00\xff\xfe") {
				t.Error(b.cookies)
			}
			wantViews(t, b, 1)
		}},
		{[]int{1465, 1477}, "the first of several signs", func(t *testing.T) {
			b := newBrowser(t, newManager(t, newSpy(), secrets("keyboard cat", "nyan cat")))
			b.visit(change)
			if b.cookies["connect.sid"] != signed(id(b), "keyboard cat") {
				t.Error(b.cookies)
			}
		}},
		{[]int{1501}, "all of several verify", func(t *testing.T) {
			store := newSpy()
			b := newBrowser(t, newManager(t, store, secrets("nyan cat")))
			b.visit(change)
			was := b.cookies["connect.sid"]
			b.manager = newManager(t, store, secrets("keyboard cat", "another", "nyan cat"))
			wantCookie(t, b.visit(change), false) // it is signed anew only when a cookie is due
			wantViews(t, b, 2)
			b.manager = newManager(t, store, secrets("keyboard cat", "nyan cat"), rolling)
			b.visit(look)
			if got := b.cookies["connect.sid"]; got == was || got != signed(id(b), "keyboard cat") {
				t.Error(got)
			}
			b.manager = newManager(t, store, secrets("nyan cat"))
			wantViews(t, b, 0)
		}},
	})
}

// Express has the option unset for what happens after req.session = null. Here
// the call says it: Discard keeps the session, Destroy ends it.
func TestConformanceUnset(t *testing.T) {
	conform(t, []conformanceTest{
		{[]int{1528}, "options that mean nothing are refused", func(t *testing.T) {
			for _, bad := range []func(*express.Options){
				proxy(3), proxy(-1), secureIs(3), secureIs(-1), sameSiteIs("loose"),
				func(o *express.Options) { o.Cookie.Priority = "urgent" },
				func(o *express.Options) { o.Cookie.Path = "foo" },
				func(o *express.Options) { o.Name = "a b" },
				func(o *express.Options) { o.TrustProxyHops = -1 },
			} {
				o := express.Options{Secrets: []string{secret}}
				bad(&o)
				if _, err := express.New(newSpy(), o); !errors.Is(err, sessions.ErrInvalid) {
					t.Errorf("%+v: %v", o, err)
				}
			}
		}},
		{[]int{1532}, "discarded changes are not saved", func(t *testing.T) {
			store := newSpy()
			b := newBrowser(t, newManager(t, store))
			b.visit(change)
			store.taken()
			wantCookie(t, b.visit(func(s *sessions.Session) { change(s); s.Discard() }), false)
			wantOps(t, store, "get")
			wantViews(t, b, 1)
		}},
		{[]int{1563}, "a destroyed session is gone", func(t *testing.T) {
			for _, options := range [][]func(*express.Options){nil, {rolling, saveNew, resaving}} {
				store := newSpy()
				b := newBrowser(t, newManager(t, store, options...))
				b.visit(change)
				store.taken()
				b.visit(func(s *sessions.Session) { change(s); s.Destroy() })
				wantOps(t, store, "get", "destroy")
				if n := rows(t, store); n != 0 {
					t.Errorf("%d sessions", n)
				}
			}
		}},
		{[]int{1594}, "a new session that is destroyed sends no cookie", func(t *testing.T) { // and asks the store nothing
			for _, options := range [][]func(*express.Options){nil, {saveNew}, {rolling, saveNew, resaving}} {
				store := newSpy()
				b := newBrowser(t, newManager(t, store, options...))
				wantCookie(t, b.visit(func(s *sessions.Session) { change(s); s.Destroy() }), false)
				wantOps(t, store)
			}
		}},
	})
}
