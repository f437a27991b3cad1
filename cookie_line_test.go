package sessions_test

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/memstore"
)

func request(url string) (*http.Request, *httptest.ResponseRecorder) {
	return httptest.NewRequest(http.MethodGet, url, http.NoBody), httptest.NewRecorder()
}

// setCookie returns the only Set-Cookie line of a request over HTTPS.
func setCookie(t *testing.T, m *sessions.Manager, cookie string, f func(*sessions.Session)) string {
	t.Helper()
	r, rec := request("https://example.com/")
	if r.TLS == nil {
		r.TLS = new(tls.ConnectionState)
	}
	if cookie != "" {
		r.Header.Set("Cookie", cookie)
	}
	m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		f(sessions.FromContext(r.Context()))
	})).ServeHTTP(rec, r)
	lines := rec.Header()["Set-Cookie"]
	if len(lines) != 1 {
		t.Fatalf("Set-Cookie lines %q, want one", lines)
	}
	return lines[0]
}

func TestGoldenSetCookieLines(t *testing.T) {
	t.Parallel()
	const gone = "; Expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0"
	for what, c := range map[string]struct {
		options sessions.CookieOptions
		front   string // up to the value
		scope   string // attributes before the expiry
		expiry  string
		rest    string
	}{
		"defaults": {sessions.CookieOptions{}, "__Host-session=", "; Path=/", "", "; HttpOnly; Secure; SameSite=Lax"},
		"path":     {sessions.CookieOptions{Path: "/app"}, "__Secure-session=", "; Path=/app", "", "; HttpOnly; Secure; SameSite=Lax"},
		"domain": {
			sessions.CookieOptions{Domain: "example.com"},
			"__Secure-session=", "; Path=/; Domain=example.com", "", "; HttpOnly; Secure; SameSite=Lax",
		},
		"auto":  {sessions.CookieOptions{Secure: sessions.SecureAuto}, "session=", "; Path=/", "", "; HttpOnly; Secure; SameSite=Lax"},
		"never": {sessions.CookieOptions{Secure: sessions.SecureNever}, "session=", "; Path=/", "", "; HttpOnly; SameSite=Lax"},
		"strict, named": {
			sessions.CookieOptions{Name: "sid", SameSite: http.SameSiteStrictMode},
			"sid=", "; Path=/", "", "; HttpOnly; Secure; SameSite=Strict",
		},
		"embedded": {
			sessions.CookieOptions{SameSite: http.SameSiteNoneMode, Partitioned: true},
			"__Host-session=", "; Path=/", "", "; HttpOnly; Secure; SameSite=None; Partitioned",
		},
		"scripts":     {sessions.CookieOptions{UnsafeScriptAccess: true}, "__Host-session=", "; Path=/", "", "; Secure; SameSite=Lax"},
		"max age":     {sessions.CookieOptions{MaxAge: time.Hour}, "__Host-session=", "; Path=/", "; Max-Age=3600", "; HttpOnly; Secure; SameSite=Lax"},
		"rounded up":  {sessions.CookieOptions{MaxAge: 1500 * time.Millisecond}, "__Host-session=", "; Path=/", "; Max-Age=2", "; HttpOnly; Secure; SameSite=Lax"},
		"the longest": {sessions.CookieOptions{MaxAge: 400 * 24 * time.Hour}, "__Host-session=", "; Path=/", "; Max-Age=34560000", "; HttpOnly; Secure; SameSite=Lax"},
	} {
		m := newManager(t, memstore.New(), func(o *sessions.Options) { o.Cookie, o.Lifetime = c.options, 400*24*time.Hour })
		set := setCookie(t, m, "", func(s *sessions.Session) { count.Set(s, 1) })
		value, attributes, _ := strings.Cut(strings.TrimPrefix(set, c.front), ";")
		if !strings.HasPrefix(set, c.front) || len(value) != 109 || ";"+attributes != c.scope+c.expiry+c.rest {
			t.Errorf("%s: got  %s\nwant %s<value>%s", what, set, c.front, c.scope+c.expiry+c.rest)
		}
		if len(set) > 300 {
			t.Errorf("%s: the line has %d bytes", what, len(set))
		}
		deletion := setCookie(t, m, c.front+value, func(s *sessions.Session) { s.Destroy() })
		if want := c.front + c.scope + gone + c.rest; deletion != want {
			t.Errorf("%s: deletion\n got %s\nwant %s", what, deletion, want)
		}
	}
}

func TestAttributesSurviveEveryPath(t *testing.T) {
	t.Parallel()
	m := newManager(t, memstore.New(), func(o *sessions.Options) {
		o.Cookie = sessions.CookieOptions{Domain: "example.com", Path: "/x", SameSite: http.SameSiteStrictMode}
	})
	var cookie string
	var seen []string
	for _, f := range []func(*sessions.Session){
		func(s *sessions.Session) { count.Set(s, 1) },
		func(s *sessions.Session) { s.Regenerate() },
		func(s *sessions.Session) { s.SetUser("ann") },
		func(s *sessions.Session) { s.Destroy(); count.Set(s, 1) },
	} {
		line := setCookie(t, m, cookie, f)
		var attributes string
		cookie, attributes, _ = strings.Cut(line, ";")
		seen = append(seen, attributes)
	}
	if len(slices.Compact(seen)) != 1 {
		t.Errorf("the attributes differ: %q", seen)
	}
}

// Tokens neither repeat nor have a secret bit that is always the same.
func TestSecretsLookRandom(t *testing.T) {
	t.Parallel()
	const n = 2000
	m := newManager(t, memstore.New())
	seen := map[string]bool{}
	var ones [256]int
	for range n {
		token, _, _ := strings.Cut(loggedIn(t, m).cookie, ".")
		all, err := base64.RawURLEncoding.DecodeString(token[1:]) // after the format
		if err != nil || len(all) != 48 || seen[token] {
			t.Fatalf("the token %q: %v; or it came twice", token, err)
		}
		seen[token] = true
		for bit := range ones {
			ones[bit] += int(all[16+bit/8] >> (7 - bit%8) & 1) // after the ID
		}
	}
	for bit := range ones {
		if ones[bit] < n*2/5 || ones[bit] > n*3/5 { // nine standard deviations
			t.Errorf("bit %d is 1 in %d of %d secrets", bit, ones[bit], n)
		}
	}
}

// mixedUp is a store whose driver, from mixUp on, answers Load with the row of
// a certain user, whoever asked.
type mixedUp struct {
	*memstore.Store
	mu   sync.Mutex
	user string
}

func (m *mixedUp) mixUp(user string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.user = user
}

func (m *mixedUp) Load(ctx context.Context, ref driver.Ref) (driver.Row, error) {
	m.mu.Lock()
	user := m.user
	m.mu.Unlock()
	if user == "" {
		return m.Store.Load(ctx, ref)
	}
	rows, err := m.List(ctx, driver.ListRequest{User: user, Limit: 1})
	if err != nil || len(rows) == 0 {
		return driver.Row{}, err
	}
	return rows[0], nil
}
