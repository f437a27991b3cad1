package sessions_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/memstore"
)

// enders are the ways in which a session's id dies while another request runs.
var enders = map[string]func(t *testing.T, v *visitor){
	"Destroy":    func(_ *testing.T, v *visitor) { v.visit(func(s *sessions.Session) { s.Destroy() }) },
	"Regenerate": func(_ *testing.T, v *visitor) { v.visit(func(s *sessions.Session) { s.Regenerate() }) },
	"SetUser":    func(_ *testing.T, v *visitor) { v.visit(func(s *sessions.Session) { s.SetUser("eve") }) },
	"Revoke": func(t *testing.T, v *visitor) {
		if err := v.manager.Revoke(t.Context(), look(v, (*sessions.Session).User), look(v, (*sessions.Session).ID)); err != nil {
			t.Error(err)
		}
	},
	"RevokeUser": func(t *testing.T, v *visitor) {
		if n, err := v.manager.RevokeUser(t.Context(), "ann"); n != 1 || err != nil {
			t.Error(n, err)
		}
	},
	"RevokeAll": func(t *testing.T, v *visitor) {
		if n, err := v.manager.RevokeAll(t.Context()); n != 1 || err != nil {
			t.Error(n, err)
		}
	},
}

// slowRequests change the session in ways that a naive save brings it back by.
var slowRequests = map[string]func(*sessions.Session){
	"Set":        func(s *sessions.Session) { count.Set(s, 99) },
	"Update":     func(s *sessions.Session) { count.Update(s, func(n int) int { return n + 98 }) },
	"Clear":      func(s *sessions.Session) { s.Clear() },
	"Regenerate": func(s *sessions.Session) { s.Regenerate() },
	"SetUser":    func(s *sessions.Session) { s.SetUser("ann") }, // again
	"SetMaxAge":  func(s *sessions.Session) { s.SetMaxAge(9999 * 3600e9) },
}

func TestNoResurrection(t *testing.T) {
	t.Parallel()
	for ender, end := range enders {
		for slow, change := range slowRequests {
			t.Run(slow+" against "+ender, func(t *testing.T) {
				t.Parallel()
				var got error
				m := newManager(t, memstore.New(), func(o *sessions.Options) {
					o.ErrorHandler = func(w http.ResponseWriter, r *http.Request, err error) {
						got = err
						sessions.DefaultErrorHandler(w, r, err)
					}
				})
				v := loggedIn(t, m)
				v.visit(func(s *sessions.Session) { s.SetUser("ann") })
				old := v.twin()
				rows := 0
				res := old.twin().visit(func(s *sessions.Session) {
					end(t, v)
					rows, _ = m.Count(t.Context())
					change(s)
				})
				wantStatus(t, res, http.StatusConflict)
				if !errors.Is(got, sessions.ErrEnded) {
					t.Errorf("the error is %v", got)
				}
				if c := ours(t, res); c != nil {
					t.Errorf("a cookie came: %v", c)
				}
				wantRows(t, m, rows)
				if old.alive() {
					t.Error("the old id works again")
				}
				if rows == 1 { // the one with the new id
					if got := value(v, count); got == 99 {
						t.Error("the change went to the session with the new id")
					}
				}
			})
		}
	}
}

// A logout that is in its handler while another tab gets a new token, or logs in,
// ends the session all the same.
func TestALogoutBesideANewTokenEndsTheSession(t *testing.T) {
	t.Parallel()
	for what, renew := range map[string]func(*sessions.Session){
		"Regenerate":       func(s *sessions.Session) { s.Regenerate() },
		"SetUser, again":   func(s *sessions.Session) { s.SetUser("ann") },
		"SetUser, nobody":  func(s *sessions.Session) { s.SetUser("") },
		"twice":            func(s *sessions.Session) { s.Regenerate(); _ = s.Save(context.Background()); s.Regenerate() },
		"and a new cookie": func(s *sessions.Session) { s.Regenerate(); s.SetMaxAge(time.Hour) },
	} {
		m := newManager(t, memstore.New())
		v := loggedIn(t, m)
		v.visit(func(s *sessions.Session) { s.SetUser("ann") })
		res := v.twin().visit(func(s *sessions.Session) {
			v.visit(renew)
			s.Destroy()
		})
		if c := ours(t, res); res.StatusCode != http.StatusOK || c == nil || c.MaxAge >= 0 {
			t.Errorf("%s: status %d, cookie %v; want 200 and a deletion", what, res.StatusCode, c)
		}
		if v.alive() {
			t.Errorf("%s: the session lives on under its new token", what)
		}
		wantRows(t, m, 0)
	}
}

