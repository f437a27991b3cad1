package sessions_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/memstore"
)

func users(t *testing.T, m *sessions.Manager, user string) (ids []sessions.ID) {
	t.Helper()
	for s, err := range m.SessionsOf(t.Context(), user) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, s.ID())
	}
	return ids
}

func TestMaxPerUser(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, memstore.New(), func(o *sessions.Options) { o.MaxPerUser = 2 })
		oldest := loggedIn(t, m) // its session began first, and signs in last
		var vs []*visitor
		for range 3 {
			time.Sleep(time.Second)
			v := newVisitor(t, m)
			wantStatus(t, v.visit(func(s *sessions.Session) { s.SetUser("ann") }), http.StatusOK)
			vs = append(vs, v)
		}
		if vs[0].alive() || !vs[1].alive() || !vs[2].alive() {
			t.Error("the third sign-in did not end the first and no other")
		}
		time.Sleep(time.Second)
		vs[1].visit(func(s *sessions.Session) { s.SetUser("ann") }) // again: not the oldest any more
		time.Sleep(time.Second)
		wantStatus(t, oldest.visit(func(s *sessions.Session) { s.SetUser("ann") }), http.StatusOK)
		if !vs[1].alive() || vs[2].alive() || !oldest.alive() {
			t.Error("it is not the oldest sign-in that ended")
		}
		if got := users(t, m, "ann"); len(got) != 2 {
			t.Errorf("ann has %d sessions", len(got))
		}
		if got := reason(vs[2]); got != sessions.ReasonEvicted {
			t.Errorf("the reason is %q", got)
		}
	})
}

func reason(v *visitor) (got sessions.Reason) {
	v.tb.Helper()
	v.twin().visit(func(s *sessions.Session) {
		var err error
		if got, err = s.EndedReason(v.tb.Context()); err != nil {
			v.tb.Error(err)
		}
	})
	return got
}

// The limit is new, and the user has many more sessions.
func TestMaxPerUserWithFarTooMany(t *testing.T) {
	t.Parallel()
	store := memstore.New()
	before, m := newManager(t, store), newManager(t, store, func(o *sessions.Options) { o.MaxPerUser = 3 })
	for range 300 {
		newVisitor(t, before).visit(func(s *sessions.Session) { s.SetUser("ann") })
	}
	v := newVisitor(t, m)
	wantStatus(t, v.visit(func(s *sessions.Session) { s.SetUser("ann") }), http.StatusOK)
	if got := users(t, m, "ann"); len(got) != 3 || !slices.Contains(got, id(v)) {
		t.Errorf("ann has %d sessions", len(got))
	}
}

func TestRefuseOverMax(t *testing.T) {
	t.Parallel()
	m := newManager(t, memstore.New(), func(o *sessions.Options) { o.MaxPerUser, o.RefuseOverMax = 1, true })
	first, second := newVisitor(t, m), loggedIn(t, m)
	first.visit(func(s *sessions.Session) { s.SetUser("ann") })
	var saved error
	res := second.visit(func(s *sessions.Session) {
		s.SetUser("ann")
		saved = s.Save(t.Context())
	})
	wantStatus(t, res, http.StatusTooManyRequests)
	if !errors.Is(saved, sessions.ErrLimit) {
		t.Errorf("Save returns %v", saved)
	}
	if ours(t, res) != nil || !first.alive() || len(users(t, m, "ann")) != 1 {
		t.Error("the second sign-in was not refused, or the first ended")
	}
	wantStatus(t, first.visit(func(s *sessions.Session) { s.SetUser("ann") }), http.StatusOK) // again
}

// The oldest signs in again after it was listed: it must not end.
func TestMaxPerUserSparesWhoSignsInAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newSpy()
		m := newManager(t, store, func(o *sessions.Options) { o.MaxPerUser = 2 })
		var vs []*visitor
		for range 2 {
			v := newVisitor(t, m)
			v.visit(func(s *sessions.Session) { s.SetUser("ann") })
			vs = append(vs, v)
			time.Sleep(time.Second)
		}
		store.reset(func(op string) error {
			if op == "end" {
				store.reset(nil)
				vs[0].visit(func(s *sessions.Session) { s.SetUser("ann") })
			}
			return nil
		})
		v := newVisitor(t, m)
		wantStatus(t, v.visit(func(s *sessions.Session) { s.SetUser("ann") }), http.StatusOK)
		if !vs[0].alive() || vs[1].alive() || !v.alive() {
			t.Errorf("alive: %v, %v, %v; want the second to have ended", vs[0].alive(), vs[1].alive(), v.alive())
		}
	})
}

