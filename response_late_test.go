package sessions_test

import (
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/memstore"
)

func TestLateChangeOfAnExistingSessionIsSaved(t *testing.T) {
	t.Parallel()
	m := newManager(t, memstore.New())
	v := loggedIn(t, m)
	wantStatus(t, v.serve(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		count.Set(sessions.FromContext(r.Context()), 2)
	}), http.StatusOK)
	if got := value(v, count); got != 2 {
		t.Errorf("count is %d, want 2", got)
	}
}

func TestLateDestroyEndsTheSession(t *testing.T) {
	t.Parallel()
	m := newManager(t, memstore.New())
	v := loggedIn(t, m)
	v.serve(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		sessions.FromContext(r.Context()).Destroy()
	})
	wantRows(t, m, 0)
}

// A change that can't be kept once the header has left: the client must see
// that the response is broken, and the operator must read why.
func TestLateChangeThatCannotBeKeptCutsTheConnection(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		change func(*sessions.Session)
		old    bool // on a session that existed
		fail   bool // while the store is down
		rows   int
	}{
		"first value of a new session": {func(s *sessions.Session) { count.Set(s, 1) }, false, false, 0},
		"user of a new session":        {func(s *sessions.Session) { s.SetUser("ann") }, false, false, 0},
		"new id":                       {func(s *sessions.Session) { s.Regenerate() }, true, false, 1},
		"login":                        {func(s *sessions.Session) { s.SetUser("ann") }, true, false, 1},
		"refused value":                {func(s *sessions.Session) { sessions.NewKey[any]("x").Set(s, func() {}) }, true, false, 1},
		"store down":                   {func(s *sessions.Session) { count.Set(s, 2) }, true, true, 1},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			store, log := newSpy(), new(logBook)
			m := newManager(t, store, func(o *sessions.Options) {
				o.Logger = log.logger()
				o.ErrorHandler = func(http.ResponseWriter, *http.Request, error) {
					t.Error("the error handler ran after the header had left")
				}
			})
			srv, client := newServer(t, m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s := sessions.FromContext(r.Context())
				if r.URL.Path == "/first" {
					count.Set(s, 1)
					return
				}
				_, _ = io.WriteString(w, "half of it")
				_ = http.NewResponseController(w).Flush()
				c.change(s)
			})))
			if c.old {
				get(t, client, srv.URL+"/first")
			}
			if c.fail {
				store.reset(failing(errDown, "save"))
			}
			res := get(t, client, srv.URL)
			wantStatus(t, res, http.StatusOK)
			if text, err := io.ReadAll(res.Body); err == nil {
				t.Errorf("the client took %q for the whole response", text)
			}
			srv.Close() // wait until the handler has ended
			if n := len(log.lines(t, "ERROR")); n != 1 {
				t.Errorf("%d errors logged, want 1:\n%s", n, log.text())
			}
			wantRows(t, m, c.rows)
		})
	}
}

func TestNothingLateIsDoneWithoutAChange(t *testing.T) {
	t.Parallel()
	store := newSpy()
	v := loggedIn(t, newManager(t, store))
	store.reset(nil)
	v.serve(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		s := sessions.FromContext(r.Context())
		count.Set(s, 1) // what is there already
		name.Delete(s)  // what is not there
	})
	if n := store.count(); n != 1 {
		t.Errorf("%d calls of the store, want the load alone", n)
	}
}

func TestSaveWritesNowAndMaySetTheCookie(t *testing.T) {
	t.Parallel()
	m := newManager(t, memstore.New())
	v := newVisitor(t, m)
	res := v.serve(func(w http.ResponseWriter, r *http.Request) {
		s := sessions.FromContext(r.Context())
		count.Set(s, 1)
		if err := s.Save(r.Context()); err != nil {
			t.Error(err)
		}
		wantRows(t, m, 1)
		if s.IsNew() {
			t.Error("a saved session is new")
		}
		w.WriteHeader(http.StatusOK)
		count.Set(s, 2)
		if err := s.Save(r.Context()); err != nil {
			t.Error(err)
		}
	})
	wantStatus(t, res, http.StatusOK)
	if got := value(v, count); got != 2 {
		t.Errorf("count is %d, want 2", got)
	}
}

func TestALateErrorThatSaveToldIsTheHandlersOwn(t *testing.T) {
	t.Parallel()
	for again, want := range map[bool]bool{false: true, true: false} {
		m := newManager(t, memstore.New())
		srv, client := newServer(t, m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "begun")
			s := sessions.FromContext(r.Context())
			count.Set(s, 1)
			if err := s.Save(r.Context()); !errors.Is(err, sessions.ErrTooLate) {
				t.Errorf("Save returns %v", err)
			}
			_, _ = io.WriteString(w, ", not saved")
			if again {
				count.Set(s, 2)
			}
		})))
		res, err := client.Get(srv.URL)
		var body []byte
		if err == nil {
			body, err = io.ReadAll(res.Body)
			_ = res.Body.Close()
		}
		if complete := err == nil && string(body) == "begun, not saved"; complete != want {
			t.Errorf("changed again %v: complete %v (%q, %v), want %v", again, complete, body, err, want)
		}
	}
}
