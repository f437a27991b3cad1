package integration_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
)

var (
	secret  = []byte("integration test secret 0123456789abcdef")
	value   = sessions.NewKey[string]("value")
	counter = sessions.NewKey[int]("counter")
)

// An app is a small application on a real HTTP server.
type app struct {
	*table
	manager *sessions.Manager
	server  *httptest.Server
	log     *lockedBuffer
	slow    chan chan struct{} // /slow sends a channel here and goes on when that is closed
}

// lockedBuffer is a bytes.Buffer for several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// newApp starts the application on a table. SecureAuto, because the cookiejar of Go before 1.26
// keeps Secure cookies from plain HTTP even on loopback.
func newApp(t testing.TB, tab *table, adapt ...func(*sessions.Options)) *app {
	t.Helper()
	a := &app{table: tab, log: &lockedBuffer{}, slow: make(chan chan struct{})}
	o := sessions.Options{
		Secrets: [][]byte{secret},
		Cookie:  sessions.CookieOptions{Secure: sessions.SecureAuto},
		Timeout: 20 * time.Second, // a shared machine may be slow, and no test waits for it
		Logger:  slog.New(slog.NewTextHandler(a.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, f := range adapt {
		f(&o)
	}
	var err error
	a.manager, err = sessions.New(tab.store, o)
	check(t, err)
	a.server = httptest.NewServer(a.manager.Handler(a.mux()))
	t.Cleanup(a.server.Close)
	return a
}

func (a *app) mux() *http.ServeMux {
	mux := http.NewServeMux()
	handle := func(path string, f func(s *sessions.Session, w http.ResponseWriter, r *http.Request)) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			f(sessions.FromContext(r.Context()), w, r)
		})
	}
	mux.HandleFunc("/untouched", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "hello") })
	handle("/read", func(s *sessions.Session, w http.ResponseWriter, r *http.Request) {
		v, _ := value.Get(s)
		_, _ = io.WriteString(w, v)
	})
	handle("/user", func(s *sessions.Session, w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, s.User())
	})
	handle("/set", func(s *sessions.Session, w http.ResponseWriter, r *http.Request) {
		value.Set(s, r.FormValue("v"))
	})
	handle("/store", func(s *sessions.Session, w http.ResponseWriter, r *http.Request) {
		value.Set(s, r.FormValue("v"))
		http.Redirect(w, r, "/read", http.StatusSeeOther)
	})
	handle("/add", func(s *sessions.Session, w http.ResponseWriter, r *http.Request) {
		sessions.NewKey[int]("key "+r.FormValue("k")).Set(s, 1)
	})
	handle("/count", func(s *sessions.Session, w http.ResponseWriter, r *http.Request) {
		n := counter.Update(s, func(n int) int { return n + 1 })
		_, _ = io.WriteString(w, strconv.Itoa(n))
	})
	handle("/login", func(s *sessions.Session, w http.ResponseWriter, r *http.Request) {
		s.Regenerate()
		s.SetUser(r.FormValue("u"))
		value.Set(s, "logged in")
	})
	handle("/regenerate", func(s *sessions.Session, w http.ResponseWriter, r *http.Request) { s.Regenerate() })
	handle("/logout", func(s *sessions.Session, w http.ResponseWriter, r *http.Request) { s.Destroy() })
	handle("/id", func(s *sessions.Session, w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, string(s.ID()))
	})
	handle("/everywhere", func(s *sessions.Session, w http.ResponseWriter, r *http.Request) {
		n, err := a.manager.RevokeUser(r.Context(), s.User(), s.ID())
		_, _ = fmt.Fprint(w, n, err)
	})
	handle("/slow", func(s *sessions.Session, w http.ResponseWriter, r *http.Request) {
		resume := make(chan struct{})
		a.slow <- resume
		<-resume
		if v := r.FormValue("v"); v != "" {
			value.Set(s, v)
		}
		switch r.FormValue("then") {
		case "logout":
			s.Destroy()
		case "regenerate":
			s.Regenerate()
		case "login":
			s.SetUser("bob")
		}
		_, _ = io.WriteString(w, "slow")
	})
	return mux
}

// A browser keeps cookies.
type browser struct {
	*http.Client
	t    testing.TB
	base string
}

func (a *app) browser(t testing.TB) *browser {
	jar, err := cookiejar.New(nil)
	check(t, err)
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	return &browser{Client: &http.Client{Jar: jar, Transport: transport}, t: t, base: a.server.URL}
}

// on points the browser at another server, as a restart does.
func (b *browser) on(a *app) *browser {
	from, _ := url.Parse(b.base)
	to, _ := url.Parse(a.server.URL)
	b.Jar.SetCookies(to, b.Jar.Cookies(from))
	b.base = a.server.URL
	return b
}

type response struct {
	*http.Response
	body string
}

// get may be called by several goroutines; an error of the connection is reported, not fatal.
func (b *browser) get(path string) response {
	b.t.Helper()
	r, err := b.Get(b.base + path)
	if err != nil {
		b.t.Error(err)
		return response{Response: &http.Response{}}
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		b.t.Error(err)
	}
	return response{r, string(body)}
}

// ok is get for an answer that must be 200; it returns the body.
func (b *browser) ok(path string) string {
	b.t.Helper()
	r := b.get(path)
	if r.StatusCode != http.StatusOK {
		b.t.Errorf("GET %s: %d %s", path, r.StatusCode, r.body)
	}
	return r.body
}

// cookie returns the session cookie, or nil.
func (b *browser) cookie() *http.Cookie {
	u, _ := url.Parse(b.base)
	for _, c := range b.Jar.Cookies(u) {
		if c.Name == "session" {
			return c
		}
	}
	return nil
}

func (b *browser) setCookies(cookies ...*http.Cookie) {
	u, _ := url.Parse(b.base)
	b.Jar.SetCookies(u, cookies)
}

// clone is another browser with the same cookies: one that replays them.
func (b *browser) clone(a *app) *browser {
	other := a.browser(b.t)
	u, _ := url.Parse(b.base)
	other.setCookies(b.Jar.Cookies(u)...)
	return other
}

func setsCookie(r response) bool {
	return strings.Contains(strings.Join(r.Header["Set-Cookie"], "\n"), "session=")
}
