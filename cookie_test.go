package sessions_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/memstore"
)

// withHeader runs a request with these Cookie lines, and returns the count that
// the handler saw, and the response.
func withHeader(t *testing.T, m *sessions.Manager, lines ...string) (seen int, res *http.Response) {
	t.Helper()
	r, rec := request("http://example.com/")
	r.Header["Cookie"] = lines
	m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		seen, _ = count.Get(sessions.FromContext(r.Context()))
	})).ServeHTTP(rec, r)
	return seen, rec.Result()
}

// wantIgnored checks that a Cookie header counts as none, and costs nothing.
func wantIgnored(t *testing.T, m *sessions.Manager, store *spy, what string, lines ...string) {
	t.Helper()
	store.reset(nil)
	seen, res := withHeader(t, m, lines...)
	if seen != 0 || res.StatusCode != http.StatusOK || res.Header["Set-Cookie"] != nil {
		t.Errorf("%s: the handler saw %d, status %d, Set-Cookie %q", what, seen, res.StatusCode, res.Header["Set-Cookie"])
	}
	if n := store.count(); n != 0 {
		t.Errorf("%s: %d calls of the store, want 0", what, n)
	}
}

func TestOnlyTheExactSpellingOfACookieIsAccepted(t *testing.T) {
	t.Parallel()
	store := newSpy()
	m := newManager(t, store)
	v := loggedIn(t, m)
	for n := 0; strings.Count(v.cookie, "-") == 0 || strings.Count(v.cookie, "_") == 0; n++ {
		v = loggedIn(t, m) // one whose spelling in the standard alphabet differs
		if n > 1000 {
			t.Fatal("no cookie has both - and _")
		}
	}
	c := v.cookie
	token, mac, _ := strings.Cut(c, ".")
	if seen, _ := withHeader(t, m, cookieName+"="+c); seen != 1 {
		t.Fatalf("the handler saw %d with the good cookie, want 1", seen)
	}
	other := newManager(t, store, func(o *sessions.Options) { o.Cookie.Name = "admin" })
	stranger := newManager(t, store, func(o *sessions.Options) { o.Secrets = [][]byte{secretB} })
	raw, err := base64.RawURLEncoding.DecodeString(token[1:])
	if err != nil || len(raw) != 48 || token[0] != '1' {
		t.Fatalf("the token has the format %q and %d bytes, %v; want 1 and 48", token[0], len(raw), err)
	}
	secret := base64.RawURLEncoding.EncodeToString(raw[16:])
	// The last character of 32 bytes in base64 has two unused bits.
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	trailing := func(s string) string {
		last := strings.IndexByte(alphabet, s[len(s)-1])
		return s[:len(s)-1] + string(alphabet[last^1])
	}
	for what, value := range map[string]string{
		"empty":                "",
		"dot alone":            ".",
		"token alone":          token,
		"no signature":         token + ".",
		"no token":             "." + mac,
		"swapped":              mac + "." + token,
		"signature twice":      c + "." + mac,
		"padding":              token + "=." + mac + "=",
		"padding after it":     c + "=",
		"another last bit":     trailing(token) + "." + mac,
		"format 0":             "0" + c[1:],
		"format 2":             "2" + c[1:],
		"no format":            c[1:],
		"the old form":         secret + "." + mac,
		"trailing bits of mac": token + "." + trailing(mac),
		"standard alphabet":    strings.NewReplacer("-", "+", "_", "/").Replace(c),
		"upper case":           strings.ToUpper(c),
		"percent encoding":     "%" + fmt.Sprintf("%x", c[0]) + c[1:],
		"another separator":    token + ":" + mac,
		"prefix s:":            "s:" + c,
		"zero token":           "1" + strings.Repeat("A", 64) + "." + mac,
		"zero signature":       token + "." + strings.Repeat("A", 43),
		"a megabyte":           strings.Repeat("A", 1<<20),
		"SQL":                  "' OR 1=1 --",
		"bytes without coding": string(raw),
	} {
		wantIgnored(t, m, store, what, cookieName+"="+value)
		if _, err := m.Load(t.Context(), value); !errors.Is(err, sessions.ErrNotFound) {
			t.Errorf("%s: Load returns %v", what, err)
		}
	}
	for i := range len(c) {
		wantIgnored(t, m, store, fmt.Sprint("cut at ", i), cookieName+"="+c[:i])
		wantIgnored(t, m, store, fmt.Sprint("without character ", i), cookieName+"="+c[:i]+c[i+1:])
	}
	wantIgnored(t, m, store, "quoted", cookieName+`="`+c+`"`)
	wantIgnored(t, m, store, "no value", cookieName)
	wantIgnored(t, m, store, "name in capitals", strings.ToUpper(cookieName)+"="+c)
	wantIgnored(t, m, store, "another name", "admin="+c)
	wantIgnored(t, other, store, "the cookie of another manager", "admin="+c)
	wantIgnored(t, stranger, store, "another secret", cookieName+"="+c)
}

