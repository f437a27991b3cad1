package sessions_test

import (
	"net/http"
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
		res := plain(m, "http://example.com/", "", nil, func(s *sessions.Session) { count.Set(s, 1); s.SetUser("ann") })
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
	for _, hint := range []string{"TrustedProxies", "SecureAuto", "HTTPS"} {
		if text, _ := lines[0]["msg"].(string); !strings.Contains(text, hint) {
			t.Errorf("the line does not name %s: %s", hint, text)
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

// The new id can't be sent; the old one, which may be planted, dies all the same.
func TestNewIDOverPlainHTTPKillsTheOldOne(t *testing.T) {
	t.Parallel()
	for what, f := range map[string]func(*sessions.Session){
		"Regenerate": func(s *sessions.Session) { s.Regenerate() },
		"SetUser":    func(s *sessions.Session) { s.SetUser("ann") },
		"Destroy":    func(s *sessions.Session) { s.Destroy() },
	} {
		m := always(t, memstore.New())
		cookie := overHTTPS(t, m)
		res := plain(m, "http://example.com/", cookie, nil, f)
		wantStatus(t, res, http.StatusOK)
		if got := res.Header["Set-Cookie"]; got != nil {
			t.Errorf("%s: Set-Cookie %q", what, got)
		}
		if (&visitor{t, m, cookie}).alive() {
			t.Errorf("%s: the old id still works", what)
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
