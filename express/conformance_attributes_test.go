package express_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/express"
)

// The attributes of req.session.cookie, which are the session's own.
func TestConformanceSessionCookie(t *testing.T) {
	with := func(c express.CookieOptions) func(*express.Options) {
		return func(o *express.Options) { o.Cookie = c }
	}
	// first makes a session and says how its cookie went out.
	first := func(lines []int, what, want string, c express.CookieOptions) conformanceTest {
		return conformanceTest{lines, what, func(t *testing.T) {
			b := newBrowser(t, newManager(t, newSpy(), with(c)))
			wantAttributes(t, b.visit(change), want)
		}}
	}
	// assigned makes a session that changes its cookie.
	assigned := func(lines []int, what, want string, f func(c *express.CookieOptions)) conformanceTest {
		return conformanceTest{lines, what, func(t *testing.T) {
			b := newBrowser(t, newManager(t, newSpy(), lasting(2*time.Second)))
			wantAttributes(t, b.visit(func(s *sessions.Session) {
				change(s)
				c := express.Cookie(s)
				f(&c)
				if err := express.SetCookie(s, c); err != nil {
					t.Error(err)
				}
			}), want)
		}}
	}
	none := func(c *express.CookieOptions) { c.MaxAge, c.Expires = 0, time.Time{} }
	conform(t, []conformanceTest{
		first([]int{2121}, "by default it lasts with the browser", "Path=/; HttpOnly", express.CookieOptions{}),
		first([]int{2458}, "by default it is not partitioned", "Path=/; HttpOnly", express.CookieOptions{}),
		first([]int{2469}, "not partitioned", "Path=/; HttpOnly", express.CookieOptions{Partitioned: false}),
		first([]int{2480}, "partitioned", "Path=/; HttpOnly; Partitioned", express.CookieOptions{Partitioned: true}),
		first([]int{2362}, "it expires after its maximum age", "Path=/; Expires=Sat, 01 Jan 2000 00:00:02 GMT; HttpOnly",
			express.CookieOptions{MaxAge: 2 * time.Second}),
		first(nil, "it expires at a time", "Path=/; Expires=Sat, 01 Jan 2000 01:00:00 GMT; HttpOnly",
			express.CookieOptions{Expires: time.Date(2000, 1, 1, 1, 0, 0, 0, time.UTC)}),
		first([]int{2106}, "all attributes", "Domain=example.com; Path=/; Expires=Sat, 01 Jan 2000 01:00:00 GMT; Partitioned; Priority=High; SameSite=Lax",
			express.CookieOptions{
				Domain: "example.com", MaxAge: time.Hour, Partitioned: true, UnsafeScriptAccess: true,
				Priority: express.PriorityHigh, SameSite: express.SameSiteLax,
			}),
		assigned([]int{2144}, "a session has its own", "Path=/admin; Expires=Sat, 01 Jan 2000 00:00:02 GMT", func(c *express.CookieOptions) {
			c.Path, c.UnsafeScriptAccess = "/admin", true
		}),
		assigned([]int{2370}, "another maximum age", "Path=/; Expires=Sat, 01 Jan 2000 00:00:05 GMT; HttpOnly", func(c *express.CookieOptions) {
			c.MaxAge = 5 * time.Second
		}),
		assigned([]int{2378}, "a large one", "Path=/; Expires=Fri, 04 Feb 2000 17:20:00 GMT; HttpOnly", func(c *express.CookieOptions) {
			c.MaxAge = 3_000_000 * time.Second
		}),
		assigned([]int{2389}, "a time", "Path=/; Expires=Sun, 02 Jan 2000 03:04:05 GMT; HttpOnly", func(c *express.CookieOptions) {
			c.Expires = time.Date(2000, 1, 2, 3, 4, 5, 0, time.UTC)
		}),
		assigned([]int{2403}, "no expiry", "Path=/; HttpOnly", none),
		assigned(nil, "no maximum age", "Path=/; HttpOnly", func(c *express.CookieOptions) { c.MaxAge = 0 }),
		assigned(nil, "a time and no maximum age", "Path=/; Expires=Sat, 01 Jan 2000 00:01:00 GMT; HttpOnly", func(c *express.CookieOptions) {
			*c = express.CookieOptions{Expires: time.Now().Add(time.Minute)}
		}),
		{[]int{2415, 2434}, "a cookie that lasts with the browser is sent once", func(t *testing.T) {
			b := newBrowser(t, newManager(t, newSpy(), lasting(2*time.Second)))
			b.visit(func(s *sessions.Session) { change(s); s.SetMaxAge(0) })
			time.Sleep(time.Minute)
			wantCookie(t, b.visit(look), false)
			wantCookie(t, b.visit(change), false)
			wantViews(t, b, 2)
		}},
		// Express writes the row, and forwards the error when it is too late.
		{[]int{2167}, "what makes no cookie is refused", func(t *testing.T) {
			b := newBrowser(t, newManager(t, newSpy()))
			res := b.visit(func(s *sessions.Session) {
				change(s)
				if err := express.SetCookie(s, express.CookieOptions{Path: "/;"}); !errors.Is(err, sessions.ErrValue) {
					t.Error(err)
				}
			})
			wantAttributes(t, res, "Path=/; HttpOnly") // and what there was stays
		}},
		{[]int{2214, 2230, 2260}, "the maximum age is the original one in all requests", func(t *testing.T) {
			store := newSpy()
			b := newBrowser(t, newManager(t, store, lasting(2*time.Second)))
			b.visit(change)
			for range 3 {
				time.Sleep(time.Second)
				b.visit(func(s *sessions.Session) {
					change(s)
					if c := express.Cookie(s); c.MaxAge != 2*time.Second || time.Until(c.Expires) != time.Second {
						t.Errorf("%v, %v left", c.MaxAge, time.Until(c.Expires))
					}
				})
				if c := storedCookie(t, store, id(b)); *c.OriginalMaxAge != 2000 || time.Until(*c.Expires) != 2*time.Second {
					t.Errorf("stored: %d, %v", *c.OriginalMaxAge, c.Expires)
				}
			}
		}},
		{[]int{2322}, "a secure cookie does not go out on plain HTTP", func(t *testing.T) {
			store := newSpy()
			b := newBrowser(t, newManager(t, store))
			res := b.visit(func(s *sessions.Session) {
				change(s)
				if err := express.SetCookie(s, express.CookieOptions{Secure: express.SecureTrue}); err != nil {
					t.Error(err)
				}
			})
			wantCookie(t, res, false)
			wantOps(t, store, "set") // nobody can ask for it; so it is in Express
		}},
	})
}