// beside runs do during the first look at the marks.
type beside struct {
	sessions.Store
	do func()
}

func (b *beside) Marks(ctx context.Context, req driver.MarksRequest) ([]driver.SetMark, error) {
	if do := b.do; do != nil {
		b.do = nil
		do()
	}
	return b.Store.Marks(ctx, req)
}

// A sign-in that another one has evicted before it was answered says so.
func TestASignInThatWasEvicted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &beside{Store: memstore.New()}
		m := newManager(t, store, func(o *sessions.Options) { o.MaxPerUser = 1 })
		v, other := newVisitor(t, m), newVisitor(t, m)
		store.do = func() {
			time.Sleep(time.Second)
			other.visit(func(s *sessions.Session) { s.SetUser("ann") })
		}
		var saved error
		res := v.visit(func(s *sessions.Session) {
			s.SetUser("ann")
			saved = s.Save(t.Context())
		})
		var ended *sessions.EndedError
		if !errors.As(saved, &ended) || ended.Reason != sessions.ReasonEvicted {
			t.Errorf("Save returns %v", saved)
		}
		wantStatus(t, res, http.StatusConflict)
		if !other.alive() || ours(t, res) != nil {
			t.Errorf("the later sign-in is alive: %v; cookie %v", other.alive(), ours(t, res))
		}
	})
}

// It says so too if so many others came that it is not among those that are listed.
func TestASignInThatManyOthersEvicted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &beside{Store: memstore.New()}
		m, unlimited := newManager(t, store, func(o *sessions.Options) { o.MaxPerUser = 1 }), newManager(t, store)
		v := newVisitor(t, m)
		store.do = func() {
			time.Sleep(time.Second)
			for range 150 {
				newVisitor(t, unlimited).visit(func(s *sessions.Session) { s.SetUser("ann") })
			}
		}
		var saved error
		var id sessions.ID
		v.visit(func(s *sessions.Session) {
			s.SetUser("ann")
			saved, id = s.Save(t.Context()), s.ID()
		})
		var ended *sessions.EndedError
		if !errors.As(saved, &ended) || ended.Reason != sessions.ReasonEvicted {
			t.Errorf("Save returns %v", saved)
		}
		endings, err := store.Endings(t.Context(), []driver.Ref{{ID: id}})
		if len(endings) != 1 || endings[0].Reason != string(sessions.ReasonEvicted) || err != nil {
			t.Errorf("its row ended with %+v, %v", endings, err)
		}
	})
}

// A sign-in of a session that is the user's already makes it no more.
func TestRefuseOverMaxIsForNewSessions(t *testing.T) {
	t.Parallel()
	store := memstore.New()
	before, m := newManager(t, store), newManager(t, store, func(o *sessions.Options) { o.MaxPerUser, o.RefuseOverMax = 1, true })
	v := newVisitor(t, before)
	v.visit(func(s *sessions.Session) { s.SetUser("ann") })
	newVisitor(t, before).visit(func(s *sessions.Session) { s.SetUser("ann") })
	v.manager = m
	wantStatus(t, v.visit(func(s *sessions.Session) { s.SetUser("ann") }), http.StatusOK)
}

// Two cookies of one name, from before and after Domain was set, say.
func TestDestroyAndSetUserEndAllThatWasPresented(t *testing.T) {
	t.Parallel()
	for what, do := range map[string]func(*sessions.Session){
		"Destroy": func(s *sessions.Session) { s.Destroy() },
		"SetUser": func(s *sessions.Session) { s.SetUser("bob") },
	} {
		m := newManager(t, memstore.New())
		a, b := loggedIn(t, m), loggedIn(t, m)
		a.visit(func(s *sessions.Session) { s.SetUser("ann") })
		r := httptest.NewRequest(http.MethodGet, "http://example.com/", http.NoBody)
		r.Header.Set("Cookie", cookieName+"="+a.cookie+"; "+cookieName+"="+b.cookie)
		rec := httptest.NewRecorder()
		m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			s := sessions.FromContext(r.Context())
			if s.User() != "" || !s.IsNew() {
				t.Error("it was given one of two sessions")
			}
			do(s)
		})).ServeHTTP(rec, r)
		wantStatus(t, rec.Result(), http.StatusOK)
		if a.alive() || b.alive() {
			t.Errorf("%s: alive: %v and %v", what, a.alive(), b.alive())
		}
	}
}
