package sessions_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/memstore"
)

func id(v *visitor) sessions.ID { return look(v, (*sessions.Session).ID) }

func TestSetUser(t *testing.T) {
	t.Parallel()
	m := newManager(t, memstore.New())
	v := loggedIn(t, m)
	visitors := id(v)
	for _, step := range []struct {
		user        string
		kept, renew bool // ID and values, and the token
	}{{"", true, false}, {"ann", true, true}, {"ann", true, true}, {"bob", false, true}, {"bob", true, true}, {"", false, false}} {
		old, before := v.twin(), id(v)
		v.visit(func(s *sessions.Session) {
			s.SetUser(step.user)
			if got := s.User(); got != step.user {
				t.Errorf("the user is %q, want %q", got, step.user)
			}
		})
		if step.renew && (v.cookie == old.cookie || old.alive()) {
			t.Errorf("to %q: the token from before the sign-in still works", step.user)
		}
		if got := look(v, (*sessions.Session).User); got != step.user {
			t.Errorf("the user is %q, want %q", got, step.user)
		}
		if kept := id(v) == before && value(v, count) == 1; kept != step.kept {
			t.Errorf("to %q: ID and values kept: %v, want %v", step.user, kept, step.kept)
		}
		v.visit(func(s *sessions.Session) { count.Set(s, 1) })
	}
	if id(v) == visitors {
		t.Error("a visitor after two users has the first visitor's ID")
	}
	wantRows(t, m, 1)
}

// A value set before the sign-in of another user does not become theirs, one set after it
// does.
func TestSetUserToAnotherUserBeginsAnew(t *testing.T) {
	t.Parallel()
	m := newManager(t, memstore.New())
	v := loggedIn(t, m)
	v.visit(func(s *sessions.Session) { s.SetUser("ann"); name.Set(s, "Ann") })
	v.visit(func(s *sessions.Session) {
		count.Set(s, 2)
		s.SetUser("bob")
		name.Set(s, "Bob")
	})
	if c, n := value(v, count), value(v, name); c != 0 || n != "Bob" {
		t.Errorf("count %d, name %q; want 0 and Bob", c, n)
	}
	wantRows(t, m, 1)
}

func TestAuthenticationTimes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, memstore.New())
		v := loggedIn(t, m)
		within := func(d time.Duration) bool {
			return look(v, func(s *sessions.Session) bool { return s.AuthenticatedWithin(d) })
		}
		if !look(v, (*sessions.Session).AuthenticatedAt).IsZero() || within(time.Hour) {
			t.Error("a visitor has a time of authentication")
		}
		v.visit(func(s *sessions.Session) {
			s.SetUser("ann")
			if !s.AuthenticatedWithin(time.Second) || s.AuthenticatedWithin(0) {
				t.Error("not authenticated within a second of SetUser")
			}
		})
		began := time.Now()
		for range 2 {
			time.Sleep(time.Hour)
			v.visit(func(s *sessions.Session) { count.Set(s, 5) })
		}
		if got := look(v, (*sessions.Session).AuthenticatedAt); !got.Equal(began) {
			t.Errorf("authenticated at %v, want %v", got, began)
		}
		if within(2*time.Hour) || !within(2*time.Hour+1) {
			t.Error("wrong two hours after SetUser")
		}
		v.visit(func(s *sessions.Session) { s.SetUser("ann") })
		if !within(1) && !within(time.Second) || look(v, (*sessions.Session).AuthenticatedAt).Equal(began) {
			t.Error("the same user again is no re-authentication")
		}
	})
}

func TestRequireFresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, memstore.New())
		v := loggedIn(t, m)
		answer := func(stale http.Handler) int {
			next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
			return v.serve(m.RequireFresh(time.Hour, next, stale).ServeHTTP).StatusCode
		}
		teapot := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
		want := func(when string, fresh bool) {
			t.Helper()
			a, b := answer(nil), answer(teapot)
			if fresh && (a != 204 || b != 204) || !fresh && (a != 403 || b != 418) {
				t.Errorf("%s: %d and %d", when, a, b)
			}
		}
		want("visitor", false)
		v.visit(func(s *sessions.Session) { s.SetUser("ann") })
		want("just signed in", true)
		time.Sleep(time.Hour)
		want("an hour later", false)
		v.visit(func(s *sessions.Session) { s.SetUser("ann") })
		want("signed in again", true)
	})
}

// RevokeUser runs while a password is being checked.
func TestRevokeUserBeatsASignInThatIsUnderWay(t *testing.T) {
	t.Parallel()
	for what, revoke := range map[string]func(context.Context, *sessions.Manager) (int, error){
		"user": func(ctx context.Context, m *sessions.Manager) (int, error) { return m.RevokeUser(ctx, "ann") },
		"all":  func(ctx context.Context, m *sessions.Manager) (int, error) { return m.RevokeAll(ctx) },
	} {
		for _, before := range []string{"new", "visitor", "ann"} {
			m := newManager(t, memstore.New())
			v := newVisitor(t, m)
			if before != "new" {
				v = loggedIn(t, m)
			}
			if before == "ann" {
				v.visit(func(s *sessions.Session) { s.SetUser("ann") })
			}
			res := v.visit(func(s *sessions.Session) {
				if _, err := revoke(t.Context(), m); err != nil {
					t.Error(err)
				}
				s.SetUser("ann")
			})
			wantStatus(t, res, http.StatusConflict)
			if c := ours(t, res); c != nil {
				t.Errorf("%s, %s: a cookie came", what, before)
			}
			for s, err := range m.SessionsOf(t.Context(), "ann") {
				t.Errorf("%s, %s: ann is signed in as %v, %v", what, before, s, err)
			}
			// A sign-in that begins afterwards is another matter.
			wantStatus(t, v.visit(func(s *sessions.Session) { s.SetUser("ann") }), http.StatusOK)
		}
	}
}

