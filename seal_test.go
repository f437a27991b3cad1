package sessions_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/memstore"
)

// kept returns the session of a request that is over, with count 1 stored.
func kept(t *testing.T, v *visitor) (s *sessions.Session) {
	t.Helper()
	wantStatus(t, v.visit(func(inside *sessions.Session) { s = inside }), http.StatusOK)
	return s
}

func TestAChangeAfterTheRequestIsRefusedAndLogged(t *testing.T) {
	t.Parallel()
	for what, change := range map[string]func(*sessions.Session){
		"Set":            func(s *sessions.Session) { count.Set(s, 2) },
		"an unfit value": func(s *sessions.Session) { sessions.NewKey[any]("x").Set(s, func() {}) },
		"Update": func(s *sessions.Session) {
			if got := count.Update(s, func(int) int { return 2 }); got != 1 {
				t.Errorf("Update returns %d, want what is stored", got)
			}
		},
		"Delete":     func(s *sessions.Session) { count.Delete(s) },
		"Pop":        func(s *sessions.Session) { count.Pop(s) },
		"Clear":      (*sessions.Session).Clear,
		"SetUser":    func(s *sessions.Session) { s.SetUser("ann") },
		"SetMaxAge":  func(s *sessions.Session) { s.SetMaxAge(time.Hour) },
		"Regenerate": (*sessions.Session).Regenerate,
		"Destroy":    (*sessions.Session).Destroy,
	} {
		log := new(logBook)
		v := loggedIn(t, newManager(t, memstore.New(), func(o *sessions.Options) { o.Logger = log.logger() }))
		s := kept(t, v)
		if err := s.Err(); err != nil {
			t.Errorf("%s: before it Err is %v", what, err)
		}
		change(s)
		change(s)
		s.Discard()
		if err := s.Err(); !errors.Is(err, sessions.ErrTooLate) {
			t.Errorf("%s: Err is %v, want ErrTooLate", what, err)
		}
		if err := s.Save(t.Context()); !errors.Is(err, sessions.ErrTooLate) {
			t.Errorf("%s: Save returns %v, want ErrTooLate", what, err)
		}
		if n, _ := count.Get(s); n != 1 || s.User() != "" {
			t.Errorf("%s: the session shows count %d and user %q", what, n, s.User())
		}
		if n := len(log.lines(t, "ERROR")); n != 1 {
			t.Errorf("%s: %d errors logged, want 1:\n%s", what, n, log.text())
		}
		if !v.alive() || value(v, count) != 1 {
			t.Errorf("%s: it was stored", what)
		}
	}
}

func TestWorkOnTheStoreAfterTheRequestIsRefused(t *testing.T) {
	t.Parallel()
	store, log := newSpy(), new(logBook)
	s := kept(t, loggedIn(t, newManager(t, store, func(o *sessions.Options) { o.Logger = log.logger() })))
	store.reset(nil)
	for what, work := range map[string]func(context.Context) error{"Save": s.Save, "Reload": s.Reload, "Touch": s.Touch} {
		if err := work(t.Context()); !errors.Is(err, sessions.ErrTooLate) {
			t.Errorf("%s returns %v, want ErrTooLate", what, err)
		}
	}
	if n := store.count(); n != 0 {
		t.Errorf("%d calls of the store", n)
	}
	if s.Err() != nil || log.text() != "" {
		t.Errorf("Err is %v, and the log says:\n%s\nwant nothing: the caller has the error", s.Err(), log.text())
	}
}

// A logout that does not happen is worth a line even if there is one already.
func TestALateDestroyIsLoggedAfterAnotherChange(t *testing.T) {
	t.Parallel()
	log := new(logBook)
	s := kept(t, loggedIn(t, newManager(t, memstore.New(), func(o *sessions.Options) { o.Logger = log.logger() })))
	count.Set(s, 2)
	s.Destroy()
	s.Destroy()
	name.Set(s, "x")
	lines := log.lines(t, "ERROR")
	if len(lines) != 2 || lines[0]["change"] != "Set" || lines[1]["change"] != "Destroy" || lines[1]["id"] != string(s.ID()) {
		t.Errorf("the log says:\n%s\nwant a line for Set and one for Destroy", log.text())
	}
}

func TestAPanicOfTheHandlerSealsToo(t *testing.T) {
	t.Parallel()
	v := loggedIn(t, newManager(t, memstore.New()))
	var s *sessions.Session
	func() {
		defer func() { _ = recover() }()
		v.serve(func(_ http.ResponseWriter, r *http.Request) {
			s = sessions.FromContext(r.Context())
			count.Set(s, 2)
			panic("in the handler")
		})
	}()
	if err := s.Save(t.Context()); !errors.Is(err, sessions.ErrTooLate) || value(v, count) != 1 {
		t.Errorf("Save returns %v, count is %d; want ErrTooLate and 1", err, value(v, count))
	}
}