func TestEveryBitFlipIsRefused(t *testing.T) {
	t.Parallel()
	store := newSpy()
	m := newManager(t, store)
	c := loggedIn(t, m).cookie
	store.reset(nil)
	for i := range len(c) {
		for bit := range 8 {
			b := []byte(c)
			b[i] ^= 1 << bit
			if _, err := m.Load(t.Context(), string(b)); !errors.Is(err, sessions.ErrNotFound) {
				t.Errorf("bit %d of character %d flipped: Load returns %v", bit, i, err)
			}
		}
	}
	if n := store.count(); n != 0 {
		t.Errorf("%d calls of the store, want 0", n)
	}
	if _, err := m.Load(t.Context(), c); err != nil {
		t.Errorf("the cookie itself: %v", err)
	}
}

func TestAClientCannotChooseAnID(t *testing.T) {
	t.Parallel()
	m := newManager(t, memstore.New())
	v := loggedIn(t, m)
	dead := v.cookie
	v.visit(func(s *sessions.Session) { s.Destroy() })
	v.cookie = dead // correctly signed, and not in the store
	v.visit(func(s *sessions.Session) { count.Set(s, 2) })
	if v.cookie == dead {
		t.Error("a session was made under an id that the client sent")
	}
	if (&visitor{t, m, dead}).alive() {
		t.Error("the id that the client sent became a session")
	}
}

func TestSecretRotation(t *testing.T) {
	t.Parallel()
	store := newSpy()
	with := func(secrets ...[]byte) *sessions.Manager {
		return newManager(t, store, func(o *sessions.Options) { o.Secrets = secrets })
	}
	v := loggedIn(t, with(secretA))
	underA := v.cookie

	v.manager = with(secretA, secretB) // the first half of a rolling deployment
	if c := ours(t, v.visit(func(*sessions.Session) {})); c != nil {
		t.Errorf("a cookie of the first secret was signed anew: %v", c)
	}
	v.manager = with(secretB, secretA)
	if got := value(v, count); got != 1 {
		t.Fatalf("count is %d under the second secret, want 1", got)
	}
	underB := v.cookie
	if underB == underA {
		t.Fatal("the cookie was not signed anew")
	}
	idA, _, _ := strings.Cut(underA, ".")
	idB, _, _ := strings.Cut(underB, ".")
	if idA != idB {
		t.Error("the session has another id")
	}
	if c := ours(t, v.visit(func(*sessions.Session) {})); c != nil {
		t.Errorf("it was signed anew once more: %v", c)
	}
	if got := value(&visitor{t, with(secretA, secretB), underB}, count); got != 1 {
		t.Error("a node with the other order does not take the new cookie")
	}
	last := with(secretB)
	if !(&visitor{t, last, underB}).alive() {
		t.Error("the cookie signed anew is dead without the old secret")
	}
	wantIgnored(t, last, store, "a cookie of a secret that was dropped", cookieName+"="+underA)
}

func TestManyCookies(t *testing.T) {
	t.Parallel()
	store := newSpy()
	m := newManager(t, store)
	c := loggedIn(t, m).cookie
	junk := func(n int) string { return strings.Repeat("a=b; ", n) }
	if seen, _ := withHeader(t, m, junk(2999)+cookieName+"="+c); seen != 1 {
		t.Errorf("with 3000 cookies the handler saw %d, want 1", seen)
	}
	wantIgnored(t, m, store, "3001 cookies", junk(3000)+cookieName+"="+c)
	if seen, _ := withHeader(t, m, cookieName+"="+c); seen != 1 {
		t.Errorf("without the junk the handler saw %d, want 1", seen)
	}
}

