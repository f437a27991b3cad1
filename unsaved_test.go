package sessions_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/memstore"
)

// panicsOnce counts up, and panics when it is called for the second time, which is when it
// is applied again.
func panicsOnce() func(int) int {
	calls := 0
	return func(n int) int {
		if calls++; calls == 2 {
			panic("in the function")
		}
		return n + 1
	}
}

// The function of an Update that panics while it is laid over what a save wrote must not
// leave a lock behind that ends the process. What was saved stays, and nothing more is.
func TestAnUpdateThatPanicsDuringASave(t *testing.T) {
	t.Parallel()
	store := newSpy()
	v := loggedIn(t, newManager(t, store))
	v.serve(func(_ http.ResponseWriter, r *http.Request) {
		s := sessions.FromContext(r.Context())
		name.Set(s, "x")
		store.reset(func(op string) error {
			if op == "save" {
				store.reset(nil)
				count.Update(s, panicsOnce())
			}
			return nil
		})
		func() {
			defer func() {
				if p := recover(); p != "in the function" {
					t.Errorf("recovered %v", p)
				}
			}()
			_ = s.Save(r.Context())
		}()
		if err := s.Save(r.Context()); !errors.Is(err, sessions.ErrValue) {
			t.Errorf("the save after it: %v, want ErrValue", err)
		}
	})
	if got := value(v, name); got != "x" {
		t.Errorf("name is %q", got)
	}
	if got := value(v, count); got != 1 {
		t.Errorf("count is %d, want 1", got)
	}
}

// Here the function is run because another request saved first.
func TestAnUpdateThatPanicsInAMerge(t *testing.T) {
	t.Parallel()
	v := loggedIn(t, newManager(t, newSpy()))
	v.serve(func(_ http.ResponseWriter, r *http.Request) {
		s := sessions.FromContext(r.Context())
		name.Set(s, "kept")
		count.Update(s, panicsOnce())
		v.twin().visit(func(s *sessions.Session) { count.Set(s, 10) })
		func() {
			defer func() { _ = recover() }()
			_ = s.Save(r.Context())
		}()
	})
	if got := value(v, name); got != "kept" {
		t.Errorf("name is %q: the end of the request saved nothing", got)
	}
	if got := value(v, count); got != 11 {
		t.Errorf("count is %d, want 11", got)
	}
}

// A token that Save stored reaches the browser, whatever becomes of the request.
func TestATokenThatSaveStoredIsSentWithAFailure(t *testing.T) {
	t.Parallel()
	for why, fail := range map[string]func(*spy, *sessions.Session){
		"the store is down": func(store *spy, s *sessions.Session) {
			store.reset(failing(errDown, "save", "renew"))
			count.Set(s, 3)
		},
		"a value can't be kept": func(_ *spy, s *sessions.Session) {
			sessions.NewKey[any]("f").Set(s, func() {})
		},
	} {
		store := newSpy()
		v := loggedIn(t, newManager(t, store))
		res := v.visit(func(s *sessions.Session) {
			s.Regenerate()
			if err := s.Save(t.Context()); err != nil {
				t.Fatal(err)
			}
			fail(store, s)
		})
		store.reset(nil)
		if res.StatusCode < 500 || ours(t, res) == nil {
			t.Errorf("%s: status %d, cookie %v; want an error and the new token", why, res.StatusCode, ours(t, res))
		}
		if !v.alive() {
			t.Errorf("%s: the browser's token is dead", why)
		}
	}
}

// Where the new token was not stored, the old one stays.
func TestNoCookieWithAFailureThatStoredNothing(t *testing.T) {
	t.Parallel()
	store := newSpy()
	v := loggedIn(t, newManager(t, store))
	res := v.visit(func(s *sessions.Session) {
		s.Regenerate()
		store.reset(failing(errDown, "save", "renew"))
	})
	store.reset(nil)
	if res.StatusCode != http.StatusServiceUnavailable || ours(t, res) != nil || !v.alive() {
		t.Errorf("status %d, cookie %v", res.StatusCode, ours(t, res))
	}
}

