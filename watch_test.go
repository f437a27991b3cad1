package sessions_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlsessions/sessions"
)

const interval = 5 * time.Second // the default of WatchInterval

// contextOf returns the context of the session that the visitor's cookie opens.
func contextOf(t *testing.T, v *visitor) context.Context {
	t.Helper()
	return sessionOf(t, v).Context()
}

// whyEnded returns why a session's context ended, and "" if it goes on.
func whyEnded(t *testing.T, ctx context.Context) sessions.Reason {
	t.Helper()
	var ended *sessions.EndedError
	if ctx.Err() == nil {
		return ""
	}
	if !errors.As(context.Cause(ctx), &ended) || !errors.Is(context.Cause(ctx), sessions.ErrEnded) {
		t.Errorf("the context ended with %v", context.Cause(ctx))
		return ""
	}
	return ended.Reason
}

// watchers counts the goroutines that wait for endings, so a test that calls it can't run
// beside others.
func watchers() int {
	stacks := make([]byte, 1<<20)
	return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "watch.(*Watch).run(")
}

func TestContextEndsWithItsSession(t *testing.T) {
	ctx := context.Background()
	for what, c := range map[string]struct {
		end  func(m *sessions.Manager, v *visitor, id sessions.ID) error
		want sessions.Reason
	}{
		"Destroy": {func(_ *sessions.Manager, v *visitor, _ sessions.ID) error {
			v.visit((*sessions.Session).Destroy)
			return nil
		}, sessions.ReasonLogout},
		"SetUser to another": {func(_ *sessions.Manager, v *visitor, _ sessions.ID) error {
			v.visit(func(s *sessions.Session) { s.SetUser("bob") })
			return nil
		}, sessions.ReasonLogout},
		"Revoke": {func(m *sessions.Manager, _ *visitor, id sessions.ID) error {
			return m.Revoke(ctx, "ann", id)
		}, sessions.ReasonRevoked},
		"RevokeUser": {func(m *sessions.Manager, _ *visitor, _ sessions.ID) error {
			_, err := m.RevokeUser(ctx, "ann")
			return err
		}, sessions.ReasonRevokedUser},
		"RevokeAll": {func(m *sessions.Manager, _ *visitor, _ sessions.ID) error {
			_, err := m.RevokeAll(ctx)
			return err
		}, sessions.ReasonRevokedUser},
	} {
		for _, here := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				store := newSpy()
				m := newManager(t, store)
				v := loggedIn(t, m)
				v.visit(func(s *sessions.Session) { s.SetUser("ann") })
				s := sessionOf(t, v)
				got := s.Context()
				time.Sleep(time.Hour)
				by, late := m, 100*time.Millisecond
				if !here {
					by, late = newManager(t, store), interval
				}
				if err := c.end(by, &visitor{t, by, v.cookie}, s.ID()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(late)
				synctest.Wait()
				if why := whyEnded(t, got); why != c.want {
					t.Errorf("%s, in the same process %v: the reason is %q, want %q", what, here, why, c.want)
				}
				if n := watchers(); n != 0 {
					t.Errorf("%d goroutines are left", n)
				}
			})
		}
	}
}

func TestContextEndsAtTheTimeouts(t *testing.T) {
	t.Parallel()
	timed(t, nil, func(t *testing.T, v *visitor, _ *spy) {
		start := time.Now()
		idle, busy := sessionOf(t, v), sessionOf(t, loggedIn(t, v.manager))
		watched := map[sessions.Reason]context.Context{sessions.ReasonIdle: idle.Context(), sessions.ReasonLifetime: busy.Context()}
		for range 20 {
			time.Sleep(30*time.Minute - time.Second)
			touch(busy)
			for want, ctx := range watched {
				if why := whyEnded(t, ctx); why != "" && (why != want || want == sessions.ReasonLifetime) {
					t.Errorf("after %v it ended with %q", time.Since(start), why)
				}
			}
		}
		time.Sleep(time.Minute)
		for want, ctx := range watched {
			if why := whyEnded(t, ctx); why != want {
				t.Errorf("the reason is %q, want %q", why, want)
			}
		}
	})
}

