package sessions_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/memstore"
)

func TestTouchOfAnEndedSessionSaysSo(t *testing.T) {
	t.Parallel()
	for what, end := range map[string]func(*visitor){
		"ended":              func(v *visitor) { v.visit((*sessions.Session).Destroy) },
		"given a new token":  func(v *visitor) { v.visit((*sessions.Session).Regenerate) },
		"signed in as other": func(v *visitor) { v.visit(func(s *sessions.Session) { s.SetUser("ann") }) },
	} {
		v := loggedIn(t, newManager(t, memstore.New()))
		v.twin().visit(func(s *sessions.Session) {
			end(v)
			if err := s.Touch(t.Context()); !errors.Is(err, sessions.ErrEnded) {
				t.Errorf("%s: Touch returns %v", what, err)
			}
		})
	}
}

// There is nothing to move yet, or nothing any more.
func TestTouchWithoutAStoredSessionCostsNothing(t *testing.T) {
	t.Parallel()
	store := newSpy()
	m := newManager(t, store)
	check := func(s *sessions.Session) {
		store.reset(nil)
		if err := s.Touch(t.Context()); err != nil || store.count() != 0 {
			t.Errorf("Touch returns %v after %d calls of the store", err, store.count())
		}
	}
	newVisitor(t, m).visit(check)
	loggedIn(t, m).visit(func(s *sessions.Session) { s.Destroy(); check(s) })
}

func TestTouchEndsWithItsContext(t *testing.T) {
	t.Parallel()
	store := newSpy()
	v := loggedIn(t, newManager(t, store))
	v.visit(func(s *sessions.Session) {
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("the stream was closed")
		cancel(why)
		if err := s.Touch(ctx); !errors.Is(err, why) || !errors.Is(err, sessions.ErrUnavailable) {
			t.Errorf("Touch returns %v", err)
		}
	})
}

// Touch moves the expiry and saves nothing else.
func TestTouchLeavesChangesPending(t *testing.T) {
	t.Parallel()
	store := newSpy()
	v := loggedIn(t, newManager(t, store))
	v.visit(func(s *sessions.Session) {
		store.reset(nil)
		count.Set(s, 5)
		if err := s.Touch(t.Context()); err != nil || store.count("touch") != 1 || store.count("save") != 0 {
			t.Errorf("Touch returns %v, after %d touches and %d saves", err, store.count("touch"), store.count("save"))
		}
		if got := value(v.twin(), count); got != 1 {
			t.Errorf("another request sees %d already", got)
		}
	})
	if got := value(v, count); got != 5 {
		t.Errorf("the change became %d", got)
	}
}

// The expiry of a session that was only read can't be moved, as when a report holds its row. Its
// answer is right all the same, and the next request tries again.
func TestATouchThatFailsFailsNoRequest(t *testing.T) {
	t.Parallel()
	log := &strings.Builder{}
	timed(t, func(o *sessions.Options) {
		o.TouchInterval, o.Logger = -1, slog.New(slog.NewTextHandler(log, nil))
	}, func(t *testing.T, v *visitor, store *spy) {
		store.reset(failing(errDown, "touch"))
		for range 2 {
			time.Sleep(time.Microsecond)
			if res := v.visit(nothing); res.StatusCode != http.StatusOK || res.Header.Get("Set-Cookie") != "" {
				t.Errorf("answered %d with %v", res.StatusCode, res.Header)
			}
		}
		if n := store.count("touch"); n != 2 || strings.Count(log.String(), "could not be moved") != 2 {
			t.Errorf("%d touches; the log:\n%s", n, log)
		}
		time.Sleep(time.Microsecond)
		v.visit(func(s *sessions.Session) {
			if err := s.Touch(t.Context()); !errors.Is(err, errDown) {
				t.Errorf("Touch returns %v", err)
			}
			if err := s.Save(t.Context()); !errors.Is(err, errDown) {
				t.Errorf("Save returns %v", err)
			}
		})
	})
}

// A session whose expiry can't be moved is handed over as it is.
func TestHijackAlthoughATouchFails(t *testing.T) {
	t.Parallel()
	store := newSpy()
	m := newManager(t, store, func(o *sessions.Options) { o.TouchInterval = -1 })
	srv, client := newServer(t, m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/login" {
			count.Set(sessions.FromContext(r.Context()), 1)
			return
		}
		store.reset(failing(errDown, "touch"))
		conn, buf, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = buf.WriteString("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
		_ = buf.Flush()
	})))
	get(t, client, srv.URL+"/login")
	if got := body(t, get(t, client, srv.URL+"/ws")); got != "hi" || store.count("touch") != 1 {
		t.Errorf("answered %q after %d touches", got, store.count("touch"))
	}
}

func TestANegativeTouchIntervalTouchesWithEachRequest(t *testing.T) {
	t.Parallel()
	timed(t, func(o *sessions.Options) { o.TouchInterval = -1 }, func(t *testing.T, v *visitor, store *spy) {
		for range 5 {
			time.Sleep(time.Microsecond)
			v.visit(nothing)
		}
		if n := store.count("touch"); n != 5 {
			t.Errorf("%d touches of 5 requests", n)
		}
	})
}

// ErrLoad tells a request that did nothing yet from one that was not saved.
func TestErrLoadSaysThatTheHandlerDidNotRun(t *testing.T) {
	t.Parallel()
	store := newSpy()
	var got error
	m := newManager(t, store, func(o *sessions.Options) {
		o.ErrorHandler = func(_ http.ResponseWriter, _ *http.Request, err error) { got = err }
	})
	v := loggedIn(t, m)
	for op, want := range map[string]bool{"load": true, "save": false} {
		ran := false
		store.reset(failing(errDown, op))
		v.visit(func(s *sessions.Session) { ran = true; count.Set(s, 2) })
		if errors.Is(got, sessions.ErrLoad) != want || ran == want || !errors.Is(got, sessions.ErrUnavailable) || !errors.Is(got, errDown) {
			t.Errorf("%s fails: the handler ran: %v, and the error is %v", op, ran, got)
		}
	}
	if _, err := m.Load(t.Context(), "no token"); !errors.Is(err, sessions.ErrLoad) || !errors.Is(err, sessions.ErrNotFound) {
		t.Errorf("Load of no token: %v", err)
	}
}

// Clear is about values: what SetMaxAge did before it holds, also when another
// request saves first.
func TestAMergeKeepsTheMaxAgeSetBeforeClear(t *testing.T) {
	t.Parallel()
	m := newManager(t, memstore.New())
	v := loggedIn(t, m)
	slow := v.twin()
	slow.visit(func(s *sessions.Session) {
		s.SetMaxAge(14 * day)
		s.Clear()
		v.visit(func(s *sessions.Session) { name.Set(s, "first") })
	})
	if left := look(v, func(s *sessions.Session) time.Duration { return time.Until(s.ExpiresAt()) }); left < 13*day {
		t.Errorf("the session lives for %v, want 14 days", left)
	}
	if has(name, sessionOf(t, v)) {
		t.Error("the value that the other request set was not cleared")
	}
}

// sessionOf returns the session that a visitor's cookie opens.
func sessionOf(t *testing.T, v *visitor) *sessions.Session {
	t.Helper()
	s, err := v.manager.Load(t.Context(), v.cookie)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
