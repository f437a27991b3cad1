package express_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/express/takeover"
)

// What is taken over without a user lives on as a visitor's session, and the hook is not asked to
// admit it, because it is no new one.
func TestAVisitorIsTakenOver(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		user     bool
		imported bool
		want     time.Duration
	}{
		"a visitor":           {false, false, 10 * time.Minute},
		"a user":              {true, false, 24 * time.Hour},
		"a visitor, imported": {false, true, 10 * time.Minute},
		"a user, imported":    {true, true, 24*time.Hour - 20*time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			v := newMove(t, func(o *sessions.Options) {
				o.AnonymousTimeout = 10 * time.Minute
				o.AdmitAnonymous = func(*http.Request) error {
					t.Errorf("%s: AdmitAnonymous is called", what)
					return nil
				}
			})
			b := newBrowser(t, v.old)
			b.visit(func(s *sessions.Session) {
				views.Set(s, 1)
				if c.user {
					passport.Set(s, map[string]any{"user": 42})
				}
			})
			if c.imported {
				v.imports(t)
				time.Sleep(20 * time.Minute)
				v.from.ImportedOnly = true
				v.next = v.manager(t)
			}
			b.manager = v.next
			b.visit(func(s *sessions.Session) {
				if n, _ := views.Get(s); n != 1 || (s.User() != "") != c.user {
					t.Errorf("%s: views %d, user %q", what, n, s.User())
				}
				if left := time.Until(s.ExpiresAt()); left > c.want || left < c.want-time.Second {
					t.Errorf("%s: it ends in %v, want %v", what, left, c.want)
				}
			})
			time.Sleep(9 * time.Minute)
			b.visit(func(*sessions.Session) {})
			time.Sleep(11 * time.Minute)
			if got := value(b, views); (got == 1) != c.user {
				t.Errorf("%s: after 11 minutes unused views is %d", what, got)
			}
		})
	}
}

// What the bearer of an old cookie can have logged with each request is logged seldom.
func TestAnOldCookieCannotFillTheLog(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	v := newMove(t, func(o *sessions.Options) {
		o.Logger, o.MaxBytes = slog.New(slog.NewTextHandler(&log, nil)), 1024
	})
	b := newBrowser(t, v.old)
	b.visit(func(s *sessions.Session) { name.Set(s, strings.Repeat("x", 2000)) })
	b.manager = v.next
	for range 100 {
		b.visit(func(*sessions.Session) {})
	}
	if n := strings.Count(log.String(), "MaxBytes is 1024"); n != 1 {
		t.Errorf("%d lines", n)
	}
	for range 3 { // an import has them all
		if _, err := takeover.Import(t.Context(), v.next, nil); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(log.String(), "MaxBytes is 1024"); n != 4 {
		t.Errorf("%d lines with those of three imports", n)
	}
}

// One request ends so many old sessions and no more, whatever it presents.
func TestOneRequestEndsAFewOldSessions(t *testing.T) {
	t.Parallel()
	v := newMove(t)
	var cookies []string
	for range 40 {
		cookies = append(cookies, "connect.sid="+v.login(t).cookies["connect.sid"])
	}
	b := newBrowser(t, v.next)
	b.request = func(r *http.Request) { r.Header.Set("Cookie", strings.Join(cookies, "; ")) }
	v.oldStore.taken()
	b.visit(func(s *sessions.Session) { s.Destroy() })
	if n := count(t, v.old); n != 40-16 {
		t.Errorf("%d old sessions are left", n)
	}
	if calls := v.oldStore.taken(); len(calls) > 100 {
		t.Errorf("%d calls of the old store", len(calls))
	}
}