func TestContextEndsWithItsParent(t *testing.T) {
	timed(t, nil, func(t *testing.T, v *visitor, store *spy) {
		type key struct{}
		why := errors.New("the client left")
		parent, cancel := context.WithCancelCause(context.WithValue(t.Context(), key{}, "value"))
		var all []context.Context
		s, err := v.manager.Load(parent, v.cookie)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s.Context())
		for s := range v.manager.All(parent) {
			all = append(all, s.Context())
		}
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody).WithContext(parent)
		r.Header.Set("Cookie", cookieName+"="+v.cookie)
		v.manager.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			ctx := sessions.FromContext(r.Context()).Context()
			if sessions.FromContext(ctx) != sessions.FromContext(r.Context()) {
				t.Error("the session is not in its own context")
			}
			all = append(all, ctx)
		})).ServeHTTP(httptest.NewRecorder(), r)
		time.Sleep(interval)
		cancel(why)
		synctest.Wait()
		for i, ctx := range all {
			if !errors.Is(context.Cause(ctx), why) || ctx.Value(key{}) != "value" {
				t.Errorf("context %d: %v, %v", i, context.Cause(ctx), ctx.Value(key{}))
			}
		}
		if n := watchers(); n != 0 || len(all) != 3 {
			t.Errorf("%d goroutines are left of %d contexts", n, len(all))
		}
		store.reset(nil)
		if time.Sleep(time.Hour); store.count() != 0 {
			t.Errorf("%d statements although nothing waits", store.count())
		}
	})
}

func TestContextIsTheSameOne(t *testing.T) {
	t.Parallel()
	timed(t, nil, func(t *testing.T, v *visitor, _ *spy) {
		s := sessionOf(t, v)
		if first := s.Context(); s.Context() != first {
			t.Error("the second call returns another context")
		}
		var fresh, saved, next context.Context
		v = newVisitor(t, v.manager)
		v.visit(func(s *sessions.Session) {
			if fresh = s.Context(); s.Context() != fresh {
				t.Error("new: the second call returns another context")
			}
			count.Set(s, 1)
			if err := s.Save(t.Context()); err != nil {
				t.Fatal(err)
			}
			if saved = s.Context(); s.Context() != saved {
				t.Error("saved: the second call returns another context")
			}
			s.Destroy()
			count.Set(s, 1)
			if err := s.Save(t.Context()); err != nil {
				t.Fatal(err)
			}
			if why := whyEnded(t, saved); why != sessions.ReasonLogout {
				t.Errorf("after the ending was saved the reason is %q", why)
			}
			next = s.Context() //nolint:fatcontext // it is not nested
		})
		if fresh.Err() != nil || next.Err() != nil {
			t.Error("another context ended too")
		}
		v.visit((*sessions.Session).Destroy)
		if why := whyEnded(t, next); why != sessions.ReasonLogout || fresh.Err() != nil {
			t.Errorf("the next session's ended with %q, the new one's with %v", why, fresh.Err())
		}
		if _, err := v.manager.RevokeAll(t.Context()); err != nil { // and so ends what s has
			t.Fatal(err)
		}
		time.Sleep(interval)
	})
}

func TestContextSurvivesANewToken(t *testing.T) {
	t.Parallel()
	timed(t, nil, func(t *testing.T, v *visitor, _ *spy) {
		ctx := contextOf(t, v)
		v.visit((*sessions.Session).Regenerate)
		v.visit(func(s *sessions.Session) { s.SetUser("ann") })
		time.Sleep(time.Minute)
		if ctx.Err() != nil {
			t.Errorf("ended with %v", context.Cause(ctx))
		}
		v.visit((*sessions.Session).Destroy)
		if why := whyEnded(t, ctx); why != sessions.ReasonLogout {
			t.Errorf("the reason is %q", why)
		}
	})
}

func TestContextOfARowThatIsGone(t *testing.T) {
	t.Parallel()
	timed(t, func(o *sessions.Options) { o.WatchInterval = time.Hour }, func(t *testing.T, v *visitor, store *spy) {
		ctx := contextOf(t, v)
		store.reset(failing(errDown, "endings"))
		if _, err := v.manager.RevokeAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(8 * day) // a day longer than it is known
		if _, err := (&sessions.Reaper{Store: store}).Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		store.reset(nil)
		time.Sleep(time.Hour)
		synctest.Wait()
		if why := whyEnded(t, ctx); why != sessions.ReasonGone {
			t.Errorf("the reason is %q", why)
		}
	})
}
