package sessions_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/memstore"
)

// cookieLine is RFC 6265, section 4.1.1, with a path of visible characters and spaces, and the
// attributes that came later.
var cookieLine = regexp.MustCompile(`^[!#$%&'*+\-.^_` + "`" + `|~0-9A-Za-z]+=[!#-+\--:<-\[\]-~]*` +
	`(?:; (?:Path=[ -:<-~]*|Domain=[A-Za-z0-9.-]+|Max-Age=[0-9]+|Expires=[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT|` +
	`Secure|HttpOnly|SameSite=(?:Lax|Strict|None)|Partitioned))*$`)

// FuzzOptions makes managers of any options. They are refused, or send a cookie that is one.
func FuzzOptions(f *testing.F) {
	day := int64(24 * time.Hour)
	f.Add("", "", "", int64(0), int64(0), int64(0), int64(0), 0, 0, byte(0), "")
	f.Add("__Host-a", "/", "", day, day, 2*day, int64(0), 2, 0, byte(3), "10.0.0.0/8")
	f.Add("__Secure-a", "/a b", "example.com", int64(1), int64(1), int64(-1), int64(time.Second), 4, 1, byte(1), "unix")
	f.Add("a;b", "/;x", "a..b", int64(-1), int64(-1), int64(-1), int64(-1), -1, -1, byte(255), "x")
	f.Add("a", "/", "1.2", 400*day, 400*day, 400*day, int64(1<<62), 3, 2, byte(4), "::/0")
	f.Fuzz(func(t *testing.T, name, path, domain string, maxAge, idle, lifetime, touch int64, sameSite, secure int, flags byte, proxy string) {
		o := sessions.Options{
			Secrets:     [][]byte{secretA},
			IdleTimeout: time.Duration(idle), Lifetime: time.Duration(lifetime), TouchInterval: time.Duration(touch),
			Cookie: sessions.CookieOptions{
				Name: name, Path: path, Domain: domain, MaxAge: time.Duration(maxAge), SameSite: http.SameSite(sameSite), Secure: sessions.SecureMode(secure),
				Partitioned: flags&1 != 0, UnsafeScriptAccess: flags&2 != 0,
			},
		}
		if proxy != "" {
			o.TrustedProxies = []string{proxy}
		}
		m, err := sessions.New(memstore.New(), o)
		if err != nil {
			if !errors.Is(err, sessions.ErrInvalid) || m != nil {
				t.Fatalf("New: %v, %v", m, err)
			}
			return
		}
		var cookie string
		for _, change := range []func(s *sessions.Session){
			func(s *sessions.Session) { s.SetUser("alice") },
			func(s *sessions.Session) { s.SetMaxAge(time.Hour) },
			func(s *sessions.Session) { s.Destroy() },
		} {
			w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "https://example.com/", http.NoBody)
			if cookie != "" {
				r.Header.Set("Cookie", cookie)
			}
			m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { change(sessions.FromContext(r.Context())) })).ServeHTTP(w, r)
			lines := w.Header()["Set-Cookie"]
			if len(lines) != 1 || !cookieLine.MatchString(lines[0]) {
				t.Fatalf("with %+v: answered %d with the cookies %q", o.Cookie, w.Code, lines)
			}
			c, err := http.ParseSetCookie(lines[0])
			if err != nil || name != "" && c.Name != name || domain != "" && c.Domain != domain || flags&2 == 0 && !c.HttpOnly || secure == 0 && !c.Secure {
				t.Fatalf("with %+v: the cookie %q: %v", o.Cookie, lines[0], err)
			}
			cookie = c.Name + "=" + c.Value
		}
	})
}