// Whoever changed nothing is not bothered, and brings nothing back either.
func TestAReaderDoesNotMindTheEnd(t *testing.T) {
	t.Parallel()
	for ender, end := range enders {
		for what, f := range map[string]func(*sessions.Session){
			"reads":   func(s *sessions.Session) { count.Get(s) },
			"touches": func(s *sessions.Session) { _ = s.Touch(context.Background()) },
		} {
			m := newManager(t, memstore.New())
			v := loggedIn(t, m)
			v.visit(func(s *sessions.Session) { s.SetUser("ann") })
			old := v.twin()
			res := old.twin().visit(func(s *sessions.Session) { end(t, v); f(s) })
			if res.StatusCode != http.StatusOK || old.alive() {
				t.Errorf("%s against %s: status %d, old id alive: %v", what, ender, res.StatusCode, old.alive())
			}
		}
	}
}

func TestDestroyTwiceInParallelIsNoError(t *testing.T) {
	t.Parallel()
	for ender, end := range enders {
		m := newManager(t, memstore.New())
		v := loggedIn(t, m)
		v.visit(func(s *sessions.Session) { s.SetUser("ann") })
		old := v.twin()
		res := old.twin().visit(func(s *sessions.Session) { end(t, v); s.Destroy() })
		if c := ours(t, res); res.StatusCode != http.StatusOK || c == nil || c.MaxAge >= 0 {
			t.Errorf("after %s: status %d, cookie %v; want 200 and a deletion", ender, res.StatusCode, c)
		}
	}
}

func TestAFailedDestroyIsReported(t *testing.T) {
	t.Parallel()
	store := newSpy()
	v := loggedIn(t, newManager(t, store))
	store.reset(failing(errDown, "end"))
	res := v.visit(func(s *sessions.Session) { s.Destroy() })
	wantStatus(t, res, http.StatusServiceUnavailable)
	if c := ours(t, res); c != nil {
		t.Errorf("the cookie was cleared although the session lives: %v", c)
	}
	store.reset(nil)
	if got := value(v, count); got != 1 {
		t.Errorf("count is %d, want 1", got)
	}
}

func TestAClientThatHangsUpStopsNeitherSaveNorLogout(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		f    func(*sessions.Session)
		rows int
	}{
		"save":   {func(s *sessions.Session) { count.Set(s, 2) }, 1},
		"logout": {func(s *sessions.Session) { s.Destroy() }, 0},
	} {
		m := newManager(t, memstore.New())
		v := loggedIn(t, m)
		r, rec := request("http://example.com/")
		r.Header.Set("Cookie", cookieName+"="+v.cookie)
		ctx, hangUp := contextWithCancel(t)
		m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			c.f(sessions.FromContext(r.Context()))
			hangUp()
		})).ServeHTTP(rec, r.WithContext(ctx))
		if rec.Code != http.StatusOK {
			t.Errorf("%s: status %d", what, rec.Code)
		}
		wantRows(t, m, c.rows)
		if c.rows == 1 && value(v, count) != 2 {
			t.Errorf("%s: the change is lost", what)
		}
	}
}

// beforeLoad runs f with the context of a load.
type beforeLoad struct {
	sessions.Store
	f func(context.Context)
}

func (b *beforeLoad) Load(ctx context.Context, ref driver.Ref) (driver.Row, error) {
	if b.f != nil {
		b.f(ctx)
	}
	return b.Store.Load(ctx, ref)
}

