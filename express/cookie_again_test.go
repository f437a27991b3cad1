package express_test

import (
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/express"
)

// Where a cookie is sent again, and Express would not send it, or the other way about: as
// docs/express.md says.
func TestWhenACookieIsSentAgain(t *testing.T) {
	t.Parallel()
	spy := newSpy()
	m := newManager(t, spy, func(o *express.Options) { o.Cookie.MaxAge = time.Hour })
	b := newBrowser(t, m)
	b.visit(func(s *sessions.Session) { views.Set(s, 1) })
	res := b.visit(func(s *sessions.Session) {
		views.Set(s, 2)
		c := express.Cookie(s)
		c.MaxAge, c.Expires = 0, time.Time{}
		if err := express.SetCookie(s, c); err != nil {
			t.Error(err)
		}
	})
	if lines := res.Header["Set-Cookie"]; len(lines) != 1 {
		t.Errorf("maxAge to null beside a change: %q", lines)
	}
	for _, cookie := range []string{
		`{"originalMaxAge":false,"expires":false,"httpOnly":true,"path":"/"}`,
		`{"originalMaxAge":0,"expires":"2026-01-01T00:00:00.000Z","httpOnly":true,"path":"/"}`,
	} {
		rows, err := spy.List(t.Context(), driver.ListRequest{All: true, Limit: 10})
		if err != nil || len(rows) != 1 {
			t.Fatal(rows, err)
		}
		row := rows[0]
		_, err = spy.Store.Save(t.Context(), driver.SaveRequest{
			From: row.Ref, Version: row.Version, Verifier: row.Verifier, Data: []byte(`{"cookie":` + cookie + `,"views":1}`), Life: driver.Life{Idle: time.Hour},
		})
		if err != nil {
			t.Fatal(err)
		}
		res := b.visit(func(s *sessions.Session) { views.Set(s, 3) })
		if lines := res.Header["Set-Cookie"]; len(lines) != 0 {
			t.Errorf("a change with %s: %q", cookie, lines)
		}
	}
}
