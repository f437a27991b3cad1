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

// A gated store holds the look at the marks until rows have ended, before or after it.
type gated struct {
	sessions.Store
	before, after func()
	ended         chan struct{}
}

func (g *gated) Marks(ctx context.Context, req driver.MarksRequest) ([]driver.SetMark, error) {
	if req.ID == "" { // the revocation itself
		return g.Store.Marks(ctx, req)
	}
	g.before()
	marks, err := g.Store.Marks(ctx, req)
	g.after()
	return marks, err
}

func (g *gated) EndAll(ctx context.Context, req driver.EndAllRequest) (driver.EndAllResult, error) {
	result, err := g.Store.EndAll(ctx, req)
	if g.ended != nil {
		close(g.ended)
	}
	return result, err
}

// A request signs a user in and revokes the user at once, in two goroutines. If the sign-in
// sees the mark, it has failed, and so does the request. If it does not, the session that it
// made is one of those that the request has ended.
func TestASignInBesideItsOwnRequestsRevocation(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{0, 1} {
		for _, sees := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				inside := make(chan struct{})
				store := &gated{Store: memstore.New(), before: func() {}, after: func() {}, ended: make(chan struct{})}
				hold := func() {
					store.before, store.after = func() {}, func() {}
					close(inside)
					<-store.ended
					time.Sleep(time.Second) // RevokeUser goes on, if it does not wait
				}
				if sees {
					store.before = hold
				} else {
					store.after = hold
				}
				m := newManager(t, store, func(o *sessions.Options) { o.MaxPerUser = limit })
				v := loggedIn(t, m)
				name := id(v)
				var saved error
				res := v.serve(func(w http.ResponseWriter, r *http.Request) {
					s, done := sessions.FromContext(r.Context()), make(chan error)
					s.SetUser("ann")
					go func() { done <- s.Save(r.Context()) }()
					<-inside
					if _, err := m.RevokeUser(r.Context(), "ann"); err != nil {
						t.Error(err)
					}
					saved = <-done
					w.WriteHeader(http.StatusOK)
					if user := s.User(); !sees && limit == 0 && user != "" {
						t.Errorf("the session is still that of %q", user)
					}
				})
				var ended *sessions.EndedError
				if refused := errors.As(saved, &ended); refused != (sees || limit > 0) || refused && ended.Reason != sessions.ReasonRevokedUser {
					t.Errorf("limit %d, sees the mark %v: Save returns %v", limit, sees, saved)
				}
				want := http.StatusOK
				if saved != nil {
					want = http.StatusConflict
				}
				c := ours(t, res)
				if res.StatusCode != want || c != nil && c.Value != "" {
					t.Errorf("limit %d, sees the mark %v: status %d and %v", limit, sees, res.StatusCode, c)
				}
				endings, err := store.Endings(t.Context(), []driver.Ref{{ID: name}})
				if err != nil || len(endings) != 1 || endings[0].Reason != string(sessions.ReasonRevokedUser) {
					t.Errorf("limit %d, sees the mark %v: it ended with %+v, %v", limit, sees, endings, err)
				}
			})
		}
	}
}