func TestDuplicateCookies(t *testing.T) {
	t.Parallel()
	store, log := newSpy(), new(logBook)
	m := newManager(t, store, func(o *sessions.Options) { o.Logger = log.logger() })
	live, second := loggedIn(t, m).cookie, loggedIn(t, m).cookie
	var dead []string
	for range 5 {
		v := loggedIn(t, m)
		dead = append(dead, v.cookie)
		v.visit(func(s *sessions.Session) { s.Destroy() })
	}
	pair := func(values ...string) string { return cookieName + "=" + strings.Join(values, "; "+cookieName+"=") }
	for _, c := range []struct {
		what  string
		lines []string
		seen  int
		loads int
	}{
		{"dead, live", []string{pair(dead[0], live)}, 1, 2},
		{"live, dead", []string{pair(live, dead[0])}, 1, 2},
		{"on two lines", []string{pair(dead[0]), pair(live)}, 1, 2},
		{"forged, live", []string{pair("forged", live)}, 1, 1},
		{"empty, live", []string{pair("", live)}, 1, 1},
		{"the same one 1000 times", []string{pair(strings.Split(strings.Repeat(live+",", 1000), ",")...)}, 1, 1},
		{"1000 forged, live", []string{pair(append(strings.Split(strings.Repeat("x,", 1000), ","), live)...)}, 1, 1},
		{"3 dead, live", []string{pair(dead[0], dead[1], dead[2], live)}, 1, 4},
		{"4 dead, live", []string{pair(dead[0], dead[1], dead[2], dead[3], live)}, 0, 0},
		{"live, 4 dead", []string{pair(live, dead[0], dead[1], dead[2], dead[3])}, 0, 0},
		{"two live", []string{pair(live, second)}, 0, 2},
		{"two live, reversed", []string{pair(second, live)}, 0, 2},
	} {
		store.reset(nil)
		seen, res := withHeader(t, m, c.lines...)
		if seen != c.seen || store.count("load") != c.loads || store.count() != c.loads {
			t.Errorf("%s: the handler saw %d with %d loads of %d calls, want %d and %d", c.what, seen, store.count("load"), store.count(), c.seen, c.loads)
		}
		if res.Header["Set-Cookie"] != nil {
			t.Errorf("%s: Set-Cookie %q", c.what, res.Header["Set-Cookie"])
		}
	}
	if n := len(log.lines(t, "WARN")); n != 1 {
		t.Errorf("%d warnings, want one a minute, however often a client sends two live sessions:\n%s", n, log.text())
	}
	if n, _ := m.Count(t.Context()); n != 2 {
		t.Errorf("%d sessions are left, want 2", n)
	}
}

func TestOnlyCookiesCarryTheID(t *testing.T) {
	t.Parallel()
	store := newSpy()
	m := newManager(t, store)
	c := loggedIn(t, m).cookie
	store.reset(nil)
	r, rec := request("http://example.com/" + c + "?session=" + c + "&sid=" + c)
	r.Header.Set("X-Session", c)
	r.Header.Set("Authorization", "Bearer "+c)
	m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if s := sessions.FromContext(r.Context()); !s.IsNew() {
			t.Error("a session was found without its cookie")
		}
	})).ServeHTTP(rec, r)
	if store.count() != 0 {
		t.Errorf("%d calls of the store", store.count())
	}
}

func TestALoadedRowOfAnotherSessionIsRefused(t *testing.T) {
	t.Parallel()
	store := &mixedUp{Store: memstore.New()}
	m := newManager(t, store)
	a, b := loggedIn(t, m), loggedIn(t, m)
	b.visit(func(s *sessions.Session) { s.SetUser("bob") })
	store.mixUp("bob")
	wantStatus(t, a.visit(func(*sessions.Session) { t.Error("the handler ran") }), http.StatusServiceUnavailable)
}

func TestUntouchedVisitorsCostNothing(t *testing.T) {
	t.Parallel()
	store := newSpy()
	m := newManager(t, store)
	for range 1000 {
		v := newVisitor(t, m)
		res := v.visit(func(s *sessions.Session) {
			count.Get(s)
			name.Pop(s)
			s.Keys()
			s.Clear()
			touch(s)
			s.Regenerate()
			s.SetMaxAge(time.Hour)
			s.SetUser("")
			s.ID()
			s.Destroy()
		})
		if c := ours(t, res); c != nil {
			t.Fatalf("a cookie came: %v", c)
		}
	}
	if n := store.count(); n != 0 {
		t.Errorf("%d calls of the store, want 0", n)
	}
}
