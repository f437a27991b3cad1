package testbed

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
	Secret  = []byte("integration test secret 0123456789abcdef")
	Value   = sessions.NewKey[string]("value")
	Counter = sessions.NewKey[int]("counter")
)

// An App is a small application on a real HTTP server.
type App struct {
	*Table
	Manager *sessions.Manager
	Server  *httptest.Server
	Log     *LockedBuffer
	Slow    chan chan struct{}  // /slow sends a channel here and waits until that is closed
	Hook    func(*http.Request) // unless nil, called by handlers before they use the session
}

// LockedBuffer is a bytes.Buffer that is safe for concurrent use.
type LockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *LockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *LockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// NewApp starts the application on a table. It uses SecureAuto, because before Go 1.26
// cookiejar withholds Secure cookies from plain HTTP even on loopback.
func NewApp(t testing.TB, tab *Table, adapt ...func(*sessions.Options)) *App {
	t.Helper()
	a := &App{Table: tab, Log: &LockedBuffer{}, Slow: make(chan chan struct{})}
	o := sessions.Options{
		Secrets: [][]byte{Secret},
		Cookie:  sessions.CookieOptions{Secure: sessions.SecureAuto},
		Timeout: 20 * time.Second, // the machine may be slow, and no test waits this long
		Logger:  slog.New(slog.NewTextHandler(a.Log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, f := range adapt {
		f(&o)
	}
	var err error
	a.Manager, err = sessions.New(tab.Store, o)
	Check(t, err)
	a.Server = httptest.NewServer(a.Manager.Handler(a.mux()))
	t.Cleanup(a.Server.Close)
	return a
}

func (a *App) mux() *http.ServeMux {
	mux := http.NewServeMux()
	handle := func(path string, f func(s *sessions.Session, w http.ResponseWriter, r *http.Request)) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			if a.Hook != nil {
				a.Hook(r)
			}
			f(sessions.FromContext(r.Context()), w, r)
		})
	}
	mux.HandleFunc("/untouched", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "hello") })
	handle("/read", func(s *sessions.Session, w http.ResponseWriter, r *http.Request) {
		v, _ := Value.Get(s)
		_, _ = io.WriteString(w, v)
	})
	handle("/user", func(s *sessions.Session, w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, s.User())
	})
	handle("/set", func(s *sessions.Session, w http.ResponseWriter, r *http.Request) {
		Value.Set(s, r.FormValue("v"))
	})
	handle("/store", func(s *sessions.Session, w http.ResponseWriter, r *http.Request) {
		Value.Set(s, r.FormValue("v"))
		http.Redirect(w, r, "/read", http.StatusSeeOther)
	})
	handle("/add", func(s *sessions.Session, w http.ResponseWriter, r *http.Request) {
		sessions.NewKey[int]("key "+r.FormValue("k")).Set(s, 1)
	})
	handle("/count", func(s *sessions.Session, w http.ResponseWriter, r *http.Request) {
		n := Counter.Update(s, func(n int) int { return n + 1 })
		_, _ = io.WriteString(w, strconv.Itoa(n))
	})
	handle("/login", func(s *sessions.Session, w http.ResponseWriter, r *http.Request) {
		s.Regenerate()
		s.SetUser(r.FormValue("u"))
		Value.Set(s, "logged in")
	})
	handle("/regenerate", func(s *sessions.Session, w http.ResponseWriter, r *http.Request) { s.Regenerate() })
	handle("/logout", func(s *sessions.Session, w http.ResponseWriter, r *http.Request) { s.Destroy() })
	handle("/id", func(s *sessions.Session, w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, string(s.ID()))
	})
	handle("/everywhere", func(s *sessions.Session, w http.ResponseWriter, r *http.Request) {
		n, err := a.Manager.RevokeUser(r.Context(), s.User(), s.ID())
		_, _ = fmt.Fprint(w, n, err)
	})
	handle("/slow", func(s *sessions.Session, w http.ResponseWriter, r *http.Request) {
		resume := make(chan struct{})
		a.Slow <- resume
		<-resume
		if v := r.FormValue("v"); v != "" {
			Value.Set(s, v)
		}
		switch r.FormValue("then") {
		case "logout":
			s.Destroy()
		case "regenerate":
			s.Regenerate()
		case "login":
			s.SetUser("alice")
		}
		_, _ = io.WriteString(w, "slow")
	})
	return mux
}

// A Browser keeps cookies.
type Browser struct {
	*http.Client
	T    testing.TB
	Base string
}

// Browser returns a new browser without cookies.
func (a *App) Browser(t testing.TB) *Browser {
	jar, err := cookiejar.New(nil)
	Check(t, err)
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	return &Browser{Client: &http.Client{Jar: jar, Transport: transport}, T: t, Base: a.Server.URL}
}

// On points the browser at another server, as after a restart.
func (b *Browser) On(a *App) *Browser {
	from, _ := url.Parse(b.Base)
	to, _ := url.Parse(a.Server.URL)
	b.Jar.SetCookies(to, b.Jar.Cookies(from))
	b.Base = a.Server.URL
	return b
}

// A Response is an answer whose body has been read.
type Response struct {
	*http.Response
	Body string
}

// Fetch sends a GET request. It is safe for concurrent use: a failed connection fails the
// test but does not end it.
func (b *Browser) Fetch(path string) Response {
	b.T.Helper()
	r, err := b.Get(b.Base + path)
	if err != nil {
		b.T.Error(err)
		return Response{Response: &http.Response{}}
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		b.T.Error(err)
	}
	return Response{r, string(body)}
}

// OK is Fetch for an answer that must be 200. It returns the body.
func (b *Browser) OK(path string) string {
	b.T.Helper()
	r := b.Fetch(path)
	if r.StatusCode != http.StatusOK {
		b.T.Errorf("GET %s: %d %s", path, r.StatusCode, r.Body)
	}
	return r.Body
}

// Cookie returns the session cookie, or nil.
func (b *Browser) Cookie() *http.Cookie {
	u, _ := url.Parse(b.Base)
	for _, c := range b.Jar.Cookies(u) {
		if c.Name == "session" {
			return c
		}
	}
	return nil
}

// SetCookies gives the browser cookies of the application.
func (b *Browser) SetCookies(cookies ...*http.Cookie) {
	u, _ := url.Parse(b.Base)
	b.Jar.SetCookies(u, cookies)
}

// Clone returns another browser with the same cookies, to replay them.
func (b *Browser) Clone(a *App) *Browser {
	other := a.Browser(b.T)
	u, _ := url.Parse(b.Base)
	other.SetCookies(b.Jar.Cookies(u)...)
	return other
}

// SetsCookie reports whether the response sets the session cookie.
func SetsCookie(r Response) bool {
	return strings.Contains(strings.Join(r.Header["Set-Cookie"], "\n"), "session=")
}
