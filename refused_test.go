package sessions_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/memstore"
)

// A request that revokes the user itself must not hide an earlier revocation from its own
// sign-in.
func TestOwnRevocationHidesNoOther(t *testing.T) {
	t.Parallel()
	for _, everything := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			m := newManager(t, memstore.New())
			v, checked := newVisitor(t, m), time.Now() // the old password
			time.Sleep(time.Minute)
			var err error
			if everything {
				_, err = m.RevokeAll(t.Context())
			} else {
				_, err = m.RevokeUser(t.Context(), "ann")
			}
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			for _, want := range []int{http.StatusConflict, http.StatusOK} {
				since := checked
				if want == http.StatusOK {
					since = time.Now()
				}
				res := v.serve(func(_ http.ResponseWriter, r *http.Request) {
					if _, err := m.RevokeUser(r.Context(), "ann"); err != nil {
						t.Error(err)
					}
					sessions.FromContext(r.Context()).SetUserSince("ann", since)
				})
				wantStatus(t, res, want)
				time.Sleep(time.Minute)
			}
		})
	}
}

// beforeMark runs do before the next mark is set.
type beforeMark struct {
	sessions.Store
	do func()
}

func (b *beforeMark) EndAll(ctx context.Context, req driver.EndAllRequest) (driver.EndAllResult, error) {
	if do := b.do; do != nil {
		b.do = nil
		do()
	}
	return b.Store.EndAll(ctx, req)
}

// Nor one that comes just before its own.
func TestOwnRevocationHidesNoneThatCameJustBefore(t *testing.T) {
	t.Parallel()
	store := &beforeMark{Store: memstore.New()}
	m := newManager(t, store)
	for _, want := range []int{http.StatusConflict, http.StatusOK} {
		res := newVisitor(t, m).serve(func(_ http.ResponseWriter, r *http.Request) {
			if want == http.StatusConflict {
				store.do = func() {
					if _, err := m.RevokeUser(t.Context(), "ann"); err != nil { // another request
						t.Error(err)
					}
				}
			}
			if _, err := m.RevokeUser(r.Context(), "ann"); err != nil {
				t.Error(err)
			}
			sessions.FromContext(r.Context()).SetUser("ann")
		})
		wantStatus(t, res, want)
	}
}

// A request that revokes the user twice, or first fails to, may sign the user in.
func TestOwnRevocationsDoNotRefuseEachOther(t *testing.T) {
	t.Parallel()
	m := newManager(t, memstore.New())
	v := newVisitor(t, m)
	res := v.serve(func(_ http.ResponseWriter, r *http.Request) {
		for _, revoke := range []func() (int, error){
			func() (int, error) { return m.RevokeUser(r.Context(), "ann") },
			func() (int, error) { return m.RevokeUser(r.Context(), "ann") },
			func() (int, error) { return m.RevokeAll(r.Context()) },
		} {
			if _, err := revoke(); err != nil {
				t.Error(err)
			}
		}
		sessions.FromContext(r.Context()).SetUser("ann")
	})
	wantStatus(t, res, http.StatusOK)
}

// A clock that is ahead makes no sign-in younger than its request.
func TestSetUserSinceInTheFuture(t *testing.T) {
	t.Parallel()
	m := newManager(t, memstore.New())
	wantStatus(t, newVisitor(t, m).visit(func(s *sessions.Session) {
		if _, err := m.RevokeUser(t.Context(), "ann"); err != nil {
			t.Error(err)
		}
		s.SetUserSince("ann", time.Now().Add(time.Hour))
	}), http.StatusConflict)
}

// What is refused before anything is stored leaves the visitor's session alone.
func TestALimitCostsAVisitorNothing(t *testing.T) {
	t.Parallel()
	m := newManager(t, memstore.New(), func(o *sessions.Options) { o.MaxPerUser, o.RefuseOverMax = 1, true })
	newVisitor(t, m).visit(func(s *sessions.Session) { s.SetUser("ann") })
	v := loggedIn(t, m)
	res := v.visit(func(s *sessions.Session) {
		s.SetUser("ann")
		if err := s.Save(t.Context()); !errors.Is(err, sessions.ErrLimit) {
			t.Errorf("Save returns %v", err)
		}
		s.Discard()
		name.Set(s, "too many sessions")
	})
	wantStatus(t, res, http.StatusOK)
	if value(v, count) != 1 || value(v, name) == "" || look(v, (*sessions.Session).User) != "" {
		t.Error("the visitor's session is not what it was")
	}
}

func TestASignInThatIsTooLateEndsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, memstore.New())
		v := newVisitor(t, m)
		v.visit(func(s *sessions.Session) { s.SetUser("ann") })
		began := time.Now()
		time.Sleep(13 * time.Hour)
		wantStatus(t, v.visit(func(s *sessions.Session) { s.SetUserSince("bob", began) }), http.StatusInternalServerError)
		s, err := m.Load(t.Context(), v.cookie)
		if err != nil {
			t.Fatal(err)
		}
		s.SetUser("bob")
		if err := s.Save(t.Context()); !errors.Is(err, sessions.ErrTooLate) || !v.alive() {
			t.Errorf("without a response: %v, alive %v", err, v.alive())
		}
	})
}

