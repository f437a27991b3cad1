package sessions_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/altered"
	"github.com/sqlsessions/sessions/memstore"
)

func contextWithCancel(t *testing.T) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return ctx, cancel
}

// Whatever else happens to the session in the request, a new id stays new.
func TestNothingCancelsARegeneration(t *testing.T) {
	t.Parallel()
	for what, f := range map[string]func(*sessions.Session){
		"Set":          func(s *sessions.Session) { count.Set(s, 2) },
		"Set the same": func(s *sessions.Session) { count.Set(s, 1) },
		"Clear":        func(s *sessions.Session) { s.Clear() },
		"Touch":        touch,
		"Regenerate":   func(s *sessions.Session) { s.Regenerate() },
		"Save":         func(s *sessions.Session) { _ = s.Save(context.Background()) },
		"login":        func(s *sessions.Session) { s.SetUser("ann") },
		"Destroy":      func(s *sessions.Session) { s.Destroy(); count.Set(s, 1) },
	} {
		for order := range 2 {
			m := newManager(t, memstore.New())
			v := loggedIn(t, m)
			old := v.twin()
			v.visit(func(s *sessions.Session) {
				if order == 0 {
					s.Regenerate()
				}
				f(s)
				if order == 1 {
					s.Regenerate()
				}
			})
			if v.cookie == old.cookie || old.alive() || !v.alive() {
				t.Errorf("%s, order %d: new cookie %v, old alive %v, new alive %v", what, order, v.cookie != old.cookie, old.alive(), v.alive())
			}
			wantRows(t, m, 1)
		}
	}
}

func TestReloadForgetsAndReadsAnew(t *testing.T) {
	t.Parallel()
	m := newManager(t, memstore.New())
	v := loggedIn(t, m)
	v.serve(func(_ http.ResponseWriter, r *http.Request) {
		s := sessions.FromContext(r.Context())
		name.Set(s, "forgotten")
		count.Set(s, 50)
		sessions.NewKey[any]("bad").Set(s, func() {})
		v.twin().visit(func(s *sessions.Session) { count.Set(s, 2) })
		if err := s.Reload(r.Context()); err != nil {
			t.Error(err)
		}
		if n, _ := count.Get(s); n != 2 || has(name, s) || s.Err() != nil {
			t.Errorf("count %d, name there %v, Err %v", n, has(name, s), s.Err())
		}
	})
	if got := value(v, count); got != 2 {
		t.Errorf("count is %d, want 2", got)
	}
	v.serve(func(_ http.ResponseWriter, r *http.Request) {
		s := sessions.FromContext(r.Context())
		count.Set(s, 3)
		v.twin().visit(func(s *sessions.Session) { s.Destroy() })
		if err := s.Reload(r.Context()); !errors.Is(err, sessions.ErrEnded) {
			t.Errorf("Reload of a session that is gone returns %v", err)
		}
		if n, _ := count.Get(s); n != 3 {
			t.Errorf("a failed Reload forgot the change: count %d", n)
		}
	})
	newVisitor(t, m).serve(func(_ http.ResponseWriter, r *http.Request) {
		s := sessions.FromContext(r.Context())
		count.Set(s, 1)
		if err := s.Reload(r.Context()); err != nil || has(count, s) {
			t.Errorf("Reload of a new session: %v, value there %v", err, has(count, s))
		}
	})
	wantRows(t, m, 0)
}

func TestReloadKeepsTheIDOfANewSession(t *testing.T) {
	t.Parallel()
	newVisitor(t, newManager(t, memstore.New())).visit(func(s *sessions.Session) {
		before := s.ID()
		if err := s.Reload(t.Context()); err != nil || s.ID() != before {
			t.Errorf("Reload returns %v, and the ID went from %s to %s", err, before, s.ID())
		}
	})
}

// A listed row that can't be read can be ended, but not overwritten.
func TestASaveThatFailedCanBeTriedAgain(t *testing.T) {
	t.Parallel()
	for op, f := range map[string]func(*sessions.Session){
		"create": func(s *sessions.Session) { s.Destroy(); count.Set(s, 2) },
		"save":   func(s *sessions.Session) { count.Update(s, func(n int) int { return n + 1 }) },
		"renew":  func(s *sessions.Session) { s.Regenerate(); count.Set(s, 2) },
		"end":    func(s *sessions.Session) { s.Destroy(); count.Set(s, 2) },
	} {
		store := newSpy()
		m := newManager(t, store)
		v := loggedIn(t, m)
		store.reset(failing(errDown, op))
		res := v.serve(func(_ http.ResponseWriter, r *http.Request) {
			s := sessions.FromContext(r.Context())
			f(s)
			if err := s.Save(r.Context()); !errors.Is(err, errDown) || !errors.Is(err, sessions.ErrUnavailable) {
				t.Errorf("%s: Save returns %v", op, err)
			}
			store.reset(nil)
			name.Set(s, "later")
		})
		wantStatus(t, res, http.StatusOK)
		if value(v, count) != 2 || value(v, name) != "later" {
			t.Errorf("%s: count %d, name %q", op, value(v, count), value(v, name))
		}
		wantRows(t, m, 1)
	}
}