func TestRevokingAnotherUserStopsNoSignIn(t *testing.T) {
	t.Parallel()
	m := newManager(t, memstore.New())
	v := loggedIn(t, m)
	res := v.visit(func(s *sessions.Session) {
		if _, err := m.RevokeUser(t.Context(), "bob"); err != nil {
			t.Error(err)
		}
		s.SetUser("ann")
	})
	wantStatus(t, res, http.StatusOK)
	wantRows(t, m, 1)
}

// What an application does with a user's sessions and its own in one request.
func TestRevokeAndSignInInOneRequest(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		signedIn bool
		do       func(context.Context, *sessions.Manager, *sessions.Session) error
		in       bool // ann is signed in afterwards
	}{
		"log out my other devices": {true, func(ctx context.Context, m *sessions.Manager, s *sessions.Session) error {
			_, err := m.RevokeUser(ctx, "ann", s.ID())
			return err
		}, true},
		"change my password": {true, func(ctx context.Context, m *sessions.Manager, s *sessions.Session) error {
			_, err := m.RevokeUser(ctx, "ann", s.ID())
			s.SetUser("ann")
			return err
		}, true},
		"change my password, the other way round": {true, func(ctx context.Context, m *sessions.Manager, s *sessions.Session) error {
			s.SetUser("ann")
			_, err := m.RevokeUser(ctx, "ann", s.ID())
			return err
		}, true},
		"reset the password, then log in": {false, func(ctx context.Context, m *sessions.Manager, s *sessions.Session) error {
			_, err := m.RevokeUser(ctx, "ann")
			s.SetUser("ann")
			return err
		}, true},
		"log me out everywhere": {true, func(ctx context.Context, m *sessions.Manager, s *sessions.Session) error {
			_, err := m.RevokeUser(ctx, "ann")
			count.Set(s, 7) // begins a visitor's session
			return err
		}, false},
		"everywhere, and log in again": {true, func(ctx context.Context, m *sessions.Manager, s *sessions.Session) error {
			_, err := m.RevokeUser(ctx, "ann")
			s.SetUser("ann")
			return err
		}, true},
		"everybody, and log in again": {true, func(ctx context.Context, m *sessions.Manager, s *sessions.Session) error {
			_, err := m.RevokeAll(ctx)
			s.SetUser("ann")
			return err
		}, true},
		"revoke this one": {true, func(ctx context.Context, m *sessions.Manager, s *sessions.Session) error {
			err := m.Revoke(ctx, "ann", s.ID())
			count.Set(s, 7)
			return err
		}, false},
	} {
		m := newManager(t, memstore.New())
		v, other := loggedIn(t, m), loggedIn(t, m)
		other.visit(func(s *sessions.Session) { s.SetUser("ann") })
		if c.signedIn {
			v.visit(func(s *sessions.Session) { s.SetUser("ann") })
		}
		res := v.serve(func(w http.ResponseWriter, r *http.Request) {
			if err := c.do(r.Context(), m, sessions.FromContext(r.Context())); err != nil {
				t.Errorf("%s: %v", what, err)
			}
			w.WriteHeader(http.StatusOK)
		})
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d", what, res.StatusCode)
		}
		if in := look(v, (*sessions.Session).User) == "ann"; in != c.in {
			t.Errorf("%s: ann is signed in: %v, want %v", what, in, c.in)
		}
		if what != "revoke this one" && other.alive() {
			t.Errorf("%s: the other device is still signed in", what)
		}
	}
}

func TestSetUserSince(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, memstore.New())
		began := time.Now()
		time.Sleep(time.Minute)
		if _, err := m.RevokeUser(t.Context(), "ann"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		signIn := func(since time.Time) int {
			return newVisitor(t, m).visit(func(s *sessions.Session) { s.SetUserSince("ann", since) }).StatusCode
		}
		if got := signIn(began); got != http.StatusConflict {
			t.Errorf("a sign-in that began before the revocation: %d", got)
		}
		if got := signIn(began.Add(90 * time.Second)); got != http.StatusOK {
			t.Errorf("one that began after it: %d", got)
		}
		if got := signIn(time.Now().Add(-13 * time.Hour)); got != http.StatusInternalServerError {
			t.Errorf("one that took 13 hours: %d", got)
		}
		time.Sleep(25 * time.Hour)
		if got := signIn(time.Time{}); got != http.StatusOK {
			t.Errorf("long after: %d", got)
		}
	})
}

// slowAnswer delays the answer to a look at the marks by d.
type slowAnswer struct {
	sessions.Store
	d     time.Duration
	looks int
}

func (s *slowAnswer) Marks(ctx context.Context, req driver.MarksRequest) ([]driver.SetMark, error) {
	marks, err := s.Store.Marks(ctx, req)
	s.looks++
	time.Sleep(s.d)
	return marks, err
}

// A process that is suspended after it got the marks must not take one for older than it is.
func TestAPauseCanOnlyRefuseASignIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &slowAnswer{memstore.New(), time.Minute, 0}
		m := newManager(t, store, func(o *sessions.Options) { o.Timeout = time.Hour })
		if _, err := m.RevokeUser(t.Context(), "ann"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second)
		v := newVisitor(t, m)
		wantStatus(t, v.visit(func(s *sessions.Session) { s.SetUser("ann") }), http.StatusConflict)
		if store.looks != 3 {
			t.Errorf("it looked %d times, want 3", store.looks)
		}
		store.d = 0
		wantStatus(t, v.visit(func(s *sessions.Session) { s.SetUser("ann") }), http.StatusOK)
	})
}
