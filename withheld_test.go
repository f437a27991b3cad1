package sessions_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/memstore"
)

// plain runs a request through a manager with SecureAlways and without TLS.
func plain(m *sessions.Manager, url, cookie string, edit func(*http.Request), f func(*sessions.Session)) *http.Response {
	r, rec := request(url)
	if cookie != "" {
		r.Header.Set("Cookie", "__Host-session="+cookie)
	}
	if edit != nil {
		edit(r)
	}
	m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f(sessions.FromContext(r.Context()))
		w.WriteHeader(http.StatusOK)
	})).ServeHTTP(rec, r)
	return rec.Result()
}

func always(t *testing.T, store sessions.Store, change ...func(*sessions.Options)) *sessions.Manager {
	return newManager(t, store, append([]func(*sessions.Options){
		func(o *sessions.Options) { o.Cookie.Secure = sessions.SecureAlways },
	}, change...)...)
}

func overHTTPS(t *testing.T, m *sessions.Manager) (cookie string) {
	t.Helper()
	line := setCookie(t, m, "", func(s *sessions.Session) { count.Set(s, 1) })
	cookie, _, _ = strings.Cut(strings.TrimPrefix(line, "__Host-session="), ";")
	return cookie
}

func TestPlainHTTPMakesNoSessionAndSaysSoOnce(t *testing.T) {
	t.Parallel()
	store, log := newSpy(), new(logBook)
	m := always(t, store, func(o *sessions.Options) { o.Logger = log.logger() })
	for range 10 {
		res := plain(m, "http://example.com/", "", nil, func(s *sessions.Session) { count.Set(s, 1); s.Regenerate() })
		wantStatus(t, res, http.StatusOK)
		if got := res.Header["Set-Cookie"]; got != nil {
			t.Errorf("Set-Cookie %q", got)
		}
	}
	if n := store.count(); n != 0 {
		t.Errorf("%d calls of the store", n)
	}
	lines := log.lines(t, "WARN")
	if len(lines) != 1 || strings.Count(log.text(), "\n") != 1 {
		t.Fatalf("the log says:\n%s\nwant one line", log.text())
	}
	text, _ := lines[0]["msg"].(string)
	wantHints(t, "the line", text)
}

// wantHints fails unless a text says what to do about a cookie that is not sent.
func wantHints(t *testing.T, what, text string) {
	t.Helper()
	for _, hint := range []string{"plain HTTP", "TrustedProxies", "SecureAuto", "HTTPS"} {
		if !strings.Contains(text, hint) {
			t.Errorf("%s does not name %s: %s", what, hint, text)
		}
	}
}

// Nothing may seem to be done that needs a cookie which is not sent: the store stays as it is,
// and the request fails.
func TestWhatNeedsACookieFailsOverPlainHTTP(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		user string // of the session that the request has, "-" for no session
		f    func(*sessions.Session)
	}{
		"Regenerate":                  {"", (*sessions.Session).Regenerate},
		"a sign-in":                   {"", func(s *sessions.Session) { s.SetUser("ann") }},
		"a sign-in of a new visitor":  {"-", func(s *sessions.Session) { s.SetUser("ann") }},
		"a new authentication":        {"ann", func(s *sessions.Session) { s.SetUser("ann") }},
		"another user":                {"ann", func(s *sessions.Session) { s.SetUser("bob") }},
		"a sign-in after a value":     {"", func(s *sessions.Session) { count.Set(s, 5); s.SetUser("ann") }},
		"a sign-in that saves itself": {"", func(s *sessions.Session) { s.SetUser("ann"); _ = s.Save(t.Context()) }},
	} {
		store, log := newSpy(), new(logBook)
		m := always(t, store, func(o *sessions.Options) { o.Logger = log.logger() })
		cookie := ""
		if c.user != "-" {
			line := setCookie(t, m, "", func(s *sessions.Session) { count.Set(s, 1); s.SetUser(c.user) })
			cookie, _, _ = strings.Cut(strings.TrimPrefix(line, "__Host-session="), ";")
		}
		store.reset(nil)
		var told error
		res := plain(m, "http://example.com/", cookie, nil, func(s *sessions.Session) {
			c.f(s)
			told = s.Save(t.Context())
		})
		if res.StatusCode != http.StatusInternalServerError || res.Header["Set-Cookie"] != nil {
			t.Errorf("%s: status %d, Set-Cookie %q; want 500 and none", what, res.StatusCode, res.Header["Set-Cookie"])
		}
		if !errors.Is(told, sessions.ErrTooLate) {
			t.Fatalf("%s: Save returns %v", what, told)
		}
		wantHints(t, what+": the error of Save", told.Error())
		if lines := log.lines(t, "ERROR"); len(lines) != 1 {
			t.Errorf("%s: the log says:\n%s\nwant one error", what, log.text())
		} else {
			wantHints(t, what+": the log", lines[0]["error"].(string))
		}
		if n := store.count() - store.count("load"); n != 0 {
			t.Errorf("%s: the store was called %d times to write", what, n)
		}
		if cookie == "" {
			continue
		}
		s, err := m.Load(t.Context(), cookie)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if n, _ := count.Get(s); n != 1 || s.User() != c.user {
			t.Errorf("%s: the session has count %d and user %q", what, n, s.User())
		}
	}
}

