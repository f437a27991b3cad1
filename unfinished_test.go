package sessions_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/memstore"
)

// A vanishing store is gone from the first look at the marks until it is back, and loses the
// answer to the next create.
type vanishing struct {
	sessions.Store
	vanishes, gone, lost bool
}

func (v *vanishing) Marks(ctx context.Context, req driver.MarksRequest) ([]driver.SetMark, error) {
	if v.gone = v.gone || v.vanishes; v.gone {
		return nil, errDown
	}
	return v.Store.Marks(ctx, req)
}

func (v *vanishing) End(ctx context.Context, req driver.EndRequest) error {
	if v.gone {
		return errDown
	}
	return v.Store.End(ctx, req)
}

func (v *vanishing) Create(ctx context.Context, req driver.CreateRequest) (driver.SaveResult, error) {
	result, err := v.Store.Create(ctx, req)
	if v.lost {
		v.lost = false
		return driver.SaveResult{}, errDown
	}
	return result, err
}

func (v *vanishing) rows(t *testing.T) []driver.Row {
	t.Helper()
	rows, err := v.List(t.Context(), driver.ListRequest{All: true, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// The store is gone when a sign-in under a limit has stored its row, which can't be ended
// then. No browser has its token, so it must be no session of the user, and go soon.
func TestASignInThatCannotBeEndedIsSoonGone(t *testing.T) {
	t.Parallel()
	for _, visited := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			store := &vanishing{Store: memstore.New()}
			m := newManager(t, store, func(o *sessions.Options) { o.MaxPerUser = 1 })
			first := newVisitor(t, m)
			wantStatus(t, first.visit(func(s *sessions.Session) { s.SetUser("ann") }), http.StatusOK)
			time.Sleep(time.Second) // so that its ID comes first
			v := newVisitor(t, m)
			if visited {
				v = loggedIn(t, m)
			}
			store.vanishes = true
			wantStatus(t, v.twin().visit(func(s *sessions.Session) { s.SetUser("ann") }), http.StatusServiceUnavailable)
			store.vanishes, store.gone = false, false
			if rows := store.rows(t); len(rows) != 2 || !rows[1].Pending {
				t.Fatalf("%d rows, want one that is pending beside the first", len(rows))
			}
			if !first.alive() || len(users(t, m, "ann")) != 1 {
				t.Error("the first session is gone, or the second is listed")
			}
			time.Sleep(2 * time.Minute)
			if n := len(store.rows(t)); n != 1 {
				t.Errorf("after two minutes %d rows live", n)
			}
			wantStatus(t, newVisitor(t, m).visit(func(s *sessions.Session) { s.SetUser("bob") }), http.StatusOK)
			time.Sleep(23 * time.Hour) // a session that is in use has all of IdleTimeout
			if !first.alive() || len(users(t, m, "bob")) != 1 {
				t.Error("a sign-in that was finished has died early")
			}
		})
	}
}

// The answer to the create of a sign-in is lost, and the handler saves again.
func TestASignInWhoseCreateWasNotAnswered(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{0, 1} {
		store := &vanishing{Store: memstore.New()}
		m := newManager(t, store, func(o *sessions.Options) { o.MaxPerUser = limit })
		v := newVisitor(t, m)
		var before, after sessions.ID
		wantStatus(t, v.serve(func(w http.ResponseWriter, r *http.Request) {
			s := sessions.FromContext(r.Context())
			s.SetUser("ann")
			before, store.lost = s.ID(), true
			if err := s.Save(r.Context()); !errors.Is(err, sessions.ErrUnavailable) {
				t.Errorf("Save returns %v", err)
			}
			w.WriteHeader(http.StatusOK)
			after = s.ID()
		}), http.StatusOK)
		if n := len(store.rows(t)); n != 1 || before != after || !v.alive() {
			t.Errorf("limit %d: %d rows, first %s and then %s, alive %v", limit, n, before, after, v.alive())
		}
	}
}

// A visitor's session that Destroy ended is kept for an hour, which races need. A user may
// want to know later why theirs ended.
func TestAVisitorsEndingIsKeptForAnHour(t *testing.T) {
	t.Parallel()
	for user, want := range map[string][3]int{"": {1, 0, 0}, "ann": {1, 1, 0}} {
		synctest.Test(t, func(t *testing.T) {
			store := memstore.New()
			m := newManager(t, store)
			v := loggedIn(t, m)
			if user != "" {
				v.visit(func(s *sessions.Session) { s.SetUser(user) })
			}
			v.visit((*sessions.Session).Destroy)
			for i, pause := range []time.Duration{59 * time.Minute, 2 * time.Minute, 7 * 24 * time.Hour} {
				time.Sleep(pause)
				if _, err := (&sessions.Reaper{Store: store}).Sweep(t.Context()); err != nil {
					t.Fatal(err)
				}
				if stats, err := store.Stats(t.Context()); stats.Ended != want[i] || err != nil {
					t.Errorf("user %q, look %d: %d ended rows, %v; want %d", user, i, stats.Ended, err, want[i])
				}
			}
		})
	}
}