// After the error handler has answered, no cookie can be sent either.
func TestSaveAfterAFailedAnswer(t *testing.T) {
	t.Parallel()
	for what, change := range map[string]func(*sessions.Session){
		"a new token": (*sessions.Session).Regenerate,
		"a user":      func(s *sessions.Session) { s.SetUser("ann") },
	} {
		store := newSpy()
		v := loggedIn(t, newManager(t, store))
		v.serve(func(w http.ResponseWriter, r *http.Request) {
			s := sessions.FromContext(r.Context())
			change(s)
			store.reset(failing(errDown, "save", "renew"))
			w.WriteHeader(http.StatusOK)
			store.reset(nil)
			if err := s.Save(r.Context()); !errors.Is(err, sessions.ErrTooLate) {
				t.Errorf("%s: %v, want ErrTooLate", what, err)
			}
		})
		if !v.alive() {
			t.Errorf("%s: the browser's token is dead", what)
		}
	}
}

// A Destroy that comes while Reload reads stands.
func TestDestroyDuringAReload(t *testing.T) {
	t.Parallel()
	store := newSpy()
	v := loggedIn(t, newManager(t, store))
	v.visit(func(s *sessions.Session) { s.SetUser("ann") })
	res := v.visit(func(s *sessions.Session) {
		store.reset(func(op string) error {
			if op == "load" {
				store.reset(nil)
				s.Destroy()
			}
			return nil
		})
		if err := s.Reload(t.Context()); err != nil {
			t.Errorf("reload: %v", err)
		}
		if s.User() != "" || !s.IsNew() {
			t.Errorf("after the Destroy the user is %q, new %t", s.User(), s.IsNew())
		}
	})
	if c := ours(t, res); res.StatusCode != http.StatusOK || c == nil || c.MaxAge >= 0 {
		t.Errorf("status %d, cookie %v; want 200 and the cookie deleted", res.StatusCode, c)
	}
	wantRows(t, v.manager, 0)
}

// lossy stores what it is told, and then says that it is down.
type lossy struct {
	sessions.Store
	creates int // how many answers are lost
}

func (l *lossy) Create(ctx context.Context, req driver.CreateRequest) (driver.SaveResult, error) {
	result, err := l.Store.Create(ctx, req)
	if l.creates > 0 && err == nil {
		l.creates--
		return driver.SaveResult{}, errDown
	}
	return result, err
}

// The row whose answer was lost is the session's: it gets no second one, and keeps its ID.
func TestACreateWhoseAnswerIsLost(t *testing.T) {
	t.Parallel()
	m := newManager(t, &lossy{Store: memstore.New(), creates: 1})
	v := newVisitor(t, m)
	var first, second sessions.ID
	v.visit(func(s *sessions.Session) {
		count.Update(s, func(n int) int { return n + 1 })
		s.SetUser("ann")
		first = s.ID()
		if err := s.Save(t.Context()); !errors.Is(err, sessions.ErrUnavailable) {
			t.Errorf("the first save: %v", err)
		}
		name.Set(s, "later")
		if err := s.Save(t.Context()); err != nil {
			t.Errorf("the second save: %v", err)
		}
		second = s.ID()
	})
	wantRows(t, m, 1)
	if stored := look(v, (*sessions.Session).ID); first != second || stored != first {
		t.Errorf("the ID was %s, then %s, and is stored as %s", first, second, stored)
	}
	if n, text := value(v, count), value(v, name); n != 1 || text != "later" {
		t.Errorf("count is %d, name %q", n, text)
	}
	if look(v, (*sessions.Session).AuthenticatedAt).IsZero() {
		t.Error("the session has no time of authentication")
	}
}

func TestAuthenticationTimeFollowsTheUser(t *testing.T) {
	t.Parallel()
	store := newSpy()
	v := newVisitor(t, newManager(t, store))
	inFlight(t, v, store, "create", func(s *sessions.Session) { count.Set(s, 1) }, func(s *sessions.Session) { s.SetUser("ann") })
	store.reset(nil)
	if look(v, (*sessions.Session).AuthenticatedAt).IsZero() {
		t.Error("a user who was set during the first save has no time of authentication")
	}

	v = loggedIn(t, v.manager)
	v.visit(func(s *sessions.Session) { s.SetUser("ann"); s.SetUser("") })
	for row, err := range sessionRows(t, store) {
		if err != nil {
			t.Fatal(err)
		}
		if (row.User == "") != row.AuthenticatedAt.IsZero() {
			t.Errorf("the session of %q has the time %v", row.User, row.AuthenticatedAt)
		}
	}
}
