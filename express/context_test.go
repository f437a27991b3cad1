package express_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
)

// slow is a store whose answers to a rename take a minute.
type slow struct{ *spy }

func (s slow) Save(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error) {
	result, err := s.spy.Save(ctx, req)
	if req.Verifier != req.From.Verifier {
		time.Sleep(time.Minute)
	}
	return result, err
}

// A new session ID of Express is another row to the store, but the same session.
func TestContextSurvivesANewSessionID(t *testing.T) {
	t.Parallel()
	for _, fails := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			store := slow{newSpy()}
			m := newManager(t, store)
			b := newBrowser(t, m)
			b.visit(func(s *sessions.Session) { views.Set(s, 1) })
			var ctxs []context.Context
			b.visit(func(s *sessions.Session) {
				ctxs = append(ctxs, s.Context())
				if fails {
					store.failing("rename", errors.New("the database is down"))
				}
				s.Regenerate()
				if err := s.Save(t.Context()); (err != nil) != fails {
					t.Errorf("Save returns %v", err)
				}
				store.failing("", nil)
				if time.Sleep(time.Minute); ctxs[0].Err() != nil {
					t.Errorf("ended with %v", context.Cause(ctxs[0]))
				}
				if next := s.Context(); next != ctxs[0] {
					t.Error("the session has another context")
				}
			})
			b.visit(func(s *sessions.Session) { // asks for the first time while it is renamed
				s.Regenerate()
				saved := make(chan error)
				go func() { saved <- s.Save(t.Context()) }()
				time.Sleep(time.Second)
				ctxs = append(ctxs, s.Context())
				if err := <-saved; err != nil {
					t.Error(err)
				}
				time.Sleep(time.Minute)
				if ctxs[1].Err() != nil || ctxs[0].Err() == nil { // the first was another request's
					t.Errorf("ended with %v and %v", context.Cause(ctxs[0]), context.Cause(ctxs[1]))
				}
			})
			b.visit((*sessions.Session).Destroy)
			var ended *sessions.EndedError
			if synctest.Wait(); !errors.As(context.Cause(ctxs[1]), &ended) || ended.Reason != sessions.ReasonLogout {
				t.Errorf("after the logout: %v", context.Cause(ctxs[1]))
			}
		})
	}
}