// SetCookie leaves what it does not change as somebody stored it.
func TestSetCookieKeepsTheSpelling(t *testing.T) {
	conform(t, []conformanceTest{{nil, "all of it", func(t *testing.T) {
		for before, after := range map[string]string{
			`{"originalMaxAge":null,"expires":null,"secure":false,"httpOnly":true,"path":""}`:                          `{"originalMaxAge":null,"priority":"low","expires":null,"secure":false,"httpOnly":true,"path":""}`,
			`{"originalMaxAge":false,"expires":false,"httpOnly":1,"domain":null,"path":"/","sameSite":true}`:           `{"originalMaxAge":false,"priority":"low","expires":false,"httpOnly":1,"domain":null,"path":"/","sameSite":true}`,
			`{"originalMaxAge":1000,"partitioned":false,"expires":null,"httpOnly":false,"path":"/a","sameSite":"LAX"}`: `{"originalMaxAge":1000,"partitioned":false,"priority":"low","expires":"2000-01-01T00:00:01.000Z","httpOnly":false,"path":"/a","sameSite":"LAX"}`,
		} {
			store := newSpy()
			plant(t, store, "x", `{"cookie":`+before+`}`)
			b := newBrowser(t, newManager(t, store))
			b.cookies["connect.sid"] = signed("x", secret)
			b.visit(func(s *sessions.Session) {
				c := express.Cookie(s)
				c.Priority = express.PriorityLow
				if err := express.SetCookie(s, c); err != nil {
					t.Error(err)
				}
			})
			if got := strings.TrimPrefix(stored(t, store, "x"), `{"cookie":`); got != after+"}" {
				t.Errorf("%s:\n got %s\nwant %s", before, got, after)
			}
		}
	}}, {nil, "what Cookie returned changes nothing", func(t *testing.T) {
		const row = `{"cookie":{"originalMaxAge":null,"priority":"HIGH","expires":null,"httpOnly":true,"path":"/","sameSite":"LAX"}}`
		store := newSpy()
		plant(t, store, "x", row)
		b := newBrowser(t, newManager(t, store))
		b.cookies["connect.sid"] = signed("x", secret)
		b.visit(func(s *sessions.Session) {
			if err := express.SetCookie(s, express.Cookie(s)); err != nil {
				t.Error(err)
			}
			mustSave(t, s)
		})
		if got := stored(t, store, "x"); got != row {
			t.Error(got)
		}
	}}, {nil, "what it changes", func(t *testing.T) {
		store := newSpy()
		plant(t, store, "x", `{"cookie":{"originalMaxAge":1000,"partitioned":true,"priority":"high","expires":null,"secure":true,"httpOnly":false,"domain":"a.b","path":"/x","sameSite":true}}`)
		b := newBrowser(t, newManager(t, store))
		b.cookies["connect.sid"] = signed("x", secret)
		b.visit(func(s *sessions.Session) {
			if err := express.SetCookie(s, express.CookieOptions{}); err != nil {
				t.Error(err)
			}
		})
		want := `{"cookie":{"originalMaxAge":null,"partitioned":false,"expires":null,"secure":false,"httpOnly":true,"path":"/"}}`
		if got := stored(t, store, "x"); got != want {
			t.Errorf("\n got %s\nwant %s", got, want)
		}
	}}})
}