// The session of an answer that failed is as over as the others.
func TestAFailedAnswerSealsToo(t *testing.T) {
	t.Parallel()
	store := newSpy()
	v := loggedIn(t, newManager(t, store))
	var s *sessions.Session
	store.reset(failing(errDown, "save"))
	res := v.visit(func(inside *sessions.Session) { s = inside; count.Set(s, 2) })
	wantStatus(t, res, http.StatusServiceUnavailable)
	store.reset(nil)
	if err := s.Save(t.Context()); !errors.Is(err, sessions.ErrTooLate) || value(v, count) != 1 {
		t.Errorf("Save returns %v, count is %d; want ErrTooLate and 1", err, value(v, count))
	}
}

func TestSessionsWithoutARequestAreNeverSealed(t *testing.T) {
	t.Parallel()
	v := loggedIn(t, newManager(t, memstore.New()))
	v.visit(func(s *sessions.Session) { s.SetUser("ann") })
	loaded, err := v.manager.Load(t.Context(), v.cookie)
	if err != nil {
		t.Fatal(err)
	}
	_ = kept(t, v)
	n := 1
	change := func(what string, s *sessions.Session) {
		for range 2 {
			n++
			count.Set(s, n)
			if err := errors.Join(s.Save(t.Context()), s.Touch(t.Context()), s.Reload(t.Context()), s.Err()); err != nil || value(v, count) != n {
				t.Errorf("%s: %v, count is %d, want %d", what, err, value(v, count), n)
			}
		}
	}
	change("Load", loaded)
	for s, err := range v.manager.SessionsOf(t.Context(), "ann") {
		if err != nil {
			t.Fatal(err)
		}
		change("SessionsOf", s)
	}
}

// What the handler changed before the deadline's answer left is saved. What comes later, a
// logout too, is refused, and the log says so.
func TestATimeoutHandlerInside(t *testing.T) {
	t.Parallel()
	log := new(logBook)
	m := newManager(t, memstore.New(), func(o *sessions.Options) { o.Logger = log.logger() })
	v := loggedIn(t, m)
	ctx, deadline := context.WithCancel(t.Context())
	answered, done := make(chan struct{}), make(chan error)
	inner := func(w http.ResponseWriter, r *http.Request) {
		s := sessions.FromContext(r.Context())
		count.Set(s, 2)
		deadline()
		<-answered
		name.Set(s, "late")
		s.Destroy()
		_, _ = io.WriteString(w, "bye")
		done <- s.Err()
	}
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "http://example.com/", http.NoBody)
	r.Header.Set("Cookie", cookieName+"="+v.cookie)
	rec := httptest.NewRecorder()
	m.Handler(http.TimeoutHandler(http.HandlerFunc(inner), time.Hour, "too slow")).ServeHTTP(rec, r)
	close(answered)
	if err := <-done; !errors.Is(err, sessions.ErrTooLate) {
		t.Errorf("Err is %v, want ErrTooLate", err)
	}
	wantStatus(t, rec.Result(), http.StatusServiceUnavailable)
	if value(v, count) != 2 || value(v, name) != "" {
		t.Errorf("count %d, name %q; want 2 and none", value(v, count), value(v, name))
	}
	if n := len(log.lines(t, "ERROR")); n != 2 {
		t.Errorf("the log says:\n%s\nwant a line for the change and one for the logout", log.text())
	}
}

// A change of a goroutine that goes on is either saved or refused, whenever the request ends.
func TestNoChangeFallsBetweenTheLastSaveAndTheSeal(t *testing.T) {
	t.Parallel()
	for i := range 300 {
		v := loggedIn(t, newManager(t, memstore.New()))
		stop, last := make(chan struct{}), make(chan int)
		v.serve(func(w http.ResponseWriter, r *http.Request) {
			s := sessions.FromContext(r.Context())
			if i%2 == 0 {
				_, _ = io.WriteString(w, "begun")
			}
			go func() {
				close(stop)
				n := 1
				for s.Err() == nil {
					n = count.Update(s, func(n int) int { return n + 1 })
				}
				last <- n
			}()
			<-stop
		})
		if told, stored := <-last, value(v, count); told != stored {
			t.Fatalf("round %d: the request has count %d, stored is %d", i, told, stored)
		}
	}
}

// finish waits for a Save that is on its way, and takes along what came after it.
func TestTheEndOfTheRequestWaitsForASave(t *testing.T) {
	t.Parallel()
	store := newSpy()
	v := loggedIn(t, newManager(t, store))
	saved := make(chan error, 1)
	v.serve(func(_ http.ResponseWriter, r *http.Request) {
		s := sessions.FromContext(r.Context())
		count.Set(s, 2)
		inside, goOn := make(chan struct{}), make(chan struct{})
		store.reset(func(op string) error {
			if op == "save" {
				store.reset(nil)
				close(inside)
				<-goOn
			}
			return nil
		})
		go func() { saved <- s.Save(r.Context()) }()
		<-inside
		name.Set(s, "after")
		time.AfterFunc(time.Millisecond, func() { close(goOn) }) // at any time: finish waits
	})
	if err := <-saved; err != nil || value(v, count) != 2 || value(v, name) != "after" {
		t.Errorf("Save returns %v, count %d, name %q", err, value(v, count), value(v, name))
	}
}