func TestLoadByCookieValue(t *testing.T) {
	t.Parallel()
	m := newManager(t, memstore.New())
	v := loggedIn(t, m)
	s, err := m.Load(t.Context(), v.cookie)
	if err != nil {
		t.Fatal(err)
	}
	count.Set(s, 2)
	if err := s.Save(t.Context()); err != nil || value(v, count) != 2 {
		t.Errorf("Save returns %v, count is %d", err, value(v, count))
	}
	s.SetUser("ann")
	if err := s.Save(t.Context()); !errors.Is(err, sessions.ErrTooLate) {
		t.Errorf("a new id without a response: %v", err)
	}
	if !v.alive() || look(v, (*sessions.Session).User) != "" {
		t.Error("the refused login left something behind")
	}
	s.Destroy()
	if err := s.Save(t.Context()); err != nil || v.alive() {
		t.Errorf("Destroy: %v, alive %v", err, v.alive())
	}
	count.Set(s, 3)
	if err := s.Save(t.Context()); !errors.Is(err, sessions.ErrTooLate) {
		t.Errorf("a new session without a response: %v", err)
	}
	wantRows(t, m, 0)
}

// Else the browser drops the cookie, the row lives, and whoever has a copy of
// the cookie stays logged in.
func TestReloadDoesNotUndoADestroy(t *testing.T) {
	t.Parallel()
	m := newManager(t, memstore.New())
	v := loggedIn(t, m)
	copied := v.twin()
	res := v.serve(func(_ http.ResponseWriter, r *http.Request) {
		s := sessions.FromContext(r.Context())
		s.Destroy()
		if err := s.Reload(r.Context()); err != nil {
			t.Error(err)
		}
	})
	if c := ours(t, res); c != nil && c.MaxAge < 0 && copied.alive() {
		t.Error("the browser was told to drop the cookie, and the session lives on")
	}
}

func TestDiscardForgetsWhatWasNotSaved(t *testing.T) {
	t.Parallel()
	store := newSpy()
	m := newManager(t, store)
	v := loggedIn(t, m)
	user := look(v, (*sessions.Session).User)
	before := *v
	store.reset(nil)
	v.visit(func(s *sessions.Session) {
		count.Set(s, 7)
		s.SetUser("mallory")
		s.Discard()
		if n, _ := count.Get(s); n != 1 || s.User() != user || s.Err() != nil {
			t.Errorf("within the request: %d, %q, %v", n, s.User(), s.Err())
		}
	})
	if n := store.count(); n != 1 || v.cookie != before.cookie {
		t.Errorf("%d statements were sent, or the cookie changed", n)
	}
	v.visit(func(s *sessions.Session) { // what was saved stays
		count.Set(s, 8)
		if err := s.Save(t.Context()); err != nil {
			t.Error(err)
		}
		count.Set(s, 9)
		s.Discard()
	})
	if got := value(v, count); got != 8 {
		t.Errorf("count is %d, want the saved 8", got)
	}
	v.visit(func(s *sessions.Session) { s.Destroy(); s.Discard() })
	if before.alive() {
		t.Error("Discard undid a Destroy")
	}
	fresh := newVisitor(t, m)
	fresh.visit(func(s *sessions.Session) { count.Set(s, 1); s.Discard() })
	if fresh.cookie != "" {
		t.Error("a new session was made, although its changes were discarded")
	}
}

// A driver or a collation that mixes up rows signs no user in as another.
func TestAnothersRowOpensNothing(t *testing.T) {
	t.Parallel()
	for what, mix := range map[string]func(row *driver.Row){
		"the ID":       func(row *driver.Row) { row.ID = randomRef().ID },
		"the verifier": func(row *driver.Row) { row.Verifier = randomRef().Verifier },
		"both":         func(row *driver.Row) { row.Ref = randomRef() },
	} {
		store := &altered.Store{Store: memstore.New()}
		m := newManager(t, store)
		v := loggedIn(t, m)
		store.OnLoad = func(ctx context.Context, ref driver.Ref) (driver.Row, error) {
			row, err := store.Store.Load(ctx, ref)
			mix(&row)
			return row, err
		}
		cookie := v.cookie
		res := v.visit(func(s *sessions.Session) { t.Errorf("%s: the handler runs with %s", what, s.ID()) })
		if res.StatusCode != http.StatusServiceUnavailable || v.cookie != cookie {
			t.Errorf("%s: answered %d", what, res.StatusCode)
		}
	}
}
