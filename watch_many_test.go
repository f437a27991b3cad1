package sessions_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
)

func TestManyContextsCostOneStatementAnInterval(t *testing.T) {
	timed(t, nil, func(t *testing.T, v *visitor, store *spy) {
		parent, leave := context.WithCancel(t.Context())
		var ann, others []context.Context
		for i := range 1000 {
			v := loggedIn(t, v.manager)
			list := &others
			if i%2 == 0 {
				v.visit(func(s *sessions.Session) { s.SetUser("ann") })
				list = &ann
			}
			s, err := v.manager.Load(parent, v.cookie)
			if err != nil {
				t.Fatal(err)
			}
			*list = append(*list, s.Context())
			if i%10 == 0 {
				*list = append(*list, contextOf(t, v)) // two of one session
			}
		}
		store.reset(nil)
		time.Sleep(100 * interval)
		if n := store.count("endings"); n < 100 || n > 112 || store.count() != n {
			t.Errorf("%d statements, %d of them about endings, in 100 intervals", store.count(), n)
		}
		elsewhere := newManager(t, store)
		if _, err := elsewhere.RevokeUser(t.Context(), "ann"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(interval)
		synctest.Wait()
		for _, ctx := range ann {
			if why := whyEnded(t, ctx); why != sessions.ReasonRevokedUser {
				t.Fatalf("the reason is %q", why)
			}
		}
		for _, ctx := range others {
			if ctx.Err() != nil {
				t.Fatalf("the session of another user: %v", context.Cause(ctx))
			}
		}
		leave()
		if _, err := elsewhere.RevokeAll(t.Context()); err != nil { // those of two
			t.Fatal(err)
		}
		time.Sleep(interval)
		synctest.Wait()
		if n := watchers(); n != 0 {
			t.Errorf("%d goroutines are left", n)
		}
	})
}

func TestRevocationsInOneProcessAreSeenAtOnce(t *testing.T) {
	t.Parallel()
	timed(t, func(o *sessions.Options) { o.WatchInterval = time.Hour }, func(t *testing.T, v *visitor, store *spy) {
		v.visit(func(s *sessions.Session) { s.SetUser("ann") })
		ctx := contextOf(t, loggedIn(t, v.manager))
		time.Sleep(time.Minute)
		store.reset(nil)
		start := time.Now()
		for time.Since(start) < 10*time.Second {
			v.visit(func(s *sessions.Session) { s.SetUser("ann") })
			if _, err := v.manager.RevokeUser(t.Context(), "ann"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		if n := store.count("endings"); n < 99 || n > 101 {
			t.Errorf("%d statements in 10 seconds of revoking", n)
		}
		if ctx.Err() != nil {
			t.Error("a visitor's session ended")
		}
		if _, err := v.manager.RevokeAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		if why := whyEnded(t, ctx); why != sessions.ReasonRevokedUser {
			t.Errorf("the reason is %q", why)
		}
	})
}

// stuck is a store that does not answer whether rows have ended.
type stuck struct {
	*spy
	hangs atomic.Bool
}

func (s *stuck) Endings(ctx context.Context, refs []driver.Ref) ([]driver.Ending, error) {
	if s.hangs.Load() {
		_ = s.call("endings")
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	return s.spy.Endings(ctx, refs)
}

func TestAnOutageEndsNoContext(t *testing.T) {
	t.Parallel()
	for _, hangs := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			log, store := new(logBook), &stuck{spy: newSpy()}
			m := newManager(t, store, func(o *sessions.Options) { o.Logger, o.Timeout = log.logger(), 20*time.Second })
			v := loggedIn(t, m)
			ctx := contextOf(t, v)
			for outages := 1; outages <= 2; outages++ {
				time.Sleep(interval)
				synctest.Wait()
				store.reset(failing(errDown, "endings"))
				store.hangs.Store(hangs)
				if time.Sleep(10 * time.Minute); ctx.Err() != nil {
					t.Fatalf("an outage ended a context: %v", context.Cause(ctx))
				}
				synctest.Wait()
				if n := len(log.lines(t, "WARN")); n != outages {
					t.Errorf("%d lines after %d outages: %s", n, outages, log.text())
				}
				if n := store.count("endings"); n > 134 || n < 20 {
					t.Errorf("%d statements in 10 minutes", n)
				}
				store.reset(nil)
				store.hangs.Store(false)
				time.Sleep(20*time.Second + interval)
			}
			if err := newManager(t, store).Revoke(t.Context(), "", sessionOf(t, v).ID()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(interval)
			synctest.Wait()
			if why := whyEnded(t, ctx); why != sessions.ReasonRevoked {
				t.Errorf("the reason is %q", why)
			}
		})
	}
}
