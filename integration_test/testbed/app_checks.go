package testbed

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
)

// WhileItWaits sends a request whose handler waits, calls happens, and then lets the handler
// go on.
func (a *App) WhileItWaits(t *testing.T, user *Browser, path string, happens func()) Response {
	t.Helper()
	answer := make(chan Response, 1)
	go func() { answer <- user.Fetch(path) }()
	resume := <-a.Slow
	happens()
	close(resume)
	return <-answer
}

// CookieParts returns the ID and the token in a cookie.
func CookieParts(t *testing.T, value string) (id [16]byte, token []byte) {
	t.Helper()
	text, _, _ := strings.Cut(value, ".")
	raw, err := base64.RawURLEncoding.DecodeString(text[1:])
	Check(t, err)
	return [16]byte(raw), raw[16:]
}

// LogHolds fails the test if the log has a secret of one of these cookies.
func (a *App) LogHolds(t *testing.T, cookies ...string) {
	t.Helper()
	log := a.Log.String()
	for _, value := range cookies {
		_, token := CookieParts(t, value)
		verifier := sha256.Sum256(token)
		text, mac, _ := strings.Cut(value, ".")
		for _, private := range [][]byte{token, verifier[:], []byte(value), []byte(text), []byte(text[1+22:]), []byte(mac)} {
			for _, spelling := range Spellings(private) {
				if strings.Contains(log, spelling) {
					t.Errorf("the log holds a secret as %.20q", spelling)
				}
			}
		}
	}
}

// Spellings returns the ways in which a text could spell a secret.
func Spellings(raw []byte) []string {
	text := string(raw)
	return []string{
		text, hex.EncodeToString(raw), strings.ToUpper(hex.EncodeToString(raw)), url.QueryEscape(text),
		base64.StdEncoding.EncodeToString(raw), base64.RawStdEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw),
		fmt.Sprintf("%d", raw), strings.Trim(strconv.Quote(text), `"`),
	}
}

// NoConnectionInUse waits until the pool has all its connections back.
func (a *App) NoConnectionInUse(t *testing.T) {
	t.Helper()
	inUse := func() int {
		if a.Pool != nil {
			return int(a.Pool.Stat().AcquiredConns())
		}
		return a.DB.Stats().InUse
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for inUse() > 0 {
		select {
		case <-ctx.Done():
			t.Errorf("%d connections are still in use", inUse())
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Session returns the browser's session.
func (a *App) Session(t *testing.T, b *Browser) *sessions.Session {
	t.Helper()
	s, err := a.Manager.Load(t.Context(), b.Cookie().Value)
	Check(t, err)
	return s
}

// CountStatements checks the README's table of statements per request.
func CountStatements(t *testing.T, tab *Table) {
	t.Helper()
	_, err := tab.Store.Stats(t.Context()) // a store may look at its connections before its first statement
	Check(t, err)
	for name, maxAge := range map[string]time.Duration{"without MaxAge": 0, "with MaxAge": 10 * time.Hour} {
		a := NewApp(t, tab, func(o *sessions.Options) { o.Cookie.MaxAge = maxAge })
		user := a.Browser(t)
		statements := func(what string, want int64, path string) Response {
			t.Helper()
			before := tab.Statements.Load()
			r := user.Fetch(path)
			if got := tab.Statements.Load() - before; got != want || r.StatusCode != http.StatusOK {
				t.Errorf("%s, %s: %d with %d statements, want %d", name, what, r.StatusCode, got, want)
			}
			return r
		}
		statements("an untouched visitor", 0, "/untouched")
		statements("an anonymous read", 0, "/read")
		statements("a new session", 1, "/set?v=a")
		statements("read only", 1, "/read")
		statements("changed", 2, "/set?v=b")
		statements("an equal value set again", 1, "/set?v=b")
		tab.Age(t, time.Hour)
		if r := statements("read only with the idle clock due", 2, "/read"); SetsCookie(r) != (maxAge > 0) {
			t.Errorf("%s: with the idle clock due Set-Cookie is %q", name, r.Header["Set-Cookie"])
		}
		statements("read only, the idle clock moved", 1, "/read")
		tab.Age(t, time.Hour)
		statements("changed with the idle clock due", 2, "/set?v=c")
		statements("a new token", 2, "/regenerate")
		statements("a sign-in", 3, "/login?u=alice")
		statements("logout", 2, "/logout")
		statements("after logout", 0, "/read")
		user.SetCookies(&http.Cookie{Name: "session", Value: strings.Repeat("x", 109), Path: "/"})
		statements("a forged cookie", 0, "/read")
	}
}

// Refused sends a request that must be answered with 503 and without a cookie, and whose
// reason must be in the log.
func (a *App) Refused(t *testing.T, user *Browser, path, why string) {
	t.Helper()
	got := user.Fetch(path)
	if got.StatusCode != http.StatusServiceUnavailable || SetsCookie(got) {
		t.Errorf("%s: %d %s, want 503 and no cookie", path, got.StatusCode, got.Header["Set-Cookie"])
	}
	if !strings.Contains(a.Log.String(), why) {
		t.Errorf("%s: the log does not say %q:\n%s", path, why, a.Log.String())
	}
}