// A statement that is cut off costs its connection, so a client that hangs up does not cut one off.
func TestAClientThatHangsUpLetsTheLoadEnd(t *testing.T) {
	t.Parallel()
	loads := 0
	store := &beforeLoad{Store: memstore.New()}
	m := newManager(t, store, func(o *sessions.Options) { o.Timeout = time.Minute })
	v := loggedIn(t, m)
	ctx, hangUp := contextWithCancel(t)
	hangUp()
	r, rec := request("http://example.com/")
	r.Header.Set("Cookie", cookieName+"="+v.cookie)
	store.f = func(ctx context.Context) {
		loads++
		at, ok := ctx.Deadline()
		if left := time.Until(at); ctx.Err() != nil || !ok || left <= 0 || left > time.Minute {
			t.Errorf("the context of the load: %v, ends in %v, %t", ctx.Err(), left, ok)
		}
	}
	m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if n, _ := count.Get(sessions.FromContext(r.Context())); n != 1 || !errors.Is(r.Context().Err(), context.Canceled) {
			t.Errorf("the handler gets %d, %v", n, r.Context().Err())
		}
	})).ServeHTTP(rec, r.WithContext(ctx))
	if loads != 1 || rec.Code != http.StatusOK {
		t.Errorf("%d loads, status %d", loads, rec.Code)
	}
}

// A kept cookie is sent again when its session is touched, but not by a
// request whose session was given a new id meanwhile: it would replace the new cookie.
func TestATouchDoesNotBringBackAnOldCookie(t *testing.T) {
	t.Parallel()
	store := newSpy()
	m := newManager(t, store, func(o *sessions.Options) { o.Cookie.MaxAge, o.TouchInterval = time.Hour, time.Nanosecond })
	v := loggedIn(t, m)
	slow := v.twin()
	res := slow.serve(func(w http.ResponseWriter, r *http.Request) {
		if err := sessions.FromContext(r.Context()).Touch(r.Context()); err != nil {
			t.Error(err)
		}
		v.visit(func(s *sessions.Session) { s.Regenerate() })
		w.WriteHeader(http.StatusOK)
	})
	if c := ours(t, res); c != nil {
		t.Errorf("the slow answer sets the cookie %v", c)
	}
	res = v.visit(touch)
	if c := ours(t, res); c == nil {
		t.Error("a touch of a live session does not send its kept cookie again")
	}
}

// A slow response does not send its token again if another request has replaced it.
func TestASlowResponseDoesNotBringBackAnOldCookie(t *testing.T) {
	t.Parallel()
	slow := map[string]func(*sessions.Session){
		"the secret was rotated": func(*sessions.Session) {},
		"it saved early": func(s *sessions.Session) {
			s.SetMaxAge(time.Hour)
			count.Set(s, 2)
			if err := s.Save(t.Context()); err != nil {
				t.Error(err)
			}
		},
	}
	for why, early := range slow {
		store := newSpy()
		v := loggedIn(t, newManager(t, store))
		v.manager = newManager(t, store, func(o *sessions.Options) { o.Secrets = [][]byte{secretB, secretA} })
		other := v.twin()
		res := v.visit(func(s *sessions.Session) {
			early(s)
			other.visit(func(s *sessions.Session) { s.SetUser("ann") })
		})
		if c := ours(t, res); c != nil {
			t.Errorf("%s: the slow response sent %v", why, c)
		}
		if !other.alive() {
			t.Errorf("%s: the login is lost", why)
		}
	}
	// If no other request replaced the token, the cookie is sent.
	for why, early := range slow {
		store := newSpy()
		v := loggedIn(t, newManager(t, store))
		v.manager = newManager(t, store, func(o *sessions.Options) { o.Secrets = [][]byte{secretB, secretA} })
		if c := ours(t, v.visit(early)); c == nil || !v.alive() {
			t.Errorf("%s: no cookie", why)
		}
	}
}