// Save must not say that it has saved what it dropped. The answer goes out all the same.
func TestSaveOfANewSessionFailsOverPlainHTTP(t *testing.T) {
	t.Parallel()
	store := newSpy()
	m := always(t, store)
	res := plain(m, "http://example.com/", "", nil, func(s *sessions.Session) {
		if err := s.Save(t.Context()); err != nil {
			t.Errorf("with nothing to save: %v", err)
		}
		count.Set(s, 1)
		for range 2 {
			if err := s.Save(t.Context()); !errors.Is(err, sessions.ErrTooLate) {
				t.Errorf("Save returns %v", err)
			} else {
				wantHints(t, "the error", err.Error())
			}
		}
	})
	wantStatus(t, res, http.StatusOK)
	if n := store.count(); n != 0 {
		t.Errorf("%d calls of the store", n)
	}
}

// An Upgrade sends no cookie over HTTPS either, and is refused in the same way.
func TestHijackOverPlainHTTPKeepsTheSession(t *testing.T) {
	t.Parallel()
	for what, f := range map[string]func(*sessions.Session){
		"a new session": func(s *sessions.Session) { s.Destroy(); count.Set(s, 2) },
		"a new token":   (*sessions.Session).Regenerate,
	} {
		m := always(t, memstore.New())
		cookie := ""
		if what == "a new token" {
			cookie = overHTTPS(t, m)
		}
		r, rec := request("http://example.com/")
		r.Header.Set("Cookie", "__Host-session="+cookie)
		m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			f(sessions.FromContext(r.Context()))
			if _, _, err := http.NewResponseController(w).Hijack(); !errors.Is(err, sessions.ErrTooLate) {
				t.Errorf("%s: Hijack returns %v", what, err)
			} else {
				wantHints(t, what, err.Error())
			}
		})).ServeHTTP(rec, r)
		if cookie != "" && !(&visitor{t, m, cookie}).alive() {
			t.Errorf("%s: the session is gone", what)
		}
	}
}

func TestPlainHTTPOnLoopbackIsExempt(t *testing.T) {
	t.Parallel()
	m := always(t, memstore.New())
	for _, url := range []string{"http://localhost:8080/", "http://127.0.0.1/", "http://[::1]:80/", "http://app.localhost/"} {
		res := plain(m, url, "", nil, func(s *sessions.Session) { count.Set(s, 1) })
		cookies := res.Cookies()
		if len(cookies) != 1 || cookies[0].Name != "__Host-session" || !cookies[0].Secure {
			t.Errorf("%s: cookies %v, want a Secure one", url, cookies)
		}
	}
	wantRows(t, m, 4)
}

