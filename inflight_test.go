package sessions_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/memstore"
)

// inFlight runs meanwhile while a Save is inside the store's op, and then saves again.
func inFlight(t *testing.T, v *visitor, store *spy, op string, before, meanwhile func(*sessions.Session)) {
	t.Helper()
	v.serve(func(_ http.ResponseWriter, r *http.Request) {
		s := sessions.FromContext(r.Context())
		before(s)
		inside, goOn, saved := make(chan struct{}), make(chan struct{}), make(chan error)
		var once atomic.Bool
		store.reset(func(called string) error {
			if called == op && once.CompareAndSwap(false, true) {
				close(inside)
				<-goOn
			}
			return nil
		})
		go func() { saved <- s.Save(r.Context()) }()
		<-inside
		meanwhile(s)
		close(goOn)
		select {
		case err := <-saved:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(10 * time.Second): // the watchdog of a deadlock
			panic("Save hangs")
		}
		if err := s.Save(r.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestSetUserDuringTheFirstSaveIsKept(t *testing.T) {
	t.Parallel()
	store := newSpy()
	v := newVisitor(t, newManager(t, store))
	inFlight(t, v, store, "create", func(s *sessions.Session) { count.Set(s, 1) }, func(s *sessions.Session) { s.SetUser("ann") })
	if got := look(v, (*sessions.Session).User); got != "ann" {
		t.Errorf("the stored user is %q, want ann", got)
	}
	if got := value(v, count); got != 1 {
		t.Errorf("count is %d, want 1", got)
	}
}

func TestHandleAfterSetUserDuringTheFirstSave(t *testing.T) {
	t.Parallel()
	store := newSpy()
	v := newVisitor(t, newManager(t, store))
	var session *sessions.Session
	inFlight(t, v, store, "create", func(s *sessions.Session) { count.Set(s, 1) }, func(s *sessions.Session) { s.SetUser("ann"); session = s })
	if told, stored := session.ID(), look(v, (*sessions.Session).ID); told != stored {
		t.Errorf("Handle in the request is %q, stored %q", told, stored)
	}
}

// The Update is made while a save is on its way, which lays it over the result.
func TestAnUpdateThatReadsTheSessionDoesNotLockUp(t *testing.T) {
	t.Parallel()
	store := newSpy()
	v := loggedIn(t, newManager(t, store))
	inFlight(t, v, store, "save", func(s *sessions.Session) { name.Set(s, "x") }, func(s *sessions.Session) {
		count.Update(s, func(n int) int { name.Get(s); return n + 1 })
	})
	if value(v, count) != 2 || value(v, name) != "x" {
		t.Errorf("count %d, name %q; want 2 and x", value(v, count), value(v, name))
	}
}

// A driver that mixes rows up while a save merges neither shows nor changes
// somebody else's session.
func TestAMergeRefusesTheRowOfAnotherSession(t *testing.T) {
	t.Parallel()
	store := &mixedUp{Store: memstore.New()}
	m := newManager(t, store)
	a, b := loggedIn(t, m), loggedIn(t, m)
	b.visit(func(s *sessions.Session) { s.SetUser("bob"); name.Set(s, "bob's secret") })
	var leaked string
	res := a.twin().serve(func(w http.ResponseWriter, r *http.Request) {
		s := sessions.FromContext(r.Context())
		a.visit(func(s *sessions.Session) { count.Set(s, 5) }) // so that the save conflicts
		store.mixUp("bob")
		count.Set(s, 666)
		w.WriteHeader(http.StatusOK)
		leaked, _ = name.Get(s)
	})
	store.mixUp("")
	if res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("status %d, want 503", res.StatusCode)
	}
	if leaked != "" {
		t.Errorf("another user's session was read: %q", leaked)
	}
	if got := value(b, count); got != 1 {
		t.Errorf("another user's session was written: count %d", got)
	}
}

// What a request does while its own save is on its way comes on top of it.
func TestChangesDuringASave(t *testing.T) {
	t.Parallel()
	for op, before := range map[string]func(*sessions.Session){
		"save":  func(s *sessions.Session) { count.Set(s, 2) },
		"renew": func(s *sessions.Session) { count.Set(s, 2); s.Regenerate() },
	} {
		for what, c := range map[string]struct {
			meanwhile func(*sessions.Session)
			rows      int
			count     int
			name      string
			user      string
		}{
			"Set":          {func(s *sessions.Session) { name.Set(s, "x") }, 1, 2, "x", ""},
			"Set again":    {func(s *sessions.Session) { count.Set(s, 3) }, 1, 3, "", ""},
			"Delete":       {func(s *sessions.Session) { count.Delete(s) }, 1, 0, "", ""},
			"Clear":        {func(s *sessions.Session) { s.Clear(); name.Set(s, "y") }, 1, 0, "y", ""},
			"SetUser":      {func(s *sessions.Session) { s.SetUser("ann") }, 1, 2, "", "ann"},
			"Destroy":      {func(s *sessions.Session) { s.Destroy() }, 0, 0, "", ""},
			"Destroy, Set": {func(s *sessions.Session) { s.Destroy(); name.Set(s, "n") }, 1, 0, "n", ""},
		} {
			store := newSpy()
			m := newManager(t, store)
			v := loggedIn(t, m)
			old := v.twin()
			var told sessions.ID
			inFlight(t, v, store, op, before, func(s *sessions.Session) { c.meanwhile(s); told = s.ID() })
			wantRows(t, m, c.rows)
			if c.rows == 1 && told != look(v, (*sessions.Session).ID) {
				t.Errorf("%s during %s: the ID in the request is not the one that is stored", what, op)
			}
			user := look(v, (*sessions.Session).User)
			if n, text := value(v, count), value(v, name); n != c.count || text != c.name || user != c.user {
				t.Errorf("%s during %s: count %d, name %q, user %q; want %+v", what, op, n, text, user, c)
			}
			if op == "renew" && old.alive() {
				t.Errorf("%s during %s: the old id works", what, op)
			}
		}
	}
}
