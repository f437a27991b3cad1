package express_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/express"
	"github.com/sqlsessions/sessions/express/internal/row"
)

func TestASessionsOwnCookie(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, newSpy())
		b := newBrowser(t, m)
		b.visit(func(s *sessions.Session) {
			views.Set(s, 1)
			if c := express.Cookie(s); c != (express.CookieOptions{Path: "/"}) {
				t.Errorf("a new session's cookie: %+v", c)
			}
		})
		change := func(f func(c *express.CookieOptions)) string {
			t.Helper()
			res := b.visit(func(s *sessions.Session) {
				c := express.Cookie(s)
				f(&c)
				if err := express.SetCookie(s, c); err != nil {
					t.Error(err)
				}
			})
			_, attributes, _ := strings.Cut(res.Header.Get("Set-Cookie"), "; ")
			return attributes
		}
		// The clock of a bubble begins at midnight, 1 January 2000.
		for _, step := range []struct {
			change func(c *express.CookieOptions)
			want   string
		}{
			{func(c *express.CookieOptions) { c.MaxAge = time.Minute }, "Path=/; Expires=Sat, 01 Jan 2000 00:01:00 GMT; HttpOnly"},
			{func(c *express.CookieOptions) { c.Expires = time.Now().Add(time.Hour) }, "Path=/; Expires=Sat, 01 Jan 2000 01:00:00 GMT; HttpOnly"},
			{func(c *express.CookieOptions) { c.UnsafeScriptAccess, c.Partitioned = true, true }, "Path=/; Expires=Sat, 01 Jan 2000 01:00:00 GMT; Partitioned"},
			{func(c *express.CookieOptions) { c.Priority, c.SameSite = express.PriorityLow, express.SameSiteStrict }, "Path=/; Expires=Sat, 01 Jan 2000 01:00:00 GMT; Partitioned; Priority=Low; SameSite=Strict"},
			{func(c *express.CookieOptions) { *c = express.CookieOptions{Path: "/", Domain: ".example.com"} }, "Domain=.example.com; Path=/; HttpOnly"},
			{func(c *express.CookieOptions) { c.Secure = express.SecureTrue }, ""}, // this is plain HTTP
		} {
			if got := change(step.change); got != step.want {
				t.Errorf("the cookie goes out with %q, want %q", got, step.want)
			}
		}
		b.visit(func(s *sessions.Session) {
			want := express.CookieOptions{Path: "/", Domain: ".example.com", Secure: express.SecureTrue}
			if c := express.Cookie(s); c != want {
				t.Errorf("stored was %+v, want %+v", c, want)
			}
			for _, bad := range []express.CookieOptions{
				{Domain: "a b"}, {Path: "/;"}, {SameSite: "Loose"}, {Priority: "urgent"}, {Secure: express.SecureAuto}, {SameSite: express.SameSiteAuto},
			} {
				if err := express.SetCookie(s, bad); !errors.Is(err, sessions.ErrValue) {
					t.Errorf("%+v: %v", bad, err)
				}
			}
		})
	})
}

func TestAnIDIsTheStores(t *testing.T) {
	t.Parallel()
	m := newManager(t, newSpy())
	b := newBrowser(t, m)
	var before, public sessions.ID
	b.visit(func(s *sessions.Session) {
		before = s.ID()
		views.Set(s, 1)
		if err := s.Save(t.Context()); err != nil {
			t.Error(err)
		}
		public = s.ID()
	})
	b.visit(func(s *sessions.Session) {
		if s.ID() != public || public != before {
			t.Errorf("the ID is %q, was %q when the session was made, and %q before", s.ID(), public, before)
		}
	})
	if err := m.Revoke(t.Context(), "", public); err != nil {
		t.Error(err)
	}
	if want := row.ID(id(b)); public != want {
		t.Errorf("the ID is %q, want %q, as the stores compute it", public, want)
	}
}

// id is the id in the browser's cookie.
func id(b *browser) string {
	value, _, _ := strings.Cut(strings.TrimPrefix(b.cookies["connect.sid"], "s%3A"), ".")
	return value
}

func TestDestroyDeletesTheCookieThatTheSessionHad(t *testing.T) {
	t.Parallel()
	store := newSpy()
	b := newBrowser(t, newManager(t, store, func(o *express.Options) { o.SaveUninitialized = true }))
	b.visit(func(s *sessions.Session) {
		if err := express.SetCookie(s, express.CookieOptions{Path: "/", Domain: "example.com"}); err != nil {
			t.Error(err)
		}
	})
	store.taken()
	res := b.visit((*sessions.Session).Destroy)
	if got, want := res.Header.Get("Set-Cookie"), "connect.sid=; Domain=example.com; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly"; got != want {
		t.Errorf("Set-Cookie is %q, want %q", got, want)
	}
	if got := store.taken(); !slices.Equal(got, []string{"get", "destroy"}) {
		t.Errorf("the store was asked to %v", got)
	}
}