// failedLook fails one look at the marks.
type failedLook struct {
	sessions.Store
	fails bool
}

func (f *failedLook) Marks(ctx context.Context, req driver.MarksRequest) ([]driver.SetMark, error) {
	if f.fails {
		f.fails = false
		return nil, errDown
	}
	return f.Store.Marks(ctx, req)
}

func TestASignInThatCannotBeChecked(t *testing.T) {
	t.Parallel()
	store := &failedLook{memstore.New(), true}
	m := newManager(t, store)
	var id sessions.ID
	wantStatus(t, loggedIn(t, m).visit(func(s *sessions.Session) { id = s.ID(); s.SetUser("ann") }), http.StatusServiceUnavailable)
	endings, err := store.Endings(t.Context(), []driver.Ref{{ID: id}})
	if len(endings) != 1 || endings[0].Reason != string(sessions.ReasonUnfinished) || err != nil {
		t.Errorf("it ended with %+v, %v", endings, err)
	}
}

// What Save has refused is not tried again when the request ends, whoever was signed in before.
func TestARefusedSignInIsRefusedForGood(t *testing.T) {
	t.Parallel()
	for _, before := range []string{"", "ann", "bob"} {
		store := &failedLook{memstore.New(), false}
		m := newManager(t, store)
		v := newVisitor(t, m)
		v.visit(func(s *sessions.Session) { name.Set(s, "x"); s.SetUser(before) })
		res := v.visit(func(s *sessions.Session) {
			store.fails = true
			s.SetUser("ann")
			if err := s.Save(t.Context()); !errors.Is(err, sessions.ErrUnavailable) {
				t.Errorf("from %q: Save returns %v", before, err)
			}
		})
		wantStatus(t, res, http.StatusServiceUnavailable)
		if list, err := store.List(t.Context(), driver.ListRequest{User: "ann", Limit: 1}); len(list) != 0 || err != nil {
			t.Errorf("from %q: signed in all the same, %v", before, err)
		}
	}
}

// Of two live sessions that a request presents, a sign-in that is forgotten again ends none.
func TestDiscardForgetsWhatSetUserWouldEnd(t *testing.T) {
	t.Parallel()
	m := newManager(t, memstore.New())
	a, b := loggedIn(t, m), loggedIn(t, m)
	r := httptest.NewRequest(http.MethodGet, "http://example.com/", http.NoBody)
	r.Header.Set("Cookie", cookieName+"="+a.cookie+"; "+cookieName+"="+b.cookie)
	m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s := sessions.FromContext(r.Context())
		s.SetUser("ann")
		s.Discard()
	})).ServeHTTP(httptest.NewRecorder(), r)
	if !a.alive() || !b.alive() {
		t.Errorf("alive: %v and %v", a.alive(), b.alive())
	}
}

func TestEndedReasonIsThatOfTheRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, memstore.New(), func(o *sessions.Options) { o.EndOnReplay = true })
		v := loggedIn(t, m)
		old := v.twin()
		v.visit(func(s *sessions.Session) { s.SetUser("ann") })
		time.Sleep(31 * time.Second)
		if got := reason(old); got != sessions.ReasonReplay {
			t.Errorf("in the request that replays: %q", got)
		}
		live := loggedIn(t, m)
		live.cookie += "; " + cookieName + "=" + v.cookie
		if got := reason(live); got != "" {
			t.Errorf("with a live session too: %q", got)
		}
	})
}

// An answer that never leaves must not carry the new token.
func TestNoRotationForAnAnswerThatIsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, memstore.New(), rotating)
		v := loggedIn(t, m)
		time.Sleep(2 * time.Hour)
		h := http.TimeoutHandler(m.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(3 * time.Second) })), time.Second, "slow")
		r := httptest.NewRequest(http.MethodGet, "http://example.com/", http.NoBody)
		r.Header.Set("Cookie", cookieName+"="+v.cookie)
		h.ServeHTTP(httptest.NewRecorder(), r)
		time.Sleep(time.Minute)
		if !v.alive() {
			t.Error("the browser's token is dead")
		}
	})
}

// A lost answer and a rotation that other requests may have made: nothing is applied twice.
func TestALostAnswerWithRotation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &lossySaves{Store: memstore.New()}
		m := newManager(t, store, rotating)
		v := loggedIn(t, m)
		time.Sleep(2 * time.Hour)
		res := v.visit(func(s *sessions.Session) {
			increment(s)
			store.after = true
			_ = s.Save(t.Context())
		})
		wantStatus(t, res, http.StatusServiceUnavailable)
		for s, err := range m.All(t.Context()) {
			if n, _ := count.Get(s); n != 2 || err != nil {
				t.Errorf("the count is %d, %v; want 2", n, err)
			}
		}
	})
}