func TestATrustedProxyMakesThePlainRequestSecure(t *testing.T) {
	t.Parallel()
	m := always(t, memstore.New(), func(o *sessions.Options) {
		o.TrustedProxies = []string{"10.0.0.0/8"}
	})
	for remote, want := range map[string]int{"10.0.0.1:99": 1, "192.0.2.1:99": 0} {
		res := plain(m, "http://example.com/", "", func(r *http.Request) {
			r.RemoteAddr = remote
			r.Header.Set("X-Forwarded-Proto", "https")
		}, func(s *sessions.Session) { count.Set(s, 1) })
		if got := len(res.Cookies()); got != want {
			t.Errorf("from %s: %d cookies, want %d", remote, got, want)
		}
	}
}

func TestAutoFollowsTheProxy(t *testing.T) {
	t.Parallel()
	m := newManager(t, memstore.New(), func(o *sessions.Options) {
		o.TrustedProxies = []string{"192.0.2.0/24"} // httptest's client
	})
	for proto, want := range map[string]bool{"https": true, "http": false, "": false} {
		res := plain(m, "http://example.com/", "", func(r *http.Request) {
			if proto != "" {
				r.Header.Set("X-Forwarded-Proto", proto)
			}
		}, func(s *sessions.Session) { count.Set(s, 1) })
		if c := ours(t, res); c == nil || c.Secure != want {
			t.Errorf("%q: cookie %v, want Secure %v", proto, c, want)
		}
	}
}

// A logout needs no cookie, and what follows it is a new visitor's.
func TestALogoutOverPlainHTTP(t *testing.T) {
	t.Parallel()
	for what, f := range map[string]func(*sessions.Session){
		"Destroy":         (*sessions.Session).Destroy,
		"Destroy and Set": func(s *sessions.Session) { s.Destroy(); count.Set(s, 2) },
		"SetUser(\"\")":   func(s *sessions.Session) { s.SetUser("") },
	} {
		m := always(t, memstore.New())
		line := setCookie(t, m, "", func(s *sessions.Session) { count.Set(s, 1); s.SetUser("ann") })
		cookie, _, _ := strings.Cut(strings.TrimPrefix(line, "__Host-session="), ";")
		res := plain(m, "http://example.com/", cookie, nil, f)
		wantStatus(t, res, http.StatusOK)
		if got := res.Header["Set-Cookie"]; got != nil {
			t.Errorf("%s: Set-Cookie %q", what, got)
		}
		if (&visitor{t, m, cookie}).alive() {
			t.Errorf("%s: the session lives", what)
		}
		wantRows(t, m, 0)
	}
}

func TestAnExistingSessionIsStillUpdatedOverPlainHTTP(t *testing.T) {
	t.Parallel()
	m := always(t, memstore.New())
	cookie := overHTTPS(t, m)
	res := plain(m, "http://example.com/", cookie, nil, func(s *sessions.Session) { count.Set(s, 2) })
	wantStatus(t, res, http.StatusOK)
	s, err := m.Load(t.Context(), cookie)
	if err != nil {
		t.Fatal(err)
	}
	if n, _ := count.Get(s); n != 2 || res.Header["Set-Cookie"] != nil {
		t.Errorf("count is %d, Set-Cookie %q; want 2 and none", n, res.Header["Set-Cookie"])
	}
}

// Go's server says "@" of a peer at a unix socket.
func TestAProxyAtAUnixSocket(t *testing.T) {
	t.Parallel()
	m := always(t, memstore.New(), func(o *sessions.Options) { o.TrustedProxies = []string{"unix"} })
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := new(net.ListenConfig).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		count.Set(sessions.FromContext(r.Context()), 1)
	})))
	_ = srv.Listener.Close()
	srv.Listener = listener
	srv.Start()
	t.Cleanup(srv.Close)
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	defer client.CloseIdleConnections()
	for proto, want := range map[string]int{"https": 1, "http": 0} {
		res, _ := do(t, client, http.MethodGet, "http://example.com/", "", "X-Forwarded-Proto", proto)
		if got := len(res.Cookies()); got != want {
			t.Errorf("%s: %d cookies, want %d", proto, got, want)
		}
	}
}
